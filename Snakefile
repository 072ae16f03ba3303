# oligopoly: from oligomers to long chains. See README.md; `snakemake -n` shows the plan.
from snakemake.utils import min_version

min_version("9.0")

if not workflow.configfiles:

    configfile: "config/demo.yaml"


include: "rules/common.smk"
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


onstart:
    survival.claim(workflow.persistence.path)


rule all:
    input:
        f"{RUN}/report/index.html",
    default_target: True
    localrule: True
