"""Stereocentres and double bonds of a repeat unit: which there are, what is marked, and what chains get.

A configuration is the sign of a volume: +1 where the vectors from a centre to the first three of its neighbours, in the
order of the SMILES and hydrogens last, are right-handed, which is what '@' says. Units whose centre has the same sign
are the same along the chain's direction: a meso dyad. R and S would not do, for they change where a chain ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from rdkit import Chem, rdBase

from oligopoly.errors import UserError

TAGS = {1: Chem.ChiralType.CHI_TETRAHEDRAL_CCW, -1: Chem.ChiralType.CHI_TETRAHEDRAL_CW}


@dataclass(frozen=True)
class Centre:
    """A tetrahedral stereocentre. `mark`: +1 or -1 where the SMILES marks it. `backbone`: is it in the main chain,
    rings that the chain runs through included?"""

    atom: int
    backbone: bool
    mark: int | None


@dataclass(frozen=True)
class DoubleBond:
    """A double bond with a cis and a trans form. `across`: a neighbour of each end, of the main chain where the bond
    is part of it; `mark`: the form of these two, where the SMILES marks it."""

    atoms: tuple[int, int]
    across: tuple[int, int]
    backbone: bool
    mark: str | None

    @property
    def form(self) -> str:
        """What is built: trans where nothing is marked."""
        return self.mark or "trans"


def find(mol: Chem.Mol, stars: tuple[int, ...], what: str) -> tuple[tuple[Centre, ...], tuple[DoubleBond, ...]]:
    """Centres and double bonds of a sanitized repeat unit or end group whose '*' differ (by isotope).

    Raises UserError that begins with `what` for marks that mean nothing.
    """
    tags = {a.GetIdx() for a in mol.GetAtoms() if a.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED}
    slashes = {b.GetIdx() for b in mol.GetBonds() if b.GetBondDir() != Chem.BondDir.NONE}
    main = _main_chain(mol, stars)
    with rdBase.BlockLogs():
        Chem.SetBondStereoFromDirections(mol)
        found = list(Chem.FindPotentialStereo(mol, cleanIt=False))
    explicit = Chem.AddHs(mol)
    centres, bonds = [], []
    for one in found:
        marked = one.specified == Chem.StereoSpecified.Specified
        if one.type == Chem.StereoType.Atom_Tetrahedral:
            atom = explicit.GetAtomWithIdx(one.centeredOn)
            centres.append(Centre(one.centeredOn, one.centeredOn in main, _sign(atom) if marked else None))
        elif one.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(one.centeredOn)
            ends = (bond.GetBeginAtom(), bond.GetEndAtom())
            if any(sum(b.GetBondType() == Chem.BondType.DOUBLE for b in end.GetBonds()) > 1 for end in ends):
                continue  # of an allene
            bonds.append(_double_bond(bond, main, explicit))
    for index in sorted(tags - {centre.atom for centre in centres}):
        atom = mol.GetAtomWithIdx(index)
        raise UserError(
            f"{what}: {atom.GetSymbol()} (symbol {index + 1}) has a mark '@' and is no stereocentre; drop the mark"
        )
    for index in sorted(slashes):
        ends = (mol.GetBondWithIdx(index).GetBeginAtomIdx(), mol.GetBondWithIdx(index).GetEndAtomIdx())
        if not any(bond.mark and set(ends) & set(bond.atoms) for bond in bonds):
            raise UserError(
                f"{what}: '/' or '\\' stands at no double bond, or only on one side of it; "
                "cis and trans need one on each side, such as *C/C=C/C* (trans) and *C/C=C\\C* (cis)"
            )
    return tuple(centres), tuple(bonds)


def _main_chain(mol: Chem.Mol, stars: tuple[int, ...]) -> set[int]:
    if len(stars) != 2:
        return set()
    main = set(Chem.GetShortestPath(mol, *stars))
    rings = [set(ring) for ring in mol.GetRingInfo().AtomRings()]
    # only rings that the chain runs through, and rings fused to them; a spiro ring shares one atom
    while grown := [ring for ring in rings if len(ring & main) > 1 and not ring <= main]:
        main = main.union(*grown)
    return main


def _double_bond(bond: Chem.Bond, main: set[int], explicit: Chem.Mol) -> DoubleBond:
    atoms = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())

    def neighbour(end: int, other: int) -> int:
        around = [n.GetIdx() for n in explicit.GetAtomWithIdx(end).GetNeighbors() if n.GetIdx() != other]
        return min(around, key=lambda i: (i not in main, explicit.GetAtomWithIdx(i).GetAtomicNum() == 1, i))

    across = (neighbour(*atoms), neighbour(*atoms[::-1]))
    mark = None
    if bond.GetStereo() in (Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOTRANS):
        changed = sum(a != b for a, b in zip(across, bond.GetStereoAtoms(), strict=True))
        mark = "cis" if (bond.GetStereo() == Chem.BondStereo.STEREOCIS) != (changed == 1) else "trans"
    return DoubleBond(atoms, across, set(atoms) <= main, mark)


def _sign(atom: Chem.Atom, order: list[int] | None = None) -> int:
    """Of a centre's tag; `order`: its neighbours in the order that signs are for."""
    around = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
    order = sorted(around) if order is None else order
    permutation = [order.index(i) for i in around]
    swaps = sum(a > b for k, a in enumerate(permutation) for b in permutation[k + 1 :])
    ccw = atom.GetChiralTag() == TAGS[1]
    return 1 if ccw == (swaps % 2 == 0) else -1


def mark(mol: Chem.Mol, centre: int, sign: int, order: list[int]) -> None:
    """Give an atom of `mol` the tag of `sign`, for its neighbours in `order`."""
    atom = mol.GetAtomWithIdx(centre)
    atom.SetChiralTag(TAGS[1])
    if _sign(atom, order) != sign:
        atom.SetChiralTag(TAGS[-1])


def isomers(mol: Chem.Mol, centres: tuple[Centre, ...]) -> list[str]:
    """SMILES of two ways to mark all centres, '*' as such."""
    free = [centre for centre in centres if centre.mark is None]
    found: list[str] = []
    for signs in islice(product((1, -1), repeat=len(free)), 64):
        one = Chem.Mol(mol)
        for centre, sign in zip(free, signs, strict=True):
            mark(one, centre.atom, sign, sorted(n.GetIdx() for n in one.GetAtomWithIdx(centre.atom).GetNeighbors()))
        one = Chem.RemoveHs(one, sanitize=False)
        for atom in one.GetAtoms():
            if atom.GetIsotope():
                atom.SetAtomMapNum(atom.GetIsotope())
                atom.SetIsotope(0)
        smiles = Chem.MolToSmiles(one)
        if smiles not in found:
            found.append(smiles)
        if len(found) == 2:
            break
    return found


def drawn(centres: tuple[Centre, ...], tacticity: str | None, dp: int, rng: np.random.Generator) -> np.ndarray:
    """Signs (dp, centres) of the units of one chain.

    Marked centres are as marked. Unmarked ones of the main chain are drawn for each unit, or, isotactic and
    syndiotactic, for the first; those of side groups are drawn for each unit.
    """
    signs = np.where(rng.random((dp, len(centres))) < 0.5, 1, -1)
    for k, centre in enumerate(centres):
        if centre.mark is not None:
            signs[:, k] = centre.mark
        elif centre.backbone and tacticity == "isotactic":
            signs[:, k] = signs[0, k]
        elif centre.backbone and tacticity == "syndiotactic":
            signs[:, k] = signs[0, k] * (-1) ** np.arange(dp)
    return signs


def volumes(positions: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Signed volumes (m,) in A^3 of the first three of `around` (m, 4: centre and three neighbours)."""
    vectors = positions[around[:, 1:]] - positions[around[:, :1]]
    return np.linalg.det(vectors) if len(around) else np.zeros(0)


def meso(signs: np.ndarray, closed: bool) -> float | None:
    """Fraction of meso dyads of chains (chains, dp) of one centre per unit; None without dyads."""
    pairs = signs * np.roll(signs, -1, axis=1)
    pairs = pairs if closed else pairs[:, :-1]
    return round(float(np.mean(pairs > 0)), 4) if pairs.size else None


def described(piece_centres: tuple[Centre, ...], mol: Chem.Mol, signs: np.ndarray, closed: bool) -> Iterator[dict]:
    """Centres as they stand in system.json; `signs` (chains, dp, centres)."""
    for k, centre in enumerate(piece_centres):
        yield {
            "symbol": centre.atom + 1,
            "element": mol.GetAtomWithIdx(centre.atom).GetSymbol(),
            "main_chain": centre.backbone,
            "marked": centre.mark is not None,
            "configurations": ["".join("+" if s > 0 else "-" for s in chain) for chain in signs[:, :, k]],
            "meso_fraction": meso(signs[:, :, k], closed),
        }
