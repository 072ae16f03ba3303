"""What is simulated, and at which state points."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from oligopoly.quantities import Mass, Pressure, Temperature, Time
from oligopoly.settings import Settings

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class System(Settings):
    """A box of one kind of chain."""

    role: Literal["train", "transfer"] = Field(
        description="train: the potential learns on it; transfer: longer chains it must hold for"
    )
    repeat_unit: str = Field(description="SMILES with two '*', such as '*CC*' or '*CCO*'")
    end_groups: tuple[str, str] | Literal["ring"] = Field(
        ("*[H]", "*[H]"), description="SMILES with one '*' for head and tail, or 'ring'"
    )
    degree_of_polymerisation: int = Field(ge=1, description="repeat units per chain")
    chains: int = Field(ge=1, description="chains in the box")
    temperature: Temperature = Field("300 K", description="at which properties are reported")
    pressure: Pressure = Field("1 atm", description="at which properties are reported")


class Dynamics(Settings):
    """How MD is integrated."""

    timestep: Time = Field("1 fs", le=4, description="MD time step")
    hydrogen_mass: Mass | None = Field(
        None,
        description="heavier hydrogens allow longer steps and change no static average "
        "(real masses are always used where dynamics is reported)",
    )

    def conditions(self, point: Any, system: System) -> dict[str, Any]:
        """Arguments of `md.simulation.Conditions` for a state point or walker of `system`."""
        npt = point.ensemble == "npt"
        pressure = system.pressure if point.pressure is None else point.pressure
        return {
            "ensemble": point.ensemble,
            "temperature": point.temperature or system.temperature,
            "pressure_atm": pressure if npt else None,
            "pressure_end_atm": getattr(point, "pressure_end", None),
            "timestep_fs": self.timestep,
            "hydrogen_mass": self.hydrogen_mass,
        }


class State(Settings):
    """A state point of MD."""

    ensemble: Literal["nvt", "npt"] = "nvt"
    temperature: Temperature | None = Field(None, description="default: the system's")
    pressure: Pressure | None = Field(None, description="npt only; default: the system's")
    volume_ratio: float | None = Field(
        None, gt=0.4, lt=2.5, description="nvt only: volume in units of the starting one"
    )
    duration: Time = Field(description="sampled time, at most (exploration stops where the potential fails)")

    @model_validator(mode="after")
    def _fits_ensemble(self):
        if self.ensemble == "npt" and self.volume_ratio is not None:
            raise ValueError("volume_ratio belongs to ensemble nvt; npt takes a pressure")
        pressures = (self.pressure, getattr(self, "pressure_end", None))
        if self.ensemble == "nvt" and pressures != (None, None):
            raise ValueError("pressure belongs to ensemble npt; nvt takes a volume_ratio")
        return self
