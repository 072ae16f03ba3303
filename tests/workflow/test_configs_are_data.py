"""`snakemake -n` with bad configs: one message, no traceback, another exit code than 0, and nothing is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, TINY, command, environment

# Run where a config says so, it leaves a file; Snakemake evaluates what begins with '?' in templates.
EXECUTES = """\
__use_yte__: true
seed: ?__import__("pathlib").Path("canary").write_text("") or 7
"""


def dry_run(folder, text: str, *arguments: str, name: str = "mine.yaml", env: dict | None = None):
    (folder / name).write_text(text)
    command_line = command(folder, "-n", *arguments, config=folder / name)
    return subprocess.run(command_line, cwd=folder, capture_output=True, text=True, env=environment() | (env or {}))


def refused(folder, done) -> str:
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert not list(folder.rglob("canary")), said
    for never in ("Traceback", "common.smk", "Error in", 'File "', "WorkflowError"):
        assert never not in said, said
    return said


@pytest.mark.slow
def test_snakemake_would_evaluate_templates(tmp_path):
    """Without the plugin: what all this is about. With another Snakefile it is left as it is."""
    (tmp_path / "Snakefile").write_text("rule all:\n    shell: 'true'\n")
    (tmp_path / "mine.yaml").write_text(EXECUTES)
    line = [sys.executable, "-m", "snakemake", "-n", "--configfile", "mine.yaml"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and (tmp_path / "canary").exists(), done.stderr


@pytest.mark.parametrize("how", [pytest.param("module", marks=pytest.mark.slow), "program"])
def test_a_config_executes_nothing(tmp_path, how):
    (tmp_path / "mine.yaml").write_text(EXECUTES + TINY.read_text().replace("seed: 3\n", ""))
    line = command(tmp_path, "-n", config=tmp_path / "mine.yaml")
    if how == "program":
        line = [str(Path(sys.executable).parent / "snakemake"), *line[3:]]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert "mine.yaml: __use_yte__: a config is data" in refused(tmp_path, done)


def test_without_the_plugin_it_is_refused_all_the_same(tmp_path):
    """Late: the Snakefile reads the files once more."""
    alone = tmp_path / "alone"
    alone.mkdir()
    os.symlink(ROOT / "workflow" / "oligopoly", alone / "oligopoly")
    ignored = "import pkgutil; all_ = pkgutil.iter_modules; pkgutil.iter_modules = lambda *a, **k: " \
        "[m for m in all_(*a, **k) if m.name != 'snakemake_logger_plugin_oligopoly']\n"  # fmt: skip
    (alone / "sitecustomize.py").write_text(ignored)
    done = dry_run(tmp_path, "seed: 1\n" + TINY.read_text(), env={"PYTHONPATH": str(alone)})
    assert "the key 'seed' is given twice" in refused(tmp_path, done)
    done = dry_run(tmp_path, EXECUTES, env={"PYTHONPATH": str(alone)})
    assert done.returncode == 1 and "__use_yte__: a config is data" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "seed: 4\n", ["mine.yaml, line 4 (seed: 3): the key 'seed' is given twice, first in line 1"]),
        ("trainer: {", "trainer:\n\t{", ["line", "has a tab"]),
        ("cutoff: 4.5 A", "cutoff: 1000 A", ["trainer.cutoff: given '1000 A': must be from 2 A to 15 A"]),
        ("chains: 8", "chains: true", ["systems.butane.chains: given true: must be a whole number from 1 to 100000"]),
        ("run: tiny", "run: slurm-logs", ["run: given 'slurm-logs'"]),
        ("duration: 1 ps, after", "duration: 1 fs, after", ["runs.nvt.duration (1 fs)", "sample_every (20 fs)"]),
        ("run: tiny", "run: 2026-99-99", ["run: given '2026-99-99': a name begins with a letter"]),
        ("seed: 3", "seed: !!python/name:os.system", ["has the tag !!python/name:os.system"]),
        ("seed: 3", "seed: &a [*a]", ["*a refers to the block that it stands in"]),
        ("seed: 3", "cluster: {modules: {fitt: [x]}}", ["cluster.modules.fitt: no rule", "did you mean 'fit'?"]),
    ],
)  # fmt: skip
def test_one_message(tmp_path, old, new, words):
    text = TINY.read_text()
    assert old in text
    text = text.replace(old, new, 1) if old else new + text
    said = refused(tmp_path, dry_run(tmp_path, text))
    for word in words:
        assert word in said, said


def test_the_command_line_is_checked_too(tmp_path):
    done = dry_run(tmp_path, TINY.read_text(), "--config", "loop={generations: 1000}", "seed=-3")
    said = refused(tmp_path, done)
    assert "loop.generations: given 1000: must be a whole number from 0 to 999" in said and "seed: given -3" in said
    done = dry_run(tmp_path, TINY.read_text(), "--config", "loop={generations: 2}", "select={budget: 3}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_names_that_yaml_takes_for_other_things(tmp_path):
    data = yaml.safe_load(TINY.read_text())
    text = yaml.safe_dump(data | {"systems": {"XX": data["systems"]["butane"]}}).replace("XX:", "NO:")
    done = dry_run(tmp_path, text)
    assert done.returncode == 0 and "systems/NO/" in done.stdout + done.stderr, done.stderr
