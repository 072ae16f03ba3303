"""Exploration: MD with the potential at hand, and what it asks it."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from oligopoly.config import examples
from oligopoly.md.state_points import Dynamics
from oligopoly.potentials.uncertainty import SCALES, Uncertainty, first_of
from oligopoly.quantities import Force
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.settings import Apart, Name, Settings

if TYPE_CHECKING:
    from oligopoly.samplers.md import Settings as Walker
else:
    Walker = SAMPLERS.union()

Threshold = Annotated[float, Field(gt=0, le=1e6)]


class UncertaintySettings(Settings):
    """What exploration asks the potential, and when it has heard enough."""

    kind: Literal["auto", "gamma", "committee", "none"] = Field(
        "auto",
        description="gamma: extrapolation grade; committee: deviation of the members' forces; none: bonds, contacts "
        "and volume alone are watched; auto: the first of these that the trainer gives",
    )
    every: int = Field(10, ge=1, le=100_000, description="steps between two scores")
    select: Threshold | str | None = Field(
        None, description="frames above it become candidates: a number for gamma (2), a force for committee (0.15 eV/A)"
    )
    stop: Threshold | str | None = Field(
        None, description="above it the run stops: 25 for gamma, 1.5 eV/A for committee"
    )

    def resolved(self, gives: frozenset[str]) -> Uncertainty:
        """With a kind that a trainer has which `gives` so much, and numbers. Raises ValueError if they do not fit."""
        kind = first_of(gives) if self.kind == "auto" else self.kind
        if kind == "none":
            return Uncertainty("none", self.every)
        select, stop = (self._threshold(name, kind) for name in ("select", "stop"))
        if stop <= select:
            raise ValueError(f"explore.uncertainty: stop ({stop:g}) must be larger than select ({select:g})")
        return Uncertainty(kind, self.every, select, stop)

    def _threshold(self, name: str, kind: str) -> float:
        given, scale = getattr(self, name), SCALES[kind]
        if given is None:
            return getattr(scale, name)
        if not scale.unit and isinstance(given, str):
            raise ValueError(f"explore.uncertainty.{name}: given {given!r}: the {scale.name} is a number without unit")
        if scale.unit and not isinstance(given, str):
            raise ValueError(
                f"explore.uncertainty.{name}: given {given!r}: the {scale.name} needs its unit, such as '0.2 eV/A'"
            )
        if not isinstance(given, str):
            return given
        try:
            return TypeAdapter(Force).validate_python(given)
        except ValidationError as error:
            what = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"explore.uncertainty.{name}: given {given!r}: {what}") from None


class Explore(Dynamics):
    """MD with the potential of the generation before, where potentials break: hot, compressed, at constant pressure."""

    engine: Literal["auto", "built-in", "pace"] = Field(
        "auto",
        description="built-in: the evaluator in Python; pace: LAMMPS ML-PACE; auto: pace where LAMMPS has it",
    )
    walkers: Annotated[dict[Name, Walker], Apart] = Field(
        min_length=1,
        examples=[examples.WALKERS],
        description="runs by name, one each per training system and generation",
    )
    uncertainty: UncertaintySettings = UncertaintySettings()
    candidates: int = Field(60, ge=1, le=100_000, description="most candidates per run")
