"""When are two structures the same to a label: turned, moved, renumbered, or seen through the cell's images.

Energies do not change under rotation, translation, renumbering of atoms, or another choice of periodic images, and
forces turn along, so all of these are one structure here. They do occur: a dimer is cut out around either of its
molecules, a trajectory is written wrapped or whole, LAMMPS turns a tilted cell, VASP sorts atoms by element. An
integration grid that does not turn along moves a force by less than the method is worth, and the stored value is as
right as another one would be.

No rounding of coordinates survives such a change: one coordinate in a few hundred lies on the border of two steps, and
a standard orientation by the axes of inertia is ill-defined for symmetric molecules. So the fingerprint is made of two
numbers only, smooth in the coordinates and invariant, and whoever shares it is laid over the structure, atom by atom:
what fits within TOLERANCE is the same. A mirror image is not, and neither is a displacement of 1e-5 A.
"""

import hashlib
import itertools
import json

import numpy as np
from ase import Atoms
from vesin import ase_neighbor_list

from oligopoly.extxyz import farthest

# Largest deviation of an atom, A: coarser than what files keep (1e-8 A, or 1e-8 of a cell), and with force constants
# of up to 50 eV/A^2 worth 0.15 meV/A.
TOLERANCE = 3e-6
REACH = 5.0  # A, of the fingerprint
# Steps of the fingerprint's two numbers, and of a third. What files round moves them by less than a tenth of this, in
# molecules TOLERANCE does too.
STEP = 0.01
ALIKE = 0.1  # of a step


def invariants(atoms: Atoms) -> np.ndarray:
    """Three numbers (3,), smooth in the coordinates and invariant, in steps: those of one structure differ by less than
    ALIKE. NaN where places are not finite, or a cell has no volume."""
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    flat = atoms.pbc.all() and not atoms.cell.volume
    if not finite or flat or farthest(atoms) is not None:
        return np.full(3, np.nan)
    s = _surroundings(atoms)
    squares = s @ s
    return np.array([atoms.numbers @ s, squares / 100, (s**3).sum() / squares if squares else 0.0]) / STEP


def fingerprints(atoms: Atoms, theory: str, found: np.ndarray | None = None) -> list[str]:
    """Hashes (16 hex digits) under which the same structure may be kept, its own first.

    Of elements, periodicity and two of `found`, its `invariants`. Near the border of a step the one beyond is
    possible too. `theory` is hashed along. Structures without invariants share one that is no hash.
    """
    sums = (invariants(atoms) if found is None else found)[:2]
    if not np.isfinite(sums).all():
        return ["0" * 16]
    own = tuple(np.round(sums).astype(int).tolist())
    near = itertools.product(*({int(np.round(s - ALIKE)), int(np.round(s + ALIKE))} for s in sums))
    same = [sorted(atoms.numbers.tolist()), atoms.pbc.tolist(), theory]
    return [
        hashlib.sha256(json.dumps([numbers, *same]).encode()).hexdigest()[:16]
        for numbers in dict.fromkeys([own, *sorted(near)])
    ]


def overlay(stored: Atoms, atoms: Atoms, renumber: bool = True) -> tuple[np.ndarray, np.ndarray] | None:
    """How `stored` becomes `atoms`: order (N,) and rotation (3, 3), or None if they are not the same structure.

    Vectors on the atoms turn as `vectors[order] @ rotation`. `renumber` False: atom for atom.
    """
    if len(stored) != len(atoms) or (stored.pbc != atoms.pbc).any():
        return None
    straight = np.arange(len(atoms))
    orders = [straight]
    if renumber:
        one, two = (np.lexsort((_surroundings(a), a.numbers)) for a in (stored, atoms))
        order = np.empty_like(straight)
        order[two] = one
        orders.append(order)
    for order in orders:
        if np.array_equal(stored.numbers[order], atoms.numbers):
            lay = _lay_periodic if atoms.pbc.any() else _lay
            rotation = lay(stored, stored.positions[order], atoms)
            if rotation is not None:
                return order, rotation
    return None


def _surroundings(atoms: Atoms) -> np.ndarray:
    """(N,) one number per atom that its surroundings determine, smooth and invariant."""
    whole = atoms.copy()
    whole.pbc = atoms.pbc.all()
    i, j, d = ase_neighbor_list("ijd", whole, REACH)
    weights = atoms.numbers[j.astype(int)] * np.exp(-d) * (1 - (d / REACH) ** 2) ** 2
    return np.bincount(i.astype(int), weights, minlength=len(atoms))


def _lay(stored: Atoms, positions: np.ndarray, atoms: Atoms) -> np.ndarray | None:
    # Kabsch, Acta Cryst. A 32 (1976) 922
    one, two = positions - positions.mean(axis=0), atoms.positions - atoms.positions.mean(axis=0)
    u, _, v = np.linalg.svd(one.T @ two)
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
    return rotation if np.abs(one @ rotation - two).max() < TOLERANCE else None


def _lay_periodic(stored: Atoms, positions: np.ndarray, atoms: Atoms) -> np.ndarray | None:
    # Another choice of lattice vectors for the same crystal counts as another structure.
    if not (atoms.pbc.all() and stored.cell.rank == atoms.cell.rank == 3):
        return None
    rotation = np.linalg.solve(stored.cell.array, atoms.cell.array)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > TOLERANCE or np.linalg.det(rotation) < 0:
        return None
    # The nearest proper rotation: the cells' last digits must not strain the box.
    u, _, v = np.linalg.svd(rotation)
    rotation = u @ v
    if np.abs(stored.cell.array @ rotation - atoms.cell.array).max() > TOLERANCE:
        return None
    shift = atoms.positions - positions @ rotation
    shift = shift - shift[0]
    shift -= np.round(shift @ np.linalg.inv(atoms.cell.array)) @ atoms.cell.array
    return rotation if np.abs(shift - shift.mean(axis=0)).max() < TOLERANCE else None
