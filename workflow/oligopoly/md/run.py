"""One MD run: a state point in, a trajectory, a thermo table and an outcome out."""

import contextlib
import functools
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md import legs
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
    leg_fs: float | None = None,
) -> tuple[Outcome, Atoms]:
    """Run MD and write `trajectory.extxyz` and `thermo.tsv` into `out_dir`.

    Before the first sample, the volume is brought to `volume_ratio` times that of `atoms` over
    `scaling_fs`, and the system settles for `settle_fs`. Samples are taken at 0, `sample_every_fs`,
    ... `duration_fs`; step and time count from the first. A `watch` checks every sample; without
    one only motion that cannot go on ends the run early. Deterministic: the same arguments give
    the same files.

    With `leg_fs` the run goes in legs of about that length (see `legs`), and what was killed goes on with the
    next call. What it goes on from stays in `out_dir` until `legs.clear`.

    Returns how the run ended and its last sample, molecules whole.
    """
    check_fits(topology, atoms)
    periodic = bool(atoms.pbc.all())
    every = max(1, conditions.steps(sample_every_fs))
    total = conditions.steps(duration_fs)
    end = total // every * every  # the last sample
    settle = conditions.steps(settle_fs)
    scaling = conditions.steps(scaling_fs) if volume_ratio not in (None, 1.0) else 0
    leg = end if leg_fs is None else max(1, conditions.steps(leg_fs) // every) * every
    unfinished, mark = None, None
    if leg_fs is not None:
        settings = (conditions, every, end, settle, scaling, volume_ratio, seed, leg, watch and watch.volume)
        unfinished = legs.Unfinished(out_dir, legs.definition(atoms, engine.files(), *settings))
        mark = unfinished.mark
    if mark and mark.outcome:
        unfinished.publish()
        return mark.outcome, as_atoms(atoms, mark.state)

    last: Sample | legs.State | None = mark and mark.state
    outcome = None
    progress = Progress(total - mark.state.step if mark else scaling + settle + total, label, "steps")
    if mark:
        print(f"{label}: goes on from {mark.state.time_fs / 1000:.1f} ps", file=sys.stderr, flush=True)

    def begin() -> contextlib.AbstractContextManager[Simulation]:
        if not isinstance(last, legs.State):
            return open_simulation(engine, atoms, conditions, seed, log)
        return open_simulation(engine, as_atoms(atoms, last), conditions, seed, log, last.velocities)

    opened = unfinished.writers if unfinished else functools.partial(writers, out_dir)
    with opened(atoms.numbers, topology.masses, periodic) as (frames, thermo, *save):
        try:
            while outcome is None and (last is None or last.step < end):
                with begin() as simulation:
                    if last is None:
                        if scaling:
                            simulation.ensemble(scaling, volume_ratio)
                            advance(simulation, scaling, every, progress)
                        simulation.ensemble(settle + total)
                        advance(simulation, settle, every, progress)
                        simulation.restart_clock()
                    else:
                        simulation.ensemble(end - last.step)
                        simulation.advance(0)
                        simulation.restart_clock(last.step)
                    first = 0 if last is None else last.step
                    ahead = samples(simulation, min(leg, end - first), every, progress)
                    for sample in ahead if last is None else itertools.islice(ahead, 1, None):
                        last = sample
                        frames.write(sample)
                        thermo.write(sample)
                        outcome = watch.check(sample) if watch else None
                        if outcome is not None:
                            break
                    if outcome is None and last.step >= end:
                        outcome = Outcome("completed", total, total * conditions.timestep_fs, "ran to its end")
                    if save:
                        last = legs.State(last.step, last.time_fs, last.positions, last.cell, simulation.velocities())
                        save[0](last, outcome)
        except Failed as failure:
            outcome = from_failure(failure, last)
    if unfinished:
        unfinished.publish()
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


def from_failure(failure: Failed, last: Sample | legs.State | None) -> Outcome:
    """Outcome of motion that could not go on; step and time are those of the last sample."""
    step, time = (last.step, last.time_fs) if last else (0, 0.0)
    return Outcome(failure.outcome, step, time, failure.reason, failure.atoms, failure.value)


def as_atoms(template: Atoms, sample: Sample | legs.State | None) -> Atoms:
    """The moment as an Atoms object; the template itself when there is none."""
    atoms = Atoms(template.numbers, template.positions, cell=template.cell, pbc=template.pbc)
    if sample is not None:
        atoms.set_positions(np.array(sample.positions))
        if atoms.pbc.any():
            atoms.set_cell(sample.cell)
    return atoms
