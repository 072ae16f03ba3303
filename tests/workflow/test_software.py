"""Software by environment modules, conda or a container, chosen outside the rules."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, command, environment, snakemake
from .test_plan import variant

MODULES = Path("/usr/share/modules/init/bash")


def test_modules_of_a_rule_that_is_not_there_stop_the_dry_run(tmp_path):
    config = variant(tmp_path, cluster={"modules": {"default": ["python/3.11"], "lable": ["qe/7.3"]}})
    done = snakemake(tmp_path, "-n", config=config)
    assert done.returncode != 0
    assert "cluster.modules.lable: no rule has this name; did you mean 'label'?" in done.stderr + done.stdout


@pytest.mark.skipif(not MODULES.exists(), reason="no environment modules here: apt-get install environment-modules")
def test_modules_of_the_config_are_loaded_for_the_rule(tmp_path):
    (tmp_path / "modules" / "polymers").mkdir(parents=True)
    (tmp_path / "modules" / "polymers" / "1.0").write_text("#%Module\nsetenv POLYMERS_LOADED yes\n")
    config = variant(tmp_path, cluster={"modules": {"build": ["polymers/1.0"]}})
    # What a job finds in a shell that reads the site's start-up file.
    env = environment() | {"BASH_ENV": str(MODULES), "MODULEPATH": str(tmp_path / "modules")}
    target = "results/tiny/systems/butane/built.data"
    done = subprocess.run(
        command(tmp_path, "--sdm", "env-modules", "--", target, config=config), env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Activating environment modules: polymers/1.0" in done.stderr + done.stdout
    missing = variant(tmp_path, cluster={"modules": {"build": ["polymers/9.9"]}})
    done = subprocess.run(
        command(tmp_path, "--sdm", "env-modules", "--force", "--", target, config=missing),
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert "Unable to locate a modulefile for 'polymers/9.9'" in done.stderr + done.stdout


@pytest.mark.skipif(shutil.which("apptainer") or shutil.which("singularity"), reason="there is an apptainer")
def test_a_container_needs_apptainer_and_says_so(tmp_path):
    config = variant(tmp_path, cluster={"container": "envs/oligopoly.sif"})
    assert snakemake(tmp_path, "-n", config=config).returncode == 0
    done = snakemake(tmp_path, "-n", "--sdm", "apptainer", config=config)
    assert done.returncode != 0 and "apptainer" in done.stderr + done.stdout


def test_conda_has_the_versions_that_are_tested():
    tested = dict(
        line.split("==") for line in (ROOT / "envs/requirements.txt").read_text().splitlines() if "==" in line
    )
    tested = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in tested.items()}
    names = {
        "matplotlib-base": "matplotlib",
        "dftd3-python": "dftd3",
        "tblite-python": "tblite",
    }
    for one in yaml.safe_load((ROOT / "envs/oligopoly.yaml").read_text())["dependencies"]:
        if isinstance(one, dict):
            for pinned in one["pip"]:
                name, version = pinned.split("==")
                assert tested[name] == version
        elif (name := one.split()[0]) not in ("python", "pip"):
            version = one.split("=")[1]
            wanted = [int(part) for part in tested[names.get(name, name)].split(".")[: version.count(".") + 1]]
            assert [int(part) for part in version.split(".")] == wanted, one


@pytest.mark.parametrize(
    ("name", "script", "modules"),
    [
        ("pacemaker", "fit", ("trainers.pacemaker", "trainers.pacemaker_fit")),
        ("psi4", "label", ("labelers.psi4",)),
        ("cp2k", "label", ("labelers.cp2k",)),
        ("espresso", "label", ("labelers.espresso",)),
    ],
)
def test_conda_has_what_our_side_of_a_job_imports(name, script, modules):
    """With those of our dependencies hidden that the environment of the rule does not name."""
    entries = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    entries += [pinned for entry in entries if isinstance(entry, dict) for pinned in entry["pip"]]
    named = {re.split(r"[ =<>]", entry)[0] for entry in entries if isinstance(entry, str)}
    named |= {"dftd3"} if "dftd3-python" in named else set()
    named.add("matplotlib")  # of ase
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    hidden = {re.sub(r"\[.*|-pypi|-analysis", "", wanted) for wanted in project["dependencies"]} - named
    hidden = sorted("yaml" if package == "pyyaml" else package for package in hidden)
    assert "pyscf" in hidden and "numpy" not in hidden
    imports = [
        f"import {node.module}"
        for node in ast.walk(ast.parse((ROOT / "scripts" / f"{script}.py").read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("oligopoly")
    ]
    assert imports
    lines = [f"import sys; sys.modules |= dict.fromkeys({hidden})", *imports]
    lines += [f"import oligopoly.{module}" for module in modules]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr.splitlines()[-1]
