"""Studies: what members share is made once, and the page has their numbers."""

import json

import pytest
import yaml

from oligopoly import layout

from .conftest import ROOT, TINY, snakemake
from .test_plan import jobs, variant

SEEDS = {"select.kind": ["random", "extrapolation_grade"], "loop.seed": [1, 2]}
SHORT = {"npt": {"duration": "0.1 ps"}}


def study(tmp_path, vary, kind="learning_curve", **changes):
    return variant(tmp_path, run="curve", study={"kind": kind, "vary": vary}, **changes)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A finished study of two selectors with two seeds each."""
    folder = tmp_path_factory.mktemp("study")
    config = yaml.safe_load(TINY.read_text())
    config |= {"run": "curve", "study": {"kind": "learning_curve", "vary": SEEDS}}
    # almost every frame is offered, so that the selectors have a choice
    config["explore"] |= {"walkers": SHORT, "uncertainty": {"select": 0.3, "stop": 50}}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    done = snakemake(folder, config=path)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder, path, done


@pytest.mark.slow
def test_what_members_share_is_made_once(compared):
    folder, _, done = compared
    made = jobs(done.stdout + done.stderr)
    for rule in ("build", "equilibrate", "pool", "select_pool"):
        assert made[rule] == 1, rule
    assert made["reference"] == 2 and made["label"] == 2 + 4 * 2
    assert made["fit"] == 1 + 4 and made["explore"] == made["select"] == 4 and made["assess"] == 2 * 4
    assert "produce" not in made and "properties" not in made
    assert len(list(folder.rglob("built.data"))) == len(list(folder.rglob("gen_000/labels/0.extxyz"))) == 1
    assert len(list(folder.rglob("gen_001/labels/0.extxyz"))) == 4


@pytest.mark.slow
def test_its_page_has_the_numbers_of_all_members(compared):
    folder, _, _ = compared
    page = (folder / "results/curve/study/index.html").read_text()
    names = ["random-1", "random-2", "extrapolation_grade-1", "extrapolation_grade-2"]
    assert all(name in page for name in names) and "data:image/" in page
    rows = json.loads((folder / "results/curve/study/tables.json").read_text())["tables"]["errors"]
    assert [(row["member"], row["generation"]) for row in rows] == [(name, g) for name in names for g in (0, 1)]
    first, later = ([row for row in rows if row["generation"] == g] for g in (0, 1))
    assert len({row["force_meV_A"] for row in first}) == 1, "the first potential is the same"
    assert all(first[0]["labels"] < row["labels"] <= first[0]["labels"] + 6 for row in later)
    assert len({row["force_meV_A"] for row in later}) == 4, "and the second is not"


@pytest.mark.slow
def test_a_second_plan_of_a_study_is_empty(compared):
    folder, config, _ = compared
    done = snakemake(folder, "-n", config=config)
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
def test_status_has_a_line_for_each_member(compared):
    folder, config, _ = compared
    said = snakemake(folder, "--", "status", config=config).stdout
    assert "Study curve: finished, results/curve/study/index.html" in said
    for member in ("random-1", "extrapolation_grade-2"):
        (line,) = (one for one in said.splitlines() if one.startswith(f"curve/{member}"))
        assert "2 of at most 2" in line and "last generation" in line


@pytest.mark.slow
def test_files_of_members_are_known_by_the_run_that_made_them(compared):
    folder, config, _ = compared
    done = snakemake(folder, "--summary", config=config)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("results/")]
    runs = sorted({row[0] for row in rows if "/gen_001/" in row[0]})
    assert runs
    for path, _, rule, log, *_ in rows:
        run = "results/curve" if rule == "study" else "/".join(path.split("/")[:3])
        job = layout.made_by(path, run)
        assert job is not None and rule.startswith(job.rule) and str(job.log(run)) == log, path


def test_trainers_may_differ_in_the_files_they_write(tmp_path):
    """Then they have rules of their own, to the final potential."""
    config = study(tmp_path, {"trainer.committee": [0, 2], "trainer.functions": [20, 40]}, kind="comparison")
    done = snakemake(tmp_path, "-n", config=config)
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["fit"] == planned["fit_1_ace"] == 4 and planned["final"] == planned["final_1_ace"] == 2
    assert planned["collect"] == 1 + 4 and planned["report"] == 4 and planned["study"] == 1


def test_rules_that_differ_in_their_files_alone_get_the_same_of_a_cluster(tmp_path):
    """Cores, memory and time that a profile gives `fit`, and its modules."""
    config = study(tmp_path, {"trainer.committee": [0, 2]}, cluster={"modules": {"fit": ["cuda/12"]}})
    asking = tmp_path / "Snakefile"
    asking.write_text(
        f"include: {str(ROOT / 'Snakefile')!r}\n"
        "for known in workflow.rules:\n"
        "    if known.name.startswith('fit'):\n"
        "        modules = known.env_modules.names\n"
        "        print('asks', known.name, cores_of(known), known.resources['mem_mb'].raw, *modules)\n"
    )
    asked = "--set-threads", "fit=2", "--set-resources", "fit:mem_mb=1234"
    done = snakemake(tmp_path, "-n", "-s", str(asking), *asked, config=config)
    assert done.returncode == 0, done.stderr + done.stdout
    told = [line.split()[1:] for line in (done.stdout + done.stderr).splitlines() if line.startswith("asks")]
    assert told == [["fit", "2", "1234", "cuda/12"], ["fit_1_ace", "2", "1234", "cuda/12"]]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"label.chunks": [1, 2]}, "label.chunks cannot be varied: outputs of a job cannot depend on the member"),
        ({"select.bugdet": [1, 2]}, "did you mean 'budget'?"),
        ({"select.kind": ["randon"]}, "did you mean 'random'?"),
    ],
)
def test_what_cannot_be_varied_stops_the_dry_run(tmp_path, vary, message):
    done = snakemake(tmp_path, "-n", config=study(tmp_path, vary))
    said = done.stderr + done.stdout
    assert done.returncode != 0 and "Traceback" not in said
    assert message in said
