# The checked config and the names of files that several stages need.
import json
import os
import sys
from pathlib import Path

# Scripts find the package too when a rule runs in a conda environment of its own.
PACKAGE = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, PACKAGE)
os.environ.update(PYTHONPATH=PACKAGE)

from oligopoly.config.load import check
from oligopoly.errors import UserError

try:
    cfg = check(config, source=", ".join(map(str, workflow.configfiles)) or "config")
except UserError as error:
    # Without a traceback: the message is for the one who wrote the config.
    raise WorkflowError(str(error))

RUN = f"results/{cfg.run}"
LAST = cfg.loop.generations
TRAINED = [name for name, system in cfg.systems.items() if system.role == "train"]
CHUNKS = [str(number) for number in range(cfg.label.chunks)]
POTENTIAL = ["potential.yaml", "potential.yace", "potential.asi"]
# The state point of the reference whose density is the one to meet.
LIQUID = next(
    name
    for name, state in cfg.reference.states.items()
    if state.ensemble == "npt" and state.temperature is None and state.pressure is None
)


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
