"""Expected errors of labels, which say how much each row of a fit weighs, as trainers of ACE take them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from oligopoly.quantities import EnergyPerAtom, Force
from oligopoly.settings import Settings

# What `config_type` of a frame says about where it came from; `stopped`: explored too, where a run went wrong.
ConfigType = Literal["bulk", "cluster", "contact", "explored", "stopped", "decomposed"]


class RankLimits(Settings):
    """Largest radial index n and angular momentum l of each rank, from rank 1 on."""

    n: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        [20, 8, 4, 2], min_length=1, max_length=6, description="largest radial index of each rank"
    )
    l: list[Annotated[int, Field(ge=0, le=12)]] = Field(  # noqa: E741 - the field's own letter
        [0, 5, 4, 2], min_length=1, max_length=6, description="largest angular momentum of each rank"
    )

    @model_validator(mode="after")
    def _same_length(self):
        if len(self.n) != len(self.l):
            raise ValueError(f"n has {len(self.n)} ranks, l has {len(self.l)}: give one number per rank")
        if self.l[0] != 0:
            raise ValueError(f"l begins with {self.l[0]}: rank 1 has no angular momentum: let l begin with 0")
        return self


class Sigmas(Settings):
    """Expected errors of frames of one kind, where they differ from the trainer's."""

    sigma_force: Force | None = Field(None, description="of a force component")
    sigma_energy: EnergyPerAtom | None = Field(None, description="of the energy per atom")
    sigma_volume: EnergyPerAtom | None = Field(None, description="of the energy per atom on 1 % of volume")

    def weights(self) -> dict[str, float]:
        """What is different, for `ace.rows.Weights`."""
        found = {
            "force": self.sigma_force,
            "energy": self.sigma_energy,
            "energy_cluster": self.sigma_energy,
            "volume": self.sigma_volume,
        }
        return {name: value for name, value in found.items() if value is not None}
