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
SIGMAS = 2.0  # standard errors that a tolerance leaves besides


class Tolerance(Settings):
    """Largest deviation from the reference in percent, beyond two standard errors."""

    train: float = Field(2.0, gt=0, le=1000, description="of trained systems")
    transfer: float = Field(4.0, gt=0, le=1000, description="of longer chains")


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
    """One production run of one replicate: `folder` holds thermo.tsv and trajectory.extxyz of `atoms` atoms, unless
    `opened` gives a trajectory from elsewhere."""

    folder: Path
    atoms: int
    opened: "Trajectory | None" = None

    @cached_property
    def thermo(self) -> dict[str, np.ndarray]:
        """Columns of the thermo table; of a trajectory from elsewhere time_ps and volume_A3. Raises UserError if it is
        missing."""
        from oligopoly.md.trajectory import read_thermo

        if self.opened is not None:
            return {"time_ps": self.opened.times / 1000, "volume_A3": abs(np.linalg.det(self.opened.cells))}
        return read_thermo(self.folder / "thermo.tsv")

    @property
    def spacing_ps(self) -> float:
        """Time between two frames."""
        times = self.trajectory.times
        return float(times[-1] - times[0]) / max(len(times) - 1, 1) / 1000

    @cached_property
    def trajectory(self) -> "Trajectory":
        """All its frames, with positions that stay in the file. Raises UserError if they are missing or of another
        system."""
        from oligopoly.md import trajectory

        if self.opened is not None:
            return self.opened
        path = self.folder / "trajectory.extxyz"
        found = trajectory.stored(path)
        if len(found.numbers) != self.atoms:
            raise UserError(f"{path}: its frames have {len(found.numbers)} atoms, the system {self.atoms}")
        return found


@dataclass(frozen=True)
class Context:
    """The system that is measured: `system` is its system.json; `energies`: by engine, what gives energies (eV) of
    frames, where that is cheap."""

    name: str
    topology: "Topology"
    system: dict[str, Any]
    role: Literal["train", "transfer"]
    temperature: float
    energies: dict[str, Callable[[Sequence[Atoms]], np.ndarray]] = field(default_factory=dict)
    threads: int = 1

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


@dataclass(frozen=True)
class Number:
    """A measured number with its standard error (None: not known), to be drawn against chain length; not `known`: the
    run was too short."""

    name: str
    unit: str
    value: float
    error: float | None
    known: bool = True


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

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """Of one engine's measurement, for chains of `units` repeat units: what is worth drawing against chain
        length."""

    def overview(self, everything: dict[str, dict[str, Any]]) -> "Iterable[Shown]":
        """What is shown of all systems together; everything: by system, results by kind of property."""

    def details(self, system: str, found: dict[str, Any]) -> "Iterable[Shown]":
        """What is shown of one system."""


def allowed(deviation: float, sigma: float, tolerance: float) -> tuple[float, bool]:
    """The largest deviation that passes, and whether this one does."""
    limit = tolerance + SIGMAS * sigma
    return limit, bool(abs(deviation) <= limit)
