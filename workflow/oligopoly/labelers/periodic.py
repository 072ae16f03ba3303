"""What the plane-wave codes have in common: cells for finite structures, and the spins of radicals."""

import numpy as np
from ase import Atoms

from oligopoly.labelers.contract import LabelFailure, decomposed
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.pieces import pieces

BOND = 1.2  # of the sum of covalent radii, which still is a bond between fragments


def in_cell(atoms: Atoms, vacuum: float, cubic: bool = False) -> Atoms:
    """A copy for a periodic code: as it is, or, if finite, in a cell with at least `vacuum` (A) on all sides."""
    if atoms.pbc.all():
        return atoms.copy()
    if atoms.pbc.any():
        raise LabelFailure(Outcome.INVALID, "periodic in some directions only")
    boxed = atoms.copy()
    boxed.center(vacuum=vacuum)
    if cubic:
        boxed.set_cell(np.eye(3) * boxed.cell.lengths().max())
        boxed.center()
    boxed.pbc = True
    return boxed


def set_moments(atoms: Atoms, unpaired: int) -> None:
    """Initial magnetic moments of a structure of fragments: those with an odd electron are up and down in turn.

    Without, an even number of radicals would stay a closed shell, far too high in energy. Whole molecules get none.
    """
    if not decomposed(atoms):
        return
    count, fragment = pieces(atoms, BOND)
    moments, sign = np.zeros(len(atoms)), 1
    for members in (np.flatnonzero(fragment == k) for k in range(count)):
        if atoms.numbers[members].sum() % 2:
            moments[members] = sign / len(members)
            sign = -sign
    atoms.set_initial_magnetic_moments(moments)
