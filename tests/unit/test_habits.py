"""Habits of the project that no single module shows: CI, linters, what is pinned."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CI = (ROOT / ".ci" / "run").read_text()
PACKAGES = re.search(r'packages="(.*?)"', CI, re.S)[1].split()


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "envs" / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if re.match(r"[A-Za-z]", line))


def stub(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{text}")
    (folder / name).chmod(0o755)


def ci(tmp_path, apt_get: str, make: str = "") -> subprocess.CompletedProcess:
    """`.ci/run` in a folder of its own, with these words in place of apt-get, and a make that only says its target."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    programs = tmp_path / "bin"
    programs.mkdir()
    stub(programs, "apt-get", apt_get)
    stub(programs, "id", "echo 0\n")
    stub(programs, "make", f'{make}echo "make $*"\n')
    return subprocess.run(
        ["bash", ".ci/run"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_package_that_debian_has_no_more_is_named_and_costs_nothing_else(tmp_path):
    done = ci(
        tmp_path,
        'echo "${@: -1}" >> asked\n'
        'if [ "${@: -1}" = psi4 ]; then echo "E: Unable to locate package psi4" >&2; exit 100; fi\n',
    )
    assert done.returncode == 0, done.stderr
    (told, *rest) = done.stdout.splitlines()
    assert told == "not installed: psi4 (E: Unable to locate package psi4); tests that need it are skipped"
    assert rest == ["make lint", "make test"]  # what `make oracle` says is read only if it fails
    assert (tmp_path / "asked").read_text().split()[1:] == PACKAGES


def test_without_any_packages_the_tests_are_run_all_the_same(tmp_path):
    done = ci(tmp_path, 'echo "E: no network" >&2\nexit 100\n')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("apt-get update failed: E: no network\n")
    assert done.stdout.count("not installed: ") == len(PACKAGES)
    assert done.stdout.endswith("make lint\nmake test\n")


def test_what_ci_installs_is_what_tests_skip_without():
    slurm = (ROOT / "tests" / "cluster" / "slurm.py").read_text()
    needed = {name for name in re.findall(r'"([a-z-]+)"', re.search(r"PROGRAMS = \{(.*?)\n\}", slurm, re.S)[1])}
    assert needed & set(PACKAGES) >= {"slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server"}
    for program in ("psi4", "espresso", "cp2k"):
        assert "needs(" in (ROOT / "tests" / "unit" / f"test_{program}.py").read_text()


def test_a_pacemaker_that_cannot_be_installed_costs_its_tests_only(tmp_path):
    done = ci(tmp_path, "", 'if [ "$1" = oracle ]; then echo "ERROR: No matching distribution"; exit 1; fi\n')
    assert done.returncode == 0, done.stderr
    told = "not installed: python-ace (ERROR: No matching distribution); tests that compare with it are skipped"
    assert done.stdout.splitlines() == ["make lint", told, "make test"]


def test_numpy_is_one_that_pacemaker_can_fit_with():
    environment = pins("pacemaker.txt")
    assert tuple(map(int, environment["numpy"].split(".")))[:2] < (2, 4)
    assert "numpy >=2,<2.4" in yaml.safe_load((ROOT / "envs" / "pacemaker.yaml").read_text())["dependencies"]
    assert environment["python-ace"] == pins("oracle.txt")["python-ace"]


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "oracle.txt", "pacemaker.txt", "pacemaker-cuda.txt"]
)
def test_all_versions_are_pinned(name):
    lines = (ROOT / "envs" / name).read_text().splitlines()
    loose = [
        line for line in lines if line and not line.startswith(("#", "-c ")) and not re.fullmatch(r"[\w.-]+==\S+", line)
    ]
    assert loose == []


def test_what_developers_need_is_pinned_and_no_user_gets_it():
    def plain(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    users, developers = ({plain(name) for name in pins(file)} for file in ("requirements.txt", "requirements-dev.txt"))
    assert {plain(name) for name in project["optional-dependencies"]["dev"]} <= users | developers
    assert not users & developers
    assert {plain(name.partition("[")[0]) for name in project["dependencies"]} <= users


def test_linters_before_a_commit_are_those_of_ci():
    hooks = [
        hook
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]
    for hook in hooks:
        assert hook["entry"].replace(".venv/bin/", "$(BIN)/") in lint


def test_contracts_are_typed_strictly():
    (strict,) = (
        one
        for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
        if one.get("disallow_untyped_defs")
    )
    assert "oligopoly.*.contract" in strict["module"]
    for name in ("parts", "layout", "potentials.manifest"):
        assert f"oligopoly.{name}" in strict["module"]
        assert (ROOT / "workflow" / "oligopoly" / f"{name.replace('.', '/')}.py").is_file()


def test_the_catalog_is_told_how_to_use_it():
    told = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert told["software-stack-deployment"]["conda"] is True
    assert (ROOT / "config" / "README.md").is_file() and (ROOT / "workflow" / "Snakefile").is_file()


def test_links_between_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md"), *ROOT.glob("benchmarks/*.md")]
    dead = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert dead == []
