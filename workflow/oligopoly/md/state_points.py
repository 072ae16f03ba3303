"""What is simulated, and at which state points."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from oligopoly.quantities import Mass, Pressure, Temperature, Time, Timestep
from oligopoly.settings import ExpandedPath, Settings


def _or_list(most: int) -> WithJsonSchema:
    """For editors: a whole number, or a list of them (see `config.series`)."""
    one = {"type": "integer", "minimum": 1, "maximum": most}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})


class System(Settings):
    """A box of one kind of chain."""

    role: Literal["train", "transfer"] = Field(
        description="train: the potential learns on it; transfer: it must hold for it"
    )
    repeat_unit: str | None = Field(
        None,
        examples=["*CC*"],
        description="SMILES with two '*', head and tail: *CC* polyethylene, *CCO* PEG, *CC(C)O* PPG; @, @@, / and \\ "
        "fix configurations (double bonds without are trans)",
    )
    end_groups: Annotated[tuple[str, str], Field(strict=False)] | Literal["ring"] = Field(
        ("*[H]", "*[H]"), description="SMILES with one '*' for head and tail, or: ring"
    )
    degree_of_polymerisation: Annotated[int | None, _or_list(10_000)] = Field(
        None,
        ge=1,
        le=10_000,
        examples=[5],
        description="repeat units per chain; [1, 2]: systems name-1, name-2",
    )
    tacticity: Literal["isotactic", "syndiotactic", "atactic"] | None = Field(
        None,
        description="of units with a stereocentre in the main chain; null: as @ and @@ in the SMILES say, else atactic "
        "(the sequences stand in system.json)",
    )
    chains: Annotated[int | None, _or_list(100_000)] = Field(
        None, ge=1, le=100_000, examples=[32], description="chains in the box, or of each such system"
    )
    data: ExpandedPath | None = Field(
        None, description="with force_field.kind: lammps, in place of these: a LAMMPS data file of a box of your own"
    )
    temperature: Temperature = Field("300 K", description="at which properties are reported")
    pressure: Pressure = Field("1 atm", description="at which properties are reported")


class Dynamics(Settings):
    """How MD is integrated."""

    timestep: Timestep = Field("1 fs", description="MD time step")
    hydrogen_mass: Mass | None = Field(
        None,
        description="heavier hydrogens, e.g. 4.03 g/mol: they allow 1.5-2 fs steps and change no static average",
    )

    def conditions(self, point: Any, system: System) -> dict[str, Any]:
        """Arguments of `md.simulation.Conditions` for a state point or walker of `system`."""
        ensemble = getattr(point, "ensemble", "nvt")  # not every sampler moves atoms
        given = getattr(point, "pressure", None)
        npt, pressure = ensemble == "npt", system.pressure if given is None else given
        return {
            "ensemble": ensemble,
            "temperature": getattr(point, "temperature", None) or system.temperature,
            "pressure_atm": pressure if npt else None,
            "pressure_end_atm": getattr(point, "pressure_end", None),
            "timestep_fs": self.timestep,
            "hydrogen_mass": self.hydrogen_mass,
        }


class State(Settings):
    """A state point of MD."""

    ensemble: Literal["nvt", "npt"] = Field("nvt", description="nvt: constant volume; npt: constant pressure")
    temperature: Temperature | None = Field(None, description="null: the system's")
    pressure: Pressure | None = Field(None, description="npt only; null: the system's")
    volume_ratio: float | None = Field(
        None, gt=0.4, lt=2.5, description="nvt only: volume in units of the equilibrated box"
    )
    duration: Time = Field(description="sampled time, at most (exploration stops where the potential fails)")

    @property
    def at_own_conditions(self) -> bool:
        """Is it at the system's own temperature and pressure, or in its own volume?"""
        others = (self.temperature, self.pressure, getattr(self, "pressure_end", None), self.volume_ratio)
        return all(other is None for other in others)

    @model_validator(mode="after")
    def _fits_ensemble(self):
        if self.ensemble == "npt" and self.volume_ratio is not None:
            raise ValueError("volume_ratio belongs to ensemble nvt; npt takes a pressure")
        pressures = (self.pressure, getattr(self, "pressure_end", None))
        if self.ensemble == "nvt" and pressures != (None, None):
            raise ValueError("pressure belongs to ensemble npt; nvt takes a volume_ratio")
        return self
