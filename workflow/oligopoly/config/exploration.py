"""Exploration: MD with the potential at hand, and what it asks it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from oligopoly.config import examples
from oligopoly.md.state_points import Dynamics, Name
from oligopoly.potentials.uncertainty import SCALES, Uncertainty, first_of
from oligopoly.quantities import parse
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.settings import Settings

if TYPE_CHECKING:
    from oligopoly.samplers.md import Settings as Walker
else:
    Walker = SAMPLERS.union()


class UncertaintySettings(Settings):
    """What exploration asks the potential, and when it has heard enough."""

    kind: Literal["auto", "gamma", "committee", "none"] = Field(
        "auto",
        description="gamma: extrapolation grade; committee: deviation of the members' forces; none: bonds, contacts "
        "and volume alone are watched; auto: the first of these that the trainer gives",
    )
    every: int = Field(10, ge=1, description="steps between two scores")
    select: float | str | None = Field(
        None, description="frames above it become candidates: a number for gamma (2), a force for committee (0.15 eV/A)"
    )
    stop: float | str | None = Field(None, description="above it the run stops: 25 for gamma, 1.5 eV/A for committee")

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
        value = parse(given, "force") if isinstance(given, str) else given
        if value <= 0:
            raise ValueError(f"explore.uncertainty.{name}: given {given!r}: must be larger than 0")
        return value


class Explore(Dynamics):
    """MD with the potential of the generation before, where potentials break: hot, compressed, at constant pressure."""

    engine: Literal["auto", "built-in", "pace"] = Field(
        "auto",
        description="built-in: the evaluator in Python; pace: LAMMPS ML-PACE; auto: pace where LAMMPS has it",
    )
    walkers: dict[Name, Walker] = Field(
        min_length=1,
        examples=[examples.WALKERS],
        description="runs by name, one each per training system and generation",
    )
    uncertainty: UncertaintySettings = UncertaintySettings()
    candidates: int = Field(60, ge=1, description="most candidates per run")
