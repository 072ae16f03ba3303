"""Programs that labelers run: found before any job, and ended with the process that needs them."""

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from oligopoly.errors import UserError
from oligopoly.labelers.outcomes import Outcome
from oligopoly.processes import dies_with_parent

TAIL = 1500  # characters of a program's last output that go into the reason of a failure
NO_MEMORY = (
    "out of memory",
    "cannot allocate",
    "bad_alloc",
    "not enough memory",
    "insufficient memory",
    "allocation of",
)


def find(program: str, key: str, code: str) -> str:
    """Path of `program`, a name or a path; UserError that names the config `key` if it is not there."""
    path = shutil.which(str(Path(program).expanduser()))
    if path is None:
        raise UserError(
            f"{key}: no program `{program}` is found; install {code} (envs/ has a conda environment for it), load its "
            "module, or give the program's path"
        )
    return path


def command_line(command: str, key: str, code: str, threads: int = 1) -> list[str]:
    """`command` as a list, its first word and what `mpirun` starts found; `{threads}` is replaced."""
    words = shlex.split(command.replace("{threads}", str(threads)))
    words = [str(Path(word).expanduser()) if word.startswith("~/") else word for word in words]
    words[0] = find(words[0], key, code)
    return words


def environment(command: str, threads: int) -> dict[str, str]:
    """Variables of a program: the threads are its MPI processes where `command` says `{threads}`, else OpenMP's."""
    mpi = "{threads}" in command
    own = {"OMP_NUM_THREADS": "1" if mpi else str(threads), "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    if os.getuid() == 0:  # Open MPI refuses root otherwise, who is the only user in a container
        own |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    own["OMPI_MCA_rmaps_base_oversubscribe"] = "1"  # the scheduler counts cores, not Open MPI
    return {**os.environ, **own}


def run(command: list[str], folder: str | Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a program in `folder` to its end: exit code, and what it printed (errors last)."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace",
        stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def why(returncode: int | None, output: str, code: str) -> tuple[Outcome, str]:
    """Outcome and reason of a program that ended in disorder, from its exit code and the end of its output."""
    tail = output.strip()[-TAIL:]
    if returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return Outcome.OUT_OF_MEMORY, f"{code} was killed, as the system does when memory runs out: {tail}"
    if any(words in output.lower() for words in NO_MEMORY):
        return Outcome.OUT_OF_MEMORY, f"{code} ran out of memory: {tail}"
    how = f"ended by signal {-returncode}" if returncode and returncode < 0 else f"exit code {returncode}"
    return Outcome.CRASHED, f"{code}, {how}: {tail}"
