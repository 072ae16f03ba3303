"""LAMMPS' units, and what they are in ours: eV, A, fs, atm."""

from dataclasses import dataclass

import ase.units

KCAL_PER_MOL = 4184.0 / 6.02214076e23 / 1.602176634e-19  # eV
KCAL_PER_MOL_A3 = 68568.415  # atm in one kcal/mol/A^3, as LAMMPS' units real has it
ATM = KCAL_PER_MOL / KCAL_PER_MOL_A3  # eV/A^3
_ATM = 101325 * ase.units.Pascal


@dataclass(frozen=True)
class Units:
    """What one LAMMPS unit is: energy in eV, time in fs, pressure in atm."""

    style: str
    energy: float
    time: float
    pressure: float


METAL = Units("metal", 1.0, 1000.0, ase.units.bar / _ATM)
REAL = Units("real", ase.units.kcal / ase.units.mol, 1.0, 1.0)
