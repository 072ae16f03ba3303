# The checked config and the names of files that several stages need.
import json
import os
import sys
from pathlib import Path

# Scripts find the package too when a rule runs in a conda environment of its own.
PACKAGE = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, PACKAGE)
os.environ.update(PYTHONPATH=PACKAGE)

from snakemake.settings.types import DeploymentMethod

from oligopoly import survival, trainers
from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.systems.unit import elements

# Words for the command line that are no files: answered from what is on disk, by rules/questions.smk.
QUESTION = next((word for word in sys.argv[1:] if word in ("status", "explain")), None)
TARGET = config.pop("target", None)

try:
    cfg = check(config, source=", ".join(map(str, workflow.configfiles)) or "config")
    # Once, before any job; with --sdm conda Snakemake makes the environment itself, also before any job.
    if workflow.is_main_process and not QUESTION and (
        DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method
    ):
        from oligopoly.label import labeler

        trainers.check(**cfg.trainer.model_dump())
        labeler.check(
            **cfg.label.labeler.model_dump(),
            elements=set().union(*(elements(s.repeat_unit, s.end_groups) for s in cfg.systems.values())),
        )
except UserError as error:
    # Without a traceback: the message is for the one who wrote the config.
    raise WorkflowError(str(error))

if cfg.cluster.container:

    container: cfg.cluster.container


RUN = f"results/{cfg.run}"
LAST = cfg.loop.generations
TRAINED = [name for name, system in cfg.systems.items() if system.role == "train"]
CHUNKS = [str(number) for number in range(cfg.label.chunks)]
POTENTIAL = ["potential.yaml", "potential.yace", "potential.asi"]
# Else there is no MD with the reference method to compare with, and no energies of whole boxes that are cheap.
REFERENCE_IS_FORCE_FIELD = cfg.label.labeler.kind == "classical"
LIMITS = {"min_distance", "max_bond", "max_force", "max_net_force"}
ENGINES = ["reference", "ace"] if REFERENCE_IS_FORCE_FIELD else ["ace"]


def at_conditions_of_system(points):
    """Name of the first npt point that has the system's own temperature and pressure."""
    for name, point in points.items():
        own = point.temperature is None and point.pressure is None
        if point.ensemble == "npt" and own and getattr(point, "pressure_end", None) is None:
            return name


# The reference run whose density is the one to meet, and the exploration run beside it.
LIQUID = at_conditions_of_system(cfg.reference.states)
LIQUID_WALKER = at_conditions_of_system(cfg.explore.walkers)


wildcard_constraints:
    system="|".join(cfg.systems),
    state="|".join(cfg.reference.states),
    walker="|".join(cfg.explore.walkers),
    engine="reference|ace",
    chunk=r"\d+",
    gen=r"\d{3}",


def generation(number):
    """Folder of a generation."""
    return f"{RUN}/gen_{int(number):03d}"


def previous(wildcards, *names):
    """Files of the generation before the one in `wildcards`."""
    return [f"{generation(int(wildcards.gen) - 1)}/{name}" for name in names]


def walker_folders(wildcards):
    """Exploration runs of a generation."""
    return [
        f"{generation(wildcards.gen)}/explore/{system}.{walker}"
        for system in TRAINED
        for walker in cfg.explore.walkers
    ]


def last_generation():
    """Number of the generation whose potential is final.

    In `until` mode, and with a budget, this asks the verdict of one generation after the other, each
    time Snakemake has made one more; in `fixed` mode without one it is known from the start.
    """
    ends = {"converged"} if cfg.loop.mode == "until" else set()
    ends |= {"budget spent"} if cfg.budget.limits() else set()
    for number in range(LAST if ends else 0):
        verdict = checkpoints.assess.get(gen=f"{number:03d}").output.verdict
        if json.loads(Path(verdict).read_text())["decision"] in ends:
            return number
    return LAST


def of_last_generation(*names):
    """Input function: files of the final generation."""
    return lambda wildcards: [f"{generation(last_generation())}/{name}" for name in names]


def of_every_generation(*names):
    """Input function: files of generation 0 to the final one."""
    return lambda wildcards: [
        f"{generation(number)}/{name}" for number in range(last_generation() + 1) for name in names
    ]


def on(where):
    """What jobs ask of the scheduler that run on 'cpu' or 'gpu' nodes; without a name, the profile's partition."""
    partition = cfg.cluster.gpu_partition if where == "gpu" else cfg.cluster.cpu_partition
    return ({"slurm_partition": partition} if partition else {}) | ({"gpu": 1} if where == "gpu" else {})


def asked_of_label(which):
    """Resource function: minutes (0) or MB (1) that the timings in the store predict for the chunk."""

    def resource(wildcards, input, threads, attempt):
        from oligopoly.label import cost  # not at the start of every other job

        return cost.asked(
            input.chunk, cfg.label.store, cfg.label.labeler.model_dump(), threads, attempt
        )[which]

    return resource


def cores_of(name):
    """Cores of the jobs called `name`."""
    return workflow.get_rule(name).resources["_cores"].raw or 1


def asked_of_slurm():
    """What all attempts of all jobs ask for, as far as the profile says it, as arguments of `preflight.site.Ask`."""

    def value(rule, name, attempt):
        raw = getattr(rule.resources.get(name), "raw", None)
        try:
            return eval(raw, {"__builtins__": {}}, {"attempt": attempt}) if isinstance(raw, str) else raw
        except (NameError, SyntaxError):  # a word, not an expression
            return raw

    found = []
    for one in workflow.rules:
        if one.name in workflow._localrules:
            continue
        for attempt in range(1, workflow.execution_settings.retries + 2):
            asked = {name: value(one, name, attempt) for name in ("slurm_partition", "mem_mb", "runtime", "gpu", "slurm_account")}
            found.append(
                (
                    one.name, attempt, asked["slurm_partition"], cores_of(one.name), asked["mem_mb"], asked["runtime"],
                    asked["gpu"] or 0, asked["slurm_account"],
                )
            )  # fmt: skip
    return found
