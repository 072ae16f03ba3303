"""Binary trajectories: xtc (GROMACS, LAMMPS) by MDTraj, dcd (LAMMPS, NAMD, CHARMM) by its records.

MDTraj reads a dcd from its start whenever a frame is asked for, and prints as it does; the frames of a dcd are of one
size, so that they are found without help.
"""

import contextlib
import os
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.geometry import cellpar_to_cell

from oligopoly.errors import UserError
from oligopoly.md.stored import StoredPositions, from_bytes
from oligopoly.md.trajectory import Trajectory
from oligopoly.systems.topology import Topology


def read(path: Path, topology: Topology, notes: list[str]) -> Trajectory:
    """All frames, molecules made whole along their bonds; times are nan where the format has none (dcd)."""
    with open(path, "rb") as file:
        if not file.read(1):
            raise UserError(f"{path}: is empty")
    found = (_xtc if path.suffix == ".xtc" else _dcd)(path, topology, notes)
    if not np.all(abs(np.linalg.det(found.cells)) > 1e-6):
        raise UserError(f"{path}: has no box in it: only periodic liquids are analysed")
    return found


def _xtc(path: Path, topology: Topology, notes: list[str]) -> Trajectory:
    from mdtraj.formats import XTCTrajectoryFile

    atoms, cells, times = len(topology), [], []
    try:
        with _silent():
            opened = XTCTrajectoryFile(str(path))
            total = len(opened)
    except Exception as error:  # MDTraj's own kinds, and those of its libraries
        raise UserError(f"{path}: not readable as xtc ({' '.join(str(error).split())[:120]})") from None
    for number in range(total):
        try:
            with _silent():
                xyz, time, _, box = opened.read(1)
        except Exception:  # a file that ends early
            xyz = ()
        if not len(xyz):
            notes.append(f"{path}: ends within frame {number}, and is used up to there")
            break
        if xyz.shape[1] != atoms:
            raise UserError(f"{path}: its frames have {xyz.shape[1]} atoms, and the system has {atoms}")
        cells.append(10.0 * box[0].astype(float))
        times.append(1000.0 * float(time[0]))
    if not cells:
        raise UserError(f"{path}: holds no whole frame")
    lock = threading.Lock()

    def positions(number: int) -> np.ndarray:
        with lock:
            opened.seek(number)
            xyz = opened.read(1)[0]
        return topology.unwrap(10.0 * xyz[0].astype(float), cells[number])

    steps = np.full(len(cells), -1)
    return Trajectory(
        topology.numbers,
        StoredPositions(len(cells), atoms, positions),
        np.array(cells),
        np.array(times),
        steps,
        followed=False,
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What a library in C prints goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Header(NamedTuple):
    """Of a dcd: byte order, atoms, steps between frames, the time step in a unit that the file does not name, whether
    frames have a cell, and the bytes before the first of them."""

    order: str
    atoms: int
    every: int
    timestep: float
    cells: bool
    size: int


def dcd_header(path: Path) -> Header:
    """What a dcd says of itself: records between their lengths, `CORD` and twenty integers, titles, atoms. Raises
    UserError for other files."""
    with open(path, "rb") as file:
        head = file.read(1 << 16)
    order = "<" if head[:4] == struct.pack("<i", 84) else ">"
    try:
        if head[4:8] != b"CORD":
            raise ValueError("it does not begin with CORD")
        control = struct.unpack_from(f"{order}20i", head, 8)
        if control[8] or control[11]:
            raise ValueError("some of its atoms are fixed, or it has a fourth dimension")
        titles = struct.unpack_from(f"{order}i", head, 92)[0]
        size = 92 + 8 + titles
        atoms = struct.unpack_from(f"{order}i", head, size + 4)[0]
    except (struct.error, ValueError) as error:
        raise UserError(f"{path}: not readable as dcd ({error})") from None
    timestep = struct.unpack_from(f"{order}f", head, 44)[0]
    return Header(order, atoms, control[2], timestep, bool(control[10]), size + 12)


def _dcd(path: Path, topology: Topology, notes: list[str]) -> Trajectory:
    header, atoms = dcd_header(path), len(topology)
    if header.atoms != atoms:
        raise UserError(f"{path}: its frames have {header.atoms} atoms, and the system has {atoms}")
    before = 56 if header.cells else 0  # six doubles between their length
    size = before + 3 * (4 * atoms + 8)
    frames, rest = divmod(path.stat().st_size - header.size, size)
    if rest:
        notes.append(f"{path}: ends within frame {frames}, and is used up to there")
    if frames < 1:
        raise UserError(f"{path}: holds no whole frame")
    cells = np.zeros((frames, 3, 3))
    with open(path, "rb") as file:
        for number in range(frames if header.cells else 0):
            file.seek(header.size + number * size + 4)
            a, gamma, b, beta, alpha, c = np.frombuffer(file.read(48), f"{header.order}f8")
            # cosines, as NAMD and LAMMPS write them, or degrees
            angles = [np.degrees(np.arccos(x)) if abs(x) <= 1 else x for x in (alpha, beta, gamma)]
            if min(a, b, c) > 0:
                cells[number] = cellpar_to_cell([a, b, c, *angles])

    def parse(number: int, text: bytes) -> np.ndarray:
        records = np.frombuffer(text, f"{header.order}f4", offset=before).reshape(3, atoms + 2)
        return topology.unwrap(records[:, 1:-1].T.astype(float), cells[number])

    places = np.array([(0, header.size + number * size, size) for number in range(frames)])
    never = np.full(frames, np.nan)
    positions = from_bytes([path], places, atoms, parse)
    return Trajectory(topology.numbers, positions, cells, never, np.full(frames, -1), followed=False)
