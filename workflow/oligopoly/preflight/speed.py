"""How fast MD is on a node in each way that the profile names: one core, threads, MPI ranks, GPUs."""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly.md.capabilities import here
from oligopoly.md.engine import Engine
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.lammps import gpu_interfaces
from oligopoly.preflight.findings import Finding, attempt

MOST = 10_000  # atoms of the box that is timed, about
SECONDS = 1.0  # that a timing lasts at least
TEMPERATURE = 300.0  # K


def ways(asked: Iterable[Hardware]) -> list[Hardware]:
    """What to time for jobs that have `asked`: one core, then 2, 4, ... threads, then ranks, up to that. Nothing for
    jobs of one core, to which a GPU adds nothing that this LAMMPS does not know."""
    found: list[Hardware] = []
    for one in asked:
        if one.gpus and gpu_interfaces():
            found.append(one)
            continue
        found += [Hardware(number) for number in _doublings(min(one.threads, len(os.sched_getaffinity(0))))]
        found += [Hardware(one.threads, number, one.launcher) for number in _doublings(one.ranks)]
    return [ONE_CORE, *dict.fromkeys(found)] if found else []


def _doublings(most: int) -> Iterator[int]:
    yield from itertools.takewhile(lambda number: number < most, (2**k for k in itertools.count(1)))
    if most > 1:
        yield most


def lammps() -> Finding:
    """What of the ways there is, as far as LAMMPS tells."""
    found = here()
    pace = ", ".join(found.styles) or "no ML-PACE (the built-in engine runs learned potentials)"
    gpus = f"KOKKOS on GPUs by {', '.join(found.gpus)}" if found.gpus else "no KOKKOS for GPUs"
    return Finding("LAMMPS", f"version {found.version}, {pace}; {gpus}")


def enlarged(atoms: Atoms, data: Path, atoms_per_chain: int, target: int) -> tuple[Atoms, Path]:
    """A box repeated in all directions to about `target` atoms (at most MOST), and its data file beside `data`."""
    from oligopoly.systems import datafile

    copies = max(1, round((min(target, MOST) / len(atoms)) ** (1 / 3)))
    large = atoms.repeat(copies)
    chain, _, _ = datafile.read(data, atoms_per_chain)
    path = data.with_name("large.data")
    datafile.write(path, chain, large.positions, np.asarray(large.cell))
    return large, path


def scaling(
    name: str, make: Callable[[Hardware], Engine], atoms: Atoms, asked: list[Hardware], speeds: list[Mapping[str, Any]]
) -> list[Finding]:
    """Time MD of `atoms` in each way; `speeds` gets the hardware's fields and `seconds`, per atom and step."""
    found = []
    for hardware in asked:
        what, remedy = f"{name} on {hardware}", "see docs/software.md, MD on threads, ranks and GPUs"

        def timed(hardware=hardware, what=what) -> Finding:
            seconds = seconds_per_step(make(hardware), atoms) / len(atoms)
            speeds.append({**vars(hardware), "seconds": seconds})
            gain = speeds[0]["seconds"] / seconds
            share = "" if hardware.gpus else f", {100 * gain / hardware.cores:.0f} % of ideal"
            faster = "" if hardware == ONE_CORE else f", {gain:.2g} times as fast as one core{share}"
            told = f"{1e6 * seconds:.3g} us per atom and step of {len(atoms)} atoms{faster}"
            if gain < 1:
                slower = "such a box is too small for them, or the node is busy: give the rule one core in the profile"
                return Finding(what, "", told, slower)
            return Finding(what, told)

        found += attempt(what, timed, remedy)
    return found


def seconds_per_step(engine: Engine, atoms: Atoms) -> float:
    """Wall time of a step of NVT, after some that nobody times."""
    from oligopoly.md.simulation import Conditions, open_simulation

    with open_simulation(engine, atoms, Conditions("nvt", TEMPERATURE, 0.5), seed=1) as simulation:
        steps = 10
        simulation.ensemble(1_000_000)
        simulation.advance(steps)
        while True:
            begin = time.perf_counter()
            simulation.advance(steps)
            spent = time.perf_counter() - begin
            if spent > SECONDS:
                return spent / steps
            steps *= 2


def measured_on(speeds: Iterable[Mapping[str, Any]], hardware: Hardware) -> float | None:
    """Seconds per atom and step that were measured on such hardware."""
    return next((one["seconds"] for one in speeds if {**one, **vars(hardware)} == one), None)
