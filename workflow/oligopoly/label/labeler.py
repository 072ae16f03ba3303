"""What a reference method is to the workflow, and which methods there are."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.label.outcomes import Outcome


@dataclass(frozen=True)
class Label:
    """Reference values of one structure.

    energy in eV; forces (N, 3) in eV/A; stress (3, 3) in eV/A^3 with ASE's sign, None for a finite
    structure; charges (N,) in units of e, where the method has them.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None = None
    charges: np.ndarray | None = None


class LabelFailure(Exception):
    """A structure that got no label: its outcome and why."""

    def __init__(self, outcome: Outcome, reason: str):
        super().__init__(reason)
        self.outcome = outcome


class Labeler(Protocol):
    """A reference method.

    `settings()` is everything that a label depends on besides the geometry, as plain data: it is
    half of the label's key. `label()` raises LabelFailure for a structure it cannot do.
    """

    def settings(self) -> dict[str, Any]: ...

    def label(self, atoms: Atoms) -> Label: ...

    def close(self) -> None: ...


def create(kind: str, **context: Any) -> Labeler:
    """The labeler called `kind`; to add one, add a case here."""
    match kind:
        case "classical":
            from oligopoly.label.classical import ClassicalLabeler

            return ClassicalLabeler(**context)
    raise UserError(f"label.labeler.kind: no labeler is called '{kind}'")
