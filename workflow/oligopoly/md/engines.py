"""What computes the forces in LAMMPS MD: three kinds behind one Protocol.

An engine loads a system into LAMMPS and hides its units: outside, everything is eV, A, fs, K, atm.
To add a kind, write one class with these members.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import ase.units
import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols

from oligopoly.errors import UserError
from oligopoly.md import placement
from oligopoly.md.lammps import start
from oligopoly.systems import forcefield

if TYPE_CHECKING:
    from lammps import lammps

FIX_GAMMA = "gamma"


@dataclass(frozen=True)
class Units:
    """What one LAMMPS unit is: energy in eV, time in fs, pressure in atm."""

    style: str
    energy: float
    time: float
    pressure: float


_ATM = 101325 * ase.units.Pascal
METAL = Units("metal", 1.0, 1000.0, ase.units.bar / _ATM)
REAL = Units("real", ase.units.kcal / ase.units.mol, 1.0, 1.0)


class Engine(Protocol):
    """A way to compute forces in LAMMPS."""

    units: Units

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        """Fill a fresh instance with `placement.oriented` atoms (tag = index + 1), masses and forces.

        `hydrogen_mass` (g/mol) replaces the mass of H for the motion only.
        """

    def files(self) -> list[Path]:
        """Files that the forces depend on."""

    def gamma(self, lmp: "lammps") -> np.ndarray | None:
        """Extrapolation grades (N,) of the current step; None where there are none.

        There are some on steps that are multiples of the engine's `gamma_every`.
        """

    def failure(self) -> BaseException | None:
        """What went wrong in Python code called by LAMMPS, which LAMMPS itself does not notice."""


def by_element(atoms: Atoms) -> tuple[list[str], np.ndarray]:
    """Elements in alphabetical order, and the LAMMPS type (N,) of each atom, from 1."""
    symbols = np.array(atoms.get_chemical_symbols())
    elements = sorted(set(symbols.tolist()))
    return elements, np.searchsorted(elements, symbols) + 1


def mass_commands(elements: list[str], hydrogen_mass: float | None) -> list[str]:
    """`mass` command of every type."""
    masses = [atomic_masses[chemical_symbols.index(e)] for e in elements]
    if hydrogen_mass is not None:
        masses = [hydrogen_mass if e == "H" else m for e, m in zip(elements, masses, strict=True)]
    return [f"mass {i} {m:.17g}" for i, m in enumerate(map(float, masses), start=1)]


@dataclass
class Classical:
    """A force field in LAMMPS' own styles, from a data file in units real with all coefficients."""

    data: str | Path
    units: Units = REAL

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        if not Path(self.data).exists():
            raise UserError(f"{self.data}: no such LAMMPS data file")
        if not atoms.pbc.all():
            raise UserError("MD with the force field needs a periodic box")
        lmp.command("suffix opt")  # the same arithmetic, an eighth faster
        for command in forcefield.commands("md", True, impropers=_has_impropers(self.data)):
            lmp.command(command)
        lmp.command(f"read_data {self.data}")
        if lmp.get_natoms() != len(atoms):
            raise UserError(
                f"{self.data} has {lmp.get_natoms()} atoms and the structure {len(atoms)}: "
                "give the data file of the same system"
            )
        placement.move(lmp, atoms)
        if hydrogen_mass is not None:
            rows = placement.order(lmp)
            types = np.unique(lmp.numpy.extract_atom("type")[rows][atoms.numbers == 1])
            for kind in types.tolist():
                lmp.command(f"mass {kind} {hydrogen_mass:.17g}")
        lmp.command("neighbor 2.0 bin")
        lmp.command("neigh_modify every 1 delay 0 check yes")

    def files(self) -> list[Path]:
        return [Path(self.data)]

    def gamma(self, lmp: "lammps") -> None:
        return None

    def failure(self) -> None:
        return None


def _has_impropers(data: str | Path) -> bool:
    with open(data) as file:
        header = file.read(4000)
    found = re.search(r"^\s*(\d+)\s+improper types", header, re.MULTILINE)
    return found is not None and int(found.group(1)) > 0


@dataclass
class PairPACE:
    """A potential run by LAMMPS ML-PACE.

    With an active set: `pair_style pace/extrapolation`, which reads the `.yaml` and `.asi`, and
    `fix pair`, which makes it compute gamma every `gamma_every` steps. Without one: `pair_style
    pace` and the `.yace` beside the `.yaml`. (LAMMPS manual, `pair_style pace`, `fix pair`.)
    """

    potential: str | Path
    active_set: str | Path | None = None
    gamma_every: int = 10
    units: Units = METAL

    @staticmethod
    def available(lmp: "lammps", extrapolation: bool = True) -> bool:
        """Whether this LAMMPS has ML-PACE."""
        return lmp.has_style("pair", "pace/extrapolation" if extrapolation else "pace")

    def commands(self, elements: list[str]) -> list[str]:
        """Pair style, coefficients and gamma for LAMMPS types that are `elements`."""
        species = " ".join(elements)
        neighbours = ["neighbor 1.0 bin", "neigh_modify every 1 delay 0 check yes"]
        if self.active_set is None:
            file = Path(self.potential).with_suffix(".yace")
            return ["pair_style pace", f"pair_coeff * * {file} {species}", *neighbours]
        file = Path(self.potential).with_suffix(".yaml")
        return [
            "pair_style pace/extrapolation",
            f"pair_coeff * * {file} {self.active_set} {species}",
            f"fix {FIX_GAMMA} all pair {self.gamma_every} pace/extrapolation gamma 1",
            *neighbours,
        ]

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        elements, types = by_element(atoms)
        boundary = "p p p" if atoms.pbc.all() else "f f f"
        for command in ["units metal", "atom_style atomic", f"boundary {boundary}", "newton on"]:
            lmp.command(command)
        lmp.command("atom_modify map array")
        placement.create(lmp, atoms, types, len(elements))
        for command in mass_commands(elements, hydrogen_mass) + self.commands(elements):
            lmp.command(command)

    def files(self) -> list[Path]:
        return [Path(path) for path in (self.potential, self.active_set) if path is not None]

    def gamma(self, lmp: "lammps") -> np.ndarray | None:
        if self.active_set is None or int(lmp.extract_global("ntimestep")) % self.gamma_every:
            return None
        from lammps import LMP_STYLE_ATOM, LMP_TYPE_VECTOR

        rows = placement.order(lmp)
        values = lmp.numpy.extract_fix(FIX_GAMMA, LMP_STYLE_ATOM, LMP_TYPE_VECTOR)
        return np.array(values[rows])

    def failure(self) -> None:
        return None


def learned(kind: str, potential: str | Path, active_set: str | Path | None = None, gamma_every: int = 10) -> Engine:
    """Engine of a learned potential: `ace` (built in), `pace` (ML-PACE) or `auto` (pace if there).

    `potential` is its `.yaml` (or, for `ace` without gamma, `.yace`). Raises UserError for an
    unknown kind, and for `pace` where LAMMPS was built without it.
    """
    from oligopoly.md.external import ExternalACE

    if kind not in ("auto", "ace", "pace"):
        raise UserError(f"engine '{kind}' is not known: give auto, ace or pace")
    for path in filter(None, (potential, active_set)):
        if not Path(path).exists():
            raise UserError(f"{path}: no such file")
    if kind != "ace":
        lmp = start()
        found = PairPACE.available(lmp, active_set is not None)
        lmp.close()
        if found:
            return PairPACE(potential, active_set, gamma_every)
        if kind == "pace":
            raise UserError(
                "engine 'pace' needs a LAMMPS with the ML-PACE package, which this one lacks: "
                "install LAMMPS from conda-forge, or use engine 'ace'"
            )
    return ExternalACE(potential, active_set, gamma_every)
