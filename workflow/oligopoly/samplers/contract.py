"""What a source of candidates is to the workflow."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ase import Atoms

from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.parts import PartSettings

if TYPE_CHECKING:
    from oligopoly.md.outcomes import Outcome
    from oligopoly.md.simulation import Conditions
    from oligopoly.potentials.contract import Potential
    from oligopoly.potentials.uncertainty import Uncertainty
    from oligopoly.systems.topology import Topology


class SamplerSettings(PartSettings):
    """The config of a sampler: one entry of `explore.walkers`."""

    kind: str

    def md_steps(self, timestep_fs: float) -> float:
        """Steps of MD with the potential, at most; what else it does is taken to cost nothing beside that."""
        return 0.0

    def create(self) -> "Sampler":
        """The sampler."""
        raise NotImplementedError


@dataclass(frozen=True)
class Origin:
    """Where the frames of a run come from: system, generation, and walker."""

    system: str
    generation: int
    sampler: str


@dataclass(frozen=True)
class Context:
    """What a sampler is given besides where it starts. engine: as in `explore.engine`; candidates: at most so many."""

    potential: "Potential"
    uncertainty: "Uncertainty"
    topology: "Topology"
    conditions: "Conditions"
    candidates: int
    origin: Origin
    seed: int
    engine: str = "auto"
    hardware: Hardware = ONE_CORE


class Sampler(Protocol):
    """A source of candidates for labels."""

    def sample(self, start: Atoms, context: Context, folder: str | Path) -> "Outcome":
        """Write candidates.extxyz, audit.extxyz (frames that seem harmless), stop.json, scores.npz, thermo.tsv and
        trajectory.extxyz into `folder`, as `samplers.exploration.explore` says, and return how the run ended.

        What goes wrong on the way is an outcome; UserError is for wrong input.
        """
