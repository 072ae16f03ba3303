"""Linear ACE, fitted by the built-in code."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from ase import Atoms
from pydantic import Field

from oligopoly.potentials.manifest import Manifest
from oligopoly.quantities import Cutoff, EnergyPerAtom, Force
from oligopoly.trainers.contract import TrainerSettings, name_plainly
from oligopoly.trainers.weights import ConfigType, RankLimits, Sigmas

if TYPE_CHECKING:
    from oligopoly.ace.rows import Weights

# Seconds per force component and square of a thousand functions of two elements, on one core of 2026.
FIT_S = 3e-4


class Settings(TrainerSettings):
    """Linear atomic cluster expansion in pacemaker's format, fitted by the built-in code.

    The sigmas are expected errors: what is smaller weighs more. Energies of a liquid must be right to a fraction of a
    meV per atom for its density, forces are good at 0.1 eV/A, and the stress holds the density. Only the ratios matter:
    the noise itself is found from the data.
    """

    resumes: ClassVar[bool] = True

    kind: Literal["ace"] = "ace"
    functions: int = Field(300, ge=5, le=20_000, description="basis functions per element")
    cutoff: Cutoff = Field("5 A", description="of the potential")
    ranks: RankLimits | None = Field(
        None,
        description="largest n and l by rank, e.g. {n: [20, 8, 4, 2], l: [0, 5, 4, 2]}; null: those functions that "
        "explain the data best",
    )
    sigma_force: Force = Field("0.1 eV/A", description="expected error (one sigma) of a force component")
    sigma_energy: EnergyPerAtom = Field("0.3 meV", description="of the energy per atom of periodic frames")
    sigma_energy_cluster: EnergyPerAtom = Field("1 meV", description="of the energy per atom of clusters")
    sigma_volume: EnergyPerAtom | None = Field(
        "0.03 meV",
        description="energy per atom on 1 % of volume, about 400 bar: the weight of the stress; null: no stress",
    )
    config_types: dict[ConfigType, Sigmas] = Field(
        {},
        description="other expected errors for some kinds of frames: bulk, cluster, contact (pairs pushed together), "
        "explored, stopped (explored, where a run went wrong), decomposed. E.g. contact: {sigma_force: 0.3 eV/A}. None "
        "is needed as a rule: an atom whose force F is large has (1 + (F / 10 eV/A)^2) times the sigma anyway, and so "
        "has the energy of its frame",
    )
    ridge: Literal["auto"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        "auto",
        description="regularisation: auto lets the data choose (marginal likelihood; one ridge per rank, larger for "
        "functions of large n and l); or a number, e.g. 1.0e-9, relative: less fits better and explodes sooner",
    )
    baseline: Literal["none", "bonded"] = Field(
        "none",
        description="bonded: the force field's bonds, angles and dihedrals stay beside the potential, which learns the "
        "rest: for beads whose bonds cannot be told from contacts by distance",
    )
    committee: int = Field(
        0,
        ge=0,
        le=99,
        description="so many more potentials drawn from the posterior; the spread of their forces is the error to "
        "expect, measured against the true one in metrics.json (calibration)",
    )

    def gives(self) -> frozenset[str]:
        committee = {"committee"} if self.committee > 1 else set()
        return frozenset({"gamma", "posterior", "descriptors", "stress"} | committee)

    def engines(self) -> frozenset[str]:
        return frozenset({"built-in"} if self.baseline == "bonded" else {"built-in", "pace"})

    def files(self) -> dict[str, str]:
        return FILES | ({"baseline": "baseline.json"} if self.baseline == "bonded" else {})

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
            before=before.path("checkpoint") if before else None,
            threads=threads,
            **self.settings.arguments(),
        )
        name_plainly(Path(folder), "factor.npz")
        return manifest(self.settings, sorted(metrics["functions_per_element"]), FILES, self.settings.members())


def manifest(settings: Settings, species: list[str], files: dict[str, str], members: list[dict[str, str]]) -> Manifest:
    """The manifest of a fitted potential, its files not looked at yet."""
    kinds = sorted(settings.gives() & {"gamma", "committee", "posterior"})
    return Manifest(
        kind="ace", species=species, cutoff=settings.cutoff, files=files, members=members, uncertainty=kinds
    )
