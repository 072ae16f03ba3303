"""Can these labels be in eV, eV/A and eV/A^3? Asked of the data alone, before anything learns from them.

What nature fixes is the ruler: a bond to hydrogen has its force constant in every method; thermal energies rise with
the square of the forces; all-electron totals are those of the elements; intramolecular forces make most of the stress
of a molecular liquid; no energy leaps by electronvolts an atom between conformations. A ruler that does not apply
(no such bond, too few frames, no correlation) says nothing.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import find_mic
from vesin import ase_neighbor_list

from oligopoly.frames import geometry_hash
from oligopoly.intake.findings import BOHR, ENERGY_UNITS, FORCE_UNITS, HARTREE, KCAL, KJ, Finding, likely
from oligopoly.intake.stress import doubts as _stress

# Force constant of a bond to hydrogen, eV/A^2, and where such a bond ends, A. Quantum chemistry and force fields agree
# within a fifth (OPLS-AA, GAFF2; CCSD(T) on ethanol: 31 and 47).
STIFFNESS = {"C": (30.0, 1.35), "N": (42.0, 1.3), "O": (47.0, 1.25)}
# All-electron energy of a free atom, Hartree.
TOTALS = {
    "H": 0.50, "B": 24.65, "C": 37.84, "N": 54.58, "O": 75.06, "F": 99.73, "Si": 289.3, "P": 341.2,
    "S": 398.1, "Cl": 460.1,
}  # fmt: skip
# Standard deviation of a structure's energy over that of the sum of its squared forces, A^2/eV, in thermal
# equilibrium: 1.5 over the mean curvature per atom. 0.010 (ethanol, CCSD(T)), 0.019 (PEG, OPLS), 0.013 between.
SOFTNESS = 0.013
NEIGHBOURS = 6.0  # A
# Bonds of one kind that tell a force constant, and how well force and length must go together; fewer need more.
BONDS, FEW_BONDS = (30, 0.7), (12, 0.9)
SAME = 1e-3, 0.02  # eV an atom, eV/A: what one structure's labels may differ by
MOST, RUN = 300, 10  # frames that are looked at, and how many of them in a row


def look(frames: Sequence[Atoms]) -> list[Finding]:
    """What is wrong, or likely wrong, with the `REF_` labels of frames."""
    chosen = some(frames)
    found: list[Finding] = []
    for ruler in (
        _lengths,
        _constants,
        _twice,
        _forces,
        _free_atoms,
        _energies,
        _levels,
        _stress,
    ):  # each relies on what those before it measured
        if not any(finding.sure for finding in found):
            found += ruler(chosen)
    return found


def some(frames: Sequence[Atoms]) -> list[Atoms]:
    """As many frames as are looked at: runs of neighbours, evenly spaced."""
    every = max(1, len(frames) // MOST)
    return [frames[k] for k in range(len(frames)) if (k // RUN) % every == 0]


def _lengths(frames: Sequence[Atoms]) -> list[Finding]:
    """Neighbours of molecules are as far as their radii say."""
    ratios, fused = [], []
    for atoms in frames:
        if len(atoms) > 1 and 1 in atoms.numbers:
            i, j, d = ase_neighbor_list("ijd", atoms, NEIGHBOURS)
            i, j = i.astype(int), j.astype(int)
            nearest = np.full(len(atoms), 10.0)
            np.minimum.at(nearest, i, d / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]]))
            ratios.append(float(np.median(nearest)))
            fused.append(float(nearest.min()))
    if not ratios or 0.6 < (ratio := float(np.median(ratios))) < 1.6:
        near = [one for one in fused if one < 0.45]
        many = (
            f"{len(near)} of {len(frames)} frames have atoms at {min(near, default=0):.2g} times the length of a bond"
        )
        return [Finding(False, many)] if near else []
    if ratio >= 10:
        return [Finding(True, f"positions are not in A: no atom has another within {NEIGHBOURS:g} A: are they in pm?")]
    unit = likely(ratio, {1 / BOHR: "Bohr", 0.1: "nm"}, 1.15)
    what = f"seem to be in {unit}, not in A" if unit else "are not those of molecules in A"
    if ratio < 0.6 and all(a.pbc.any() and np.abs(a.positions - 0.5).max() < 1 for a in frames):
        what = "seem to be fractions of the cell, not in A"
    return [Finding(True, f"positions {what}: atoms are {ratio:.2g} times as far from their next as bonds are")]


def _constants(frames: Sequence[Atoms]) -> list[Finding]:
    """Labels that are the same for all structures, and forces beyond all others."""
    forces = [atoms.arrays["REF_forces"] for atoms in frames if len(atoms) > 1 and "REF_forces" in atoms.arrays]
    largest = np.array([np.abs(one).max() for one in forces])
    if len(largest) and not largest.any():
        return [Finding(True, "all forces are zero")]
    stresses = [np.abs(atoms.info["REF_stress"]).max() for atoms in frames if "REF_stress" in atoms.info]
    if len(stresses) > 1 and not any(stresses):
        return [Finding(True, "all stresses are zero")]
    energies = defaultdict(list)
    for atoms in frames:
        if len(atoms) > 1 and "REF_energy" in atoms.info:
            energies[atoms.get_chemical_formula()].append(atoms.info["REF_energy"])
    for formula, its in energies.items():
        if len(its) > 4 and np.ptp(its) == 0 and largest.any():
            return [Finding(True, f"all energies of {formula} are {its[0]:.6g} eV, and forces are not zero")]
    sums = [float(np.linalg.norm(one.sum(axis=0)) / np.linalg.norm(one)) for one in forces if one.any()]
    if sums and np.median(sums) > 0.5:
        return [
            Finding(False, "forces do not sum to zero: is an outer force in them, or are atoms or columns missing?")
        ]
    far = largest[largest > max(50.0, 20 * float(np.median(largest)))] if len(largest) else largest
    if len(far):
        return [Finding(False, f"{len(far)} of {len(forces)} frames have forces of up to {far.max():.4g} eV/A")]
    return []


def _twice(frames: Sequence[Atoms]) -> list[Finding]:
    """One structure with two labels; free atoms are looked at elsewhere, being the same wherever they lie."""
    there: dict[str, Atoms] = {}
    for atoms in frames:
        first = there.setdefault(geometry_hash(atoms), atoms)
        if first is atoms or len(atoms) == 1:
            continue
        what = ""
        energies = [one.info["REF_energy"] for one in (first, atoms) if "REF_energy" in one.info]
        forces = [one.arrays["REF_forces"] for one in (first, atoms) if "REF_forces" in one.arrays]
        if len(energies) == 2 and abs(energies[0] - energies[1]) > SAME[0] * len(atoms):
            what = f"energies, {energies[0]:.9g} and {energies[1]:.9g} eV"
        elif len(forces) == 2 and np.abs(forces[0] - forces[1]).max() > SAME[1]:
            what = "forces"
        if what:
            return [Finding(True, f"the same structure of {atoms.get_chemical_formula()} stands there with two {what}")]
    return []


def _forces(frames: Sequence[Atoms]) -> list[Finding]:
    pulls = [_pulls(atoms) for atoms in frames]
    found, sizes, ratios = [], [], []
    for symbol, (expected, _) in STIFFNESS.items():
        its = [one[symbol] for one in pulls if symbol in one]
        count = sum(len(one) for one in its)
        if count < FEW_BONDS[0]:
            continue
        least = FEW_BONDS[1] if count < BONDS[0] else BONDS[1]
        lengths, along = np.concatenate(its).T
        if np.std(lengths) < 0.008 or not np.std(along):
            continue
        each = [stiffness / expected for one in its if (stiffness := _slope(one, float(np.mean(lengths)))) is not None]
        if abs(np.corrcoef(lengths, along)[0, 1]) > least or len(each) > 5:
            whole = -np.cov(lengths, along)[0, 1] / np.var(lengths, ddof=1) / expected
            ratios.append(float(np.median(each)) if len(each) > 5 else whole)
            sizes.append(f"{symbol}-H {ratios[-1] * expected:.3g} instead of about {expected:.0f}")
            found += _of_two_kinds(np.array(each))
    if not ratios and any(len(atoms) > 1 and "REF_forces" in atoms.arrays for atoms in frames):
        why = "too few bonds to hydrogen, or too much alike"
        return [Finding(False, f"units and sign of the forces are not checked: {why}")]
    if not ratios or found:
        return found[:1]
    measured = f"bonds have force constants of {', '.join(sizes)} eV/A^2"
    if all(one < -0.01 for one in ratios):
        return [Finding(True, f"forces have the wrong sign: {measured}: are they gradients?")]
    ratio = float(np.exp(np.mean(np.log(np.maximum(np.abs(ratios), 1e-9)))))
    if 0.6 < ratio < 1.7:
        return []
    unit = likely(ratio, FORCE_UNITS)
    if unit:
        return [Finding(True, f"forces seem to be in {unit}, not in eV/A: {measured}")]
    return [Finding(False, f"forces are {ratio:.3g} times what molecules have: {measured}: which unit are they in?")]


def _pulls(atoms: Atoms) -> dict[str, np.ndarray]:
    """By the element that hydrogen is bound to: lengths, A, and forces on the hydrogen along its bonds, (n, 2)."""
    forces = atoms.arrays.get("REF_forces")
    symbols = np.array(atoms.symbols)
    here = [symbol for symbol in STIFFNESS if symbol in symbols]
    if forces is None or "H" not in symbols or not here:
        return {}
    i, j, d, vectors = ase_neighbor_list("ijdD", atoms, max(STIFFNESS[symbol][1] for symbol in here))
    i, j = i.astype(int), j.astype(int)
    found = {}
    for symbol in here:
        bonds = (symbols[i] == "H") & (symbols[j] == symbol) & (d > 0.5) & (d < STIFFNESS[symbol][1])
        along = np.einsum("ij,ij->i", forces[i[bonds]], -vectors[bonds] / d[bonds, None])
        if bonds.any():
            found[symbol] = np.column_stack([d[bonds], along])
    return found


def _slope(pulls: np.ndarray, middle: float) -> float | None:
    """Force constant from the bonds of one frame, where they are stretched enough to tell."""
    stretch = pulls[:, 0] - middle
    if len(pulls) < 5 or (stretch**2).mean() < 0.01**2:
        return None
    return float(-(stretch * pulls[:, 1]).sum() / (stretch**2).sum())


def _of_two_kinds(ratios: np.ndarray) -> list[Finding]:
    """Some frames' force constants are those of the others in another unit."""
    if len(ratios) < 6:
        return []
    right = (ratios > 0.5) & (ratios < 2)
    others = ratios[~right]
    if not right.sum() >= 3 or len(others) < max(3, 0.1 * len(ratios)):
        return []
    ratio = float(np.median(others))
    unit = likely(ratio, FORCE_UNITS, 1.5)
    if ratio < 0 or not unit:
        return []
    return [
        Finding(True, f"{len(others)} of {len(ratios)} frames seem to have their forces in {unit}, the others in eV/A")
    ]


def _free_atoms(frames: Sequence[Atoms]) -> list[Finding]:
    alone: dict[str, float] = {}
    for one in frames:
        if len(one) == 1 and "REF_energy" in one.info:
            symbol, energy = one.symbols[0], one.info["REF_energy"]
            if abs(alone.setdefault(symbol, energy) - energy) > SAME[0]:
                said = f"free atoms of {symbol} have the energies {alone[symbol]:.9g} and {energy:.9g} eV"
                return [Finding(True, f"{said}: of two states, or of two levels of theory?")]
    bound = [
        (a.info["REF_energy"] - sum(alone[s] for s in a.symbols)) / len(a)
        for a in frames
        if len(a) > 1 and "REF_energy" in a.info and set(a.symbols) <= alone.keys()
    ]
    if not bound:
        return []
    middle = float(np.median(bound))
    if -15 < middle < 5:
        return []
    atoms = ", ".join(f"{symbol} {energy:.6g}" for symbol, energy in sorted(alone.items()))
    hint = (
        "are the molecules' energies interaction or atomization energies? Then free atoms have 0"
        if middle > 0
        else "are the free atoms' energies of another method or unit?"
    )
    return [
        Finding(
            True,
            f"energies of free atoms ({atoms} eV) and of the other frames do not belong together: these lie "
            f"{middle:+.4g} eV an atom from free atoms, where bonds give -1 to -10: {hint}",
        )
    ]


def _levels(frames: Sequence[Atoms]) -> list[Finding]:
    groups = defaultdict(list)
    for atoms in frames:
        if len(atoms) > 1 and "REF_energy" in atoms.info:
            groups[atoms.get_chemical_formula()].append(atoms.info["REF_energy"] / len(atoms))
    for formula, energies in groups.items():
        if len(energies) < 2:
            continue
        ordered = np.sort(energies)
        gaps = np.diff(ordered)
        cut = int(gaps.argmax()) + 1
        low, high = ordered[:cut], ordered[cut:]
        gap = float(gaps.max())
        apart = gap > 5 * max(np.std(low), np.std(high), 1e-6) and min(len(low), len(high)) >= 3
        if gap > 2 or (gap > 0.08 and apart and len(energies) >= 8):
            return [
                Finding(
                    gap > 2 and min(len(low), len(high)) > 1,
                    f"energies of {formula} fall into two groups, {len(low)} frames near {np.median(low):.6g} and "
                    f"{len(high)} near {np.median(high):.6g} eV an atom: are these two levels of theory, or two units?",
                )
            ]
    return _over_compositions(groups)


def _over_compositions(groups: dict[str, list[float]]) -> list[Finding]:
    from ase.formula import Formula

    counts = {formula: Formula(formula).count() for formula in groups}
    elements = sorted({symbol for one in counts.values() for symbol in one})
    if len(groups) <= len(elements):
        return []
    shares = np.array([[one.get(s, 0) / sum(one.values()) for s in elements] for one in counts.values()])
    middle = np.array([np.median(energies) for energies in groups.values()])
    rest = middle - shares @ np.linalg.lstsq(shares, middle, rcond=1e-6)[0]
    worst = int(np.abs(rest).argmax())
    if abs(rest[worst]) < 2:
        return []
    return [
        Finding(
            True,
            f"energies of different molecules do not belong together: {list(groups)[worst]} lies {rest[worst]:+.4g} eV "
            "an atom beside what the other compositions say: is it of another level of theory or in another unit?",
        )
    ]


def _energies(frames: Sequence[Atoms]) -> list[Finding]:
    ratio = _softness(frames)
    work = _work(frames)
    if work is not None and not 0.4 < work < 2.5:
        change = "with the wrong sign" if work < 0 else f"by {work:.3g} times the work of the forces along the way"
        unit = likely(work, ENERGY_UNITS, 1.5)
        guess = (
            f"energies seem to be in {unit}, not in eV (or forces not in eV/A)"
            if unit
            else "energies or forces are wrong"
        )
        return [Finding(True, f"{guess}: energies between frames that follow each other change {change}")]
    unit = _of_totals(frames)
    if unit:  # alone it is a coincidence that could be
        if not 0.2 < ratio < 5 if ratio is not None else "an atom" not in unit:
            return [Finding(True, f"energies seem to be in {unit}, not in eV: they are the elements' totals in {unit}")]
        return [Finding(False, f"energies look like totals in {unit}")]
    if ratio is None or 0.2 < ratio < 5:
        return []
    unit = likely(ratio, ENERGY_UNITS, 2.2)
    measured = f"they vary {ratio:.2g} times as much as forces of this size make them"
    if unit:
        return [Finding(True, f"energies seem to be in {unit}, not in eV (or forces not in eV/A): {measured}")]
    return [Finding(False, f"energies and forces hardly belong together: {measured}: are both of one method, in eV?")]


def _work(frames: Sequence[Atoms]) -> float | None:
    """Energy differences over minus the work of the forces, between neighbouring frames of a trajectory; None where
    frames do not follow each other so closely."""
    work, gain = [], []
    for one, two in itertools.pairwise(frames):
        alike = np.array_equal(one.numbers, two.numbers) and np.array_equal(one.cell.array, two.cell.array)
        if not alike or not all("REF_energy" in a.info and "REF_forces" in a.arrays for a in (one, two)):
            continue
        way = find_mic(two.positions - one.positions, one.cell, one.pbc)[0]
        if 1e-4 < np.abs(way).max() < 0.2:
            work.append(-0.5 * float(((one.arrays["REF_forces"] + two.arrays["REF_forces"]) * way).sum()))
            gain.append(two.info["REF_energy"] - one.info["REF_energy"])
    if len(work) < 5 or not (np.std(work) and np.std(gain)) or abs(np.corrcoef(work, gain)[0, 1]) < 0.9:
        return None
    return float(np.dot(work, gain) / np.dot(work, work))


def _softness(frames: Sequence[Atoms]) -> float | None:
    """How many times too much energies vary, for the forces there are; None where that cannot be told."""
    groups = defaultdict(list)
    for atoms in frames:
        forces = atoms.arrays.get("REF_forces")
        # contacts have large forces and little energy
        if forces is not None and "REF_energy" in atoms.info and np.abs(forces).max() < 12:
            pair = atoms.info["REF_energy"] / np.sqrt(len(atoms)), (forces**2).sum() / np.sqrt(len(atoms))
            groups[atoms.get_chemical_formula()].append(pair)
    rows = [np.array(group) - np.mean(group, axis=0) for group in groups.values() if len(group) >= 5]
    if sum(map(len, rows)) < 20:
        return None
    energy, squares = np.concatenate(rows).T
    if not (energy.std() and squares.std()) or np.corrcoef(energy, squares)[0, 1] < 0.35:
        return None
    return float(energy.std() / squares.std() / SOFTNESS)


def _of_totals(frames: Sequence[Atoms]) -> str | None:
    found = [
        (-atoms.info["REF_energy"] / sum(TOTALS[s] for s in atoms.symbols), len(atoms))
        for atoms in frames
        if "REF_energy" in atoms.info and set(atoms.symbols) <= TOTALS.keys()
    ]
    if not found:
        return None
    ratios, sizes = np.array(found).T
    units = {1.0: "Hartree", KCAL * HARTREE: "kcal/mol", KJ * HARTREE: "kJ/mol"}
    an_atom = {HARTREE: "eV an atom", 1.0: "Hartree an atom"}
    return likely(float(np.median(ratios)), units, 1.025) or (
        likely(float(np.median(ratios * sizes)), an_atom, 1.025) if sizes.min() > 2 else None
    )
