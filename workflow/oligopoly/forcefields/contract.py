"""What a classical force field is to the workflow."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from oligopoly.parts import PartSettings

if TYPE_CHECKING:
    from rdkit import Chem

    from oligopoly.systems.datafile import Chain
    from oligopoly.systems.topology import Limits

Purpose = Literal["md", "label"]
UNITS = 6  # of a chain that is typed before any job: its middle is that of a long one, its ring a large one


class ForceFieldSettings(PartSettings):
    """The config of a force field."""

    kind: str
    from_data: ClassVar[bool] = False  # are systems data files, and no SMILES?
    atomistic: ClassVar[bool] = True  # are its particles atoms, which other methods can label?

    def create(self) -> "ForceField":
        """The force field."""
        raise NotImplementedError

    def check(self, repeat_unit: str, end_groups: Any, units: int) -> None:
        """Raise UserError where it has no parameters for a chain of `units` units, naming the atoms."""
        from oligopoly.systems.chain import assemble
        from oligopoly.systems.unit import name_of, pieces

        unit, ends = pieces(repeat_unit, end_groups)
        self.create().parametrise(assemble(unit, ends, units).mol, name_of(repeat_unit, end_groups))

    def check_system(self, system: Any) -> None:
        """As `check`, of a system of the config."""
        self.check(system.repeat_unit, system.end_groups, min(system.degree_of_polymerisation, UNITS))

    def identity(self, system: Any) -> Any:
        """What decides whether that passes."""
        units = min(system.degree_of_polymerisation, UNITS)
        return [self.model_dump_json(), system.repeat_unit, system.end_groups, units]

    def inputs(self, system: Any) -> list[str]:
        """Files that a system of the config is made of."""
        return []

    def chain_of(self, system: Any) -> tuple[list[int], int]:
        """Atomic numbers of the particles of a chain of a system of the config, and how many chains there are."""
        from oligopoly.systems.unit import numbers_of

        numbers = numbers_of(system.repeat_unit, system.end_groups, system.degree_of_polymerisation)
        return (numbers if self.atomistic else [number for number in numbers if number > 1]), system.chains

    def build(self, data: str, json_path: str, system: dict[str, Any], seed: int) -> None:
        """Write the box of a system of the config, as a data file and its description."""
        from oligopoly.systems.build import build_system

        chain = {key: system[key] for key in ("repeat_unit", "end_groups", "degree_of_polymerisation", "tacticity")}
        build_system(data, json_path, **chain, chains=system["chains"], force_field=self, seed=seed)


class ForceField(Protocol):
    """Parameters for chains, and the LAMMPS commands that make forces of them (units real, atom_style full)."""

    name: str  # as it stands in titles
    density: float  # of its liquids, g/cm3, roughly

    @property
    def limits(self) -> "Limits | None":
        """Of its particles, where they are no atoms."""

    local: tuple[float, float]  # weights of repulsion three and four bonds apart, for `systems.rotamers`

    def torsion(self, coefficients: list[float], angle: np.ndarray) -> np.ndarray:
        """Energy (kcal/mol) of a kind of dihedral, by its coefficients in a data file, at angles in rad."""

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
