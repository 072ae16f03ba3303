"""What a classical force field is to the workflow."""

from typing import TYPE_CHECKING, Any, Literal, Protocol

from oligopoly.parts import PartSettings

import numpy as np

if TYPE_CHECKING:
    from rdkit import Chem

    from oligopoly.systems.datafile import Chain
    from oligopoly.systems.topology import Limits

Purpose = Literal["md", "label"]


class ForceFieldSettings(PartSettings):
    """The config of a force field."""

    kind: str

    def create(self) -> "ForceField":
        """The force field."""
        raise NotImplementedError

    def check(self, repeat_unit: str, end_groups: Any, units: int) -> None:
        """Raise UserError where it has no parameters for a chain of `units` units, naming the atoms."""
        from oligopoly.systems.chain import assemble
        from oligopoly.systems.unit import name_of, pieces

        unit, ends = pieces(repeat_unit, end_groups)
        self.create().parametrise(assemble(unit, ends, units).mol, name_of(repeat_unit, end_groups))


class ForceField(Protocol):
    """Parameters for chains, and the LAMMPS commands that make forces of them (units real, atom_style full)."""

    name: str  # as it stands in titles
    density: float  # of its liquids, g/cm3, roughly
    limits: "Limits | None"  # of its particles, where they are no atoms

    def sites(self, mol: "Chem.Mol") -> np.ndarray:
        """Atoms of a chain where its particles are, in their order."""

    def place(self, positions: np.ndarray) -> np.ndarray:
        """Where its particles go, (n, 3) in A, that start at these atoms of a molecule in 3D."""

    def parametrise(self, mol: "Chem.Mol", described: str) -> tuple["Chain", list[str]]:
        """Types, charges, topology and coefficients of a chain, and the element of each atom type.

        Raises UserError that begins with `described` and names what has no parameters.
        """

    def commands(self, purpose: Purpose, periodic: bool, impropers: bool) -> list[str]:
        """LAMMPS commands to give before `read_data`, the kspace style included; not periodic: open boundaries."""

    def level_of_theory(self, purpose: Purpose = "label") -> dict[str, Any]:
        """The settings that define the energy surface, for keys and for provenance."""
