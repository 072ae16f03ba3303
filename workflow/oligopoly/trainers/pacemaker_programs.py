"""pacemaker's programs, which are not part of oligopoly: where they are, and running them."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import oligopoly
from oligopoly.errors import UserError
from oligopoly.processes import dies_with_parent
from oligopoly.progress import Progress

# Where `make pacemaker` puts it, and what says that it came to its end.
OWN = Path(oligopoly.__file__).parents[2] / ".venv-pacemaker"
INSTALLED = "installed"
HELPER = Path(__file__).with_name("with_pyace.py")
HOW_TO_INSTALL = (
    "`make pacemaker` installs it from PyPI (python-ace; no commercial use) into .venv-pacemaker, where it is found; "
    "or use conda: envs/pacemaker.yaml and its folder in trainer.environment, or `--sdm conda`. "
    "Never `pip install pyace`, which is an unrelated package."
)


class Programs(NamedTuple):
    """pacemaker's programs, and the Python they run in."""

    python: Path
    pacemaker: Path
    pace_activeset: Path


def programs(environment: str | None = None) -> Programs:
    """The programs in the folder `environment` (of a conda or virtual environment); None: in the checkout's
    .venv-pacemaker, or else on the PATH.

    Raises UserError where there are none.
    """
    if environment is not None:
        folder = Path(environment).expanduser().resolve() / "bin"
        if not folder.is_dir():
            raise UserError(f"trainer.environment: {environment} is no conda or virtual environment. {HOW_TO_INSTALL}")
    elif (OWN / INSTALLED).exists():
        folder = OWN / "bin"
    else:
        found = shutil.which("pacemaker")
        if found is None:
            raise UserError(
                f"trainer.kind: pacemaker is not installed: no {OWN}, no `pacemaker` on the PATH. {HOW_TO_INSTALL}"
            )
        folder = Path(found).resolve().parent
    all_of_them = Programs(*(folder / name for name in ("python", "pacemaker", "pace_activeset")))
    for path in all_of_them:
        if not path.exists():
            raise UserError(f"trainer.kind: pacemaker's installation is broken: no {path}. {HOW_TO_INSTALL}")
    return all_of_them


def run(command: Sequence[str | Path], folder: str | Path, threads: int, iterations: int | None = None) -> None:
    """Run a program in `folder`, print what it prints, and say how far it is if it counts `iterations`.

    Raises UserError with its last words if it fails.
    """
    name = Path(command[1] if Path(command[0]).name == "python" else command[0]).name
    progress = Progress(iterations, "pacemaker", "iterations") if iterations else None
    last = ""
    try:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=variables(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=dies_with_parent,
        )
    except OSError as error:  # the first line of a script names a Python that is gone: its environment was moved
        raise UserError(f"{command[0]} cannot be started ({error.strerror}); was its environment moved?") from error
    with process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
            counted = re.search(r"Iteration\s+#(\d+)", line)
            if progress and counted:
                progress.update(int(counted[1]) - progress.done)
    if process.returncode:
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        raise UserError(f"{name} failed in {folder} ({how}): {last}")


def variables(threads: int) -> dict[str, str]:
    """Environment variables of a program that takes `threads`."""
    number = str(threads)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "MPLBACKEND": "agg", "PYTHONUNBUFFERED": "1"}
    return os.environ | quiet | {
        "OMP_NUM_THREADS": number, "TF_NUM_INTRAOP_THREADS": number, "TF_NUM_INTEROP_THREADS": "1",
    }  # fmt: skip
