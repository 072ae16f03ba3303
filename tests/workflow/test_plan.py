"""What `snakemake -n` says, before anything runs."""

import re

import pytest
import yaml

from oligopoly.operations.usage import jobs as jobs_of

from .conftest import ROOT, TINY, snakemake


def jobs(output: str) -> dict[str, int]:
    """The job table of a dry-run."""
    table = output.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.M)}


def variant(tmp_path, **changes):
    config = yaml.safe_load(TINY.read_text())
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) and key in config else value
    path = tmp_path / "variant.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_fixed_mode_shows_every_generation(tmp_path, profile):
    config = variant(tmp_path, loop={"generations": 3})
    done = snakemake(tmp_path, "-n", config=config, profile=profile)
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["fit"] == planned["assess"] == planned["collect"] == 4
    assert planned["label"] == 8
    assert planned["explore"] == 6
    assert planned["select"] == 3 and planned["select_pool"] == 1
    assert planned["produce"] == 4 and planned["report"] == 1


def test_a_series_of_lengths_is_planned_as_systems(tmp_path):
    series = {"role": "transfer", "repeat_unit": "*CC*", "degree_of_polymerisation": [3, 4, 5], "chains": 6}
    done = snakemake(tmp_path, "-n", config=variant(tmp_path, systems={"hexane": series}))
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["build"] == planned["properties"] == 4 and planned["produce"] == 8
    assert "results/tiny/produce/hexane-4/learned/1/status.json" in done.stdout + done.stderr


def test_until_mode_plans_up_to_the_first_verdict(tmp_path):
    done = snakemake(tmp_path, "-n", config=variant(tmp_path, loop={"mode": "until"}))
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["fit"] == planned["assess"] == 1 and "explore" not in planned


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        pytest.param(
            "gen_000/potential/potential.yace",
            {"build", "equilibrate", "reference", "pool", "fit"},
            marks=pytest.mark.slow,
        ),
        ("gen_001/selection/ledger.tsv", {"explore", "select"}),
        pytest.param("systems/hexane/equilibrated.data", {"build", "equilibrate"}, marks=pytest.mark.slow),
        pytest.param("gen_001/labels/1.extxyz", {"label", "select"}, marks=pytest.mark.slow),
        pytest.param("final/manifest.json", {"fit", "final"}, marks=pytest.mark.slow),
        ("produce/hexane/reference/1/nvt/trajectory.extxyz", {"build", "equilibrate", "produce"}),
        pytest.param("produce/hexane/learned/2/status.json", {"final", "produce"}, marks=pytest.mark.slow),
    ],
)
def test_a_stage_is_reached_by_its_file(tmp_path, target, rules):
    done = snakemake(tmp_path, "-n", f"results/tiny/{target}")
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert rules <= planned.keys() and "report" not in planned


def test_replicates_have_boxes_of_their_own(tmp_path):
    done = snakemake(tmp_path, "-n", config=variant(tmp_path, produce={"replicates": 2}))
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["build"] == planned["equilibrate"] == 2 * 2, "of both systems"
    assert planned["produce"] == 2 * 2 * 2 and planned["reference"] == 2 and planned["pool"] == 1


def test_a_wrong_config_fails_at_the_dry_run(tmp_path):
    config = variant(tmp_path, select={"bugdet": 3})
    done = snakemake(tmp_path, "-n", config=config)
    assert done.returncode != 0
    assert "select.bugdet: unknown key; did you mean 'budget'?" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_the_slurm_profile_has_what_a_cluster_needs(tmp_path):
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert {"slurm_partition", "mem_mb", "runtime"} <= profile["default-resources"].keys()
    assert profile["slurm-status-command"] == "squeue"
    done = snakemake(tmp_path, "--list-rules")
    assert profile["set-resources"].keys() | profile["set-threads"].keys() <= set(done.stdout.split())


def test_no_profile_loads_by_itself():
    assert not (ROOT / "profiles" / "default").exists()
    for name in ("local", "slurm"):
        assert (ROOT / name).resolve() == ROOT / "profiles" / name


def test_lint_is_content():
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_budget_makes_every_verdict_count_also_in_fixed_mode(tmp_path):
    done = snakemake(tmp_path, "-n", config=variant(tmp_path, budget={"core_hours": 10}))
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["assess"] == 1 and "explore" not in planned


def test_ranks_that_cannot_run_are_told(tmp_path):
    done = snakemake(tmp_path, "-n", "--set-resources", "produce:tasks=2", "produce:mpi=mpiexec")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "produce: given tasks: 2" in done.stderr and "give set-threads in place of tasks and mpi" in done.stderr


def test_ways_of_md_are_planned_and_gpus_that_would_idle_told(tmp_path):
    asked = ["--set-resources", "reference:tasks=2", "reference:mpi=mpiexec", "--set-threads", "explore=2"]
    done = snakemake(tmp_path, "-n", *asked, config=variant(tmp_path, cluster={"sampling": "gpu"}))
    assert done.returncode == 0, done.stderr
    assert "this LAMMPS has no KOKKOS for GPUs" in done.stderr
    assert "tasks=2" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_rule_runs_on_ranks(tmp_path):
    asked = ["reference:tasks=2", "reference:mpi=mpiexec"]
    target = "results/tiny/systems/butane/reference/dense/trajectory.extxyz"
    done = snakemake(tmp_path, "--set-resources", *asked, "--", target)
    assert done.returncode == 0, done.stderr[-3000:]
    (benchmark,) = (tmp_path / "results/tiny/benchmarks/reference").glob("*.tsv")
    (use,) = (one for one in jobs_of(tmp_path / "results/tiny") if one.rule == "reference")
    assert use.cores == 2 and "mpiexec" in benchmark.read_text()
