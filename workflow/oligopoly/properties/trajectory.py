"""Trajectories and thermo tables as arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.io import iread

from oligopoly.errors import UserError


@dataclass(frozen=True)
class Trajectory:
    """F frames of the same N atoms: positions (F, N, 3) and cells (F, 3, 3) in A, times (F,) in fs.

    `frames` are the ASE frames they came from, for whoever has to evaluate a potential on them.
    """

    frames: list
    positions: np.ndarray
    cells: np.ndarray
    times: np.ndarray

    @property
    def volumes(self) -> np.ndarray:
        """(F,) A^3."""
        return np.abs(np.linalg.det(self.cells))

    def after(self, time: float) -> "Trajectory":
        """Frames at `time` (fs) or later."""
        keep = np.flatnonzero(self.times >= time)
        return Trajectory(
            [self.frames[i] for i in keep], self.positions[keep], self.cells[keep], self.times[keep]
        )


def read(path: str | Path, atoms: int | None = None) -> Trajectory:
    """Read an extended XYZ trajectory whose frames carry `time_fs`.

    Raises UserError when there are no frames, no times, or frames of another number of `atoms`.
    """
    frames = list(iread(path, ":", format="extxyz"))
    if not frames:
        raise UserError(f"{path} holds no frames.")
    expected = atoms or len(frames[0])
    for k, frame in enumerate(frames):
        if len(frame) != expected:
            raise UserError(f"{path}: frame {k} has {len(frame)} atoms, the system {expected}.")
        if "time_fs" not in frame.info:
            raise UserError(f"{path}: frame {k} has no time_fs; a trajectory needs the time of it.")
    return Trajectory(
        frames,
        np.array([f.positions for f in frames]),
        np.array([f.cell.array for f in frames]),
        np.array([float(f.info["time_fs"]) for f in frames]),
    )


def thermo(path: str | Path) -> dict[str, np.ndarray]:
    """Columns of a thermo.tsv by their names (with units, such as density_g_cm3)."""
    lines = [line for line in Path(path).read_text().splitlines() if line.strip()]
    if len(lines) < 2:
        raise UserError(f"{path} holds no rows.")
    names = lines[0].lstrip("# ").split("\t")
    rows = np.array([line.split("\t") for line in lines[1:]], float)
    return dict(zip(names, rows.T, strict=True))
