"""Trajectories: extended XYZ written frame by frame, read back all at once or a few frames at a time."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.extxyz import parse
from oligopoly.files import atomic
from oligopoly.md.simulation import Sample
from oligopoly.md.stored import Positions, from_bytes

ATM_IN_BAR = 1.01325
_AMU_PER_A3 = 1.66053906660  # g/cm3
THERMO = (
    "step",
    "time_ps",
    "temperature_K",
    "pressure_bar",
    "potential_eV",
    "kinetic_eV",
    "total_eV",
    "density_g_cm3",
    "volume_A3",
)


@dataclass(frozen=True)
class Trajectory:
    """F frames of the same N atoms: numbers (N,), positions (F, N, 3) A, cells (F, 3, 3) A,
    times (F,) fs, steps (F,). Molecules are whole and move by less than half a box from frame to
    frame. `followed` True: continuously in time, however far; False: a file that may be wrapped, so that too far a move
    is a reason for doubt."""

    numbers: np.ndarray
    positions: Positions
    cells: np.ndarray
    times: np.ndarray
    steps: np.ndarray
    periodic: bool = True
    followed: bool | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def atoms(self, frame: int) -> Atoms:
        """One frame, `step` and `time_fs` in its info."""
        return Atoms(
            self.numbers,
            self.positions[frame],
            cell=self.cells[frame] if self.periodic else None,
            pbc=self.periodic,
            info={"step": int(self.steps[frame]), "time_fs": float(self.times[frame])},
        )

    def frames(self) -> list[Atoms]:
        """All of them."""
        return [self.atoms(frame) for frame in range(len(self))]


class FrameWriter:
    """Writes frames of the same atoms to an open text file, ten times faster than ASE does."""

    def __init__(self, file, numbers: np.ndarray, periodic: bool):
        self.file, self.periodic = file, periodic
        self.count = len(numbers)
        rows = [f"{chemical_symbols[z]:2s}%16.8f%16.8f%16.8f\n" for z in numbers]
        self.body = "".join(rows)

    def write(self, sample: Sample) -> None:
        """Append one frame."""
        lattice = ""
        if self.periodic:
            lattice = 'Lattice="{}" '.format(" ".join(f"{v:.10f}" for v in sample.cell.ravel()))
        pbc = "T T T" if self.periodic else "F F F"
        time = f"{sample.time_fs:.6g}" if sample.time_fs < 1e5 else f"{sample.time_fs:.3f}"
        self.file.write(
            f'{self.count}\n{lattice}Properties=species:S:1:pos:R:3 step={sample.step} time_fs={time} pbc="{pbc}"\n'
        )
        self.file.write(self.body % tuple(sample.positions.ravel().tolist()))


class ThermoWriter:
    """Writes `thermo.tsv`, one line per sample; the density is that of the real masses."""

    def __init__(self, file, masses: np.ndarray, periodic: bool, begun: bool = False):
        self.file, self.mass, self.periodic = file, float(np.sum(masses)), periodic
        if not begun:
            file.write("\t".join(THERMO) + "\n")

    def write(self, sample: Sample) -> None:
        """Append one line."""
        volume = sample.volume if self.periodic else float("nan")
        self.file.write(
            f"{sample.step}\t{sample.time_fs / 1000:.6f}\t{sample.temperature:.4f}\t"
            f"{sample.pressure_atm * ATM_IN_BAR:.4f}\t{sample.potential:.8f}\t{sample.kinetic:.8f}\t"
            f"{sample.potential + sample.kinetic:.8f}\t{self.mass * _AMU_PER_A3 / volume:.7f}\t"
            f"{volume:.5f}\n"
        )


@contextlib.contextmanager
def writers(
    out_dir: str | Path, numbers: np.ndarray, masses: np.ndarray, periodic: bool
) -> Iterator[tuple[FrameWriter, ThermoWriter]]:
    """Writers of `trajectory.extxyz` and `thermo.tsv` in `out_dir`, which appear there together
    when the block ends well."""
    out_dir = Path(out_dir)
    with (
        atomic(out_dir / "trajectory.extxyz") as frames_path,
        atomic(out_dir / "thermo.tsv") as thermo_path,
        open(frames_path, "w", buffering=1 << 20) as frames,
        open(thermo_path, "w") as thermo,
    ):
        yield FrameWriter(frames, numbers, periodic), ThermoWriter(thermo, masses, periodic)


def read_thermo(path: str | Path) -> dict[str, np.ndarray]:
    """Columns of a `thermo.tsv` by name."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    with open(path) as file:
        names = file.readline().rstrip("\n").split("\t")
        rows = [line.split("\t") for line in file]
    table = np.array(rows, float).reshape(len(rows), len(names))
    return dict(zip(names, table.T, strict=True))


def read(path: str | Path, every: int = 1) -> Trajectory:
    """Every `every`-th frame of a trajectory, all in memory; see `stored` for what may be too long for that.

    Raises UserError when the file is missing, empty, or holds frames of different atoms.
    """
    found = stored(path)
    return replace(
        found,
        positions=np.asarray(found.positions[::every]),
        cells=found.cells[::every],
        times=found.times[::every],
        steps=found.steps[::every],
    )


def stored(path: str | Path, notes: list[str] | None = None) -> Trajectory:
    """All frames of a trajectory, with positions that stay in the file (`md.stored`): those that this module wrote by
    compiled code, any other by ASE's reader.

    With `notes`, a file that ends within a frame is used up to there, and a sentence says so. Raises UserError when the
    file is missing, empty, or holds frames of different atoms; a frame that is damaged raises it when it is read.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    places: list[tuple[int, int, int]] = []
    cells, times, steps = [], [], []
    atoms = 0
    with open(path, "rb") as file:
        for index, (count, header) in enumerate(_headers(file, path)):
            if "Properties=species:S:1:pos:R:3 " not in header:
                return _other(path)
            first = file.tell()
            if not _behind(file, first, count, places[-1][2] if places else 0):
                if notes is not None:
                    notes.append(f"{path}: ends within frame {index}, and is used up to there")
                    break
                raise UserError(f"{path}: frame {index} is cut short or damaged")
            if places and count != atoms:
                raise UserError(f"{path}: frame {index} holds other atoms than the first")
            atoms = count
            places.append((0, first, file.tell() - first))
            cell = _value(header, "Lattice")
            cells.append(np.array(cell.split(), float).reshape(3, 3) if cell else np.zeros((3, 3)))
            times.append(float(_value(header, "time_fs") or "nan"))
            steps.append(int(_value(header, "step") or -1))
    if not places:
        raise UserError(f"{path}: holds no frames")
    with open(path, "rb") as file:
        file.seek(places[0][1])
        symbols = [line.split(None, 1)[0].decode() for line in file.read(places[0][2]).splitlines()]
    found = from_bytes([path], np.array(places), atoms, _Parser(path, atoms))
    found[0]  # whose atoms are those of all
    return Trajectory(
        numbers=np.array([chemical_symbols.index(s) for s in symbols]),
        positions=found,
        cells=np.array(cells),
        times=np.array(times),
        steps=np.array(steps),
        periodic=bool(cells[0].any()),
    )


class _Parser:
    """Positions of a frame of a file, whose atoms must be those of the first frame that it has met."""

    def __init__(self, path: Path, atoms: int):
        self.path, self.atoms = path, atoms
        self.names: int | None = None

    def __call__(self, index: int, text: bytes) -> np.ndarray:
        from oligopoly.md.text import NAME, table  # numba takes a third of a second to import

        try:
            positions, names = table(text, self.atoms, [NAME, 0, 1, 2], 3)
        except ValueError:
            raise UserError(f"{self.path}: frame {index} is cut short or damaged") from None
        if self.names not in (None, names):
            raise UserError(f"{self.path}: frame {index} holds other atoms than the first")
        self.names = names
        return positions


def _headers(file, path: Path) -> Iterator[tuple[int, str]]:
    while first := file.readline():
        if not first.strip():  # between frames
            continue
        try:
            yield int(first), file.readline().decode()
        except ValueError as error:
            raise UserError(f"{path}: '{first.decode(errors='replace').strip()}' is not a number of atoms") from error


def _behind(file, first: int, count: int, guess: int) -> bool:
    """Go to the end of a frame's `count` lines; False where the file ends before. As many bytes as the frame before
    has are believed where a line ends with them, and a number of atoms or nothing follows."""
    if guess:
        file.seek(first + guess - 1)
        if file.read(1) == b"\n" and (not (follows := file.readline()) or follows.strip().isdigit()):
            file.seek(first + guess)
            return True
        file.seek(first)
    lines, last = 0, b""
    for lines, last in enumerate(itertools.islice(file, count), 1):  # noqa: B007
        pass
    return lines == count and last.endswith(b"\n")


def _value(header: str, key: str) -> str | None:
    """Text after `key=` in an extxyz comment line, without quotes."""
    at = f" {header}".find(f" {key}=")
    if at < 0:
        return None
    rest = header[at + len(key) + 1 :]
    return rest[1:].split('"', 1)[0] if rest.startswith('"') else rest.split(None, 1)[0]


def _other(path: Path) -> Trajectory:
    """By ASE's reader, which takes its time: once for what all frames have, and again for positions."""
    kept = frame_files.Stored([path])
    numbers, cells, times, steps, periodic = None, [], [], [], False
    for frame in kept:
        if numbers is None:
            numbers, periodic = np.array(frame.numbers), bool(frame.pbc.any())
        elif not np.array_equal(frame.numbers, numbers):
            raise UserError(f"{path}: the frames hold different atoms, so they are no trajectory")
        cells.append(frame.cell.array)
        times.append(float(frame.info.get("time_fs", "nan")))
        steps.append(int(frame.info.get("step", -1)))
    if numbers is None:
        raise UserError(f"{path}: holds no frames")
    places = np.array([(0, place.first, place.size) for _, _, place, _ in kept.places])
    return Trajectory(
        numbers=numbers,
        positions=from_bytes([path], places, len(numbers), lambda _, text: parse(text.decode()).positions),
        cells=np.array(cells),
        times=np.array(times),
        steps=np.array(steps),
        periodic=periodic,
    )
