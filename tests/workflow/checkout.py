"""A copy of this checkout to which parts are added: a file, and a line in a registry."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import ROOT, environment

PARTS = ROOT / "tests" / "contracts" / "parts"
KINDS = "labelers", "trainers", "potentials", "selectors", "samplers", "properties", "forcefields", "studies"


class Checkout:
    """A copy, in which Snakemake and the command line use the package that was copied."""

    def __init__(self, folder: Path):
        self.folder = folder
        kept = ("Snakefile", "rules", "scripts", "workflow", "envs", "report", "profiles", "local", "slurm")
        for name in kept:
            source = ROOT / name
            ignore = shutil.ignore_patterns("*.pyc.*", "*.tmp.*")  # being written; the rest of __pycache__ saves time
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy(source, folder / name, follow_symlinks=False)

    def add(self, example: str, registry: str, kind: str, module: str) -> None:
        """The example part `{example}.py` becomes `module` of the package, and `kind` of the registry."""
        package, _, name = module.rpartition(".")
        shutil.copy(PARTS / f"{example}.py", self.folder / "workflow/oligopoly" / package / f"{name}.py")
        path = self.folder / "workflow/oligopoly" / registry / "registry.py"
        # before the first line of the table
        text, found = re.subn(
            r'(\n +)("\w+": "oligopoly\.)', rf'\1"{kind}": "oligopoly.{module}",\1\2', path.read_text(), count=1
        )
        assert found, f"{path}: no table to add a line to"
        path.write_text(text)

    def run(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess:
        """Python with the copied package, in the folder where results go."""
        env = environment() | {"PYTHONPATH": str(self.folder / "workflow")}
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=env, cwd=folder or self.folder
        )

    def snakemake(self, *arguments: str, config: Path, folder: Path | None = None) -> subprocess.CompletedProcess:
        """Its Snakefile."""
        words = ["-m", "snakemake", "-s", str(self.folder / "Snakefile"), "--profile", str(self.folder / "local")]
        return self.run(*words, "--configfile", str(config), *arguments, folder=folder)
