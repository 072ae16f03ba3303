"""`oligopoly.layout` knows every file of the workflow: which job makes it, and where its log is."""

from pathlib import Path

import pytest

from oligopoly import layout

from .conftest import snakemake
from .test_plan import variant

RUN = "results/tiny"
TARGETS = ("results/tiny/report/index.html", "results/tiny/labels.extxyz")
# Rules that share a stage: what is selected in generation 0 is all of the pool.
STAGES = {"select_pool": "select"}


def summary(folder, *arguments, config=None):
    """Every file of a plan, and the rule and the log that Snakemake has for it (none before it ran)."""
    done = snakemake(folder, "--summary", *arguments, "--", *TARGETS, **({"config": config} if config else {}))
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("results/")]
    return [(path, rule, None if log == "-" else log) for path, _, rule, log, *_ in rows]


def names(rule, job):
    """Has a job as many wildcards as its rule?"""
    return len([part for part in job.name.split(".") if part]) == len(layout.BY_RULE[rule].jobs)


def test_every_file_of_a_plan_is_known(tmp_path):
    config = variant(tmp_path, loop={"generations": 2}, produce={"replicates": 2})
    files = summary(tmp_path, config=config)
    assert len(files) > 150
    for path, rule, _ in files:
        job = layout.made_by(path, RUN)
        assert job is not None, path
        assert job.rule == STAGES.get(rule, rule), path
        if "replicate" not in layout.BY_RULE[job.rule].jobs and "box" not in layout.BY_RULE[job.rule].jobs:
            assert names(job.rule, job), path


def test_boxes_and_replicates_have_jobs_of_their_own():
    for path, expected in {
        "systems/hexane.2/built.data": "build hexane.2",
        "systems/hexane/equilibrated.data": "equilibrate hexane",
        "produce/hexane/learned/2/npt/thermo.tsv": "produce hexane.learned.2",
        "produce/hexane/learned/2/status.json": "produce hexane.learned.2",
        "gen_012/labels/3.outcomes.tsv": "label 012.3",
        "gen_012/labels/outcomes.tsv": "collect 012",
        "gen_001/explore/hexane.npt-hot/stop.json": "explore 001.hexane.npt-hot",
        "gen_001/potential/anything.pt": "fit 001",
        "final/contact_scan.hexane.json": "contact_scan hexane",
        "final/provenance.json": "provenance",
        "final/anything.pt": "final",
        "config.yaml": "provenance",
    }.items():
        assert str(layout.made_by(f"{RUN}/{path}", RUN)) == expected
    for foreign in ("gen_001/notes.txt", "systems/hexane/plot.png", "report/other.html"):
        assert layout.made_by(f"{RUN}/{foreign}", RUN) is None
    assert layout.made_by("elsewhere/tiny/config.yaml", RUN) is None


@pytest.mark.slow
def test_every_file_of_a_run_has_the_log_and_the_timing_that_its_job_left(finished):
    """By the names that `status`, `explain` and the report look for."""
    files = summary(finished)
    assert len(files) > 90
    for path, rule, log in files:
        job = layout.made_by(path, RUN)
        assert job.rule == STAGES.get(rule, rule), path
        if path in TARGETS[1:]:  # not asked for in this run
            continue
        assert (finished / path).exists(), path
        assert str(job.log(RUN)) == log and (finished / log).exists(), path
        timing = Path(RUN, "benchmarks", job.rule, f"{job.name}.tsv")
        timing = timing if job.name else Path(RUN, "benchmarks", f"{job.rule}.tsv")
        assert (finished / timing).exists(), path


@pytest.mark.slow
def test_a_run_leaves_no_file_that_is_not_known(finished):
    """Besides logs, timings and the store."""
    run = finished / RUN
    found = [path for path in run.rglob("*") if path.is_file()]
    known = [path for path in found if layout.made_by(path, run)]
    others = {path.relative_to(run).parts[0] for path in found} - {path.relative_to(run).parts[0] for path in known}
    assert others <= {"logs", "benchmarks"}
    assert {path for path in found if path.relative_to(run).parts[0] not in others} == set(known)
