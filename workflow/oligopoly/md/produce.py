"""Production MD: NPT for the density, then NVT for structure and dynamics."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.files import write_text
from oligopoly.md import legs
from oligopoly.md.engines import Engine
from oligopoly.md.outcomes import Outcome
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.md.trajectory import read_thermo, writers
from oligopoly.md.watch import Watch
from oligopoly.seeds import derive
from oligopoly.systems.topology import Topology


def produce(
    engine: Engine,
    start: Atoms,
    topology: Topology,
    out_dir: str | Path,
    *,
    temperature: float,
    pressure_atm: float,
    npt_fs: float,
    nvt_fs: float,
    settle_fs: float,
    sample_every_fs: float,
    timestep_fs: float,
    nvt_timestep_fs: float,
    hydrogen_mass: float | None,
    seed: int,
    volume: float | None = None,
    label: str = "production",
    log: str | Path | None = None,
    leg_fs: float | None = None,
) -> dict:
    """Write npt/ and nvt/ (trajectory.extxyz, thermo.tsv) and status.json into `out_dir`.

    NPT moves with `hydrogen_mass` and `timestep_fs`; NVT with the real masses, since its dynamics
    counts, and `nvt_timestep_fs`, at `volume` (A^3), by default the mean of the NPT run. Every
    sample is checked (`watch.Watch`). status.json has for `npt` and `nvt` how they ended; an NVT
    run that had no sane NPT run to start from is `not_run`, with empty files.

    Killed and called again, it goes on where its last leg of `leg_fs` ended (by default see `legs.length_fs`).

    Returns the content of status.json.
    """
    out_dir = Path(out_dir)
    conditions = Conditions("npt", temperature, timestep_fs, pressure_atm=pressure_atm, hydrogen_mass=hydrogen_mass)
    common = {"sample_every_fs": sample_every_fs, "settle_fs": settle_fs, "log": log}
    leg = leg_fs or legs.length_fs(len(topology), nvt_timestep_fs)
    watch = Watch(topology, temperature, start.get_volume())
    outcome, last = run_md(
        engine,
        start,
        topology,
        conditions,
        duration_fs=npt_fs,
        seed=derive(seed, "npt"),
        out_dir=out_dir / "npt",
        watch=watch,
        label=f"{label}, NPT",
        leg_fs=leg,
        **common,
    )
    status = {"npt": outcome.to_dict() | {"planned_fs": npt_fs}}
    if outcome.outcome == "completed":
        if volume is None:
            volume = float(np.mean(read_thermo(out_dir / "npt" / "thermo.tsv")["volume_A3"]))
        nvt = Conditions("nvt", temperature, nvt_timestep_fs)
        outcome, _ = run_md(
            engine,
            last,
            topology,
            nvt,
            duration_fs=nvt_fs,
            volume_ratio=volume / last.get_volume(),
            scaling_fs=1000.0,
            seed=derive(seed, "nvt"),
            out_dir=out_dir / "nvt",
            watch=replace(watch, volume=volume),
            label=f"{label}, NVT",
            leg_fs=leg,
            **common,
        )
        status["nvt"] = outcome.to_dict() | {"planned_fs": nvt_fs, "volume_A3": volume}
    else:
        with writers(out_dir / "nvt", start.numbers, topology.masses, True):
            pass
        not_run = Outcome("not_run", 0, 0.0, f"the NPT run before it ended: {outcome.reason}")
        status["nvt"] = not_run.to_dict() | {"planned_fs": nvt_fs}
    write_text(out_dir / "status.json", json.dumps(status, indent=1) + "\n")
    for run in ("npt", "nvt"):
        legs.clear(out_dir / run)
    return status
