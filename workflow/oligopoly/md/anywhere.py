"""Trajectories that other programs wrote, or other runs of this one, opened for what is measured in them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.data import covalent_radii

from oligopoly.errors import UserError
from oligopoly.md import binary, dump, trajectory
from oligopoly.md.stored import StoredPositions
from oligopoly.md.trajectory import Trajectory
from oligopoly.systems.topology import Topology

FORMATS = "a LAMMPS dump in text, .xtc, .dcd or extended XYZ"
# No bond is longer than so many sums of covalent radii, however hot: such atoms are not bonded.
UNBONDED = 2.0


def read(
    paths: Sequence[str | Path],
    topology: Topology,
    timestep_fs: float | None = None,
    spacing_fs: float | None = None,
) -> tuple[Trajectory, list[str]]:
    """The frames of files that follow each other (several: dumps), and sentences on what was left out.

    timestep_fs : of the MD, where a dump tells steps alone; spacing_fs : between frames, in place of what the file
    says. Raises UserError, in one sentence, for what is not the trajectory of a periodic box of this system.
    """
    notes: list[str] = []
    files = [Path(path) for path in paths]
    kinds = [_kind(path) for path in files]
    if len(files) > 1 and set(kinds) != {"dump"}:
        raise UserError(f"{files[1]}: only LAMMPS dumps are read several at once: join the files before")
    if kinds[0] == "dump":
        found = dump.read(files, topology, notes)
    elif kinds[0] == "binary":
        found = binary.read(files[0], topology, notes)
    else:
        found = _extxyz(files[0], topology, notes)
    found = replace(found, times=_times(files[0], found, timestep_fs, spacing_fs))
    _check_bonds(files[0], found, topology)
    return found, notes


def _kind(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path}: is a folder: give a trajectory, {FORMATS}")
    if not path.exists():
        raise UserError(f"{path}: no such file")
    with open(path, "rb") as file:
        start = file.read(4096)
    if path.suffix in (".xtc", ".dcd"):
        return "binary"
    if start[:2] == b"\x1f\x8b":
        raise UserError(f"{path}: is compressed: unpack it with gunzip")
    words = start.split(None, 2)
    if words[:1] == [b"ITEM:"]:
        return "dump"
    if words and words[0].isdigit():
        return "extxyz"
    what = "is empty" if not start else f"begins with {start[:20]!r}"
    raise UserError(f"{path}: {what}, and is no trajectory: give {FORMATS}")


def _extxyz(path: Path, topology: Topology, notes: list[str]) -> Trajectory:
    found = trajectory.stored(path, notes)
    if len(found.numbers) != len(topology):
        raise UserError(f"{path}: its frames have {len(found.numbers)} atoms, and the system has {len(topology)}")
    if not np.array_equal(found.numbers, topology.numbers):
        atom = int(np.argmax(found.numbers != topology.numbers))
        raise UserError(f"{path}: atom {atom + 1} is another element than in the system: not the same system or order")
    if not found.periodic:
        raise UserError(f"{path}: has no box in it (Lattice): only periodic liquids are analysed")
    positions, cells = found.positions, found.cells
    whole = StoredPositions(len(found), len(topology), lambda k: topology.unwrap(positions[k], cells[k]))
    return replace(found, positions=whole, followed=False)


def _times(path: Path, found: Trajectory, timestep_fs: float | None, spacing_fs: float | None) -> np.ndarray:
    """In fs, and at even intervals."""
    frames = np.arange(len(found))
    stepped = bool((found.steps >= 0).all()) and len(found) > 1
    if stepped:
        _even(path, found.steps.astype(float), "steps")
    if spacing_fs is not None:
        return spacing_fs * frames
    times = found.times
    if not np.isfinite(times).all() and timestep_fs is not None and stepped:
        times = found.steps * timestep_fs
    if not np.isfinite(times).all():
        if path.suffix == ".dcd":
            head = binary.dcd_header(path)
            told = f"it has a frame every {head.every} steps of {head.timestep:g}, as a dcd says, but not of which unit"
            raise UserError(f"{path}: {told}: give --spacing, the time between frames, such as '1 ps'")
        how = (
            "give --timestep, the time step of the MD, such as '1 fs'" if stepped else "give --spacing, such as '1 ps'"
        )
        raise UserError(f"{path}: does not say how much time lies between frames: {how}")
    if len(found) > 1:
        _even(path, times, "fs")
    return times


def _even(path: Path, values: np.ndarray, unit: str) -> None:
    gaps = np.diff(values)
    usual = float(np.median(gaps))
    wrong = np.flatnonzero(~(abs(gaps - usual) <= 0.01 * abs(usual)))
    if usual <= 0 or len(wrong):
        k = int(wrong[0]) if len(wrong) else 0
        raise UserError(
            f"{path}: {gaps[k]:g} {unit} lie between frames {k} and {k + 1}, and {usual:g} between most: frames must "
            "follow each other at even intervals"
        )


def _check_bonds(path: Path, found: Trajectory, topology: Topology) -> None:
    """Of the first frame, which the wrong system or order of atoms tears."""
    if not len(topology.bonds):
        return
    positions = found.positions[0]
    one, two = topology.bonds.T
    radii = covalent_radii[topology.numbers]
    lengths = np.linalg.norm(positions[one] - positions[two], axis=1)
    wrong = np.flatnonzero(~(lengths <= UNBONDED * (radii[one] + radii[two])))
    if len(wrong):
        k = int(wrong[0])
        raise UserError(
            f"{path}: {len(wrong)} of {len(lengths)} bonds of the system are torn in the first frame (atoms "
            f"{one[k] + 1} and {two[k] + 1} are {lengths[k]:.1f} A apart): not the same system, order of atoms or unit "
            "of length"
        )
