"""Which way each rule runs its MD: threads, MPI ranks or GPUs, and what of config and profile does not go together."""

from collections.abc import Callable, Iterator, Mapping

from oligopoly.config.models import Config
from oligopoly.errors import UserError
from oligopoly.md.capabilities import Capabilities
from oligopoly.md.hardware import Hardware

LEARNED = ("explore", "produce")  # rules whose MD is that of the potential


def check(config: Config, hardware: Mapping[str, Hardware], ask: Callable[[], Capabilities | None]) -> list[str]:
    """What to tell of the plan; hardware by rule. `ask` tells about the LAMMPS here, None where another one runs.

    Raises UserError for ranks on which an engine cannot run.
    """
    if not any(one.ranks > 1 or one.gpus or (rule in LEARNED and one.threads > 1) for rule, one in hardware.items()):
        return []
    alone = _built_in_alone(config)
    found = None if alone and not any(one.gpus for one in hardware.values()) else ask()
    if found and "pace/extrapolation" not in found.styles and config.explore.engine == "auto":
        alone = alone or "this LAMMPS has no ML-PACE, so that explore.engine: auto is the built-in engine"
    for rule in LEARNED:
        ranks = hardware[rule].ranks
        if ranks > 1 and alone:
            raise UserError(
                f"set-resources in the profile: {rule}: given tasks: {ranks}: {alone}, which runs on threads of one "
                f"process: give set-threads in place of tasks and mpi, or explore.engine: pace with ML-PACE in LAMMPS"
            )
    return list(_notes(config, hardware, found, bool(alone)))


def _built_in_alone(config: Config) -> str:
    """Why only the engine in Python can run the potential; empty if not."""
    if config.explore.engine == "built-in":
        return "explore.engine is built-in"
    if config.uncertainty.kind == "committee":
        return "explore.uncertainty.kind is committee, which the built-in engine alone has"
    if config.trainer.engines() == {"built-in"}:
        return f"trainer.kind is {config.trainer.kind}, whose potentials the built-in engine alone runs"
    return ""


def _notes(config: Config, hardware: Mapping[str, Hardware], found: Capabilities | None, alone: bool) -> Iterator[str]:
    on_gpus = [rule for rule, one in hardware.items() if one.gpus]
    if found and on_gpus and not found.gpus:
        yield (
            f"cluster.sampling: gpu: this LAMMPS has no KOKKOS for GPUs, so that {', '.join(on_gpus)} would run on the "
            "CPUs of GPU nodes"
        )
    elif on_gpus and alone:
        yield "cluster.sampling: gpu: the built-in engine would run the potential on the CPUs of GPU nodes"
    elif found and on_gpus and config.uncertainty.kind == "gamma" and "pace/extrapolation/kk" not in found.styles:
        yield (
            "cluster.sampling: gpu: this LAMMPS has pace/extrapolation on the CPU only, where explore would run for "
            "its extrapolation grades; produce would run on the GPU"
        )
    for rule in LEARNED:
        one = hardware[rule]
        if found and "pace" in found.styles and not alone and one.threads > 1 and one.ranks == 1 and not one.gpus:
            yield (
                f"set-threads in the profile: {rule}: given {one.threads}: ML-PACE has no threads: give tasks: "
                f"{one.threads} and mpi in set-resources, or explore.engine: built-in"
            )
