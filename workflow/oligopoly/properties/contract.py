"""What a property that MD is judged by is to the workflow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from ase import Atoms
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.parts import PartSettings
from oligopoly.settings import Settings

if TYPE_CHECKING:
    from oligopoly.md.trajectory import Trajectory
    from oligopoly.plotting.shown import Shown
    from oligopoly.systems.topology import Topology

ENGINES = ("reference", "learned")


class Tolerance(Settings):
    """Largest deviation from the reference in percent, beyond two standard errors."""

    train: float = Field(2.0, gt=0, description="of trained systems")
    transfer: float = Field(4.0, gt=0, description="of longer chains")


class PropertySettings(PartSettings):
    """The config of a property: a key of the block `properties`, or null there to leave it out."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"  # of the production run that it is measured in
    static: ClassVar[bool] = False  # a structure, which runs of any ensemble and mass have alike
    dynamic: ClassVar[bool] = False  # a motion, which heavier hydrogens slow down

    run: str | None = Field(
        None,
        description="production run that it is measured in; null: the first of its ensemble at the system's own state",
    )

    def create(self) -> "Property":
        """The property."""
        raise NotImplementedError


@dataclass(frozen=True)
class Run:
    """One production run of one replicate: `folder` holds thermo.tsv and trajectory.extxyz of `atoms` atoms."""

    folder: Path
    atoms: int

    @cached_property
    def thermo(self) -> dict[str, np.ndarray]:
        """Columns of the thermo table. Raises UserError if it is missing."""
        from oligopoly.md.trajectory import read_thermo

        return read_thermo(self.folder / "thermo.tsv")

    @cached_property
    def trajectory(self) -> "Trajectory":
        """All its frames. Raises UserError if they are missing or of another system."""
        from oligopoly.md import trajectory

        path = self.folder / "trajectory.extxyz"
        found = trajectory.read(path)
        if len(found.numbers) != self.atoms:
            raise UserError(f"{path}: its frames have {len(found.numbers)} atoms, the system {self.atoms}")
        return found


@dataclass(frozen=True)
class Context:
    """The system that is measured: `system` is its system.json; `energies`: by engine, what gives energies (eV) of
    frames, where that is cheap; `sigmas`: standard errors that a tolerance leaves besides."""

    name: str
    topology: "Topology"
    system: dict[str, Any]
    role: Literal["train", "transfer"]
    temperature: float
    energies: dict[str, Callable[[Sequence[Atoms]], np.ndarray]] = field(default_factory=dict)
    sigmas: float = 2.0

    @property
    def ring(self) -> bool:
        """Have its chains no ends?"""
        return self.system.get("end_groups") == "ring"


@dataclass(frozen=True)
class Check:
    """One thing that was required: what was found, what was allowed, and whether it held; None: not known."""

    code: str
    what: str
    found: str
    required: str
    passed: bool | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Property(Protocol):
    """A property: measured for each engine, compared, and drawn.

    Results are plain data for JSON; where something cannot be measured, UserError says why, and the rest goes on.
    """

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """Of one engine, from the runs of its replicates in the property's ensemble."""

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """What the two measurements say about each other."""

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """What must hold, of {"reference": ..., "learned": ..., "comparison": ..., "missing": ...}, as far as it is
        there. Something that could not be measured is not known (passed None), or False if all rests on it."""

    def overview(self, everything: dict[str, dict[str, Any]]) -> "Iterable[Shown]":
        """What is shown of all systems together; everything: by system, results by kind of property."""

    def details(self, system: str, found: dict[str, Any]) -> "Iterable[Shown]":
        """What is shown of one system."""


def allowed(deviation: float, sigma: float, tolerance: float, sigmas: float) -> tuple[float, bool]:
    """The largest deviation that passes, and whether this one does."""
    limit = tolerance + sigmas * sigma
    return limit, bool(abs(deviation) <= limit)
