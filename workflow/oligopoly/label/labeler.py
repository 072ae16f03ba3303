"""What a reference method is to the workflow, and which methods there are."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.label.outcomes import Outcome


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


def create(
    kind: str, *, threads: int = 1, data: str | None = None, system: str | None = None, **settings: Any
) -> Labeler:
    """The labeler called `kind`; to add one, add a case here and in `check`, and its settings to config/labelers.py.

    settings: the config block `label.labeler`. threads: for one structure. data, system: files of the system that the
    structures belong to, for labelers that need to know the molecules.
    """
    match kind:
        case "classical":
            from oligopoly.label.classical import ClassicalLabeler

            return ClassicalLabeler(data, system)
        case "xtb":
            from oligopoly.label.xtb import XTBLabeler

            return XTBLabeler(**settings, threads=threads)
        case "pyscf":
            from oligopoly.label.pyscf import PySCFLabeler

            return PySCFLabeler(**settings, threads=threads)
        case "psi4":
            from oligopoly.label.psi4 import Psi4Labeler

            return Psi4Labeler(**settings, threads=threads)
        case "espresso":
            from oligopoly.label.espresso import EspressoLabeler

            return EspressoLabeler(**settings, threads=threads)
        case "cp2k":
            from oligopoly.label.cp2k import CP2KLabeler

            return CP2KLabeler(**settings, threads=threads)
        case "vasp":
            from oligopoly.label.vasp import VASPLabeler

            return VASPLabeler(**settings, threads=threads)
    raise UserError(f"label.labeler.kind: no labeler is called '{kind}'")


def check(kind: str, *, elements: set[str], **settings: Any) -> None:
    """Raise UserError if the labeler `kind` cannot label molecules of these elements with these settings.

    It finds out what the config's form cannot tell: a program that is not installed, a functional that the code does
    not know, an element without a pseudopotential.
    """
    match kind:
        case "pyscf":
            from oligopoly.label.pyscf import check_method
        case "psi4":
            from oligopoly.label.psi4 import check_method
        case "espresso":
            from oligopoly.label.espresso import check_method
        case "cp2k":
            from oligopoly.label.cp2k import check_method
        case "vasp":
            from oligopoly.label.vasp import check_method
        case _:
            return
    check_method(elements=elements, **settings)


def unpaired_electrons(atoms: Atoms) -> int:
    """0 or 1, by the number of electrons of a neutral structure.

    LabelFailure (odd electrons) for an odd number, unless the structure was broken on purpose (`decomposed`): then it
    is a radical.
    """
    odd = int(atoms.numbers.sum()) % 2
    if odd and not decomposed(atoms):
        reason = f"{atoms.numbers.sum()} electrons: a molecule has lost or gained an atom"
        raise LabelFailure(Outcome.ODD_ELECTRONS, reason)
    return odd


def decomposed(atoms: Atoms) -> bool:
    """Is it made of fragments on purpose (`config_type=decomposed`)? Then it is labelled spin-unrestricted."""
    return atoms.info.get("config_type") == "decomposed"


def finite(atoms: Atoms, code: str) -> None:
    """LabelFailure if `atoms` is periodic, for codes that compute molecules in vacuum."""
    if atoms.pbc.any():
        raise LabelFailure(Outcome.INVALID, f"{code} labels finite structures only, and this one is periodic")
