"""Frames in files: extended XYZ, with labels and origin in keys of ours.

Labels are `REF_energy` (eV), `REF_forces` (eV/A) and, of periodic frames, `REF_stress` (eV/A^3,
3x3, ASE's sign). Origins are `origin_system`, `origin_generation`, `origin_sampler`, `origin_step`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import ase.io
import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.extxyz import Place, parse, places
from oligopoly.files import atomic

ORIGIN = ("origin_system", "origin_generation", "origin_sampler", "origin_step")


def read(path: str | Path) -> list[Atoms]:
    """All frames of an extended XYZ file, to its last line; an empty file holds none.

    Raises UserError when the file is missing or cannot be parsed.
    """
    return list(Stored([path]))


class Stored(Sequence):
    """Frames that stay in their files, however many: each is parsed when it is asked for, and then forgotten.

    Raises UserError when a file is missing or not readable as extended XYZ.
    """

    def __init__(self, paths: Iterable[str | Path]):
        self.places: list[tuple[Path, int, Place, Callable | None]] = []  # file, number in it, where, prepare
        for path in map(Path, paths):
            with _opened(path) as file:
                self.places += ((path, number, place, None) for number, place in enumerate(places(file, path)))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._of(self.places[index])
        with _opened(self.places[index][0]) as file:
            return _read(file, *self.places[index])

    def __iter__(self):
        file: BinaryIO | None = None
        opened = None
        try:
            for place in self.places:
                if file is None or place[0] != opened:
                    if file is not None:
                        file.close()
                    file, opened = _opened(place[0]), place[0]
                yield _read(file, *place)
        finally:
            if file is not None:
                file.close()

    def __add__(self, other: "Stored") -> "Stored":
        return self._of([*self.places, *other.places])

    def prepared(self, prepare: Callable[[str, int, Atoms], None]) -> "Stored":
        """The same frames; `prepare` is called with the file's name, the frame's number in it and each frame that is
        read, which it may change."""
        return self._of([(*place[:3], prepare) for place in self.places])

    def _of(self, places: list) -> "Stored":
        part = Stored(())
        part.places = places
        return part


def _read(file: BinaryIO, path: Path, number: int, place: Place, prepare: Callable | None) -> Atoms:
    file.seek(place.first)
    try:
        atoms = parse(file.read(place.size).decode(), place.line)
        if prepare:
            prepare(str(path), number, atoms)
    except UnicodeDecodeError:
        raise UserError(f"{path}, frame {number} from line {place.line}: is no text in UTF-8") from None
    except UserError as error:
        raise UserError(f"{path}, frame {number}: {error}") from error
    return atoms


def _opened(path: Path) -> BinaryIO:
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a file of frames")
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


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
    return frames._of([frames.places[index] for index in indices])


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
