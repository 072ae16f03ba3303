"""What a config may say: one model per block, each key with its meaning.

The descriptions are the documentation: `workflow/schemas/config.schema.json` is generated from them.
"""

import difflib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from oligopoly.config import examples
from oligopoly.config.exploration import Explore
from oligopoly.config.production import Produce, Properties
from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.labelers.registry import LABELERS
from oligopoly.md.state_points import Dynamics, State, System
from oligopoly.potentials.uncertainty import SCALES, Uncertainty
from oligopoly.quantities import Compression, Contact, EnergyPerAtom, Force, Temperature, Time
from oligopoly.selectors.registry import SELECTORS
from oligopoly.settings import Apart, ExpandedPath, Name, Settings, Word
from oligopoly.studies.registry import STUDIES
from oligopoly.trainers.registry import TRAINERS

if TYPE_CHECKING:
    from oligopoly.forcefields.contract import ForceFieldSettings as ForceField
    from oligopoly.labelers.contract import LabelerSettings as Labeler
    from oligopoly.selectors.contract import SelectorSettings as Select
    from oligopoly.studies.contract import StudySettings as Study
    from oligopoly.trainers.contract import TrainerSettings as Trainer
else:
    ForceField, Labeler, Trainer = FORCE_FIELDS.union(), LABELERS.union(), TRAINERS.union()
    Select, Study = SELECTORS.union(), STUDIES.union()

Share = Annotated[float, Field(ge=0, le=1)]


class Equilibration(Dynamics):
    """21-step compression and decompression, Larsen et al., Macromolecules 44 (2011) 6944."""

    scale: float = Field(1.0, ge=0.001, le=10, description="times the paper's durations, 1.56 ns in all")
    max_temperature: Temperature = Field("600 K", description="of the hot steps")
    max_pressure: Compression = Field("50000 atm", description="of the most compressed step")

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


class Reference(Dynamics):
    """MD with the force field at several state points: the source of generation 0."""

    sample_every: Time = Field("200 fs", description="between stored frames")
    settle: Time = Field("2 ps", description="at each state point before sampling starts")
    states: Annotated[dict[Name, State], Apart] = Field(
        min_length=1,
        examples=[examples.STATES],
        description="state points by name. One must be npt at the system's own temperature and pressure: the density "
        "is judged by it. Several volumes are what keeps the density of the potential right; force errors cannot see "
        "their absence",
    )


class Clusters(Settings):
    """Finite clusters of whole molecules, cut out of periodic frames."""

    sizes: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        [1, 2, 3, 4], min_length=1, max_length=100, description="molecules"
    )
    count: int = Field(100, ge=0, le=100_000, description="per system, over all sizes and states")


class Contacts(Settings):
    """Pairs of molecules pushed together, so that the potential has no hole at short distance."""

    pairs: int = Field(8, ge=0, le=100_000, description="pairs of molecules per system")
    max_energy: EnergyPerAtom = Field("3 eV", description="highest rise of the pair's energy")
    learn: bool = Field(True, description="false: generation 0 does not learn from them, they only test")


class Pool(Settings):
    """Structures of generation 0."""

    frames_per_state: int = Field(12, ge=0, le=100_000, description="periodic frames per state point")
    clusters: Clusters = Clusters()
    contacts: Contacts = Contacts()
    learn_from: list[Name] | None = Field(
        None,
        min_length=1,
        description="states that generation 0 learns from, the others only test; null: all of reference.states",
    )
    test_share: float = Field(0.2, gt=0, lt=0.9, description="held out for testing: the end of each trajectory")


class Label(Settings):
    """Reference energies and forces."""

    labeler: Labeler = Field(LABELERS.standard(), description="the reference method")
    structures: Literal["auto", "frames", "clusters"] = Field(
        "auto",
        description="frames: periodic frames (and some clusters); clusters: whole molecules cut out of them around the "
        "atom that the potential knows least; auto: clusters where the method knows no periodicity",
    )
    molecules: int = Field(4, ge=1, le=1000, description="in such a cluster")
    store: ExpandedPath = Field(
        "results/store", description="folder of the label store, shared by all runs: nothing is labelled twice"
    )
    chunks: int = Field(2, ge=1, le=500, description="label jobs per generation")
    min_distance: Contact = Field(
        "0.5 A",
        description="closer atoms are not labelled (geometry overlap), whatever their elements; nor are those within "
        "0.6 of the sum of their covalent radii",
    )
    max_bond: float = Field(
        1.5,
        gt=1.2,
        lt=3,
        description="nor are bonds longer than this many sums of the covalent radii (fragmented; C-C 2.28 A): beyond, "
        "closed-shell methods are wrong by electronvolts. A force field labels them all the same",
    )
    max_force: Force = Field("50 eV/A", description="labels with a larger force are set aside")
    max_net_force: Force = Field("0.05 eV/A", description="labels whose forces do not cancel are set aside")

    @model_validator(mode="after")
    def _fits_labeler(self):
        if self.structures == "frames" and not self.labeler.periodic:
            raise ValueError(
                f"structures: given 'frames': {self.labeler.kind} labels molecules in vacuum and no periodic frames: "
                "give clusters"
            )
        return self

    @property
    def clusters_only(self) -> bool:
        """Are clusters labelled in place of periodic frames?"""
        return self.structures == "clusters" or (self.structures == "auto" and not self.labeler.periodic)


class Assess(Settings):
    """The loop has converged when all of these hold."""

    force_rmse_percent: float = Field(8.0, gt=0, le=1000, description="on held-out frames, percent of the force RMS")
    fresh_force_rmse_percent: float = Field(
        12.0, gt=0, le=1000, description="the same on structures just selected, before training on them"
    )
    audit_force_error: Force = Field("0.5 eV/A", description="an audited frame with a larger error was wrong after all")
    audit_wrong_share: Share = Field(0.1, description="largest share of wrong frames in the audit")
    completed_share: Share = Field(1.0, description="of exploration runs that reach their end")
    density_shift_percent: float = Field(
        4.0, gt=0, le=1000, description="by linear response, beyond two standard errors"
    )


class Loop(Settings):
    """Generations of learning after generation 0."""

    mode: Literal["until", "fixed"] = Field(
        "until", description="until: stop when converged; fixed: always all generations"
    )
    generations: int = Field(8, ge=0, le=999, description="at most (until) or exactly (fixed)")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**31,
        description="of exploration and selection alone, so that members of a study share their boxes, pool and first "
        "labels; null: that of the run",
    )


class Budget(Settings):
    """What the loop may use: it ends, with the potential it has, when another generation would not fit. null: no limit.
    The final production runs come on top; `snakemake preflight` forecasts them too."""

    core_hours: float | None = Field(
        None, gt=0, le=1e9, description="e.g. 20000: wall time times cores of all jobs that finished"
    )
    gpu_hours: float | None = Field(None, gt=0, le=1e9, description="e.g. 500: wall time times GPUs")
    labels: int | None = Field(
        None, gt=0, le=10**9, description="e.g. 5000: labels computed; those found in the store are free"
    )

    def limits(self) -> dict[str, float]:
        """What is limited; nothing by default."""
        return self.model_dump(exclude_none=True)


class Cluster(Settings):
    """Where jobs run under a scheduler; ignored on a laptop. All other jobs go to the profile's default.

    Software from the cluster instead of this installation: docs/software.md.
    """

    sampling: Literal["cpu", "gpu"] = Field("cpu", description="MD: cpu or gpu nodes (LAMMPS with KOKKOS)")
    fitting: Literal["cpu", "gpu"] = Field("cpu", description="fits: cpu or gpu nodes")
    cpu_partition: Word | None = Field(
        None, description="partition of CPU nodes for MD and fits; null: the profile's slurm_partition"
    )
    gpu_partition: Word = Field("gpu", description="partition of GPU nodes; such jobs ask for one GPU each")
    modules: dict[Word, list[Word]] = Field(
        {},
        description="with --sdm env-modules, by rule or 'default': {default: [lammps/2025.07], label: [qe/7.3]}",
    )
    container: ExpandedPath | None = Field(None, description="with --sdm apptainer, for all rules: envs/oligopoly.sif")


class Config(Settings):
    """Everything a run needs to know."""

    run: Name = Field(examples=["alkanes-study"], description="results go to results/{run}")
    seed: int = Field(
        1, ge=0, lt=2**31, description="all random numbers derive from it; the same seed gives the same results"
    )
    systems: Annotated[dict[Name, System], Apart] = Field(
        min_length=1,
        examples=[examples.SYSTEMS],
        description="boxes of one kind of chain each, by name. At least one must have role 'train'",
    )
    force_field: ForceField = Field(
        FORCE_FIELDS.standard(),
        description="the classical force field that builds, equilibrates and (labeler: classical) labels",
    )
    equilibration: Equilibration = Equilibration()
    reference: Reference
    pool: Pool = Pool()
    label: Label = Label()
    trainer: Trainer = Field(TRAINERS.standard(), description="what makes a potential of the labels")
    explore: Explore
    select: Select = Field(SELECTORS.standard(), description="which candidates are worth a label")
    assess: Assess = Assess()
    loop: Loop = Loop()
    budget: Budget = Budget()
    produce: Produce = Produce()
    properties: Properties = Properties()
    cluster: Cluster = Cluster()
    study: Study | None = Field(
        None, description="several runs that differ in some keys, in one plan; null: this one run"
    )

    @field_validator("systems")
    @classmethod
    def _something_to_learn_on(cls, systems):
        if not any(system.role == "train" for system in systems.values()):
            raise ValueError("no system has role 'train': the potential has nothing to learn on")
        return systems

    @model_validator(mode="after")
    def _beads_have_labels(self):
        kind = self.label.labeler.kind
        if not self.force_field.atomistic and not self.label.labeler.runs_md:
            raise ValueError(
                f"label.labeler.kind: given '{kind}': labels atoms, and the particles of force_field.kind: "
                f"{self.force_field.kind} are none: give classical"
            )
        return self

    @model_validator(mode="after")
    def _density_has_a_reference(self):
        if not any(state.ensemble == "npt" and state.at_own_conditions for state in self.reference.states.values()):
            raise ValueError(
                "reference.states: one state must be npt at the system's own temperature and pressure "
                "(give it neither): the density is judged by it"
            )
        return self

    @model_validator(mode="after")
    def _pool_learns_from_states(self):
        for name in self.pool.learn_from or ():
            if name not in self.reference.states:
                near = difflib.get_close_matches(name, self.reference.states, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f": one of {', '.join(self.reference.states)}"
                raise ValueError(f"pool.learn_from: given '{name}': is no state of reference.states{hint}")
        return self

    @model_validator(mode="after")
    def _properties_have_runs(self):
        ensembles = set(self.produce.by_ensemble())
        for kind in self.properties.model_fields_set:
            settings = getattr(self.properties, kind)
            if settings is None:
                continue
            if settings.run is not None:
                if settings.run not in self.produce.runs:
                    known = ", ".join(self.produce.runs)
                    raise ValueError(f"properties.{kind}.run: given '{settings.run}': produce.runs has only {known}")
                run = self.produce.runs[settings.run]
                if run.ensemble != settings.ensemble and not settings.static:
                    raise ValueError(
                        f"properties.{kind}.run: given '{settings.run}', an {run.ensemble} run: needs "
                        f"{settings.ensemble}"
                    )
                if not run.at_own_conditions:
                    raise ValueError(
                        f"properties.{kind}.run: given '{settings.run}': is not at the system's own temperature and "
                        "pressure, where properties are reported"
                    )
            elif settings.ensemble not in ensembles:
                raise ValueError(
                    f"properties.{kind}: is measured in {settings.ensemble} at the system's own temperature and "
                    f"pressure, and produce.runs has no such run: add one, or give properties.{kind}: null"
                )
        return self

    @model_validator(mode="after")
    def _motion_has_real_masses(self):
        names = self.produce.by_ensemble()
        for kind, settings in self.properties.chosen(set(names)).items():
            name = settings.run or names[settings.ensemble]
            if settings.dynamic and self.produce.hydrogen_mass is not None and not self.produce.runs[name].real_masses:
                raise ValueError(
                    f"properties.{kind}: is measured in produce.runs.{name}, where hydrogens are heavier and all is "
                    f"slower: give that run real_masses: true (and a timestep of 1 fs at most), or "
                    f"properties.{kind}: null"
                )
        return self

    @property
    def loop_seed(self) -> int:
        """Of exploration and selection."""
        return self.seed if self.loop.seed is None else self.loop.seed

    @property
    def uncertainty(self) -> Uncertainty:
        """What exploration asks the potentials that this config's trainer makes."""
        return self.explore.uncertainty.resolved(self.trainer.gives())

    @model_validator(mode="after")
    def _parts_fit_together(self):
        """What one part needs, another must give; both keys are named."""
        trainer, gives = self.trainer, self.trainer.gives()
        asked = self.uncertainty.kind
        if asked != "none" and asked not in gives:
            more = (
                "trainer.committee: 4 (two at least)"
                if asked == "committee" and hasattr(trainer, "committee")
                else ("explore.uncertainty.kind: " + " or ".join([*sorted(gives & SCALES.keys()), "none"]))
            )
            raise ValueError(
                f"explore.uncertainty.kind: {asked} needs the {SCALES[asked].name}, which trainer.kind: {trainer.kind} "
                f"does not give as it is: give {more}"
            )
        lacking = sorted(self.select.needs - gives)
        if lacking:
            others = [kind for kind in SELECTORS if not SELECTORS.settings(kind).needs - gives]
            raise ValueError(
                f"select.kind: {self.select.kind} needs {', '.join(lacking)}, which trainer.kind: {trainer.kind} does "
                f"not give as it is: give select.kind: {' or '.join(others)}"
            )
        if self.explore.engine not in {"auto", *trainer.engines()}:
            raise ValueError(
                f"explore.engine: {self.explore.engine} does not run the potentials of trainer.kind: {trainer.kind} as "
                f"it is: give explore.engine: {' or '.join(sorted(trainer.engines()))}"
            )
        if self.explore.engine == "pace" and asked == "committee":
            raise ValueError(
                "explore.engine: pace has no committee: give explore.engine: built-in, or "
                "explore.uncertainty.kind: gamma"
            )
        return self
