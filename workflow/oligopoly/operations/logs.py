"""Where a rule's script sends what it and the programs inside it print."""

import contextlib
import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from oligopoly.errors import UserError
from oligopoly.md.outcomes import RanksEnded
from oligopoly.operations.survival import end_with_snakemake


@contextlib.contextmanager
def logged(path: str | Path) -> Iterator[None]:
    """Send all output of this process, C libraries included, to the file `path`.

    The process ends with the Snakemake it belongs to. An error ends it with exit code 1: of a
    `UserError`, and of MPI ranks that were killed, the terminal sees the message alone, of anything
    else the last line, with the traceback in the log.
    """
    end_with_snakemake()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    print(where(), flush=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    try:
        yield
    except (Exception, RanksEnded) as error:
        if isinstance(error, UserError | RanksEnded):
            message = str(error)
            print(message, file=sys.stderr)
        else:
            traceback.print_exc()
            message = f"{type(error).__name__}: {error} (traceback in {path})"
        sys.stderr.flush()
        os.write(terminal, (message + "\n").encode())
        sys.exit(1)


def where() -> str:
    """The place a process runs at: time, SLURM job, host, processors, GPUs."""
    job = os.environ.get("SLURM_JOB_ID")
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}, "
        + (f"SLURM job {job} on {os.environ.get('SLURMD_NODENAME', '?')}" if job else f"on {socket.gethostname()}")
        + f", {os.environ.get('SLURM_CPUS_PER_TASK') or len(os.sched_getaffinity(0))} CPUs, "
        + (f"GPU {gpu}" if gpu else "no GPU")
    )
