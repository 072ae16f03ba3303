"""Linear ACE, fitted by the built-in code."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from ase import Atoms
from pydantic import Field

from oligopoly.files import beside
from oligopoly.potentials.manifest import Manifest
from oligopoly.quantities import EnergyPerAtom, Force, Length
from oligopoly.trainers.contract import TrainerSettings
from oligopoly.trainers.weights import ConfigType, RankLimits, Sigmas

if TYPE_CHECKING:
    from oligopoly.ace.rows import Weights

# Seconds per force component and square of a thousand functions of two elements, on one core of 2026.
FIT_S = 3e-4


class Settings(TrainerSettings):
    """Linear atomic cluster expansion, fitted by the built-in code."""

    resumes: ClassVar[bool] = True

    kind: Literal["ace"] = "ace"
    functions: int = Field(300, ge=5, description="basis functions per element")
    cutoff: Length = Field("5 A", description="of the potential")
    ranks: RankLimits | None = Field(None, description="default: functions are chosen by what they explain in the data")
    sigma_force: Force = Field("0.1 eV/A", description="expected error of a force component")
    sigma_energy: EnergyPerAtom = Field("0.3 meV", description="of the energy per atom, periodic")
    sigma_energy_cluster: EnergyPerAtom = Field("1 meV", description="of the energy per atom, cluster")
    sigma_volume: EnergyPerAtom | None = Field(
        "0.03 meV",
        description="of the energy change per atom on 1 % of volume: the weight of the stress "
        "(0.03 meV is about 400 bar in a liquid); null fits no stress",
    )
    config_types: dict[ConfigType, Sigmas] = Field({}, description="other expected errors for some kinds of frames")
    ridge: Literal["auto"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        "auto", description="relative regularisation; auto: a prior chosen by the data"
    )
    committee: int = Field(0, ge=0, le=99, description="potentials drawn from the posterior besides the fitted one")

    def gives(self) -> frozenset[str]:
        committee = {"committee"} if self.committee > 1 else set()
        return frozenset({"gamma", "posterior", "descriptors", "stress"} | committee)

    def engines(self) -> frozenset[str]:
        return frozenset({"built-in", "pace"})

    def files(self) -> dict[str, str]:
        return FILES

    def members(self) -> list[dict[str, str]]:
        return [
            {"potential": f"potential.member_{k:02d}.yaml", "compiled": f"potential.member_{k:02d}.yace"}
            for k in range(1, self.committee + 1)
        ]

    def quick(self) -> "Settings":
        return self.model_copy(update={"functions": 60, "config_types": {}})

    def guess_seconds(self, components: int, cores: int) -> float:
        return 20 + FIT_S * components * (2 * self.functions / 1000) ** 2 / cores

    def create(self) -> "ACE":
        return ACE(self)

    def weights(self) -> "Weights":
        """What the rows are divided by."""
        from oligopoly.ace.rows import Weights

        return Weights(
            force=self.sigma_force,
            energy=self.sigma_energy,
            energy_cluster=self.sigma_energy_cluster,
            volume=self.sigma_volume,
            by_config_type={kind: sigmas.weights() for kind, sigmas in self.config_types.items()},
        )

    def arguments(self) -> dict[str, Any]:
        """Arguments of `ace.fit.fit` besides the weights."""
        return {
            "functions": self.functions,
            "cutoff": self.cutoff,
            "n_max": self.ranks.n if self.ranks else None,
            "l_max": self.ranks.l if self.ranks else None,
            "ridge": None if self.ridge == "auto" else self.ridge,
            "committee": self.committee,
        }


# By role. `compiled`: as LAMMPS reads it without extrapolation grades. `checkpoint`: what the next fit starts from.
FILES = {
    "potential": "potential.yaml",
    "compiled": "potential.yace",
    "active_set": "potential.asi",
    "checkpoint": "factor.npz",
}


class ACE:
    """The trainer as `trainers.contract.Trainer` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def train(
        self,
        train: Sequence[Atoms],
        test: Sequence[Atoms],
        folder: Path,
        *,
        before: Manifest | None = None,
        threads: int = 1,
    ) -> Manifest:
        """See `ace.fit.fit`."""
        from oligopoly.ace.fit import fit

        prefix = Path(folder) / "potential"
        metrics = fit(
            train,
            test,
            prefix,
            weights=self.settings.weights(),
            before=before and before.path("checkpoint"),
            threads=threads,
            **self.settings.arguments(),
        )
        for name in ("factor.npz", "metrics.json", "predictions.npz"):
            beside(prefix, f".{name}").replace(prefix.with_name(name))
        return manifest(self.settings, sorted(metrics["functions_per_element"]), FILES, self.settings.members())


def manifest(settings: Settings, species: list[str], files: dict[str, str], members: list[dict[str, str]]) -> Manifest:
    """The manifest of a fitted potential, its files not looked at yet."""
    kinds = sorted(settings.gives() & {"gamma", "committee", "posterior"})
    return Manifest(
        kind="ace", species=species, cutoff=settings.cutoff, files=files, members=members, uncertainty=kinds
    )
