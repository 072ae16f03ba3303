"""RESP charges of a chain (Bayly, Cieplak, Cornell and Kollman, J. Phys. Chem. 97 (1993) 10269), from HF/6-31G*.

Psi4 gives the electrostatic potential of a chain of three units with the same ends, in a few conformations. The charges
of its middle unit, held neutral, are those of all inner units: so a chain of any length is neutral, and a unit does not
change with it. RadonPy's own way (one capped monomer, and the plugin `resp` inside Psi4's Python) knows no junctions.
"""

import os

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolAlign
from scipy.spatial.distance import cdist

from oligopoly.errors import UserError
from oligopoly.labelers.contract import LabelFailure
from oligopoly.labelers.psi4 import OPTIONS, Server

METHOD, BASIS = "hf", "6-31g*"
CONFORMATIONS, TRIED = 3, 20  # the best of so many
DIFFERENT = 0.5  # A, root mean square of their heavy atoms
SEED = 1

# Radii, A, and shells around them with so many points per A^2: Besler, Merz and Kollman, J. Comput. Chem. 11 (1990) 431
RADII = {"H": 1.2, "C": 1.5, "N": 1.5, "O": 1.4, "F": 1.35, "P": 1.8, "S": 1.75, "Cl": 1.7, "Br": 2.3, "I": 2.3}
SHELLS = (1.4, 1.6, 1.8, 2.0)
POINTS = 1.0
BOHR = 0.529177210903

STRENGTHS = (0.0005, 0.001)  # of the restraint in the two stages, atomic units
TIGHTNESS = 0.1  # e


def charges(mol: Chem.Mol, executable: str) -> np.ndarray:
    """Charges (N,) in e of a chain whose atoms have the property `unit`; they add up to zero.

    `executable`: Psi4's. Raises UserError where it is missing or does not converge.
    """
    model, stands_for = shortened(mol)
    elements = [atom.GetSymbol() for atom in model.GetAtoms()]
    places = conformations(model)
    surfaces = [surface(elements, x) for x in places]
    potentials = _potentials(elements, places, surfaces, executable)
    unit = _units(model)
    neutral = [np.ones(len(unit)), unit == 1] if unit.max() == 2 else [np.ones(len(unit))]
    return fit(model, places, surfaces, potentials, np.array(neutral, float))[stands_for]


def _units(mol: Chem.Mol) -> np.ndarray:
    return np.array([atom.GetIntProp("unit") for atom in mol.GetAtoms()])


def shortened(mol: Chem.Mol) -> tuple[Chem.Mol, np.ndarray]:
    """The chain with three of its units, first, second and last, and of each atom of `mol` the one that is like it.

    Of a ring of more than three: three in a row, closed by hydrogens, and all units are like the middle one.
    """
    unit = _units(mol)
    last = int(unit.max())
    if last < 3:
        return mol, np.arange(len(unit))
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    links = {(unit[i], unit[j]): (i, j) for a, b in bonds for i, j in ((a, b), (b, a))}
    ring = (0, last) in links
    third = 2 if ring else last
    model = Chem.RWMol(mol)
    if ring:
        for end in (links[0, last][0], links[2, 3][0]):
            hydrogen = Chem.Atom(1)
            hydrogen.SetIntProp("unit", int(unit[end]))
            model.AddBond(end, model.AddAtom(hydrogen), Chem.BondType.SINGLE)
    else:
        model.AddBond(links[1, 2][0], links[last, last - 1][0], Chem.BondType.SINGLE)
    kept = np.flatnonzero(np.isin(unit, (0, 1, third)))
    model.BeginBatchEdit()
    for gone in np.setdiff1d(np.arange(len(unit)), kept):
        model.RemoveAtom(int(gone))
    model.CommitBatchEdit()
    for atom in model.GetAtoms():
        atom.SetIntProp("unit", min(atom.GetIntProp("unit"), 2))
    Chem.SanitizeMol(model)
    stands_for = np.empty(len(unit), int)
    for k in range(last + 1):
        like = k if k in (0, last) and not ring else 1
        stands_for[unit == k] = np.searchsorted(kept, np.flatnonzero(unit == like))
    return model.GetMol(), stands_for


def conformations(mol: Chem.Mol) -> list[np.ndarray]:
    """Positions (N, 3) in A of the best few by MMFF94 (UFF where that lacks parameters), each unlike the others."""
    mol = Chem.Mol(mol)
    ids = list(AllChem.EmbedMultipleConfs(mol, TRIED, randomSeed=SEED))
    if not ids:
        raise UserError("force_field.charges: resp: no conformation is found of a chain of three units")
    if AllChem.MMFFHasAllMoleculeParams(mol):
        energies = [energy for _, energy in AllChem.MMFFOptimizeMoleculeConfs(mol, maxIters=2000)]
    else:
        energies = [energy for _, energy in AllChem.UFFOptimizeMoleculeConfs(mol, maxIters=2000)]
    bare = Chem.RemoveHs(mol)
    chosen: list[int] = []
    for k in np.argsort(energies, kind="stable"):
        if all(rdMolAlign.AlignMol(bare, bare, ids[k], other) > DIFFERENT for other in chosen):
            chosen.append(ids[k])
        if len(chosen) == CONFORMATIONS:
            break
    return [mol.GetConformer(k).GetPositions() for k in chosen]


def surface(elements: list[str], positions: np.ndarray) -> np.ndarray:
    """Points (M, 3) in A on spheres around the atoms that are inside no other sphere of the same shell."""
    radii = np.array([RADII[element] for element in elements])
    found = []
    for scale in SHELLS:
        for center, radius in zip(positions, scale * radii, strict=True):
            points = center + radius * _sphere(int(np.ceil(POINTS * 4 * np.pi * radius**2)))
            outside = (cdist(points, positions) >= scale * radii - 1e-9).all(axis=1)
            found.append(points[outside])
    return np.concatenate(found)


def _sphere(count: int) -> np.ndarray:
    """Points (count, 3) spread evenly over a unit sphere, on a golden spiral."""
    k = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * k / count), np.pi * (1 + np.sqrt(5)) * k
    return np.column_stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)])


def _potentials(elements, places, surfaces, executable) -> list[np.ndarray]:
    """Electrostatic potential in atomic units at the points around each conformation."""
    server = Server(executable, "force_field.executable")
    threads = len(os.sched_getaffinity(0))
    common = {"do": "potential", "functional": METHOD, "basis": BASIS, "symbols": elements, "unpaired": 0}
    common |= {"unrestricted": False, "threads": threads, "options": {**OPTIONS, "maxiter": 200}}
    found = []
    try:
        for positions, points in zip(places, surfaces, strict=True):
            answer = server.ask({**common, "positions": positions.tolist(), "points": points.tolist()})
            if "error" in answer:
                raise UserError(f"force_field.charges: resp: Psi4: {answer['error']}: {answer['message']}")
            found.append(np.array(answer["potential"]))
    except LabelFailure as failure:
        raise UserError(f"force_field.charges: resp: {failure}") from failure
    finally:
        server.end()
    return found


def fit(
    mol: Chem.Mol,
    places: list[np.ndarray],
    surfaces: list[np.ndarray],
    potentials: list[np.ndarray],
    neutral: np.ndarray,
) -> np.ndarray:
    """Charges (N,) in e from potentials (atomic units) at points around conformations; `neutral` (K, N): sums that
    are zero. Two stages: then the carbons of CH2 and CH3 with their hydrogens again, more restrained.

    Atoms alike by their bonds, within a unit, get the same charge.
    """
    matrix, right = np.zeros((mol.GetNumAtoms(),) * 2), np.zeros(mol.GetNumAtoms())
    for positions, points, potential in zip(places, surfaces, potentials, strict=True):
        inverse = BOHR / cdist(points, positions)
        matrix += inverse.T @ inverse / len(places)
        right += inverse.T @ potential / len(places)
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()])
    methyls = np.zeros(len(heavy), bool)
    for atom in mol.GetAtoms():
        hydrogens = [other.GetIdx() for other in atom.GetNeighbors() if other.GetAtomicNum() == 1]
        if atom.GetSymbol() == "C" and atom.GetDegree() == 4 and len(hydrogens) >= 2:
            methyls[[atom.GetIdx(), *hydrogens]] = True
    # alike by bonds and by unit: a short chain looks the same from both ends, and the middle's atoms stay its own
    ranks = np.array(Chem.CanonicalRankAtoms(mol, breakTies=False))
    alike = np.unique(np.column_stack([ranks, _units(mol)]), axis=0, return_inverse=True)[1].ravel()
    own = np.arange(len(heavy)) + len(heavy)
    first = _restrained(matrix, right, neutral, heavy, STRENGTHS[0], np.where(methyls, own, alike), None)
    fixed = np.where(methyls, np.nan, first)
    return _restrained(matrix, right, neutral, heavy, STRENGTHS[1], alike, fixed)


def _restrained(matrix, right, neutral, heavy, strength, alike, fixed) -> np.ndarray:
    """Least squares under sums of zero with a hyperbolic restraint on heavy atoms; `fixed` where it is a number."""
    known = np.zeros(len(heavy), bool) if fixed is None else np.isfinite(fixed)
    groups = np.unique(alike[~known])
    spread = (alike[:, None] == groups) * ~known[:, None]  # (N, groups)
    given = np.zeros(len(heavy)) if fixed is None else np.where(known, fixed, 0.0)
    sums = neutral @ spread
    # a sum of which nothing is free any more was met in the first stage
    free = np.abs(sums).sum(axis=1) > 0
    sums, target = sums[free], -(neutral @ given)[free]
    q = given.copy()
    for _ in range(100):
        restrained = matrix + np.diag(strength * heavy / np.sqrt(q**2 + TIGHTNESS**2))
        a = np.block([[spread.T @ restrained @ spread, sums.T], [sums, np.zeros((len(sums),) * 2)]])
        b = np.concatenate([spread.T @ (right - restrained @ given), target])
        after = given + spread @ np.linalg.lstsq(a, b, rcond=None)[0][: len(groups)]
        moved, q = np.abs(after - q).max(), after
        if moved < 1e-9:
            break
    return q
