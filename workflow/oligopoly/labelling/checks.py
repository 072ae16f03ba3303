"""What must hold of a structure before a code may see it, and of a label before anyone may learn from it.

The codes themselves stay silent: most give energies for fused atoms, for torn molecules, and some for odd electrons.
"""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from oligopoly.extxyz import FAR, farthest
from oligopoly.labelers.contract import Label, decomposed
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.pieces import pairs, pieces
from oligopoly.systems.topology import Topology

Flaw = tuple[Outcome, str]

# Atoms within this share of the sum of their covalent radii (Cordero 2008) are fused: C-C at 0.91 A, C-H at 0.64 A.
# GAFF2 at 1000 K stays above 0.85, and the pool's hardest contacts of molecules are above 1.2 A.
FUSED = 0.6
# Atoms of different molecules within this share have bonded: H-H at 0.74 A, C-H at 1.28 A, C-C at 1.82 A.
BONDED = 1.2


def geometry(atoms: Atoms, min_distance: float) -> Flaw | None:
    """Numbers that are not finite, or fused atoms: nearer than `min_distance` (A), or than FUSED says."""
    if len(atoms) == 0:
        return Outcome.INVALID, "no atoms"
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return Outcome.INVALID, "a position or the cell is not a finite number"
    if (far := farthest(atoms)) is not None:
        return Outcome.INVALID, f"atom {far} lies more than {FAR:g} A from atom 0"
    if atoms.pbc.any() and not abs(atoms.cell.volume) > 0:
        return Outcome.INVALID, "periodic, and the cell has no volume"
    if (atoms.numbers < 1).any():
        return Outcome.INVALID, f"atom {int(np.argmin(atoms.numbers))} is no element"
    return _fused(atoms, min_distance)


def molecules(atoms: Atoms, topology: Topology | None, max_bond: float) -> Flaw | None:
    """Odd electrons, or molecules that are torn or have bonded with each other.

    `topology`: of the system that the structure is made of, in its order of atoms. Without one, the molecules are those
    that the structure's own bonds make, and one that is a radical or a bare atom is taken for a fragment. A bond is
    torn beyond `max_bond` times the sum of the covalent radii. Structures broken on purpose (`config_type=decomposed`)
    may be all of this.
    """
    if decomposed(atoms):
        return None
    electrons = int(atoms.numbers.sum())
    if electrons % 2:
        return Outcome.ODD_ELECTRONS, f"{electrons} electrons: a molecule has lost or gained an atom"
    return _torn(atoms, topology, max_bond) if topology else _radicals(atoms, max_bond)


def label(label: Label, max_force: float, max_net_force: float) -> Flaw | None:
    """Values that are not finite, a force above `max_force`, a sum of forces above `max_net_force` (eV/A)."""
    values = [np.asarray(v) for v in (label.energy, label.forces, label.stress, label.charges) if v is not None]
    if not all(np.isfinite(value).all() for value in values):
        return Outcome.CRASHED, "the energy, a force or another value is not a finite number"
    largest = np.linalg.norm(label.forces, axis=1)
    worst = int(np.argmax(largest))
    if largest[worst] > max_force:
        return Outcome.FORCE, f"force of {largest[worst]:.1f} eV/A on atom {worst}, above {max_force:g} eV/A"
    net = float(np.linalg.norm(label.forces.sum(axis=0)))
    if net > max_net_force:
        return Outcome.NET_FORCE, f"forces sum to {net:.3f} eV/A, above {max_net_force:g} eV/A"
    return None


def _fused(atoms: Atoms, min_distance: float) -> Flaw | None:
    radii = covalent_radii[atoms.numbers]
    i, j, d = pairs(atoms, max(min_distance, 2 * FUSED * radii.max()))
    excess = d - np.maximum(min_distance, FUSED * (radii[i] + radii[j]))
    if len(d) == 0 or excess.min() >= 0:
        return None
    k = int(np.argmin(excess))
    limit = d[k] - excess[k]
    return (
        Outcome.OVERLAP,
        f"atoms {_named(atoms, i[k])} and {_named(atoms, j[k])} are {d[k]:.3f} A apart, closer than {limit:.2f} A",
    )


def _torn(atoms: Atoms, topology: Topology, max_bond: float) -> Flaw | None:
    n = topology.atoms_per_chain
    if len(atoms) % n:
        return Outcome.FRAGMENTED, f"{len(atoms)} atoms are not whole molecules of {n} atoms"
    topology = topology.of(len(atoms))
    wrong = np.flatnonzero(atoms.numbers != topology.numbers)
    if len(wrong):
        return Outcome.INVALID, f"atom {wrong[0]} is not the element that the system has in its place"
    broken = topology.broken_bonds(atoms.positions, atoms.cell.array if atoms.pbc.any() else None, max_bond)
    if len(broken):
        i, j = broken[0]
        d = atoms.get_distance(i, j, mic=bool(atoms.pbc.any()))
        return (
            Outcome.FRAGMENTED,
            f"{len(broken)} broken bonds; {_named(atoms, i)} and {_named(atoms, j)} are {d:.2f} A apart",
        )
    radii = covalent_radii[atoms.numbers]
    i, j, d = pairs(atoms, 2 * BONDED * radii.max())
    other = topology.molecules[i] != topology.molecules[j]
    new = np.flatnonzero(other & (d < BONDED * (radii[i] + radii[j])))
    if len(new):
        k = new[np.argmin(d[new])]
        return (
            Outcome.FRAGMENTED,
            f"two molecules have bonded: {_named(atoms, i[k])} and {_named(atoms, j[k])} are {d[k]:.2f} A apart",
        )
    return None


def _radicals(atoms: Atoms, max_bond: float) -> Flaw | None:
    # Covalent bonds break into radicals: pieces that together have even electrons, and each by itself odd ones.
    count, piece = pieces(atoms, max_bond)
    electrons = np.bincount(piece, atoms.numbers, count)
    size = np.bincount(piece, minlength=count)
    noble = np.isin(atoms.numbers, (2, 10, 18, 36, 54, 86))
    bare = (size == 1) & (np.bincount(piece, noble, count) == 0)
    odd = np.flatnonzero((electrons % 2 == 1) | bare)
    if len(odd) == 0:
        return None
    formula = atoms[piece == odd[0]].get_chemical_formula()
    return Outcome.FRAGMENTED, f"{len(odd)} of {count} molecules are fragments, the first of them {formula}"


def _named(atoms: Atoms, i: int) -> str:
    return f"{i} ({atoms.symbols[i]})"
