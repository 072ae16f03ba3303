"""Kremer-Grest beads (K. Kremer, G. S. Grest, J. Chem. Phys. 92 (1990) 5057), with a bending stiffness (R. Everaers et
al., Macromolecules 53 (2020) 1901) where one is asked for.

Beads repel (WCA) and bonds are FENE springs, k = 30 epsilon / sigma^2 and R0 = 1.5 sigma. Each heavy atom of the SMILES
is a bead, so that `repeat_unit: "*C*"` is a chain of one bead a unit. Carbon stands for beads wherever a file needs an
element; their mass is `mass`. The model's units are those of the settings: temperature epsilon / k, density
mass / sigma^3, time tau = sigma (mass / epsilon)^1/2.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.forcefields import united
from oligopoly.forcefields.contract import ForceFieldSettings, Purpose
from oligopoly.forcefields.trappe_ua import BOLTZMANN
from oligopoly.quantities import BeadMass, Length, Temperature
from oligopoly.systems import datafile
from oligopoly.systems.topology import Limits

if TYPE_CHECKING:
    from rdkit import Chem

SPRING, LONGEST, BONDED = 30.0, 1.5, 0.97  # epsilon/sigma^2; sigma; the bond's length at T = 1, sigma
WCA = 2 ** (1 / 6)
GRAM_PER_CM3 = 1.66053906660  # of a g/mol in a cubic Angstrom
MELT = 0.85  # beads per sigma^3
CARBONS = 1.54  # A, of the molecule that beads start from
# Of a bond, sigma: at 1.3, FENE and WCA cost 26 epsilon more than at their minimum. Beads of different chains at 0.75
# sigma: 105 epsilon.
TORN, FUSED = 1.3, 0.75


class Settings(ForceFieldSettings):
    """Kremer-Grest beads and springs: every heavy atom of the SMILES is a bead (`repeat_unit: "*C*"`)."""

    atomistic: ClassVar[bool] = False

    kind: Literal["kremer-grest"]
    bending: float = Field(
        0.0, ge=0, le=10, description="kappa of bending, E = kappa epsilon (1 - cos of the turn): 0 is flexible"
    )  # fmt: skip
    sigma: Length = Field("4 A", description="the model's unit of length")
    epsilon: Temperature = Field("300 K", description="of energy: this is T = 1")
    mass: BeadMass = Field(
        "2.5 g/mol", description="of mass: tau = sigma (mass / epsilon)^1/2 is 0.4 ps, and a time step of 4 fs 0.01 tau"
    )

    def create(self) -> "KremerGrest":
        return KremerGrest(self.bending, self.sigma, self.epsilon, self.mass)


class KremerGrest:
    """The force field as `forcefields.contract.ForceField` has it. sigma in A, epsilon / k in K, mass in g/mol."""

    name = "Kremer-Grest"
    local = (1.0, 1.0)

    def __init__(self, bending: float, sigma: float, epsilon: float, mass: float):
        self.bending, self.sigma, self.epsilon, self.mass = bending, sigma, epsilon, mass
        self.density = MELT * mass / sigma**3 * GRAM_PER_CM3
        self.limits = Limits(bond=TORN * sigma, contact=FUSED * sigma, names={"C": "bead"})

    def torsion(self, coefficients: list[float], angle: np.ndarray) -> np.ndarray:
        """There is none."""
        return np.zeros_like(angle)

    def sites(self, mol: "Chem.Mol") -> np.ndarray:
        """The heavy atoms."""
        return united.heavy(mol)

    def place(self, positions: np.ndarray) -> np.ndarray:
        """A bond of carbons becomes one of beads."""
        return positions * (BONDED * self.sigma / CARBONS)

    def parametrise(self, mol: "Chem.Mol", described: str) -> tuple[datafile.Chain, list[str]]:
        """Raises UserError for other atoms than carbon, and for double bonds: beads are all alike."""
        for i in united.heavy(mol).tolist():
            atom = mol.GetAtomWithIdx(i)
            if atom.GetAtomicNum() != 6 or atom.GetDegree() != 4:
                raise UserError(
                    f"{described}: atom {i}, {atom.GetSymbol()}, is no bead: each of these is a carbon with "
                    'single bonds, such as `repeat_unit: "*C*"`'
                )
        energy = self.epsilon * BOLTZMANN
        count = len(united.heavy(mol))
        lines = {
            "Masses": united.numbered([[self.mass]]),
            "Pair Coeffs": united.numbered([[energy, self.sigma]]),
            "Bond Coeffs": united.numbered(
                [[SPRING * energy / self.sigma**2, LONGEST * self.sigma, energy, self.sigma]]
            ),
            "Angle Coeffs": united.numbered([[self.bending * energy]]) if self.bending else [],
        }
        return united.chain(mol, ["bead"] * count, lines, dihedrals=False), ["C"]

    def commands(self, purpose: Purpose, periodic: bool, impropers: bool = False) -> list[str]:
        """LAMMPS commands to give before `read_data`."""
        return [
            "units real",
            "atom_style full",
            "atom_modify map array",
            f"boundary {'p p p' if periodic else 's s s'}",
            f"pair_style lj/cut {WCA * self.sigma:.12g}",
            "pair_modify shift yes",
            "special_bonds lj 0.0 1.0 1.0",
            "bond_style fene",
            *(["angle_style cosine"] if self.bending else []),
        ]

    def level_of_theory(self, purpose: Purpose = "label") -> dict[str, Any]:
        """The settings that define the energy surface, for keys and for provenance."""
        return {"force_field": "Kremer-Grest", "cutoff_sigma": WCA, "sigma_A": self.sigma, "epsilon_K": self.epsilon}
