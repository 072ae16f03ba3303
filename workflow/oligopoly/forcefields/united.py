"""Chains whose particles sit on the heavy atoms of a molecule: united atoms, and beads."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from oligopoly.systems import datafile

if TYPE_CHECKING:
    from rdkit import Chem


def heavy(mol: "Chem.Mol") -> np.ndarray:
    """Indices of the atoms that are no hydrogens."""
    return np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1])


def chain(mol: "Chem.Mol", kinds: Sequence[str], lines: dict[str, list[str]], dihedrals: bool) -> datafile.Chain:
    """The heavy atoms of a linear chain as LAMMPS sees it, without charges, with one kind of bond and of angle and,
    with `dihedrals`, one of these.

    kinds: of each heavy atom; the types are these in the order of the alphabet. `lines`: coefficients by section, as in
    a data file; none: the section stays empty.
    """
    sites = heavy(mol)
    place = {int(atom): k for k, atom in enumerate(sites)}
    bonds = [(place[b.GetBeginAtomIdx()], place[b.GetEndAtomIdx()]) for b in mol.GetBonds() if _within(b, place)]
    near: list[list[int]] = [[] for _ in sites]
    for i, j in bonds:
        near[i].append(j)
        near[j].append(i)
    angles = [(i, j, k) for j, around in enumerate(near) for i in around for k in around if i < k]
    torsions = [
        (i, j, k, m) for j, k in bonds for i in near[j] if i != k for m in near[k] if m not in (j, i)
    ]  # fmt: skip
    asked: dict[str, tuple[Sequence[tuple[int, ...]], bool]] = {
        "Bonds": (bonds, True),
        "Angles": (angles, bool(lines.get("Angle Coeffs"))),
        "Dihedrals": (torsions, dihedrals),
        "Impropers": ([], False),
    }
    topology = {
        name: np.array([[1, *entry] for entry in entries] if there else [], int).reshape(
            -1, 1 + datafile.TOPOLOGY[name]
        )
        for name, (entries, there) in asked.items()
    }
    order = sorted(set(kinds))
    types = np.array([order.index(kind) + 1 for kind in kinds])
    coefficients = {name: lines.get(name, []) for name in datafile.COEFFICIENTS}
    for section, name in (("Bond Coeffs", "Bonds"), ("Angle Coeffs", "Angles"), ("Dihedral Coeffs", "Dihedrals")):
        if not len(topology[name]):
            coefficients[section] = []
    return datafile.Chain(coefficients, types, np.zeros(len(kinds)), topology)


def _within(bond: "Chem.Bond", place: dict[int, int]) -> bool:
    return bond.GetBeginAtomIdx() in place and bond.GetEndAtomIdx() in place


def numbered(rows: Sequence[Sequence[float]]) -> list[str]:
    """Coefficients of types from 1 on."""
    write: Callable[[float], str] = "{:.10g}".format
    return [" ".join([str(k), *map(write, row)]) for k, row in enumerate(rows, start=1)]
