"""The bond graph of one chain, or ring, of repeat units.

RadonPy's `polymerize_rw` is not used: it makes one chain where each chain of a box needs a sequence of its own, knows a
tacticity by mirror images of whole units whatever their SMILES marks, and does not close rings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from oligopoly.systems.unit import Piece


@dataclass(frozen=True)
class Assembly:
    """Pieces linked in a row. `mol`: without coordinates and stereo; its atoms have the properties `fragment`, `place`
    (symbol of the SMILES, from 1), and `unit` (0-based; end groups belong to the unit they sit on).

    `atoms[k]`: atom of the chain for each atom of piece k; for an attachment point the atom that it stands for, -1
    where there is none.
    """

    mol: Chem.Mol
    pieces: list[Piece]
    atoms: list[np.ndarray]
    closed: bool

    @staticmethod
    def own(piece: Piece) -> np.ndarray:
        """Atoms of a piece that are atoms of the chain too."""
        return np.setdiff1d(np.arange(piece.mol.GetNumAtoms()), piece.stars)

    def links(self) -> list[tuple[int, int]]:
        """Stars (out, in) that bond piece k to the next; of a ring the last to the first too."""
        rows = list(zip(self.pieces, self.pieces[1:] + self.pieces[:1] * self.closed, strict=False))
        return [(a.stars[-1], b.stars[0]) for a, b in rows]


def assemble(unit: Piece, ends: Sequence[Piece], dp: int) -> Assembly:
    """A chain of `dp` units between two `ends`, or a ring without; atoms in the order of head, units, tail."""
    closed = not ends
    pieces = [unit] * dp if closed else [ends[0], *[unit] * dp, ends[1]]
    chain = Chem.RWMol()
    first = 0
    starts = []
    for k, piece in enumerate(pieces):
        part = Chem.Mol(piece.mol)
        for bond in part.GetBonds():
            bond.SetStereo(Chem.BondStereo.STEREONONE)
            bond.SetBondDir(Chem.BondDir.NONE)
        for atom in part.GetAtoms():
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
            symbol = atom if atom.GetIdx() < piece.written else atom.GetNeighbors()[0]
            atom.SetProp("fragment", piece.name)
            atom.SetIntProp("place", symbol.GetIdx() + 1)
            atom.SetIntProp("unit", min(max(k - (not closed), 0), dp - 1))
        chain.InsertMol(part)
        starts.append(first)
        first += part.GetNumAtoms()
    bare = Assembly(chain, pieces, [], closed)
    stands_for, stars = {}, []
    for k, (out, into) in enumerate(bare.links()):
        a, b = pieces[k], pieces[(k + 1) % len(pieces)]
        left, right = starts[k], starts[(k + 1) % len(pieces)]
        chain.AddBond(left + a.inner(out), right + b.inner(into), Chem.BondType.SINGLE)
        stands_for[left + out], stands_for[right + into] = right + b.inner(into), left + a.inner(out)
        stars += [left + out, right + into]
    chain.BeginBatchEdit()
    for star in stars:
        chain.RemoveAtom(star)
    chain.CommitBatchEdit()
    new = np.full(first, -1)
    new[np.setdiff1d(np.arange(first), stars)] = np.arange(first - len(stars))
    atoms = [
        np.array([new[stands_for.get(start + i, start + i)] for i in range(piece.mol.GetNumAtoms())])
        for start, piece in zip(starts, pieces, strict=True)
    ]
    Chem.SanitizeMol(chain)
    return Assembly(chain.GetMol(), pieces, atoms, closed)
