"""What a reference method is to the workflow."""

import difflib
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, ground_state_magnetic_moments
from pydantic import AfterValidator, Field

from oligopoly.labelers.outcomes import Outcome
from oligopoly.parts import PartSettings


@dataclass(frozen=True)
class Guess:
    """What a label costs before there are timings: core seconds and MB of ethylene glycol (86 functions in def2-SVP),
    the exponents by which they grow with the number of these functions, and MB without a structure."""

    seconds: float
    exponent: float
    megabytes: float
    memory_exponent: float = 1.7
    base_megabytes: float = 300.0


# Measured: 20 atoms (360 functions) in 20 to 60 s.
PLANE_WAVES = Guess(2.3, 2.0, 250.0, 1.2)


def gaussian(basis: str) -> Guess:
    """Of codes with Gaussian basis sets.

    Measured on one core of 2026, ethylene glycol and its dimer: def2-SVP 7 and 28 s, 0.9 and 1.8 GB; def2-TZVPD 20 and
    132 s, 1.9 and 6.0 GB.
    """
    small = basis.lower() in ("def2-svp", "sto-3g", "3-21g", "6-31g", "6-31g*", "cc-pvdz")
    return Guess(8.0, 2.1, 600.0, 1.4) if small else Guess(22.0, 2.6, 1600.0)


class LabelerSettings(PartSettings):
    """The config of a reference method."""

    kind: str
    periodic: ClassVar[bool] = True  # does it label periodic frames?
    # Can it run MD of whole liquids, so that there are densities and structures to compare with?
    runs_md: ClassVar[bool] = False

    def guess(self) -> Guess:
        """What a label costs, by experience."""
        raise NotImplementedError

    def check(self, elements: set[str]) -> None:
        """Raise UserError for what the config's form cannot tell: a program that is not installed, a functional that
        the code does not know, an element without a pseudopotential."""

    def arguments(self) -> dict[str, Any]:
        """Arguments of the labeler's class, and of its check, by name."""
        return self.model_dump(exclude={"kind"})

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "Labeler":
        """The labeler, with `threads` for one structure; data, system: files of the system that the structures belong
        to, for methods that need to know the molecules."""
        raise NotImplementedError


@dataclass(frozen=True)
class Label:
    """Reference values of one structure.

    energy in eV; forces (N, 3) in eV/A; stress (3, 3) in eV/A^3 with ASE's sign, None for a finite
    structure; charges (N,) in units of e, where the method has them. notes: facts of how it came to be, as plain
    data, such as `code` (name and version), `unpaired_electrons`, `basis_functions`, and `scf` where it took a second
    try with safer settings.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None = None
    charges: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class LabelFailure(Exception):
    """A structure that got no label: its outcome and why."""

    def __init__(self, outcome: Outcome, reason: str):
        super().__init__(reason)
        self.outcome = outcome


class Labeler(Protocol):
    """A reference method.

    `settings()` is everything that a label depends on besides the geometry, as plain data: it is half of the label's
    key. Numerical settings (grid, thresholds) stand there even where they are the code's default, since defaults move
    between versions, and files that make the energy (pseudopotentials) by the hash of their content. The version of
    the code is not in it but in the notes of each label: at settings that are all given, versions agree within the
    thresholds, and a store of a million core-hours must not be lost to an update of a package.

    `label()` raises LabelFailure for a structure it cannot do. After `close()` it may be used again.
    """

    def settings(self) -> dict[str, Any]: ...

    def label(self, atoms: Atoms) -> Label: ...

    def close(self) -> None: ...


Grid = Annotated[
    tuple[Annotated[int, Field(ge=20, le=300)], Annotated[int, Field(ge=50, le=6000)]],
    Field(strict=False, description="radial and angular points per atom of the integration grid; [99, 590] is finer"),
]


def _element(symbol: str) -> str:
    if symbol not in chemical_symbols[1:]:
        near = difflib.get_close_matches(symbol.capitalize(), chemical_symbols[1:], n=1)
        raise ValueError(f"is no chemical element{f'; did you mean {near[0]!r}?' if near else ', such as C or Si'}")
    return symbol


Element = Annotated[str, AfterValidator(_element)]
Points = Annotated[int, Field(ge=1, le=50)]
KPoints = Annotated[
    tuple[Points, Points, Points],
    Field(strict=False, description="Monkhorst-Pack grid; one point is enough in a cell of 10 A"),
]


def unpaired_electrons(atoms: Atoms) -> int:
    """0 or 1, by the number of electrons of a neutral structure; of a free atom those of its ground state (Hund).

    LabelFailure (odd electrons) for an odd number, unless the structure was broken on purpose (`decomposed`): then it
    is a radical.
    """
    if not len(atoms):
        raise LabelFailure(Outcome.INVALID, "no atoms")
    if free_atom(atoms):
        return int(ground_state_magnetic_moments[atoms.numbers[0]])
    odd = int(atoms.numbers.sum()) % 2
    if odd and not decomposed(atoms):
        reason = f"{atoms.numbers.sum()} electrons: a molecule has lost or gained an atom"
        raise LabelFailure(Outcome.ODD_ELECTRONS, reason)
    return odd


def decomposed(atoms: Atoms) -> bool:
    """Is it made of fragments on purpose (`config_type=decomposed`, or a free atom)? Then it is labelled
    spin-unrestricted."""
    return atoms.info.get("config_type") == "decomposed" or free_atom(atoms)


def free_atom(atoms: Atoms) -> bool:
    """Is it an atom alone, whose energy others are counted from (`config_type=IsolatedAtom`, as MACE and QUIP say)?"""
    return len(atoms) == 1 and str(atoms.info.get("config_type")).replace("_", "").lower() == "isolatedatom"


def finite(atoms: Atoms, code: str) -> None:
    """LabelFailure if `atoms` is periodic, for codes that compute molecules in vacuum."""
    if atoms.pbc.any():
        raise LabelFailure(Outcome.INVALID, f"{code} labels finite structures only, and this one is periodic")
