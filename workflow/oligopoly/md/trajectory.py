"""Trajectories: extended XYZ written frame by frame, read back thousands of frames at a time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from oligopoly.errors import UserError
from oligopoly.files import atomic
from oligopoly.md.simulation import Sample

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
    times (F,) fs, steps (F,). Positions are unwrapped: whole molecules, continuous in time."""

    numbers: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    times: np.ndarray
    steps: np.ndarray
    periodic: bool = True

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
    """Every `every`-th frame of a trajectory that this module wrote; ASE's reader for any other.

    Raises UserError when the file is missing, empty, or holds frames of different atoms.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    positions, cells, times, steps = [], [], [], []
    symbols: list[str] | None = None
    with open(path) as file:
        for index, (count, header) in enumerate(_headers(file, path)):
            if "Properties=species:S:1:pos:R:3 " not in header:
                return _read_other(path, every)
            lines = [file.readline() for _ in range(count)]
            if index % every:
                continue
            words = "".join(lines).split()
            if len(words) != 4 * count:
                raise UserError(f"{path}: frame {index} is cut short or damaged")
            if symbols is None:
                symbols = words[0::4]
            elif words[0::4] != symbols:
                raise UserError(f"{path}: frame {index} holds other atoms than the first")
            columns = np.array([words[1::4], words[2::4], words[3::4]], dtype=float)
            positions.append(columns.T)
            cells.append(_value(header, "Lattice"))
            times.append(float(_value(header, "time_fs") or "nan"))
            steps.append(int(_value(header, "step") or -1))
    if symbols is None:
        raise UserError(f"{path}: holds no frames")
    periodic = cells[0] is not None
    return Trajectory(
        numbers=np.array([chemical_symbols.index(s) for s in symbols]),
        positions=np.array(positions),
        cells=np.array([np.array(c.split(), float).reshape(3, 3) if c else np.zeros((3, 3)) for c in cells]),
        times=np.array(times),
        steps=np.array(steps),
        periodic=periodic,
    )


def _headers(file, path: Path) -> Iterator[tuple[int, str]]:
    while True:
        first = file.readline()
        if not first.strip():
            return
        try:
            yield int(first), file.readline()
        except ValueError as error:
            raise UserError(f"{path}: '{first.strip()}' is not a number of atoms") from error


def _value(header: str, key: str) -> str | None:
    """Text after `key=` in an extxyz comment line, without quotes."""
    at = f" {header}".find(f" {key}=")
    if at < 0:
        return None
    rest = header[at + len(key) + 1 :]
    return rest[1:].split('"', 1)[0] if rest.startswith('"') else rest.split(None, 1)[0]


def _read_other(path: Path, every: int) -> Trajectory:
    frames = ase.io.read(path, index=f"::{every}", format="extxyz")
    numbers = frames[0].numbers
    if any(not np.array_equal(frame.numbers, numbers) for frame in frames):
        raise UserError(f"{path}: the frames hold different atoms, so they are no trajectory")
    return Trajectory(
        numbers=np.array(numbers),
        positions=np.array([frame.positions for frame in frames]),
        cells=np.array([frame.cell.array for frame in frames]),
        times=np.array([float(frame.info.get("time_fs", "nan")) for frame in frames]),
        steps=np.array([int(frame.info.get("step", -1)) for frame in frames]),
        periodic=bool(frames[0].pbc.any()),
    )
