"""Frames in files: extended XYZ, with labels and origin in keys of ours.

Labels are `REF_energy` (eV), `REF_forces` (eV/A) and, of periodic frames, `REF_stress` (eV/A^3,
3x3, ASE's sign). Origins are `origin_system`, `origin_generation`, `origin_sampler`, `origin_step`.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
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


class Stored(Sequence):
    """Frames that stay in their files, however many: each is parsed when it is asked for, and then forgotten.

    `prepare` is called with the file's name, the frame's number in it and the frame, which it may change. Raises
    UserError when a file is missing or not readable as extended XYZ.
    """

    def __init__(self, paths: Iterable[str | Path], prepare: Callable[[str, int, Atoms], None] | None = None):
        self.prepare = prepare
        self.places: list[tuple[Path, int, int, int]] = []  # file, number in it, first byte, bytes
        for path in map(Path, paths):
            if not path.exists():
                raise UserError(f"{path}: no such file")
            self.places += ((path, number, *place) for number, place in enumerate(_places(path)))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index):
        if isinstance(index, slice):
            part = Stored((), self.prepare)
            part.places = self.places[index]
            return part
        path, number, first, size = self.places[index]
        with open(path, "rb") as file:
            file.seek(first)
            text = file.read(size).decode()
        try:
            atoms = ase.io.read(io.StringIO(text), index=0, format="extxyz")
        except Exception as error:
            raise UserError(f"{path}, frame {number}: not readable as extended XYZ ({error})") from error
        if self.prepare:
            self.prepare(str(path), number, atoms)
        return atoms


def _places(path: Path) -> Iterable[tuple[int, int]]:
    """(first byte, bytes) of each frame."""
    first, number = 0, 0
    with open(path, "rb") as file:
        while line := file.readline():
            if not line.strip():
                return  # blank lines at the end
            try:
                lines = int(line) + 1
            except ValueError:
                start = line[:40].decode(errors="replace").strip()
                raise UserError(
                    f"{path}: not readable as extended XYZ (frame {number} starts with {start!r}, not with a number)"
                ) from None
            size = len(line)
            for _ in range(lines):
                line = file.readline()
                if not line:
                    raise UserError(f"{path}: not readable as extended XYZ (frame {number} ends too early)")
                size += len(line)
            yield first, size
            first, number = first + size, number + 1


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


def take(frames: Sequence[Atoms], indices: Sequence[int]) -> Sequence[Atoms]:
    """Some of the frames, stored ones as such."""
    if not isinstance(frames, Stored):
        return [frames[index] for index in indices]
    part = frames[:0]
    part.places = [frames.places[index] for index in indices]
    return part


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
