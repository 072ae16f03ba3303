"""Keys that are each right and together are not: what cannot be run, would store nothing, or nobody can finish.

Names and folders too, which depend on what there is besides the config.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from oligopoly import layout
from oligopoly.config.messages import shown
from oligopoly.config.models import Config
from oligopoly.md.state_points import State

MOST_ATOMS = 100_000  # of a box: more fit no node that runs the reference or learns
MOST_FRAMES = 1_000_000  # of a trajectory
MOST_STEPS = 10**10  # of a run: 10 us in steps of 1 fs
LONGEST_STEP = 2.0  # fs, with hydrogens of their own mass: their bonds swing in 10 fs
# Beside the folders of runs, in results/: what profiles/slurm and the default of label.store name.
BESIDE = {"store", "slurm-logs"}


def unmade(config: Config) -> Iterator[str]:
    """A line for each system that is not said what it is made of: SMILES, or with some force fields a data file."""
    needed, others = ("repeat_unit", "degree_of_polymerisation", "chains"), ("end_groups", "tacticity")
    kind = config.force_field.kind
    for name, system in config.systems.items():
        of_chains = [key for key in (*needed, *others) if key in system.model_fields_set]
        if not config.force_field.from_data:
            if system.data is not None:
                yield f"systems.{name}.data: given '{system.data}': goes with force_field.kind: lammps, not with {kind}"
            for key in needed if system.data is None else ():
                if getattr(system, key) is None:
                    yield f"systems.{name}.{key}: is missing ({type(system).model_fields[key].description})"
        elif of_chains:
            yield (
                f"systems.{name}.{of_chains[0]}: given {shown(getattr(system, of_chains[0]))}: with force_field.kind: "
                f"{kind} a system is a data file: give systems.{name}.data"
            )
        elif not config.force_field.inputs(system):
            yield f"systems.{name}.data: is missing: the LAMMPS data file of its box"


def contradictions(config: Config, data: Mapping[str, Any]) -> Iterator[str]:
    """A line for each, which names the keys; data: the config as it was written."""
    told = _Told(config, data)
    yield from _names(config, told)
    yield from _sizes(config, told)
    yield from _loop(config, told)
    for runs in (_reference, _exploration, _production):
        by_reason: dict[str, list[str]] = {}
        for reason, line in runs(config, told):
            by_reason.setdefault(reason, []).append(line)
        for line, *more in by_reason.values():
            yield line + (f" (and {len(more)} more like it)" if more else "")


class _Told:
    """What a config says of a key, or its default, in the words of a message."""

    def __init__(self, config: Config, data: Mapping[str, Any]):
        self.config, self.data = config, data

    def __call__(self, key: str) -> str:
        given: Any = self.data
        checked: Any = self.config
        default = None
        for step in key.split("."):
            given = given.get(step) if isinstance(given, Mapping) else None
            if isinstance(checked, BaseModel):
                default = type(checked).model_fields[step].default
            checked = checked[step] if isinstance(checked, Mapping) else getattr(checked, step)
        if given is None:
            return f"{key} (by default {default})"
        return f"{key} ({given if isinstance(given, str) and len(given) < 60 else shown(given)})"


def _names(config: Config, told: _Told) -> Iterator[str]:
    run, name = Path(layout.RESULTS, config.run), config.run.lower()
    if name in BESIDE | layout.FOLDERS or re.fullmatch(r"gen_\d+", name):
        yield f"run: given '{config.run}': is the name of a folder that the workflow makes itself: give another"
    if run.exists() and not run.is_dir():
        yield f"run: given '{config.run}': {run} is a file, and the run's folder is to be there: give another name"
    store = Path(config.label.store)
    try:
        whole, own = store.resolve(), run.resolve()
        if whole.is_relative_to(own) or own.is_relative_to(whole):
            yield (
                f"{told('label.store')}: is the folder of {told('run')}, or one lies in the other: "
                "give a folder that runs can share, such as results/store"
            )
        there = next(folder for folder in (whole, *whole.parents) if folder.exists())
        if not there.is_dir():
            yield f"{told('label.store')}: {there} is a file: give a folder, which need not be there"
        elif not os.access(there, os.W_OK | os.X_OK):
            yield f"{told('label.store')}: the folder {there} cannot be written to: give another"
    except (OSError, RuntimeError, ValueError) as error:
        yield f"{told('label.store')}: is no folder that can be used: {getattr(error, 'strerror', None) or error}"


def _sizes(config: Config, told: _Told) -> Iterator[str]:
    for name, system in config.systems.items():
        numbers, chains = ([], 0) if config.force_field.from_data else config.force_field.chain_of(system)
        if len(numbers) * chains > MOST_ATOMS:
            yield (
                f"{told(f'systems.{name}.chains')} of {told(f'systems.{name}.degree_of_polymerisation')} make "
                f"{len(numbers) * chains} atoms: a box has at most {MOST_ATOMS}"
            )
        for key, limit in (("max_temperature", system.temperature), ("max_pressure", system.pressure)):
            if getattr(config.equilibration, key) < limit:
                yield (
                    f"{told(f'equilibration.{key}')} is less than {told(f'systems.{name}.{key[4:]}')}: equilibration "
                    "comes down to that from above"
                )
    pool = config.pool
    periodic = 0 if config.label.clusters_only else pool.frames_per_state
    if not periodic and not pool.clusters.count and not (pool.contacts.pairs and pool.contacts.learn):
        yield (
            f"{told('pool.frames_per_state')}, {told('pool.clusters.count')} and {told('pool.contacts.pairs')} leave "
            "generation 0 nothing to learn from"
            + (": with label.structures clusters, periodic frames are left out" if pool.frames_per_state else "")
        )


def _loop(config: Config, told: _Told) -> Iterator[str]:
    budget, generations = config.select.budget, config.loop.generations
    if isinstance(budget, list) and len(budget) > max(generations, 1):
        yield (
            f"{told('select.budget')} is for {len(budget)} generations, and {told('loop.generations')} are the most "
            "there will be"
        )
    for block in ("equilibration", "reference", "explore", "produce"):
        dynamics = getattr(config, block)
        heavier = dynamics.hydrogen_mass is not None
        if heavier and not _hydrogens(config):
            kind = config.force_field.kind
            yield f"{told(f'{block}.hydrogen_mass')}: there are no hydrogens with force_field.kind: {kind}"
        if not heavier and dynamics.timestep > LONGEST_STEP and _hydrogens(config):
            yield (
                f"{told(f'{block}.timestep')} is too long for hydrogens of their own mass: give {LONGEST_STEP:g} fs at "
                f"most, or {block}.hydrogen_mass: 4.03 g/mol"
            )


def _hydrogens(config: Config) -> bool:
    field = config.force_field
    return any(1 in field.chain_of(system)[0] for system in config.systems.values())


def _reference(config: Config, told: _Told) -> Iterator[tuple[str, str]]:
    reference = config.reference
    for name, state in reference.states.items():
        key = f"reference.states.{name}"
        yield from _sampled(key, state, "reference", reference.timestep, reference.sample_every, told)
        frames, asked = int(state.duration / reference.sample_every), config.pool.frames_per_state
        if 1 <= frames < asked and "frames_per_state" in config.pool.model_fields_set:
            yield (
                "few frames",
                f"{told(f'{key}.duration')} holds {frames} frames, one each {told('reference.sample_every')}: "
                f"{told('pool.frames_per_state')} asks for more",
            )


def _exploration(config: Config, told: _Told) -> Iterator[tuple[str, str]]:
    explore = config.explore
    scored = explore.uncertainty.every * explore.timestep
    for name, walker in explore.walkers.items():
        if not isinstance(walker, State):  # not every sampler moves atoms
            continue
        key = told(f"explore.walkers.{name}.duration")
        if walker.duration < explore.timestep:
            yield "no step", f"{key} is less than {told('explore.timestep')}"
        elif config.uncertainty.kind != "none" and walker.duration < scored:
            yield (
                "no score",
                f"{key} ends before the first score, after {told('explore.uncertainty.every')} steps of "
                f"{told('explore.timestep')}",
            )
        elif walker.duration / explore.timestep > MOST_STEPS:
            yield "steps", f"{key} takes more than {MOST_STEPS:.0e} steps of {told('explore.timestep')}"


def _production(config: Config, told: _Told) -> Iterator[tuple[str, str]]:
    produce = config.produce
    for name, run in produce.runs.items():
        key = f"produce.runs.{name}"
        where = key if run.timestep is not None else "produce"
        timestep = run.timestep or produce.timestep
        yield from _sampled(key, run, where, timestep, produce.sample_every, told)
        if run.real_masses and produce.hydrogen_mass is not None and timestep > 1:
            yield (
                "real masses",
                f"{told(f'{key}.real_masses')} needs a timestep of 1 fs at most, not {told(f'{where}.timestep')}",
            )


def _sampled(key: str, run: State, where: str, timestep: float, every: float, told: _Told) -> Iterator[tuple[str, str]]:
    """Of MD that stores frames: its duration, what is between frames, and a step, from the longest to the shortest."""
    block, duration = key.split(".")[0], f"{key}.duration"
    if every < timestep:
        yield (
            "frames between steps",
            f"{told(f'{block}.sample_every')} is less than {told(f'{where}.timestep')}: a frame takes a step at least",
        )
    elif run.duration < every:
        yield "no frame", f"{told(duration)} is less than {told(f'{block}.sample_every')}: no frame would be stored"
    elif run.duration / every > MOST_FRAMES:
        yield (
            "many frames",
            f"{told(duration)} would store {run.duration / every:.0f} frames, one each "
            f"{told(f'{block}.sample_every')}: at most {MOST_FRAMES} are possible",
        )
    elif run.duration / timestep > MOST_STEPS:
        yield "steps", f"{told(duration)} takes more than {MOST_STEPS:.0e} steps of {told(f'{where}.timestep')}"
