"""MD with the force field at one state point, from which generation 0 is drawn."""

from pathlib import Path

from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md import legs
from oligopoly.md.engine import Engine
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.systems.topology import Topology


def force_field_md(
    engine: Engine,
    atoms: Atoms,
    topology: Topology,
    out_dir: str | Path,
    *,
    conditions: Conditions,
    duration_fs: float,
    sample_every_fs: float,
    settle_fs: float,
    seed: int,
    volume_ratio: float | None = None,
    label: str = "force-field MD",
    log: str | Path | None = None,
) -> Atoms:
    """MD with the force field at one state point; writes into `out_dir` (see `run_md`).

    `atoms` is where it starts, usually the equilibrated box, whose volume `volume_ratio` refers
    to. Returns the last sample. Raises UserError when the motion cannot go on, which with a
    force field means a bad start or too long a time step.
    """
    outcome, last = run_md(
        engine,
        atoms,
        topology,
        conditions,
        duration_fs=duration_fs,
        sample_every_fs=sample_every_fs,
        settle_fs=settle_fs,
        volume_ratio=volume_ratio,
        seed=seed,
        out_dir=out_dir,
        label=label,
        log=log,
        leg_fs=legs.length_fs(len(topology), conditions.timestep_fs),
    )
    if outcome.outcome != "completed":
        raise UserError(
            f"{label} ended after {outcome.time_fs / 1000:.2f} ps: {outcome.reason}. "
            "Equilibrate longer, or use a shorter timestep"
        )
    legs.clear(out_dir)
    return last
