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

try:
    cfg = check(config, source=", ".join(map(str, workflow.configfiles)) or "config")
    # Once, before any job; with --sdm conda Snakemake makes the environment itself, also before any job.
    if workflow.is_main_process and (
        DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method
    ):
        trainers.check(**cfg.trainer.model_dump())
except UserError as error:
    # Without a traceback: the message is for the one who wrote the config.
    raise WorkflowError(str(error))

if workflow.is_main_process:
    survival.take_over(".snakemake")

RUN = f"results/{cfg.run}"
LAST = cfg.loop.generations
TRAINED = [name for name, system in cfg.systems.items() if system.role == "train"]
CHUNKS = [str(number) for number in range(cfg.label.chunks)]
POTENTIAL = ["potential.yaml", "potential.yace", "potential.asi"]
REFERENCE_IS_FORCE_FIELD = cfg.label.labeler.kind == "classical"


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

    In `until` mode this asks the verdict of one generation after the other, each time Snakemake
    has made one more; in `fixed` mode it is known from the start.
    """
    if cfg.loop.mode == "fixed":
        return LAST
    for number in range(LAST):
        verdict = checkpoints.assess.get(gen=f"{number:03d}").output.verdict
        if json.loads(Path(verdict).read_text())["decision"] == "converged":
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
    """Partition for jobs that run on 'cpu' or 'gpu' nodes."""
    return cfg.cluster.gpu_partition if where == "gpu" else cfg.cluster.cpu_partition


def gpus(where):
    """GPUs such a job asks for."""
    return 1 if where == "gpu" else 0
