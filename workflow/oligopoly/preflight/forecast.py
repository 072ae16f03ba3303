"""What a run will take if every generation is needed: jobs, labels, hours, disk, days, against the budget.

MD is scaled from what the probes measured on the nodes, linearly in atoms and steps, for the threads, ranks or GPUs
that a rule has; labels by the cost model, which knows the timings in the label store; fits from the demonstration's.
Right within a factor of two.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from oligopoly.config.models import Config
from oligopoly.labelling.cost import Costs
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.operations.budget import amount
from oligopoly.preflight.findings import Finding
from oligopoly.preflight.speed import measured_on

# Seconds of a core, where no probe measured: MD per step and atom on one core of 2026, and Snakemake's start on a node.
CLASSICAL, LEARNED, START_S = 1.5e-6, 12e-6, 8.0
EQUILIBRATION_FS = 1.56e6  # the 21 steps at scale 1
PAIR_FRAMES = 11  # structures of one pair of molecules pushed together
BYTES = 70  # per atom and stored frame, extended XYZ
FRAME_FS = 200.0  # between stored frames of exploration


@dataclass
class Forecast:
    """Sums over all generations. wall: hours on the way through the loop with as many nodes as there are jobs."""

    jobs: Counter = field(default_factory=Counter)
    core_hours: Any = field(default_factory=Counter)  # a Counter of floats
    gpu_hours: float = 0.0
    labels: int = 0
    gigabytes: float = 0.0
    wall: float = 0.0

    def add(self, rule: str, count: int, seconds: float, cores: int = 1, gpus: int = 0) -> float:
        """Count jobs that take `seconds` each; returns hours of one."""
        each = (seconds + START_S) / 3600
        self.jobs[rule] += count
        self.core_hours[rule] += count * each * cores
        self.gpu_hours += count * each * gpus
        return each


def forecast(config: Config, measured: Mapping[str, Any], hardware: Mapping[str, Hardware]) -> Forecast:
    """Forecast of a run. measured: of the probes. hardware: by rule, where a rule's jobs have more than a core."""
    total = Forecast()
    classical, learned = measured.get("classical", CLASSICAL), measured.get("learned", LEARNED)
    on_one_core = {"classical": classical, "learned": learned}
    gpu = int(config.cluster.sampling == "gpu")
    chains = {name: config.force_field.chain_of(system) for name, system in config.systems.items()}
    sizes = {name: len(numbers) * count for name, (numbers, count) in chains.items()}
    trained = {name: size for name, size in sizes.items() if config.systems[name].role == "train"}
    last, largest = config.loop.generations, max(trained.values())

    def md(rule, count, size, steps, engine, frames):
        total.gigabytes += count * frames * size * BYTES / 1e9
        one = hardware.get(rule, ONE_CORE)
        per_step = measured_on(measured.get("speeds", {}).get(engine, []), one) or on_one_core[engine] / one.cores
        return total.add(rule, count, size * steps * per_step, one.cores, max(gpu, one.gpus))

    for name, size in sizes.items():
        total.add("build", config.produce.replicates, 10 + 0.005 * size)
        steps = EQUILIBRATION_FS * config.equilibration.scale / config.equilibration.timestep
        hours = md("equilibrate", config.produce.replicates, size, steps, "classical", 0)
        if name in trained:
            for state in config.reference.states.values():
                duration = config.reference.settle + state.duration + (3000 if state.volume_ratio else 0)
                frames = state.duration / config.reference.sample_every
                hours = max(hours, md("reference", 1, size, duration / config.reference.timestep, "classical", frames))
        total.wall = max(total.wall, 2 * hours)
    total.add("pool", len(trained), 20)
    train = 0
    for generation in range(last + 1):
        if generation:
            longest = 0.0
            for size in trained.values():
                for walker in config.explore.walkers.values():
                    steps = walker.md_steps(config.explore.timestep)
                    frames = steps * config.explore.timestep / FRAME_FS
                    longest = max(longest, md("explore", 1, size, steps, "learned", frames))
            total.wall += longest
        structures = _structures(config, trained, generation)
        total.labels += len(structures)
        total.wall += _labels(total, config, structures, hardware.get("label", ONE_CORE).cores)
        train += sum(len(one) for one in structures)
        total.wall += _fit(total, config, train, hardware.get("fit", ONE_CORE).cores)
        total.add("select", 1, 10)
        total.add("collect", 1, 5)
        total.wall += 2 * total.add("assess", 1, 10 + 200 * largest * learned)
    production = 0.0
    engines = ["learned", *(["classical"] if config.label.labeler.runs_md else [])]
    for size in sizes.values():
        runs = [(run, run.timestep or config.produce.timestep) for run in config.produce.runs.values()]
        steps = sum((run.duration + config.produce.settle) / timestep for run, timestep in runs)
        frames = sum(run.duration for run, _ in runs) / config.produce.sample_every
        for engine in engines:
            hours = md("produce", config.produce.replicates, size, steps, engine, frames)
            production = max(production, hours)
        total.add("properties", 1, 30)
    total.wall += production
    for rule in ("contact_scan", "final", "provenance", "report"):
        total.add(rule, len(trained) if rule == "contact_scan" else 1, 10)
    return total


def compare(config: Config, found: Forecast) -> list[Finding]:
    """The forecast against the budget. The loop's budget counts no production."""
    loop = sum(hours for rule, hours in found.core_hours.items() if rule != "produce")
    asked = {"core_hours": loop, "gpu_hours": found.gpu_hours, "labels": found.labels}
    findings = []
    for name, limit in config.budget.limits().items():
        words, value = name.replace("_", "-"), asked[name]
        if value > limit:
            problem = (
                f"all generations take about {amount(value)} {words}, the budget is {limit:g}: the loop will stop early"
            )
            remedy = f"raise budget.{name}, or fewer loop.generations, a smaller select.budget, shorter explore.walkers"
            findings.append(Finding(f"budget.{name}", "", problem, remedy))
        else:
            findings.append(Finding(f"budget.{name}", f"about {amount(value)} of {limit:g} {words}"))
    return findings


def describe(found: Forecast) -> list[str]:
    """The forecast in lines for people."""
    costly = ", ".join(f"{rule} {hours:.3g}" for rule, hours in found.core_hours.most_common(4))
    many = ", ".join(f"{count} {rule}" for rule, count in found.jobs.most_common(6))
    return [
        f"jobs        {found.jobs.total()} ({many}, ...)",
        f"labels      {found.labels}",
        f"core-hours  {found.core_hours.total():.3g} ({costly})",
        f"GPU-hours   {found.gpu_hours:.3g}",
        f"disk        {found.gigabytes:.3g} GB of trajectories",
        f"time        {found.wall:.3g} h ({found.wall / 24:.1f} days) without waiting in the queue",
    ]


def _frame(numbers: list[int], copies: int) -> Atoms:
    """The elements of `copies` chains; where they lie does not matter here."""
    return Atoms(numbers=numbers * copies, positions=[(0.0, 0.0, 0.0)] * (len(numbers) * copies))


def _structures(config: Config, trained: dict[str, int], generation: int) -> list[Atoms]:
    """What is labelled in a generation, at most."""
    found = []
    sizes = config.pool.clusters.sizes
    for name in trained:
        numbers, count = config.force_field.chain_of(config.systems[name])
        if generation == 0:
            boxes = 0 if config.label.clusters_only else config.pool.frames_per_state * len(config.reference.states)
            found += [_frame(numbers, count)] * boxes
            for k in range(config.pool.clusters.count):
                found.append(_frame(numbers, sizes[k % len(sizes)]))
            found += [_frame(numbers, 2)] * (config.pool.contacts.pairs * PAIR_FRAMES)
    if generation:
        chains = [config.force_field.chain_of(config.systems[name]) for name in trained]
        frames = [_frame(numbers, max(sizes) if config.label.clusters_only else count) for numbers, count in chains]
        for k in range(config.select.budget_of(generation) + config.select.audit):
            found.append(frames[k % len(frames)])
    return found


def _labels(total: Forecast, config: Config, structures: list[Atoms], cores: int) -> float:
    costs = Costs(config.label.store, config.label.labeler.model_dump())
    seconds = sum(map(costs.seconds, structures))
    chunks = config.label.chunks
    return total.add("label", chunks, seconds / chunks / cores, cores)


def _fit(total: Forecast, config: Config, train: int, cores: int) -> float:
    return total.add("fit", 1, config.trainer.guess_seconds(3 * train, cores), cores)
