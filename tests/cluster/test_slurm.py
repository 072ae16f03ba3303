"""The whole loop by `snakemake --profile slurm` on a real SLURM, started here."""

import json
import re
import subprocess
import sys

import pytest

from .conftest import finish, make_checkout, start
from .slurm import wait_for

pytestmark = pytest.mark.slow

MD = {"equilibrate", "reference", "explore", "produce"}


def status(checkout):
    """What `snakemake status` says where there is no SLURM command at all."""
    command = [sys.executable, "-m", "snakemake", "status", "--configfile", "config/tiny.yaml"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout


def rule_of(job):
    return re.match(r"rule_(\w+?)(?:_wildcards_|$)", job["Comment"])[1]


def test_every_stage_is_a_job_on_the_nodes_it_needs(slurm, tmp_path):
    """Three generations are allowed; the budget of labels lasts for one."""
    checkout = make_checkout(tmp_path / "oligopoly", loop={"generations": 3}, budget={"labels": 60})
    slurm.calls()
    process = start(slurm, checkout)
    wait_for((checkout / "results/tiny/gen_000/selection/ledger.tsv").exists, "structures are chosen", 1800)
    asked = status(checkout)
    assert "Run tiny: generation 0 of exactly 3; Snakemake" in asked and "is at work" in asked, asked
    assert re.search(r"^(Running|Waiting): label 000\.\d", asked, re.M) or "labelling" in asked, asked
    finish(process, checkout)
    run = checkout / "results" / "tiny"
    assert (run / "report" / "index.html").stat().st_size > 10_000
    jobs = slurm.jobs(checkout)
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    assert {job["Account"] for job in jobs} == {"polymers"}
    by_rule = {}
    for job in jobs:
        by_rule.setdefault(rule_of(job), []).append(job)
    assert by_rule.keys() == MD | {
        "build", "pool", "select_pool", "select", "label", "collect", "fit", "assess", "final", "provenance",
        "contact_scan", "properties", "report",
    }  # fmt: skip
    assert len(by_rule["label"]) == 4
    for rule, found in by_rule.items():
        for job in found:
            assert job["Partition"] == ("gpu" if rule in MD else "cpu"), job
            assert ("gres/gpu=1" in job["AllocTRES"]) == (rule in MD), job
    # The GPU is visible to the job itself, and no other job sees one.
    for log in (run / "logs").rglob("*.log"):
        place = log.read_text().splitlines()[0]
        rule = log.relative_to(run / "logs").parts[0]
        assert re.search(r"SLURM job \d+ on (c1|c2|g1), ", place), (log, place)
        assert place.endswith(("GPU 0", "GPU 1") if rule in MD else ("no GPU",)), (log, place)
    verdict = json.loads((run / "gen_001" / "assess.json").read_text())
    assert verdict["decision"] == "budget spent" and not (run / "gen_002").exists()
    assert "The loop ended because its budget was spent" in (run / "report" / "index.html").read_text()
    assert "finished" in status(checkout)
    # One sbatch per job; questions about their state do not grow with their number.
    calls = slurm.calls()
    assert calls["sbatch"] == calls["srun"] == len(jobs)
    print(calls)


def preflight(slurm, checkout):
    done = start(slurm, checkout, "preflight")
    code = done.wait()
    return code, (checkout / "snakemake.out").read_text()


def test_preflight_tries_both_kinds_of_nodes(slurm, tmp_path):
    checkout = make_checkout(tmp_path / "oligopoly", budget={"labels": 10_000})
    code, said = preflight(slurm, checkout)
    assert code == 0, said
    for expected in (
        r"ok +partition gpu: 1 nodes of 8 cores and 64 GB, gpu:h200:2",
        r"ok +account: root may use .*polymers",
        r"ok +cpu node c[12]: ",
        r"ok +gpu node g1: sees GPU [01]",
        r"ok +tiny label: one butane molecule of 14 atoms",
        r"ok +gamma: extrapolation grade up to \d",
        r"ok +budget.labels: about 56 of 10000 labels",
        r"core-hours  \d",
        r"Ready",
    ):
        assert re.search(expected, said), (expected, said[-5000:])
    where = {rule_of(job): job["Partition"] for job in slurm.jobs(checkout)}
    assert where == {"preflight_cpu": "cpu", "preflight_gpu": "gpu"}


def test_preflight_names_what_slurm_would_refuse_and_submits_nothing(slurm, tmp_path):
    checkout = make_checkout(tmp_path / "oligopoly", cluster={"sampling": "gpu", "gpu_partition": "gpus"})
    code, said = preflight(slurm, checkout)
    assert code != 0 and "partition gpus: there is none of this name" in said and "did you mean gpu?" in said
    (checkout / "config" / "tiny.yaml").write_text(
        (checkout / "config" / "tiny.yaml").read_text().replace("gpu_partition: gpus", "gpu_partition: gpu")
    )
    profile = checkout / "profiles" / "slurm" / "config.yaml"
    profile.write_text(profile.read_text().replace("fit: {mem_mb: 8000 * attempt", "fit: {mem_mb: 30000 * attempt"))
    code, said = preflight(slurm, checkout)
    assert (
        code != 0
        and "PROBLEM  rule fit: attempt 3 asks for -p cpu -t 360 --mem 90000 -c 8, which SLURM refuses" in said
    )
    assert slurm.jobs(checkout) == []
