"""One MD run: a state point in, a trajectory, a thermo table and an outcome out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md.engines import Engine
from oligopoly.md.outcomes import Failed, Outcome
from oligopoly.md.simulation import Conditions, Sample, Simulation, open_simulation
from oligopoly.md.trajectory import writers
from oligopoly.md.watch import Watch
from oligopoly.progress import Progress
from oligopoly.systems.topology import Topology


def run_md(
    engine: Engine,
    atoms: Atoms,
    topology: Topology,
    conditions: Conditions,
    *,
    duration_fs: float,
    sample_every_fs: float,
    seed: int,
    out_dir: str | Path,
    settle_fs: float = 0.0,
    volume_ratio: float | None = None,
    scaling_fs: float = 3000.0,
    watch: Watch | None = None,
    label: str = "MD",
    log: str | Path | None = None,
) -> tuple[Outcome, Atoms]:
    """Run MD and write `trajectory.extxyz` and `thermo.tsv` into `out_dir`.

    Before the first sample, the volume is brought to `volume_ratio` times that of `atoms` over
    `scaling_fs`, and the system settles for `settle_fs`. Samples are taken at 0, `sample_every_fs`,
    ... `duration_fs`; step and time count from the first. A `watch` checks every sample; without
    one only motion that cannot go on ends the run early. Deterministic: the same arguments give
    the same files.

    Returns how the run ended and its last sample, molecules whole.
    """
    check_fits(topology, atoms)
    periodic = bool(atoms.pbc.all())
    every = max(1, conditions.steps(sample_every_fs))
    total = conditions.steps(duration_fs)
    settle = conditions.steps(settle_fs)
    last: Sample | None = None
    outcome = None
    with writers(out_dir, atoms.numbers, topology.masses, periodic) as (frames, thermo):
        try:
            with open_simulation(engine, atoms, conditions, seed, log) as simulation:
                scaling = conditions.steps(scaling_fs) if volume_ratio not in (None, 1.0) else 0
                progress = Progress(scaling + settle + total, label, "steps")
                if scaling:
                    simulation.ensemble(scaling, volume_ratio)
                    advance(simulation, scaling, every, progress)
                simulation.ensemble(settle + total)
                advance(simulation, settle, every, progress)
                simulation.restart_clock()
                for sample in samples(simulation, total, every, progress):
                    last = sample
                    frames.write(sample)
                    thermo.write(sample)
                    outcome = watch.check(sample) if watch else None
                    if outcome is not None:
                        break
        except Failed as failure:
            outcome = from_failure(failure, last)
    if outcome is None:
        outcome = Outcome("completed", total, total * conditions.timestep_fs, "ran to its end")
    return outcome, as_atoms(atoms, last)


def check_fits(topology: Topology, atoms: Atoms) -> None:
    """Raises UserError when the structure is not one of this system's boxes."""
    if not np.array_equal(topology.numbers, atoms.numbers):
        raise UserError(
            f"the structure ({atoms.symbols}, {len(atoms)} atoms) is not of the system that "
            f"system.json describes ({len(topology)} atoms): atoms must come molecule by molecule "
            "in the order of the system"
        )


def advance(simulation: Simulation, steps: int, every: int, progress: Progress | None = None) -> None:
    """Go on for `steps` in pieces of `every`, so that progress shows."""
    simulation.advance(0)
    while steps > 0:
        piece = min(every, steps)
        simulation.advance(piece)
        steps -= piece
        if progress:
            progress.update(piece)


def samples(simulation: Simulation, total: int, every: int, progress: Progress | None = None) -> Iterator[Sample]:
    """Samples at steps 0, every, 2 every, ... up to `total` of a simulation that is set up."""
    yield simulation.sample()
    for _ in range(total // every):
        simulation.advance(every)
        if progress:
            progress.update(every)
        yield simulation.sample()


def from_failure(failure: Failed, last: Sample | None) -> Outcome:
    """Outcome of motion that could not go on; step and time are those of the last sample."""
    step, time = (last.step, last.time_fs) if last else (0, 0.0)
    return Outcome(failure.outcome, step, time, failure.reason, failure.atoms, failure.value)


def as_atoms(template: Atoms, sample: Sample | None) -> Atoms:
    """The moment as an Atoms object; the template itself when there is none."""
    atoms = Atoms(template.numbers, template.positions, cell=template.cell, pbc=template.pbc)
    if sample is not None:
        atoms.set_positions(np.array(sample.positions))
        if atoms.pbc.any():
            atoms.set_cell(sample.cell)
    return atoms
