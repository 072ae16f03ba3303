"""The bonded terms of a force field alone, as a baseline that a learned potential keeps beside it.

Bonds, angles, dihedrals and impropers are those of LAMMPS' own styles; there is no pair term, so that `special_bonds`
mean nothing: the learned potential sees all pairs alike.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oligopoly.systems import datafile

if TYPE_CHECKING:
    from oligopoly.forcefields.contract import ForceField, Purpose

BONDS = ("bond_style", "angle_style", "dihedral_style", "improper_style")
OURS = ("units", "atom_style", "atom_modify", "boundary")
REACH = 12.0  # A: ghosts of periodic images, for the atoms of a dihedral


class Bonded:
    """A force field without its pairs, for `labelers.classical` and for MD."""

    def __init__(self, whole: "ForceField"):
        self.whole, self.name = whole, f"bonded terms of {whole.name}"

    def commands(self, purpose: "Purpose", periodic: bool, impropers: bool) -> list[str]:
        """LAMMPS commands to give before `read_data`."""
        said = self.whole.commands(purpose, periodic, impropers)
        own = [command for command in said if command.split()[0] in (*OURS, *BONDS)]
        return [*own, f"pair_style zero {REACH} nocoeff"]

    def level_of_theory(self, purpose: "Purpose" = "label") -> dict[str, Any]:
        """That of the whole, named."""
        return {"baseline": "bonded", **self.whole.level_of_theory(purpose)}


def bonded_chain(force_field: "ForceField", chain: datafile.Chain) -> datafile.Chain:
    """A chain with the coefficients of its bonded terms: those of pairs are gone, also within FENE bonds, where a
    bonded pair would have what the learned potential gives to every pair."""
    coefficients = {name: lines for name, lines in chain.coefficients.items() if name != "PairIJ Coeffs"}
    coefficients["Pair Coeffs"] = [f"{kind} 0.0" for kind in range(1, len(chain.coefficients["Masses"]) + 1)]
    if any(command.split()[:2] == ["bond_style", "fene"] for command in force_field.commands("md", True, False)):
        rows = [line.split() for line in coefficients["Bond Coeffs"]]
        coefficients["Bond Coeffs"] = [" ".join([*row[:3], "0.0", row[4]]) for row in rows]
    return replace(chain, coefficients=coefficients)
