"""Conformations of chains: each piece in 3D by RDKit, pieces linked, the backbone walked at random, rings closed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.distance import cdist

from oligopoly.errors import UserError
from oligopoly.seeds import derive
from oligopoly.systems import rotamers, stereo
from oligopoly.systems.chain import Assembly
from oligopoly.systems.unit import Piece
from oligopoly.systems.walk import backbone, close, random_walk, turned_by

EMBEDDED = 150  # atoms of a ring; larger ones walk and are closed, for distance geometry takes minutes
STIFF = 400  # atoms of a ring that no walk closes, which is embedded all the same
TRIES = 50  # configurations that are drawn for a unit until one has a 3D structure
ROOMY = 1.2  # A between atoms three and more bonds apart: with this a closed ring is good enough
CLOSINGS = 10
# Torsions of a chain whose size is that of a melt from the start: of shorter ones, 21 steps of equilibration do it.
LONG = 60


@dataclass(frozen=True)
class Melt:
    """What decides about torsions: particles at `sites` of the chain, moved by `place`, and `local`; K."""

    sites: np.ndarray
    place: Callable[[np.ndarray], np.ndarray]
    local: rotamers.Local
    temperature: float

    def torsions(self, x: np.ndarray, turnable: list[tuple[int, int]], place: np.ndarray, rng) -> np.ndarray:
        """`x` (n, 3) with torsions of the melt, and random ones about bonds that have no particles."""
        particle = np.full(len(x), -1)
        particle[self.sites] = np.arange(len(self.sites))
        axes = particle[np.array(turnable)]
        known = (axes >= 0).all(axis=1)
        angles = rng.uniform(-np.pi, np.pi, len(turnable))
        angles[known] = rotamers.angles(self.place(x[self.sites]), axes[known], self.local, self.temperature, rng)
        return turned_by(x, turnable, place, angles)


def is_long(assembly: Assembly) -> bool:
    """Is it an open chain with the torsions of a melt?"""
    if assembly.closed:
        return False
    ends = assembly.pieces[0], assembly.pieces[-1]
    first, last = (a[p.inner(p.stars[0])] for a, p in zip((assembly.atoms[0], assembly.atoms[-1]), ends, strict=True))
    return len(backbone(assembly.mol, int(first), int(last))[0]) >= LONG


class Shapes:
    """Positions of pieces, one conformation for each configuration that is asked for."""

    def __init__(self, seed: int):
        self.seed = seed
        self._known: dict[tuple, np.ndarray | None] = {}

    def of(self, piece: Piece, signs: tuple[int, ...]) -> np.ndarray | None:
        """(n, 3) in A, attachment points included; None where there is no such molecule, as of bicyclic rings."""
        key = (piece.name, piece.smiles, signs)
        if key not in self._known:
            self._known[key] = _embedded(piece, signs, self.seed)
        return self._known[key]

    def known(self, piece: Piece, signs: tuple[int, ...]) -> np.ndarray:
        """(n, 3) of a configuration that has been drawn."""
        positions = self.of(piece, signs)
        if positions is None:
            raise ValueError(f"{piece.smiles} was not drawn as {signs}")
        return positions

    def drawn(self, piece: Piece, tacticity: str | None, n: int, rng: np.random.Generator) -> np.ndarray:
        """Signs (n, centres) of n pieces of one chain. Raises UserError where no 3D structure is found."""
        signs = stereo.drawn(piece.centres, tacticity, n, rng)
        uniform = tacticity in ("isotactic", "syndiotactic")
        for _ in range(TRIES):
            bad = [k for k in range(n) if self.of(piece, tuple(signs[k].tolist())) is None]
            if not bad:
                return signs
            again = stereo.drawn(piece.centres, tacticity, n, rng)
            signs = again if uniform else np.where(np.isin(np.arange(n), bad)[:, None], again, signs)
        marked = " as its SMILES marks it" if any(centre.mark is not None for centre in piece.centres) else ""
        raise UserError(f"{piece.name} {piece.smiles!r}: no 3D structure could be made of it{marked}")


def conformation(
    assembly: Assembly, signs: list[tuple[int, ...]], shapes: Shapes, seed: int, melt: "Melt | None" = None
) -> np.ndarray:
    """Positions (n, 3) in A of a chain whose pieces have these configurations; a long one has the torsions that it has
    in a `melt`. Raises UserError for a ring that does not close."""
    if assembly.closed and assembly.mol.GetNumAtoms() <= EMBEDDED:
        positions = _embedded_ring(assembly, signs, seed)
        if positions is not None:
            return positions
    rng = np.random.default_rng(seed)
    start = _linked(assembly, [shapes.known(p, s) for p, s in zip(assembly.pieces, signs, strict=True)])
    if assembly.closed:
        positions = _closed(assembly, start, rng)
        if positions is None and EMBEDDED < assembly.mol.GetNumAtoms() <= STIFF:
            positions = _embedded_ring(assembly, signs, seed)
        if positions is None:
            unit = assembly.pieces[0]
            raise UserError(
                f"{unit.name} {unit.smiles!r}: a ring of {len(signs)} of it does not close; its units are too stiff"
            )
        return positions
    ends = assembly.pieces[0], assembly.pieces[-1]
    first, last = (a[p.inner(p.stars[0])] for a, p in zip((assembly.atoms[0], assembly.atoms[-1]), ends, strict=True))
    turnable, place = backbone(assembly.mol, int(first), int(last))
    if melt is not None and len(turnable) >= LONG:
        return melt.torsions(start[:-2], turnable, place, rng)
    return random_walk(start[:-2], turnable, place, rng)


def neighbourhoods(assembly: Assembly) -> np.ndarray:
    """Each stereocentre of the chain with the first three of its neighbours, (m, 4), in the order of the pieces."""
    rows = []
    for piece, atoms in zip(assembly.pieces, assembly.atoms, strict=True):
        for centre in piece.centres:
            around = _order(piece, centre.atom)[:3]
            rows.append([atoms[centre.atom], *(atoms[i] for i in around)])
    return np.array(rows, dtype=int).reshape(-1, 4)


def _order(piece: Piece, atom: int) -> list[int]:
    return sorted(n.GetIdx() for n in piece.mol.GetAtomWithIdx(atom).GetNeighbors())


def _embed(mol: Chem.Mol, seed: int) -> bool:
    options = AllChem.ETKDGv3()
    options.randomSeed = seed % 2**31
    options.maxIterations = 20
    for random in (False, True):
        options.useRandomCoords = random
        if AllChem.EmbedMolecule(mol, options) == 0:
            return True
    return False


def _mark_bonds(mol: Chem.Mol, piece: Piece, atoms) -> None:
    for bond in piece.double_bonds:
        one = mol.GetBondBetweenAtoms(*(int(atoms[i]) for i in bond.atoms))
        first, second = (int(atoms[i]) for i in bond.across)
        one.SetStereoAtoms(*((first, second) if one.GetBeginAtomIdx() == atoms[bond.atoms[0]] else (second, first)))
        one.SetStereo(Chem.BondStereo.STEREOCIS if bond.form == "cis" else Chem.BondStereo.STEREOTRANS)


def _embedded(piece: Piece, signs: tuple[int, ...], seed: int) -> np.ndarray | None:
    mol = Chem.RWMol(piece.mol)
    for number, star in enumerate(piece.stars, start=2):
        # Isotopes of hydrogen, so that head and tail stay different.
        mol.GetAtomWithIdx(star).SetAtomicNum(1)
        mol.GetAtomWithIdx(star).SetIsotope(number)
    around = []
    for centre, sign in zip(piece.centres, signs, strict=True):
        order = _order(piece, centre.atom)
        stereo.mark(mol, centre.atom, sign, order)
        around.append([centre.atom, *order[:3]])
    _mark_bonds(mol, piece, range(mol.GetNumAtoms()))
    rows = np.array(around, dtype=int).reshape(-1, 4)
    Chem.SanitizeMol(mol)
    if not _embed(mol, derive(seed, "piece", piece.name, piece.smiles, *signs)):
        return None
    positions = [mol.GetConformer(0).GetPositions()]
    if AllChem.MMFFHasAllMoleculeParams(mol):
        AllChem.MMFFOptimizeMolecule(mol, maxIters=200)
        positions.insert(0, mol.GetConformer(0).GetPositions())
    return next((x for x in positions if (stereo.volumes(x, rows) * np.array(signs) > 0).all()), None)


def _bond_length(assembly: Assembly, a: int, b: int) -> float:
    table = Chem.GetPeriodicTable()
    return sum(table.GetRcovalent(assembly.mol.GetAtomWithIdx(int(i)).GetAtomicNum()) for i in (a, b))


def _linked(assembly: Assembly, shapes: list[np.ndarray]) -> np.ndarray:
    """Pieces one after the other, each bond between them along those to the attachment points, (n + 2, 3): the last two
    are where the atom before the first piece and the one after the last would be."""
    n = assembly.mol.GetNumAtoms()
    positions = np.zeros((n + 2, 3))
    direction, end = np.array([0.0, 0.0, 1.0]), np.zeros(3)
    for k, (piece, x, atoms) in enumerate(zip(assembly.pieces, shapes, assembly.atoms, strict=True)):
        into, out = piece.stars[0], piece.stars[-1]
        x = (x - x[piece.inner(into)]) @ _rotation(x[into] - x[piece.inner(into)], -direction).T + end
        own = assembly.own(piece)
        positions[atoms[own]] = x[own]
        if k == 0:
            positions[n] = end - _bond_length(assembly, atoms[piece.inner(into)], atoms[into]) * direction
        inner = piece.inner(out)
        direction = (x[out] - x[inner]) / np.linalg.norm(x[out] - x[inner])
        end = x[inner] + _bond_length(assembly, atoms[inner], atoms[out]) * direction
    positions[n + 1] = end
    return positions


def _rotation(vector: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """The half turn that brings `vector` into the direction of the unit vector `onto`."""
    a = vector / np.linalg.norm(vector)
    axis = a + onto
    if np.linalg.norm(axis) < 1e-6:
        axis = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])
    return 2 * np.outer(axis, axis) / (axis @ axis) - np.eye(3)


def _embedded_ring(assembly: Assembly, signs: list[tuple[int, ...]], seed: int) -> np.ndarray | None:
    mol = Chem.RWMol(assembly.mol)
    for piece, atoms, configuration in zip(assembly.pieces, assembly.atoms, signs, strict=True):
        for centre, sign in zip(piece.centres, configuration, strict=True):
            order = [int(atoms[i]) for i in _order(piece, centre.atom)]
            stereo.mark(mol, int(atoms[centre.atom]), sign, order)
        _mark_bonds(mol, piece, atoms)
    if not _embed(mol, seed):
        return None
    positions = [mol.GetConformer(0).GetPositions()]
    AllChem.MMFFOptimizeMolecule(mol, maxIters=500)
    positions.insert(0, mol.GetConformer(0).GetPositions())
    wanted = np.array([sign for configuration in signs for sign in configuration])
    rows = neighbourhoods(assembly)
    return next((x for x in positions if (stereo.volumes(x, rows) * wanted > 0).all()), None)


def _closed(assembly: Assembly, start: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A ring by closing random walks; the roomiest of a few; None where none closes."""
    n = assembly.mol.GetNumAtoms()
    (out, into) = assembly.links()[-1]
    first, last = int(assembly.atoms[-1][out]), int(assembly.atoms[0][into])
    opened = Chem.RWMol(assembly.mol)
    opened.RemoveBond(first, last)
    Chem.FastFindRings(opened)
    turnable, place = backbone(opened, first, last)
    place = np.append(place, [place[first], place[last]])
    far = Chem.GetDistanceMatrix(assembly.mol) > 2
    best, room = None, 0.0
    for _ in range(CLOSINGS):
        walked = random_walk(start, turnable, place, rng)
        x = close(walked, turnable, place, [(last, n), (n + 1, first)], rng)
        if x is None:
            continue
        gap = cdist(x[:n], x[:n])[far].min()
        if best is None or gap > room:
            best, room = x[:n], gap
        if room > ROOMY:
            break
    return best
