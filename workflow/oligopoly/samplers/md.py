"""MD with the potential of the generation before: the walkers of `explore.walkers`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ase import Atoms
from pydantic import Field

from oligopoly.md.state_points import State
from oligopoly.quantities import Pressure
from oligopoly.samplers.contract import Context, SamplerSettings

if TYPE_CHECKING:
    from oligopoly.md.outcomes import Outcome


class Settings(SamplerSettings, State):
    """MD with the potential, at constant volume or pressure, which may be ramped."""

    kind: Literal["md"] = "md"
    ensemble: Literal["nvt", "npt"] = Field("npt", description="nvt: constant volume; npt: constant pressure")
    pressure_end: Pressure | None = Field(None, description="npt only: ramps the pressure to this")

    def md_steps(self, timestep_fs: float) -> float:
        return self.duration / timestep_fs

    def create(self) -> "MD":
        return MD(self)


class MD:
    """The sampler as `samplers.contract.Sampler` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def sample(self, start: Atoms, context: Context, folder: str | Path) -> "Outcome":
        """See `exploration.explore`."""
        from oligopoly.samplers.exploration import explore

        engine = context.potential.engine(context.uncertainty, context.engine, context.hardware)
        return explore(
            engine,
            start,
            context.topology,
            folder,
            conditions=context.conditions,
            duration_fs=self.settings.duration,
            volume_ratio=self.settings.volume_ratio,
            uncertainty=context.uncertainty,
            candidates=context.candidates,
            origin=context.origin,
            seed=context.seed,
        )
