"""Production MD: the runs that properties are measured in, one after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.files import write_text
from oligopoly.md import legs
from oligopoly.md.engine import Engine
from oligopoly.md.outcomes import Outcome
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.md.trajectory import read_thermo, writers
from oligopoly.md.watch import Watch
from oligopoly.seeds import derive
from oligopoly.systems.topology import Topology


@dataclass(frozen=True)
class Run:
    """One run: `conditions` and `duration_fs`; `after` names the run at whose end it starts, at its mean volume if it
    is nvt. One that starts from the box may be brought to `volume_ratio` times its volume."""

    conditions: Conditions
    duration_fs: float
    after: str | None = None
    volume_ratio: float | None = None


def seed_of(seed: int, system: str, engine: str, replicate: str) -> int:
    """Seed of a production job; learned potentials were all called `ace` once, and their numbers stay."""
    name = {"learned": "ace"}.get(engine, engine)
    return derive(seed, "produce", system, name, *([] if replicate == "1" else [replicate]))


def produce(
    engine: Engine,
    start: Atoms,
    topology: Topology,
    out_dir: str | Path,
    runs: Mapping[str, Run],
    *,
    settle_fs: float,
    sample_every_fs: float,
    seed: int,
    label: str = "production",
    log: str | Path | None = None,
    leg_fs: float | None = None,
) -> dict:
    """Write a folder per run (trajectory.extxyz, thermo.tsv) and status.json into `out_dir`.

    Runs go in their order, each before those that start after it. Every
    sample is checked (`watch.Watch`). status.json has for each run how it ended; one that had no sane run to start
    from is `not_run`, with empty files.

    Killed and called again, it goes on where its last leg of `leg_fs` ended (by default see `legs.length_fs`).

    Returns the content of status.json.
    """
    out_dir = Path(out_dir)
    shortest = min(run.conditions.timestep_fs for run in runs.values())
    leg = leg_fs or legs.length_fs(len(topology), shortest)
    status: dict[str, dict] = {}
    ends: dict[str, Atoms] = {}
    for name, run in runs.items():
        planned = {"planned_fs": run.duration_fs}
        if run.after is not None and run.after not in ends:
            with writers(out_dir / name, start.numbers, topology.masses, True):
                pass
            before = status[run.after]["reason"]
            not_run = Outcome("not_run", 0, 0.0, f"the run {run.after} before it ended: {before}")
            status[name] = not_run.to_dict() | planned
            continue
        begin, volume = start if run.after is None else ends[run.after], None
        if run.after is not None and run.conditions.ensemble == "nvt":
            volume = float(np.mean(read_thermo(out_dir / run.after / "thermo.tsv")["volume_A3"]))
        elif run.volume_ratio is not None:
            volume = run.volume_ratio * start.get_volume()
        if volume is not None:
            planned["volume_A3"] = volume
        outcome, last = run_md(
            engine,
            begin,
            topology,
            run.conditions,
            duration_fs=run.duration_fs,
            sample_every_fs=sample_every_fs,
            settle_fs=settle_fs,
            seed=derive(seed, name),
            out_dir=out_dir / name,
            volume_ratio=None if volume is None else volume / begin.get_volume(),
            scaling_fs=1000.0,
            watch=Watch(topology, run.conditions.temperature, volume or start.get_volume()),
            label=f"{label}, {name}",
            log=log,
            leg_fs=leg,
        )
        status[name] = outcome.to_dict() | planned
        if outcome.outcome == "completed":
            ends[name] = last
    write_text(out_dir / "status.json", json.dumps(status, indent=1) + "\n")
    for name in runs:
        legs.clear(out_dir / name)
    return status
