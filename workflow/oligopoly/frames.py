"""Frames in files: extended XYZ, with labels and origin in keys of ours.

Labels are `REF_energy` (eV), `REF_forces` (eV/A) and, of periodic frames, `REF_stress` (eV/A^3,
3x3, ASE's sign). Origins are `origin_system`, `origin_generation`, `origin_sampler`, `origin_step`.
"""

import hashlib
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.files import atomic

ORIGIN = ("origin_system", "origin_generation", "origin_sampler", "origin_step")


def read(path: str | Path) -> list[Atoms]:
    """All frames of an extended XYZ file; an empty file holds none.

    Raises UserError when the file is missing or cannot be parsed.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size == 0:
        return []
    try:
        return ase.io.read(path, index=":", format="extxyz")
    except Exception as error:
        raise UserError(f"{path}: not readable as extended XYZ ({error})") from error


def write(path: str | Path, frames: list[Atoms]) -> None:
    """Write frames as extended XYZ, atomically; none gives an empty file."""
    with atomic(path) as temporary:
        if frames:
            ase.io.write(temporary, frames, format="extxyz")


def set_origin(atoms: Atoms, system: str, generation: int, sampler: str, step: int) -> None:
    """Note in `atoms.info` where a frame came from."""
    atoms.info.update(zip(ORIGIN, (system, int(generation), sampler, int(step)), strict=True))


def describe_origin(atoms: Atoms) -> str:
    """Origin in a few words, for ledgers and messages."""
    info = atoms.info
    return "{}/gen_{:03d}/{}/{}".format(
        info.get("origin_system", "?"),
        int(info.get("origin_generation", 0)),
        info.get("origin_sampler", "?"),
        info.get("origin_step", "?"),
    )


def geometry_hash(atoms: Atoms) -> str:
    """SHA-256 of what a label depends on: elements, positions, cell and periodicity.

    Lengths are rounded to 1e-6 A, coarser than what a file keeps (1e-8) and finer than anything a
    label can notice, so a frame has the same hash before and after a round trip through a file.
    """
    with np.errstate(invalid="ignore"):  # a frame that is not finite needs a name too
        parts = [
            np.asarray(atoms.numbers, np.int64),
            np.round(atoms.positions * 1e6).astype(np.int64),
            np.asarray(atoms.pbc, np.int64),
        ]
        if atoms.pbc.any():
            parts.append(np.round(atoms.cell.array * 1e6).astype(np.int64))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
