"""Production: which MD is run with the final potential, and what is measured in it."""

from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from oligopoly.md.state_points import Dynamics, State, System
from oligopoly.properties.contract import PropertySettings
from oligopoly.properties.registry import PROPERTIES
from oligopoly.quantities import Time, Timestep
from oligopoly.settings import Apart, Name, Settings


class ProductionRun(State):
    """One MD run of every system and engine."""

    after: Name | None = Field(
        None, description="run at whose end this one starts; nvt takes its mean volume too. null: the equilibrated box"
    )
    timestep: Timestep | None = Field(None, description="null: that of produce")
    real_masses: bool = Field(
        False, description="no heavier hydrogens, whose dynamics is wrong; with a timestep of 1 fs at most"
    )


RUNS: dict[str, Any] = {
    "npt": {"ensemble": "npt", "duration": "200 ps"},
    "nvt": {"ensemble": "nvt", "duration": "100 ps", "after": "npt", "timestep": "0.5 fs", "real_masses": True},
}


class Produce(Dynamics):
    """Production MD with the final potential and with the reference."""

    runs: Annotated[dict[Name, ProductionRun], Apart] = Field(
        RUNS, min_length=1, description="runs by name: npt for densities, nvt for structure and dynamics"
    )
    settle: Time = Field("10 ps", description="before sampling, in each run")
    sample_every: Time = Field("250 fs", description="between stored frames")
    replicates: int = Field(
        1, ge=1, le=100, description="independent boxes of every system, each built and equilibrated with its own seed"
    )

    @model_validator(mode="after")
    def _runs_follow_each_other(self):
        seen: list[str] = []
        for name, run in self.runs.items():
            if run.after is not None and run.after not in seen:
                known = f"one of {', '.join(seen)}" if seen else "null, for it is the first"
                raise ValueError(
                    f"runs.{name}.after: given '{run.after}': must be a run that stands before it: {known}"
                )
            if run.volume_ratio is not None and run.after is not None:
                raise ValueError(f"runs.{name}.volume_ratio: a run after another takes its volume from that")
            seen.append(name)
        if not self.by_ensemble():
            raise ValueError(
                "runs: one must be at the system's own temperature and pressure (give it neither): "
                "properties are measured in it"
            )
        return self

    def by_ensemble(self) -> dict[str, str]:
        """The run of each ensemble in which properties are measured: the first at the system's own state point."""
        found: dict[str, str] = {}
        for name, run in self.runs.items():
            if run.at_own_conditions:
                found.setdefault(run.ensemble, name)
        return found

    def arguments(self, system: System) -> dict[str, Any]:
        """Arguments of `md.produce.produce` as plain data: `runs` of `Conditions` and the rest of `md.produce.Run`."""
        runs = {}
        for name, run in self.runs.items():
            conditions = self.conditions(run, system)
            if run.timestep is not None:
                conditions["timestep_fs"] = run.timestep
            if run.real_masses:
                conditions["hydrogen_mass"] = None
            runs[name] = {
                "conditions": conditions, "duration_fs": run.duration, "after": run.after,
                "volume_ratio": run.volume_ratio,
            }  # fmt: skip
        return {"runs": runs, "settle_fs": self.settle, "sample_every_fs": self.sample_every}


class _Properties(Settings):
    """What is measured in production runs, by property; null leaves one out."""

    def chosen(self, ensembles: set[str]) -> dict[str, PropertySettings]:
        """Those that are measured where there are runs of these ensembles; some name their run."""
        return {
            kind: settings
            for kind in PROPERTIES
            if (settings := getattr(self, kind)) is not None and (settings.run or settings.ensemble in ensembles)
        }


Properties = create_model(
    "Properties",
    __base__=_Properties,
    __doc__=_Properties.__doc__,
    **{
        kind: (
            PROPERTIES.settings(kind) | None,
            Field(PROPERTIES.settings(kind)(), description=(PROPERTIES.settings(kind).__doc__ or "").strip()),
        )
        for kind in PROPERTIES
    },  # type: ignore[call-overload]
)
