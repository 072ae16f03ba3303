"""The workflow as a Snakemake module of somebody's own."""

import subprocess
import sys

import pytest
import yaml

from .conftest import ROOT, TINY, environment
from .test_plan import jobs

SNAKEFILE = """
configfile: "mine.yaml"

module oligopoly:
    snakefile: "{root}/Snakefile"
    config: config["polymers"]

use rule * from oligopoly as oligopoly_*

rule mine:
    input: "results/tiny/final/manifest.json", "results/tiny/report/index.html"
    output: "mine.txt"
    shell: "cp {{input[0]}} {{output}}"
"""


@pytest.fixture
def project(tmp_path):
    """A folder with a Snakefile and a config of its own."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(root=ROOT))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"polymers": yaml.safe_load(TINY.read_text()), "other": 1}))
    return tmp_path


def run(project, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment())


@pytest.mark.parametrize("mode", ["fixed", "until"])
def test_its_files_are_inputs_of_other_rules(project, mode):
    """With the checkpoint, whose verdict decides about the plan."""
    done = run(project, "-n", "--config", f"polymers={{loop: {{mode: {mode}}}}}", "--", "mine")
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["mine"] == planned["oligopoly_report"] == 1
    assert planned["oligopoly_fit"] == (2 if mode == "fixed" else 1)


def test_its_rules_run(project):
    done = run(project, "results/tiny/systems/butane/built.data")
    assert done.returncode == 0, done.stderr
    assert (project / "results/tiny/systems/butane/system.json").exists()
    assert not (project / "workflow").exists()


@pytest.mark.slow
def test_its_preflight_knows_its_rules_by_their_new_names(project):
    done = run(project, "oligopoly_preflight")
    assert done.returncode == 0, done.stderr
    assert "Forecast" in (project / "results/tiny/preflight/report.txt").read_text()
