"""Two labels of one structure at one level of theory: are they the same?"""

import numpy as np

from oligopoly.intake.findings import ENERGY_UNITS, FORCE_UNITS, likely
from oligopoly.labelers.contract import Label

# Beyond what versions, grids, convergence and rounded files make of one number; below what two methods or units do.
ENERGY_PER_ATOM, FORCE, STRESS = 1e-3, 0.02, 2e-3  # eV, eV/A, eV/A^3


def difference(stored: Label, given: Label) -> str | None:
    """What two labels of the same structure, laid over each other, differ in, with both values; None if in nothing."""
    count = len(stored.forces)
    if abs(stored.energy - given.energy) > ENERGY_PER_ATOM * count:
        unit = _unit(given.energy, stored.energy, ENERGY_UNITS)
        return f"energy {stored.energy:.9g} eV is there, {given.energy:.9g} is given{unit}"
    apart = np.abs(stored.forces - given.forces)
    if apart.max() > FORCE:
        atom, axis = np.unravel_index(int(apart.argmax()), apart.shape)
        one, two = float(stored.forces[atom, axis]), float(given.forces[atom, axis])
        unit = _unit(float(np.linalg.norm(given.forces)), float(np.linalg.norm(stored.forces)), FORCE_UNITS)
        return f"a force on atom {atom} of {one:.6g} eV/A is there, {two:.6g} is given{unit}"
    if stored.stress is not None and given.stress is not None:
        apart = np.abs(stored.stress - given.stress)
        if apart.max() > STRESS:
            place = np.unravel_index(int(apart.argmax()), apart.shape)
            return f"a stress of {stored.stress[place]:.6g} eV/A^3 is there, {given.stress[place]:.6g} is given"
    return None


def _unit(given: float, stored: float, units: dict[float, str]) -> str:
    if not stored or not np.isfinite(given / stored):
        return ""
    ratio = float(given / stored)
    # a hartree of energies in kcal/mol, and the other way round
    known = units | {a / b: f"{units[a]} over {units[b]}" for a in units for b in units if a != b}
    unit = likely(ratio, units, 1.02) or likely(ratio, known, 1.01)
    return f", {ratio:.5g} times as large: {unit}?" if unit else ""
