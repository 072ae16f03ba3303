"""pacemaker, which is installed beside oligopoly (`make pacemaker`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ase import Atoms
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.potentials.manifest import Manifest
from oligopoly.quantities import Cutoff, EnergyPerAtom, Force
from oligopoly.settings import PathText
from oligopoly.trainers import ace
from oligopoly.trainers.contract import TrainerSettings, name_plainly
from oligopoly.trainers.weights import RankLimits

if TYPE_CHECKING:
    from oligopoly.ace.rows import Weights


class Settings(TrainerSettings):
    """The real pacemaker, which fits more slowly and can do more.

    It is installed in an environment of its own: from PyPI by `make pacemaker` (the package is python-ace; PyPI's
    `pyace` is not pacemaker's), from conda-forge by hand with envs/pacemaker.yaml or by `snakemake --sdm conda`. Its
    licence excludes commercial use. It fits no stress, so that the density rests on energies at several volumes.
    """

    conda: ClassVar[str] = "pacemaker"

    kind: Literal["pacemaker"]
    environment: PathText | None = Field(
        None,
        description="folder of its environment, e.g. ~/miniforge3/envs/pacemaker; null: .venv-pacemaker of this "
        "checkout (`make pacemaker`), else the one on the PATH, or of --sdm conda",
    )
    backend: Literal["tensorpot", "pyace"] = Field(
        "tensorpot",
        description="tensorpot: TensorFlow; pyace: without it, by numerical gradients, for a few functions only",
    )
    embedding: Literal["finnis-sinclair", "linear"] = Field(
        "finnis-sinclair",
        description="finnis-sinclair: E = rho_1 + sqrt(rho_2), which needs LAMMPS with ML-PACE everywhere; linear: "
        "E = rho",
    )
    optimise_radial: bool = Field(True, description="fit the radial functions too")
    functions: int = Field(
        300, ge=5, le=20_000, description="basis functions per element, each with a coefficient for every rho"
    )
    cutoff: Cutoff = Field("5 A", description="of the potential")
    ranks: RankLimits | None = Field(
        None, description="largest n and l by rank; null: {n: [15, 6, 4, 3], l: [0, 5, 4, 2]}"
    )
    sigma_force: Force = Field("0.1 eV/A", description="expected error (one sigma) of a force component")
    sigma_energy: EnergyPerAtom = Field("0.3 meV", description="of the energy per atom of periodic frames")
    sigma_energy_cluster: EnergyPerAtom = Field("1 meV", description="of the energy per atom of clusters")
    regularisation: float = Field(1e-8, ge=0, lt=1, description="L1 and L2 coefficients of pacemaker's loss")
    iterations: int = Field(1000, ge=1, le=1_000_000, description="of BFGS, at most")
    batch_size: int = Field(20, ge=1, le=100_000, description="structures per batch; less takes less memory")

    def gives(self) -> frozenset[str]:
        return frozenset({"gamma", "descriptors"})

    def engines(self) -> frozenset[str]:
        return frozenset({"built-in", "pace"} if self.embedding == "linear" else {"pace"})

    def files(self) -> dict[str, str]:
        return {role: name for role, name in ace.FILES.items() if role != "checkpoint"}

    def check(self) -> None:
        from oligopoly.potentials.pace import installed
        from oligopoly.trainers.pacemaker_check import check_installation
        from oligopoly.trainers.pacemaker_programs import programs

        programs(self.environment)
        if self.embedding != "linear" and not installed():
            raise UserError(
                f"trainer.embedding: {self.embedding} needs a LAMMPS with the ML-PACE package, which this one lacks: "
                "install LAMMPS from conda-forge, or give trainer.embedding: linear"
            )
        check_installation(self.environment, self.backend)

    def quick(self) -> ace.Settings:
        return ace.Settings(cutoff=f"{self.cutoff} A").quick()

    def guess_seconds(self, components: int, cores: int) -> float:
        return ace.Settings(functions=self.functions).guess_seconds(components, cores)

    def create(self) -> "Pacemaker":
        return Pacemaker(self)

    def weights(self) -> "Weights":
        """What the loss divides errors by; pacemaker fits no stress."""
        from oligopoly.ace.rows import Weights

        return Weights(
            force=self.sigma_force, energy=self.sigma_energy, energy_cluster=self.sigma_energy_cluster, volume=None
        )

    def arguments(self) -> dict[str, Any]:
        """Arguments of `pacemaker_fit.fit` besides the weights."""
        same = {"backend", "embedding", "optimise_radial", "functions", "cutoff"}
        return self.model_dump(include=same | {"regularisation", "iterations", "batch_size"}) | {
            "environment": self.environment,
            "n_max": self.ranks.n if self.ranks else None,
            "l_max": self.ranks.l if self.ranks else None,
        }


class Pacemaker:
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
        """See `pacemaker_fit.fit`."""
        from oligopoly.trainers.pacemaker_fit import fit

        prefix = Path(folder) / "potential"
        metrics = fit(
            train, test, prefix, weights=self.settings.weights(), threads=threads, **self.settings.arguments()
        )
        name_plainly(Path(folder))
        return Manifest(
            kind="ace" if self.settings.embedding == "linear" else "pace",
            species=sorted(metrics["functions_per_element"]),
            cutoff=self.settings.cutoff,
            files=self.settings.files(),
            uncertainty=["gamma"],
        )
