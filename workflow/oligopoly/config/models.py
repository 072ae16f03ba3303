"""What a config may say: one model per block, each key with its meaning.

The descriptions are the documentation: `workflow/schemas/config.schema.json` is generated from them.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from oligopoly.config.labelers import Classical, Labeler
from oligopoly.config.quantities import (
    EnergyPerAtom,
    Force,
    Length,
    Mass,
    Pressure,
    Temperature,
    Time,
)
from oligopoly.config.settings import Settings

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]


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


class ForceField(Settings):
    """The classical force field: it equilibrates, explores first, and can label."""

    kind: Literal["gaff2"] = "gaff2"
    charges: Literal["gasteiger"] = Field("gasteiger", description="how partial charges are assigned")


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


class Equilibration(Dynamics):
    """21-step compression and decompression (Larsen et al., Macromolecules 44 (2011) 6944)."""

    scale: float = Field(1.0, gt=0, le=10, description="times the paper's durations (1.56 ns in all)")
    max_temperature: Temperature = Field("600 K", description="of the hot steps")
    max_pressure: Pressure = Field("50000 atm", gt=0, description="of the most compressed step")

    def arguments(self, system: System) -> dict[str, float]:
        """Arguments of `systems.equilibrate.equilibrate`."""
        return {
            "temperature": system.temperature,
            "pressure_atm": system.pressure,
            "scale": self.scale,
            "max_temperature": self.max_temperature,
            "max_pressure_atm": self.max_pressure,
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


class Reference(Dynamics):
    """MD with the reference force field, from which generation 0 is drawn."""

    sample_every: Time = Field("200 fs", description="between stored frames")
    settle: Time = Field("2 ps", description="at each state point before sampling starts")
    states: dict[Name, State] = Field(
        min_length=1, description="state points; several densities keep the density right"
    )


class Clusters(Settings):
    """Finite clusters of whole molecules, cut out of periodic frames."""

    sizes: list[Annotated[int, Field(ge=1)]] = Field([1, 2, 3, 4], description="molecules")
    count: int = Field(100, ge=0, description="clusters per system, over all sizes and states")


class Contacts(Settings):
    """Pairs of molecules pushed together, so that the potential has no hole at short distance."""

    pairs: int = Field(8, ge=0, description="pairs of molecules per system")
    max_energy: EnergyPerAtom = Field("3 eV", description="highest rise of the pair's energy")


class Pool(Settings):
    """Structures of generation 0."""

    frames_per_state: int = Field(12, ge=0, description="periodic frames per state point")
    clusters: Clusters = Clusters()
    contacts: Contacts = Contacts()
    test_share: float = Field(0.2, gt=0, lt=0.9, description="held out: the end of each trajectory")


# Labelers that know no periodicity.
FINITE_ONLY = ("pyscf", "psi4")


class Label(Settings):
    """Reference energies and forces."""

    labeler: Labeler = Field(Classical(), description="the reference method")
    structures: Literal["auto", "frames", "clusters"] = Field(
        "auto",
        description="what is labelled: periodic frames (and some clusters), or clusters of whole molecules cut out "
        "around the atom that the potential knows least; auto: clusters where the method knows no periodicity",
    )
    molecules: int = Field(4, ge=1, description="in such a cluster")
    store: str = Field("results/store", description="folder of the label store, shared by runs")
    chunks: int = Field(2, ge=1, le=500, description="label jobs per generation")
    min_distance: Length = Field(
        "0.5 A", description="closer atoms are not labelled: geometry overlap (nor those within 0.6 of a bond's length)"
    )
    max_bond: float = Field(
        1.5,
        gt=1.2,
        lt=3,
        description="bonds longer than this many sums of the covalent radii (C-C 2.28 A) are not labelled: fragmented. "
        "Beyond, closed-shell methods are wrong by electronvolts. A force field labels them all the same",
    )
    max_force: Force = Field("50 eV/A", description="labels with a larger force are set aside")
    max_net_force: Force = Field("0.05 eV/A", description="labels whose forces do not cancel are set aside")

    @model_validator(mode="after")
    def _fits_labeler(self):
        if self.structures == "frames" and self.labeler.kind in FINITE_ONLY:
            raise ValueError(
                f"structures: {self.labeler.kind} labels molecules in vacuum and no periodic frames: give clusters"
            )
        return self

    @property
    def clusters_only(self) -> bool:
        """Are clusters labelled in place of periodic frames?"""
        return self.structures == "clusters" or (self.structures == "auto" and self.labeler.kind in FINITE_ONLY)


class RankLimits(Settings):
    """Largest radial index n and angular momentum l of each rank, from rank 1 on."""

    n: list[Annotated[int, Field(ge=1)]] = [20, 8, 4, 2]
    l: list[Annotated[int, Field(ge=0)]] = [0, 5, 4, 2]  # noqa: E741 - the field's own letter

    @model_validator(mode="after")
    def _same_length(self):
        if len(self.n) != len(self.l):
            raise ValueError(f"n has {len(self.n)} ranks, l has {len(self.l)}: give one number per rank")
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


# What `config_type` of a frame says about where it came from; `stopped`: explored too, where a run went wrong.
ConfigType = Literal["bulk", "cluster", "contact", "explored", "stopped", "decomposed"]


class ACE(Settings):
    """Linear atomic cluster expansion, fitted by the built-in code."""

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

    def arguments(self) -> dict[str, Any]:
        """Arguments of `trainers.train` besides the weights."""
        return {
            "functions": self.functions,
            "cutoff": self.cutoff,
            "n_max": self.ranks.n if self.ranks else None,
            "l_max": self.ranks.l if self.ranks else None,
            "ridge": None if self.ridge == "auto" else self.ridge,
            "committee": self.committee,
        }

    def weights(self) -> dict[str, Any]:
        """Arguments of `ace.fit.Weights`."""
        return {
            "force": self.sigma_force,
            "energy": self.sigma_energy,
            "energy_cluster": self.sigma_energy_cluster,
            "volume": self.sigma_volume,
            "by_config_type": {kind: sigmas.weights() for kind, sigmas in self.config_types.items()},
        }


class Pacemaker(Settings):
    """Atomic cluster expansion fitted by pacemaker, which is installed beside oligopoly (envs/pacemaker.yaml)."""

    kind: Literal["pacemaker"]
    environment: str | None = Field(
        None,
        min_length=1,
        description="folder of the conda or virtual environment that has pacemaker; default: the one on the PATH, "
        "or of `--sdm conda`",
    )
    backend: Literal["tensorpot", "pyace"] = Field(
        "tensorpot", description="tensorpot: TensorFlow; pyace: without, for a few functions only"
    )
    embedding: Literal["finnis-sinclair", "linear"] = Field(
        "finnis-sinclair",
        description="finnis-sinclair: E = rho_1 + sqrt(rho_2), which only engine pace runs; linear: E = rho",
    )
    optimise_radial: bool = Field(True, description="fit the radial functions too")
    functions: int = Field(300, ge=5, description="basis functions per element and density")
    cutoff: Length = Field("5 A", description="of the potential")
    ranks: RankLimits | None = Field(None, description="default: n up to 15, 6, 4, 3; l up to 0, 5, 4, 2")
    sigma_force: Force = Field("0.1 eV/A", description="expected error of a force component")
    sigma_energy: EnergyPerAtom = Field("0.3 meV", description="of the energy per atom, periodic")
    sigma_energy_cluster: EnergyPerAtom = Field("1 meV", description="of the energy per atom, cluster")
    regularisation: float = Field(1e-8, ge=0, lt=1, description="L1 and L2 coefficients of pacemaker's loss")
    iterations: int = Field(1000, ge=1, description="of BFGS, at most")
    batch_size: int = Field(20, ge=1, description="structures per batch; less takes less memory")

    def arguments(self) -> dict[str, Any]:
        """Arguments of `trainers.train` besides the weights."""
        same = {"kind", "environment", "backend", "embedding", "optimise_radial", "functions", "cutoff"}
        return self.model_dump(include=same | {"regularisation", "iterations", "batch_size"}) | {
            "n_max": self.ranks.n if self.ranks else None,
            "l_max": self.ranks.l if self.ranks else None,
        }

    def weights(self) -> dict[str, Any]:
        """Arguments of `ace.fit.Weights`; pacemaker fits no stress."""
        return {
            "force": self.sigma_force,
            "energy": self.sigma_energy,
            "energy_cluster": self.sigma_energy_cluster,
            "volume": None,
        }


class Walker(State):
    """One exploration run per training system and generation."""

    ensemble: Literal["nvt", "npt"] = "npt"
    pressure_end: Pressure | None = Field(None, description="npt only: ramps the pressure to this")


class Explore(Dynamics):
    """MD with the potential of the generation before, looking for what it does not know."""

    engine: Literal["auto", "ace", "pace"] = Field(
        "auto",
        description="ace: the built-in evaluator; pace: LAMMPS ML-PACE; auto: pace where LAMMPS has it",
    )
    walkers: dict[Name, Walker] = Field(min_length=1, description="runs by name")
    gamma_every: int = Field(10, ge=1, description="steps between extrapolation grades")
    gamma_select: float = Field(2.0, gt=0, description="frames above it become candidates")
    gamma_break: float = Field(25.0, gt=0, description="above it the run stops")
    candidates: int = Field(60, ge=1, description="most candidates per run")

    @model_validator(mode="after")
    def _ordered(self):
        if self.gamma_break <= self.gamma_select:
            raise ValueError(
                f"gamma_break ({self.gamma_break:g}) must be larger than gamma_select ({self.gamma_select:g})"
            )
        return self


class Select(Settings):
    """Which candidates are worth a label."""

    kind: Literal["extrapolation_grade", "random"] = Field(
        "extrapolation_grade", description="MaxVol on the extrapolation grade, or the random baseline"
    )
    budget: int = Field(60, ge=1, description="labels per generation, audit not counted")
    audit: int = Field(20, ge=0, description="random frames that were not selected, labelled as a check")


class Assess(Settings):
    """When the loop has converged: every criterion must hold."""

    force_rmse_percent: float = Field(8.0, gt=0, description="on held-out frames, of the force RMS")
    fresh_force_rmse_percent: float = Field(12.0, gt=0, description="on structures just selected")
    audit_force_error: Force = Field("0.5 eV/A", description="a frame with a larger error was wrong after all")
    audit_wrong_share: Share = Field(0.1, description="largest share of wrong frames in the audit")
    completed_share: Share = Field(1.0, description="of exploration runs that reach their end")
    density_shift_percent: float = Field(4.0, gt=0, description="by linear response, beyond two sigma")


class Loop(Settings):
    """Generations of learning after generation 0."""

    mode: Literal["until", "fixed"] = Field(
        "until", description="until: stop when converged; fixed: always all generations"
    )
    generations: int = Field(8, ge=0, le=999, description="at most (until) or exactly (fixed)")


class Budget(Settings):
    """What the loop may use; it ends, with the potential it has, when another generation would not fit."""

    core_hours: float | None = Field(None, gt=0, description="wall time times cores, over all finished jobs")
    gpu_hours: float | None = Field(None, gt=0, description="wall time times GPUs, over all finished jobs")
    labels: int | None = Field(None, gt=0, description="labels computed; those found in the store are free")

    def limits(self) -> dict[str, float]:
        """What is limited; nothing by default."""
        return self.model_dump(exclude_none=True)


class Tolerance(Settings):
    """Largest deviation of the density from the reference, beyond two standard errors."""

    train: float = Field(2.0, gt=0, description="percent, trained systems")
    transfer: float = Field(4.0, gt=0, description="percent, longer chains")


class Produce(Dynamics):
    """Production MD with the final potential and with the reference."""

    npt: Time = Field("200 ps", description="for the density")
    nvt: Time = Field("100 ps", description="for structure and dynamics, with real masses")
    settle: Time = Field("10 ps", description="before sampling, in each ensemble")
    sample_every: Time = Field("250 fs", description="between stored frames")
    nvt_timestep: Time = Field("0.5 fs", le=2, description="time step of the run with real masses")
    density_tolerance_percent: Tolerance = Tolerance()

    def arguments(self, system: System) -> dict[str, Any]:
        """Arguments of `md.produce.produce`."""
        return {
            "temperature": system.temperature,
            "pressure_atm": system.pressure,
            "npt_fs": self.npt,
            "nvt_fs": self.nvt,
            "settle_fs": self.settle,
            "sample_every_fs": self.sample_every,
            "timestep_fs": self.timestep,
            "nvt_timestep_fs": self.nvt_timestep,
            "hydrogen_mass": self.hydrogen_mass,
        }


class Cluster(Settings):
    """Where jobs run under a scheduler; ignored on a laptop."""

    sampling: Literal["cpu", "gpu"] = Field("cpu", description="MD")
    fitting: Literal["cpu", "gpu"] = Field("cpu", description="fits")
    cpu_partition: str | None = Field(
        None, description="partition of CPU nodes for MD and fits; default: the profile's slurm_partition"
    )
    gpu_partition: str = Field("gpu", description="partition of GPU nodes")
    modules: dict[str, list[str]] = Field(
        {}, description="environment modules by rule, or 'default' for all others; with --sdm env-modules"
    )
    container: str | None = Field(None, min_length=1, description="container image of all rules; with --sdm apptainer")


def _kind(trainer: Any) -> Any:
    """The kind of trainer, the built-in one where none is given."""
    return trainer.get("kind", "ace") if isinstance(trainer, dict) else getattr(trainer, "kind", None)


Trainer = Annotated[
    Annotated[ACE, Tag("ace")] | Annotated[Pacemaker, Tag("pacemaker")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="Input should be {expected}",
        custom_error_context={"expected": "'ace' or 'pacemaker'"},
    ),
]


class Config(Settings):
    """Everything a run needs to know."""

    run: Name = Field(description="results go to results/{run}")
    seed: int = Field(1, ge=0, lt=2**31, description="all random numbers derive from it")
    systems: dict[Name, System] = Field(min_length=1, description="boxes by name")
    force_field: ForceField = ForceField()
    equilibration: Equilibration = Equilibration()
    reference: Reference
    pool: Pool = Pool()
    label: Label = Label()
    trainer: Trainer = Field(ACE(), description="how potentials are made")
    explore: Explore
    select: Select = Select()
    assess: Assess = Assess()
    loop: Loop = Loop()
    budget: Budget = Budget()
    produce: Produce = Produce()
    cluster: Cluster = Cluster()

    @field_validator("systems")
    @classmethod
    def _something_to_learn_on(cls, systems):
        if not any(system.role == "train" for system in systems.values()):
            raise ValueError("no system has role 'train': the potential has nothing to learn on")
        return systems

    @model_validator(mode="after")
    def _density_has_a_reference(self):
        if not any(
            state.ensemble == "npt" and state.temperature is None and state.pressure is None
            for state in self.reference.states.values()
        ):
            raise ValueError(
                "reference.states: one state must be npt at the system's own temperature and pressure "
                "(give it neither): the density is judged by it"
            )
        return self

    @model_validator(mode="after")
    def _engine_runs_the_potential(self):
        if self.explore.engine == "ace" and getattr(self.trainer, "embedding", "linear") != "linear":
            raise ValueError(
                "explore.engine: ace runs linear potentials only, and trainer.embedding is "
                f"{self.trainer.embedding}: give explore.engine: pace (LAMMPS with ML-PACE), "
                "or trainer.embedding: linear"
            )
        return self
