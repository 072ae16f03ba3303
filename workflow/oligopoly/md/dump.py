"""Text dumps of LAMMPS (`dump custom`, `dump atom`): where each frame lies, and its positions."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from oligopoly.errors import UserError
from oligopoly.md.stored import from_bytes
from oligopoly.md.trajectory import Trajectory
from oligopoly.systems.topology import Topology

TIME = {"real": 1.0, "metal": 1000.0}  # fs
COORDINATES = ("xu yu zu", "xsu ysu zsu", "x y z", "xs ys zs")  # the best first
IMAGES = "ix iy iz"


class Frame(NamedTuple):
    """What stands above the atoms of a frame; cell (3, 3) and its corner in A, time in fs if it is told."""

    file: int
    first: int
    size: int
    step: int
    time: float
    cell: np.ndarray
    corner: np.ndarray
    columns: tuple[str, ...]


def read(paths: Sequence[Path], topology: Topology, notes: list[str]) -> Trajectory:
    """The frames of dumps that follow each other, molecules made whole along their bonds.

    A run that was killed and goes on writes some steps twice: the later ones count. Atoms go by their `id`, in whatever
    order. Raises UserError for atoms that are not those of the topology, and for a dump without ids or places.
    """
    frames: list[Frame] = []
    for number, path in enumerate(paths):
        twice = 0
        for frame in _frames(number, path, len(topology), notes):
            while frames and frames[-1].step >= frame.step:
                frames.pop()
                twice += 1
            frames.append(frame)
        if twice:
            notes.append(f"{path}: goes on from a step before the last, so that {twice} frames before are left out")
    if not frames:
        raise UserError(f"{paths[0]}: holds no whole frame")
    columns = frames[0].columns
    for frame in frames:
        if frame.columns != columns:
            raise UserError(f"{paths[frame.file]}: step {frame.step} has other columns than the first frame")
    places = np.array([frame[:3] for frame in frames])
    parser = _Parser(paths, frames, topology)
    _check_elements(paths[0], frames[0], topology)
    return Trajectory(
        numbers=topology.numbers,
        positions=from_bytes(paths, places, len(topology), parser),
        cells=np.array([frame.cell for frame in frames]),
        times=np.array([frame.time for frame in frames]),
        steps=np.array([frame.step for frame in frames]),
        followed=parser.followed,
    )


class _Parser:
    def __init__(self, paths: Sequence[Path], frames: list[Frame], topology: Topology):
        self.paths, self.frames, self.topology = paths, frames, topology
        columns = frames[0].columns
        if "id" not in columns:
            raise UserError(f"{paths[0]}: has no column id, so that atoms cannot be told apart: dump id with them")
        chosen = next((c for c in COORDINATES if set(c.split()) <= set(columns)), None)
        if chosen is None:
            raise UserError(
                f"{paths[0]}: has columns {' '.join(columns)}, and none of {', '.join(COORDINATES)} to place atoms by"
            )
        self.scaled, unwrapped = "s" in chosen, "u" in chosen
        images = [] if unwrapped or not set(IMAGES.split()) <= set(columns) else IMAGES.split()
        self.images = bool(images)
        self.followed = unwrapped or self.images
        wanted = ["id", *chosen.split(), *images]
        last = max(columns.index(name) for name in wanted)
        self.width = len(wanted)
        self.columns = [wanted.index(name) if name in wanted else -1 for name in columns[: last + 1]]

    def __call__(self, number: int, text: bytes) -> np.ndarray:
        from oligopoly.md.text import table

        frame = self.frames[number]
        where = f"{self.paths[frame.file]}, step {frame.step}"
        try:
            values, _ = table(text, len(self.topology), self.columns, self.width)
        except ValueError as error:
            line = text.splitlines()[int(str(error))][:60].decode(errors="replace")
            raise UserError(f"{where}: not readable as {' '.join(frame.columns)}: {line!r}") from None
        count = len(values)
        ids = values[:, 0].astype(np.int64)
        if not np.array_equal(ids, np.arange(1, count + 1)):
            order = np.argsort(ids)
            if not np.array_equal(ids[order], np.arange(1, count + 1)):
                raise UserError(f"{where}: the ids are not those from 1 to {count}, each once")
            values = values[order]
        positions = values[:, 1:4]
        positions = positions @ frame.cell if self.scaled else positions - frame.corner
        if self.images:
            positions = positions + values[:, 4:] @ frame.cell
        if not np.isfinite(positions).all():
            raise UserError(f"{where}: a position is not finite")
        return self.topology.unwrap(positions, frame.cell)


def _frames(number: int, path: Path, atoms: int, notes: list[str]) -> Iterator[Frame]:
    units, time, step, cell, corner = "", float("nan"), None, None, None
    with open(path, "rb") as file:
        index = 0
        while line := file.readline():
            words = line.decode(errors="replace").split()
            if not words:
                continue
            item = " ".join(words[1:])
            if words[0] != "ITEM:":
                raise UserError(f"{path}: frame {index}: 'ITEM:' should stand where {line[:40]!r} stands")
            try:
                if item == "UNITS":
                    units = file.readline().decode().strip()
                    if units not in TIME:
                        raise UserError(f"{path}: is in units {units}; read are {' and '.join(TIME)}")
                elif item == "TIME":
                    time = float(file.readline()) * TIME.get(units, float("nan"))
                elif item == "TIMESTEP":
                    step = int(file.readline())
                elif item == "NUMBER OF ATOMS":
                    count = int(file.readline())
                    if count != atoms:
                        raise UserError(f"{path}: frame {index} has {count} atoms, and the system has {atoms}")
                elif item.startswith("BOX BOUNDS"):
                    cell, corner = _box(path, item.split()[2:], [file.readline().split() for _ in range(3)])
                elif item.startswith("ATOMS"):
                    if step is None or cell is None or corner is None:
                        raise UserError(f"{path}: frame {index} has no TIMESTEP or BOX BOUNDS")
                    first = file.tell()
                    lines, last = 0, b""
                    for lines, last in enumerate(itertools.islice(file, atoms), 1):  # noqa: B007
                        pass
                    if lines < atoms or not last.endswith(b"\n"):
                        notes.append(f"{path}: ends within the frame of step {step}, and is used up to there")
                        return
                    yield Frame(number, first, file.tell() - first, step, time, cell, corner, tuple(item.split()[1:]))
                    index += 1
                else:
                    file.readline()
            except (ValueError, IndexError) as error:
                if isinstance(error, UserError):
                    raise
                if not file.read(1):
                    notes.append(f"{path}: ends within the head of frame {index}, and is used up to there")
                    return
                raise UserError(f"{path}: frame {index}: what follows 'ITEM: {item}' is not readable") from None


def _box(path: Path, words: list[str], rows: list[list[bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Cell and corner; of a skewed box LAMMPS writes what is around it (manual, `Howto_triclinic`)."""
    if "abc" in words:
        raise UserError(f"{path}: has a general triclinic box: dump it with triclinic/general no")
    tilted = words[:3] == ["xy", "xz", "yz"]
    boundary = words[3:] if tilted else words
    if any(word != "pp" for word in boundary):
        raise UserError(f"{path}: the box is not periodic ({' '.join(boundary)}): only liquids are analysed")
    numbers = np.array([[float(word) for word in row] for row in rows])
    if numbers.shape != (3, 3 if tilted else 2):
        raise ValueError
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    xy, xz, yz = numbers[:, 2] if tilted else (0.0, 0.0, 0.0)
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    (lx, ly, lz) = high - low
    if min(lx, ly, lz) <= 0:
        raise UserError(f"{path}: has a box without volume")
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), low


def _check_elements(path: Path, frame: Frame, topology: Topology) -> None:
    """By the column element, or by types, of which each must be of one element."""
    column = next((name for name in ("element", "type") if name in frame.columns), None)
    if column is None:
        return
    with open(path, "rb") as file:
        file.seek(frame.first)
        rows = [line.decode().split() for line in file.read(frame.size).splitlines()]
    place, of_id = frame.columns.index(column), frame.columns.index("id")
    meant: dict[str, tuple[str, int]] = {}
    for row in rows:
        atom, given = int(row[of_id]), row[place]
        symbol = chemical_symbols[topology.numbers[atom - 1]] if 0 < atom <= len(topology) else "?"
        expected, other = meant.setdefault(given, (given if column == "element" else symbol, atom))
        if symbol != expected:
            why = f"is {given}" if column == "element" else f"is of type {given}, as atom {other}, which is {expected}"
            raise UserError(
                f"{path}: atom {atom} {why}, and in the system it is {symbol}: not the same system or order"
            )
