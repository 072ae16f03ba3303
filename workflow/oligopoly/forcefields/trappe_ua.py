"""TraPPE-UA: united atoms of linear alkanes and polyethylene (M. G. Martin, J. I. Siepmann, J. Phys. Chem. B 102 (1998)
2569), each CH3 and CH2 one particle.

Bonds are rigid in the original and stiff springs here, as is usual in LAMMPS. Lennard-Jones is cut at 14 A, with the
correction for what lies beyond in energy and pressure of periodic boxes: as a function of the volume it is part of the
energy surface, in labels as in MD. Nitrogen stands for CH2 and oxygen for CH3, their neighbours in mass, wherever a
file needs elements; masses are those of the groups.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.forcefields import united
from oligopoly.forcefields.contract import ForceFieldSettings, Purpose
from oligopoly.systems import datafile
from oligopoly.systems.topology import Limits

if TYPE_CHECKING:
    from rdkit import Chem

BOLTZMANN = 0.0019872043  # kcal/mol/K
CUTOFF = 14.0  # A
# epsilon / k in K, sigma in A, mass in g/mol, and the element that stands for it
GROUPS = {"CH2": (46.0, 3.95, 14.027, "N"), "CH3": (98.0, 3.75, 15.035, "O")}
BOND = 1.54  # A
ANGLE = (62500 / 2 * BOLTZMANN, 114.0)  # kcal/mol/rad^2 as LAMMPS counts it, degrees
# c1, c2, c3 = 355.03, -68.19, 791.32 K, twice of them, as `dihedral_style opls` has it
TORSION = tuple(2 * c * BOLTZMANN for c in (355.03, -68.19, 791.32)) + (0.0,)
# A torn bond is 0.3 A longer, at 450 kcal/mol/A^2 worth 40 kcal/mol. Of different chains, 2.9 A cost 0.4 eV.
LIMITS = Limits(bond=1.85, contact=2.9, names={element: group for group, (*_, element) in GROUPS.items()})


class Settings(ForceFieldSettings):
    """TraPPE united atoms: linear alkanes and polyethylene, one particle for each CH3 and CH2."""

    atomistic: ClassVar[bool] = False

    kind: Literal["trappe-ua"]
    bond_constant: float = Field(
        450.0, ge=50, le=1000,
        description="kcal/mol/A^2, E = K (r - 1.54 A)^2, in place of the original's rigid bonds: 450 wants time steps "
        "of 2 to 3 fs, 120 of 4",
    )  # fmt: skip

    def create(self) -> "TraPPE":
        return TraPPE(self.bond_constant)


class TraPPE:
    """The force field as `forcefields.contract.ForceField` has it."""

    name = "TraPPE-UA"
    density = 0.75
    limits = LIMITS

    local = (0.0, 0.5)

    def __init__(self, bond_constant: float = 450.0):
        self.bond_constant = bond_constant

    def torsion(self, coefficients: list[float], angle: np.ndarray) -> np.ndarray:
        """As `dihedral_style opls` has it."""
        signs = (1, -1, 1, -1)
        terms = zip(coefficients, signs, range(1, 5), strict=True)
        return sum((c / 2 * (1 + sign * np.cos(n * angle)) for c, sign, n in terms), np.zeros_like(angle))

    def sites(self, mol: "Chem.Mol") -> np.ndarray:
        """The carbons."""
        return united.heavy(mol)

    def place(self, positions: np.ndarray) -> np.ndarray:
        """As they are: bonds are as long as those of atoms."""
        return positions

    def parametrise(self, mol: "Chem.Mol", described: str) -> tuple[datafile.Chain, list[str]]:
        """Raises UserError for what is no linear alkane."""
        kinds = []
        for i in united.heavy(mol).tolist():
            atom = mol.GetAtomWithIdx(i)
            hydrogens = sum(n.GetAtomicNum() == 1 for n in atom.GetNeighbors())
            kind = f"{atom.GetSymbol()}H{hydrogens}"
            if kind not in GROUPS or atom.GetDegree() != 4 or atom.IsInRing():
                raise UserError(
                    f"{described}: TraPPE-UA has no united atom for {atom.GetSymbol()} with {hydrogens} hydrogens "
                    f"(atom {i} of the chain): it knows CH3 and CH2 of linear alkanes; give force_field.kind: gaff2"
                )
            kinds.append(kind)
        if len(kinds) < 2:
            raise UserError(f"{described}: methane is one particle, and no chain")
        groups = [GROUPS[kind] for kind in sorted(set(kinds))]
        lines = {
            "Masses": united.numbered([[mass] for _, _, mass, _ in groups]),
            "Pair Coeffs": united.numbered([[epsilon * BOLTZMANN, sigma] for epsilon, sigma, _, _ in groups]),
            "Bond Coeffs": united.numbered([[self.bond_constant, BOND]]),
            "Angle Coeffs": united.numbered([ANGLE]),
            "Dihedral Coeffs": united.numbered([TORSION]),
        }
        return united.chain(mol, kinds, lines, dihedrals=True), [element for *_, element in groups]

    def commands(self, purpose: Purpose, periodic: bool, impropers: bool = False) -> list[str]:
        """LAMMPS commands to give before `read_data`."""
        return [
            "units real",
            "atom_style full",
            "atom_modify map array",
            f"boundary {'p p p' if periodic else 's s s'}",
            f"pair_style lj/cut {CUTOFF}",
            f"pair_modify mix arithmetic tail {'yes' if periodic else 'no'}",
            "special_bonds lj 0.0 0.0 0.0",
            "bond_style harmonic",
            "angle_style harmonic",
            "dihedral_style opls",
        ]

    def level_of_theory(self, purpose: Purpose = "label") -> dict[str, Any]:
        """The settings that define the energy surface, for keys and for provenance."""
        return {"force_field": "TraPPE-UA", "cutoff_A": CUTOFF, "tail": True, "bond_constant": self.bond_constant}
