# oligopoly: from oligomers to long chains. See README.md; `snakemake -n` shows the plan.
from snakemake.utils import min_version

min_version("9.0")

include: "rules/common.smk"
include: "rules/questions.smk"
include: "rules/systems.smk"
include: "rules/reference.smk"
include: "rules/pool.smk"
include: "rules/explore.smk"
include: "rules/select.smk"
include: "rules/label.smk"
include: "rules/dataset.smk"
include: "rules/fit.smk"
include: "rules/assess.smk"
include: "rules/final.smk"
include: "rules/produce.smk"
include: "rules/properties.smk"
include: "rules/report.smk"
include: "rules/study.smk"
include: "rules/hardware.smk"
include: "rules/preflight.smk"


# What Snakemakes before this one left behind that were killed.
BEFORE = survival.take_over(".snakemake", cfg.run) if workflow.is_main_process else []


onstart:
    scheduler = getattr(workflow.scheduler, "_executor", None)
    survival.claim(workflow.persistence.path, cfg.run, getattr(scheduler, "run_uuid", None))
    if survival.end_jobs(BEFORE) and not workflow.overwrite_workdir:
        # The plan was made while they ran: what it counts on may have been removed by a job that was cancelled.
        survival.start_again(workflow.persistence)


onsuccess:
    survival.release(workflow.persistence.path)


onerror:
    survival.release(workflow.persistence.path)


rule all:
    input:
        f"{layout.RESULTS}/{cfg.run}/{layout.STUDY if cfg.study else layout.REPORT}",
    default_target: True
    localrule: True


include: "rules/software.smk"
