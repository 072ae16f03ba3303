"""A labeler: any ASE calculator.

To use it: copy it to workflow/oligopoly/labelers/ase_calculator.py, and add
    "ase": "oligopoly.labelers.ase_calculator",
to labelers/registry.py. Then
    label: {labeler: {kind: ase, calculator: ase.calculators.lj.LennardJones, arguments: {rc: 8, smooth: true}}}
"""

import importlib
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.labelers.contract import Guess, Label, LabelerSettings, LabelFailure, unpaired_electrons
from oligopoly.labelers.outcomes import Outcome


class Settings(LabelerSettings):
    """Any ASE calculator that gives energies and forces, and a stress where it is to label periodic frames."""

    packages: ClassVar[tuple[str, ...]] = ("ase",)

    kind: Literal["ase"]
    calculator: str = Field(examples=["ase.calculators.lj.LennardJones"], description="class by its full name")
    arguments: dict[str, Any] = Field({}, description="of the class")

    def guess(self) -> Guess:
        return Guess(seconds=0.1, exponent=1.0, megabytes=500.0, memory_exponent=1.0)

    def check(self, elements: set[str]) -> None:
        module, _, name = self.calculator.rpartition(".")
        try:
            getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(f"label.labeler.calculator: {self.calculator} cannot be imported ({error})") from None

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "Calculator":
        return Calculator(self)


class Calculator:
    """The labeler."""

    def __init__(self, settings: Settings):
        self.given = settings
        self.code = None

    def settings(self) -> dict[str, Any]:
        """All that a label depends on: half of its key in the store."""
        return self.given.model_dump(mode="json")

    def label(self, atoms) -> Label:
        unpaired_electrons(atoms)  # fails for molecules that have lost or gained an atom
        if not np.isfinite(atoms.positions).all() or atoms.pbc.any() != atoms.pbc.all():
            raise LabelFailure(Outcome.INVALID, "a position is not a number, or periodic in some directions only")
        try:
            if self.code is None:
                module, _, name = self.given.calculator.rpartition(".")
                self.code = getattr(importlib.import_module(module), name)(**self.given.arguments)
            self.code.reset()
            self.code.calculate(atoms, ["energy", "forces", "stress"] if atoms.pbc.all() else ["energy", "forces"])
        except Exception as error:
            raise LabelFailure(Outcome.CRASHED, f"{self.given.calculator}: {error}") from error
        found = self.code.results
        if not np.isfinite([found["energy"], *found["forces"].flat]).all():
            raise LabelFailure(Outcome.OVERLAP, "an energy or a force is not a number: atoms within each other?")
        stress = None
        if atoms.pbc.all():
            xx, yy, zz, yz, xz, xy = found["stress"]
            stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return Label(float(found["energy"]), found["forces"], stress, notes={"code": self.given.calculator})

    def close(self) -> None:
        self.code = None
