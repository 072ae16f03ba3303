"""Running the real workflow in a folder of its own."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"


def command(folder: Path, *arguments: str, config: Path = TINY, profile: str = "local") -> list[str]:
    """Snakemake on this checkout, with results below `folder`."""
    return [
        sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--profile", str(ROOT / profile), "--configfile", str(config), *arguments,
    ]  # fmt: skip


def snakemake(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run it to its end; output as text."""
    return subprocess.run(command(folder, *arguments, **options), capture_output=True, text=True, env=environment())


def environment() -> dict[str, str]:
    """Two jobs at a time, each on its own core, also in numba's and BLAS' eyes."""
    return os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Path:
    """A finished run of the tiny config: made once, and each worker of xdist has its own copy."""
    base = tmp_path_factory.getbasetemp()
    made = (base if worker_id == "master" else base.parent) / "made"
    with open(f"{made}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = snakemake(made)  # of a run that is finished it says so
        assert done.returncode == 0, done.stderr[-5000:]
    return shutil.copytree(made, base / "finished", symlinks=True)
