"""One MD run: a state point in, a trajectory, a thermo table and an outcome out."""

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md import legs
from oligopoly.md.engine import Engine
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
    atoms = topology.weighed(atoms)
    periodic = bool(atoms.pbc.all())
    every = max(1, conditions.steps(sample_every_fs))
    total = conditions.steps(duration_fs)
    end = total // every * every
    plan = Plan(
        scaling=conditions.steps(scaling_fs) if volume_ratio not in (None, 1.0) else 0,
        volume_ratio=volume_ratio,
        settle=conditions.steps(settle_fs),
        total=total,
        every=every,
        end=end,
        leg=end if leg_fs is None else max(1, conditions.steps(leg_fs) // every) * every,
    )
    unfinished, mark = None, None
    if leg_fs is not None:
        settings = (conditions, plan, seed, watch and watch.volume)
        unfinished = legs.Unfinished(out_dir, legs.definition(atoms, engine.files(), *settings))
        mark = unfinished.mark
    if unfinished and mark and mark.outcome:
        unfinished.publish()
        return mark.outcome, as_atoms(atoms, mark.state)

    state = mark.state if mark else None  # that the next leg starts from
    last: Sample | legs.State | None = state
    outcome: Outcome | None = None
    progress = Progress(total - mark.state.step if mark else plan.scaling + plan.settle + total, label, "steps")
    if mark:
        print(f"{label}: goes on from {mark.state.time_fs / 1000:.1f} ps", file=sys.stderr, flush=True)

    opened = unfinished.writers if unfinished else functools.partial(writers, out_dir)
    with opened(atoms.numbers, topology.masses, periodic) as (frames, thermo, *save):
        try:
            while outcome is None and (last is None or last.step < end):
                velocities = None if state is None else state.velocities
                with open_simulation(engine, as_atoms(atoms, last), conditions, seed, log, velocities) as simulation:
                    for sample in one_leg(simulation, plan, state, progress):
                        last = sample
                        frames.write(sample)
                        thermo.write(sample)
                        outcome = watch.check(sample) if watch else None
                        if outcome is not None:
                            break
                    assert last is not None  # a leg has one sample at least
                    if outcome is None and last.step >= end:
                        outcome = Outcome("completed", total, total * conditions.timestep_fs, "ran to its end")
                    if save:
                        last = state = legs.State(
                            last.step, last.time_fs, last.positions, last.cell, simulation.velocities()
                        )
                        save[0](state, outcome)
        except Failed as failure:
            outcome = from_failure(failure, last)
    if unfinished:
        unfinished.publish()
    assert outcome is not None
    return outcome, as_atoms(atoms, last)


@dataclass(frozen=True)
class Plan:
    """Steps of a run: `scaling` of the volume by `volume_ratio` and `settle` come before the first sample, `total`
    after it, with samples every `every` up to `end` and legs of `leg`."""

    scaling: int
    volume_ratio: float | None
    settle: int
    total: int
    every: int
    end: int
    leg: int


def one_leg(simulation: Simulation, plan: Plan, last: legs.State | None, progress: Progress) -> Iterator[Sample]:
    """Samples of a run's first leg; with `last`, from which `simulation` was opened, of the leg behind it."""
    if last is None:
        if plan.scaling:
            simulation.ensemble(plan.scaling, plan.volume_ratio)
            advance(simulation, plan.scaling, plan.every, progress)
        simulation.ensemble(plan.settle + plan.total)
        advance(simulation, plan.settle, plan.every, progress)
        simulation.restart_clock()
        yield simulation.sample()
    else:
        simulation.ensemble(plan.end - last.step)
        simulation.advance(0)
        simulation.restart_clock(last.step)
    ahead = plan.end if last is None else plan.end - last.step
    for _ in range(min(plan.leg, ahead) // plan.every):
        simulation.advance(plan.every)
        progress.update(plan.every)
        yield simulation.sample()


def check_fits(topology: Topology, atoms: Atoms) -> None:
    """Raises UserError when the structure is not one of this system's boxes."""
    if not np.array_equal(topology.numbers, atoms.numbers):
        raise UserError(
            f"the structure ({atoms.symbols}, {len(atoms)} atoms) is not of the system that "
            f"system.json describes ({len(topology)} atoms): atoms must come molecule by molecule "
            "in the order of the system"
        )


def advance(simulation: Simulation, steps: int, every: int, progress: Progress) -> None:
    """Go on for `steps` in pieces of `every`, so that progress shows."""
    simulation.advance(0)
    while steps > 0:
        piece = min(every, steps)
        simulation.advance(piece)
        steps -= piece
        progress.update(piece)


def from_failure(failure: Failed, last: Sample | legs.State | None) -> Outcome:
    """Outcome of motion that could not go on; step and time are those of the last sample."""
    step, time = (last.step, last.time_fs) if last else (0, 0.0)
    return Outcome(failure.outcome, step, time, failure.reason, failure.atoms, failure.value)


def as_atoms(template: Atoms, sample: Sample | legs.State | None) -> Atoms:
    """The moment as an Atoms object; the template itself when there is none."""
    atoms = Atoms(template.numbers, template.positions, cell=template.cell, pbc=template.pbc)
    atoms.info |= {key: template.info[key] for key in ("molecules",) if key in template.info}
    if template.has("masses"):
        atoms.set_masses(template.get_masses())
    if sample is not None:
        atoms.set_positions(np.array(sample.positions))
        if atoms.pbc.any():
            atoms.set_cell(sample.cell)
    return atoms
