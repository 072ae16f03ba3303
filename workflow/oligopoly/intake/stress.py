"""Is a stress in eV/A^3, and of ASE's sign? Forces within the molecules make most of it."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from vesin import ase_neighbor_list

from oligopoly.accuracy import voigt
from oligopoly.intake.findings import KBAR, STRESS_UNITS, Finding, likely


def doubts(frames: Sequence[Atoms]) -> list[Finding]:
    """What is wrong with the stress of periodic frames."""
    labelled = [a for a in frames if "REF_stress" in a.info and a.pbc.all()]
    if not labelled:
        return []
    stresses = np.array([voigt(a.info["REF_stress"]) for a in labelled])
    size = float(np.median(np.abs(stresses[:, :3]).max(axis=1)))
    ruler = _molecular_virial([a for a in labelled if "REF_forces" in a.arrays][:100])
    volume = float(np.median([a.get_volume() for a in labelled]))
    said = [] if ruler is None else _off(ruler, volume)
    if said:
        return [Finding(True, f"stress is not in eV/A^3 of ASE's sign (positive under tension): {' or '.join(said)}")]
    if size > 1:
        unit = "bar" if size > 3000 else "kBar, or a virial in eV," if size > 20 else "GPa or kBar, or a virial in eV,"
        return [
            Finding(
                True,
                f"a stress of {size:.3g} eV/A^3 ({size * KBAR / 10:.3g} GPa) cannot be: is it in {unit} and not in "
                "eV/A^3, ASE's sign?",
            )
        ]
    if size > 0.25:
        return [Finding(False, f"a stress of {size:.3g} eV/A^3 is {size * KBAR / 10:.3g} GPa: is it in eV/A^3?")]
    return []


def _off(ruler: float, volume: float) -> list[str]:
    """What a stress may be that is so many times what forces within molecules make of it."""
    found = []
    if unit := likely(ruler, STRESS_UNITS, 1.6):
        found.append(f"it seems to be in {unit}" + (" and of VASP's sign" if ruler < 0 else ""))
    if ruler < 0 and 1 / 1.6 < abs(ruler) / volume < 1.6:
        found.append("it seems to be a virial in eV, minus the stress times the volume: then call it virial")
    if not found and -2 < ruler < -0.3:
        found.append("it has the other sign, as VASP's")
    return found


def _molecular_virial(frames: Sequence[Atoms]) -> float | None:
    """How many times the stress is what forces within the molecules make of it; None where that cannot be told.

    The difference is the virial between centres of molecules, small and smooth in a liquid.
    """
    inner, given = [], []
    for atoms in frames:
        places = _whole_molecules(atoms)
        if places is None:
            return None
        positions, molecule = places
        centres = np.array([positions[molecule == m].mean(axis=0) for m in range(molecule.max() + 1)])
        virial = np.einsum("ia,ib->ab", positions - centres[molecule], atoms.arrays["REF_forces"])
        inner.append(voigt(-virial / atoms.get_volume()))
        given.append(voigt(atoms.info["REF_stress"]))
    if len(inner) < 3:
        return None
    one, two = np.array(inner).ravel(), np.array(given).ravel()
    if not (one.std() and two.std()) or abs(np.corrcoef(one, two)[0, 1]) < 0.6:
        return None
    return float(np.cov(one, two)[0, 1] / np.var(one, ddof=1))


def _whole_molecules(atoms: Atoms) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions (N, 3) with molecules in one piece, and each atom's molecule; None for a network."""
    radii = covalent_radii[atoms.numbers]
    i, j, d, shifts = ase_neighbor_list("ijdS", atoms, 1.25 * 2 * radii.max())
    i, j = i.astype(int), j.astype(int)
    near = d < 1.25 * (radii[i] + radii[j])
    partners = defaultdict(list)
    for a, b, shift in zip(i[near], j[near], shifts[near], strict=True):
        partners[a].append((b, shift))
    molecule = np.full(len(atoms), -1)
    cells = np.zeros((len(atoms), 3))
    for start in range(len(atoms)):
        if molecule[start] >= 0:
            continue
        molecule[start] = molecule.max() + 1
        todo = [start]
        while todo:
            a = todo.pop()
            for b, shift in partners[a]:
                if molecule[b] < 0:
                    molecule[b], cells[b] = molecule[a], cells[a] + shift
                    todo.append(b)
                elif np.abs(cells[b] - cells[a] - shift).max() > 0.5:
                    return None
    return atoms.positions + cells @ np.asarray(atoms.cell), molecule
