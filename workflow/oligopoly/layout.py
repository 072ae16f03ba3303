"""Where everything of a run lies, which job makes it, and what of the config it depends on.

Rules, status, explain, usage and the report take names of files from here and nowhere else.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = "results"

# Below results/{run}. A box is a system, or its replicate k > 1 as `system.k`.
BUILT = "systems/{box}/built.data"
SYSTEM = "systems/{box}/system.json"
EQUILIBRATED = "systems/{box}/equilibrated.data"
EQUILIBRATION = "systems/{box}/equilibration.json"
EQUILIBRATION_THERMO = "systems/{box}/equilibration.tsv"
LIQUID = "systems/{system}/reference/{state}/trajectory.extxyz"
LIQUID_THERMO = "systems/{system}/reference/{state}/thermo.tsv"
POOL = "gen_000/pool/{system}.extxyz"
WALKER = "gen_{gen}/explore/{system}.{walker}"
CANDIDATES, AUDIT, STOP = (f"{WALKER}/{name}" for name in ("candidates.extxyz", "audit.extxyz", "stop.json"))
SCORES, EXPLORED, EXPLORED_THERMO = (f"{WALKER}/{name}" for name in ("scores.npz", "trajectory.extxyz", "thermo.tsv"))
CHUNK = "gen_{gen}/selection/{chunk}.extxyz"
LEDGER = "gen_{gen}/selection/ledger.tsv"
LABELLED = "gen_{gen}/labels/{chunk}.extxyz"
CHUNK_OUTCOMES = "gen_{gen}/labels/{chunk}.outcomes.tsv"
OUTCOMES = "gen_{gen}/labels/outcomes.tsv"
TRAIN = "gen_{gen}/dataset/train.extxyz"
TEST = "gen_{gen}/dataset/test.extxyz"
POTENTIAL = "gen_{gen}/potential/{file}"
METRICS = "gen_{gen}/potential/metrics.json"
PREDICTIONS = "gen_{gen}/potential/predictions.npz"
VERDICT = "gen_{gen}/assess.json"
FINAL = "final/{file}"
PROVENANCE = "final/provenance.json"
CONFIG = "config.yaml"
SCAN = "final/contact_scan.{system}.json"
REPLICATE = "produce/{system}/{engine}/{replicate}"
PRODUCED = f"{REPLICATE}/{{production}}/trajectory.extxyz"
PRODUCED_THERMO = f"{REPLICATE}/{{production}}/thermo.tsv"
PRODUCTION = f"{REPLICATE}/status.json"
PROPERTIES = "properties/{system}.json"
REPORT = "report/index.html"
STUDY = "study/index.html"
STUDY_TABLES = "study/tables.json"
LABELS = "labels.extxyz"

PATTERNS = {"gen": r"\d{3}", "chunk": r"\d+", "replicate": r"\d+", "box": r"[^/]+", "file": r"[^/]+"}
NAME = r"[^/.]+"


@dataclass(frozen=True)
class Stage:
    """A rule: what it writes, the wildcards that name its jobs, and the blocks of the config that its results depend
    on, those before it included; `first`: in generation 0."""

    rule: str
    outputs: tuple[str, ...]
    jobs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    first: tuple[str, ...] | None = None

    def depends_on(self, gen: str | None) -> tuple[str, ...]:
        """Of a job of generation `gen`, where it has one."""
        return self.first if self.first is not None and gen == "000" else self.reads


_BUILD = ("seed", "systems", "force_field")
_EQUILIBRATE = (*_BUILD, "equilibration")
_LIQUID = (*_EQUILIBRATE, "reference")
_START = (*_LIQUID, "pool", "label")
_FIRST = (*_START, "trainer")
_LOOP = (*_FIRST, "explore", "select", "loop.seed")
_ALL = ("",)  # everything: of no use to any other member of a study

# In the order of the work; the first stage that matches has made a file.
STAGES = (
    Stage("build", (BUILT, SYSTEM), ("box",), _BUILD),
    Stage("equilibrate", (EQUILIBRATED, EQUILIBRATION, EQUILIBRATION_THERMO), ("box",), _EQUILIBRATE),
    Stage("reference", (LIQUID, LIQUID_THERMO), ("system", "state"), _LIQUID),
    Stage("pool", (POOL,), ("system",), _START),
    Stage(
        "explore",
        (CANDIDATES, AUDIT, STOP, SCORES, EXPLORED, EXPLORED_THERMO),
        ("gen", "system", "walker"),
        _LOOP,
    ),
    Stage("select", (CHUNK, LEDGER), ("gen",), _LOOP, _START),
    Stage("label", (LABELLED, CHUNK_OUTCOMES), ("gen", "chunk"), _LOOP, _START),
    Stage("collect", (TRAIN, TEST, OUTCOMES), ("gen",), _LOOP, _START),
    Stage("fit", (METRICS, PREDICTIONS, POTENTIAL), ("gen",), _LOOP, _FIRST),
    Stage("assess", (VERDICT,), ("gen",), _ALL),
    Stage("provenance", (PROVENANCE, CONFIG), (), _ALL),
    Stage("contact_scan", (SCAN,), ("system",), _ALL),
    Stage("final", (FINAL,), (), _ALL),
    Stage("produce", (PRODUCED, PRODUCED_THERMO, PRODUCTION), ("system", "engine", "replicate"), _ALL),
    Stage("properties", (PROPERTIES,), ("system",), _ALL),
    Stage("report", (REPORT,), (), _ALL),
    Stage("export_labels", (LABELS,), (), _ALL),
    Stage("study", (STUDY, STUDY_TABLES), (), _ALL),
)
# What stands in a run's folder, the folders of generations (gen_000) aside.
FOLDERS = {template.split("/")[0] for stage in STAGES for template in stage.outputs} - {"gen_{gen}"} | {
    "logs", "benchmarks", "preflight",
}  # fmt: skip
BY_RULE = {stage.rule: stage for stage in STAGES}
# Rules whose jobs are named by generation first: for what a generation took.
BY_GENERATION = tuple(stage.rule for stage in STAGES if stage.jobs[:1] == ("gen",))


def stage_of(template: str) -> Stage:
    """The stage that writes files of a template of this module."""
    return next(stage for stage in STAGES if template in stage.outputs)


def log(rule: str) -> str:
    """Template of the log of a rule's jobs, below results/{run}."""
    return _beside("logs", rule, ".log")


def benchmark(rule: str) -> str:
    """Template of the time and memory of a rule's jobs, below results/{run}."""
    return _beside("benchmarks", rule, ".tsv")


def _beside(folder: str, rule: str, suffix: str) -> str:
    wildcards = BY_RULE[rule].jobs
    name = ".".join(f"{{{wildcard}}}" for wildcard in wildcards)
    return f"{folder}/{rule}/{name}{suffix}" if wildcards else f"{folder}/{rule}{suffix}"


def _regex(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    text = "".join(
        re.escape(part) if k % 2 == 0 else f"(?P<{part}>{PATTERNS.get(part, NAME)})" for k, part in enumerate(parts)
    )
    return re.compile(text)


_MADE_BY = [(stage, _regex(template)) for stage in STAGES for template in stage.outputs]


@dataclass(frozen=True)
class Job:
    """A job by rule and wildcards; `name` is empty for a rule that has none."""

    rule: str
    name: str

    def __str__(self) -> str:
        return f"{self.rule} {self.name}".strip()

    def log(self, run: str | Path) -> Path:
        return Path(run, "logs", self.rule, f"{self.name}.log") if self.name else Path(run, "logs", f"{self.rule}.log")


def made_by(path: str | Path, run: str | Path) -> Job | None:
    """The job that makes the file `path` of the run folder `run`; None for a file that no rule makes."""
    path, run = Path(path), Path(run)
    if not path.is_relative_to(run):
        return None
    below = str(path.relative_to(run))
    for stage, pattern in _MADE_BY:
        match = pattern.fullmatch(below)
        if match:
            return Job(stage.rule, ".".join(match[wildcard] for wildcard in stage.jobs))
    return None


def owners(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, tuple[str, str]]]:
    """By run and rule, the runs that make its files of generation 0 and of the later ones.

    configs: plain configs by run, in order. What does not differ between runs is made by the first of them.
    """
    first: dict[tuple[str, str], str] = {}
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for run, config in configs.items():
        found[run] = {}
        for stage in STAGES:
            makers = []
            for gen in ("000", "001"):
                key = json.dumps([_value(config, name) for name in stage.depends_on(gen)], sort_keys=True, default=str)
                makers.append(first.setdefault((f"{stage.rule} {gen == '000' and stage.first is not None}", key), run))
            found[run][stage.rule] = (makers[0], makers[1])
    return found


def _value(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for key in name.split(".") if name else ():
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def at_work(folder: str | Path, run: str | Path) -> dict[Job, tuple[float, str | None]]:
    """Jobs of `run` that Snakemake started or submitted and has not seen the end of.

    Since when (seconds since the epoch), and the SLURM job. Read from the marks of unfinished files that Snakemake
    keeps in `folder` (.snakemake); after a kill they stay, so ask `survival.living` too.
    """
    marks = Path(folder) / "incomplete"
    found = {}
    for mark in marks.rglob("*"):
        try:
            if mark.is_dir():
                continue
            # The name is the output's path in base64, cut into folders with an @ where it is long.
            name = "".join(part.removeprefix("@") for part in mark.relative_to(marks).parts)
            job = made_by(base64.urlsafe_b64decode(name).decode(), run)
            since = mark.stat().st_mtime
            slurm = json.loads(mark.read_text() or "{}").get("external_jobid")
        except (FileNotFoundError, ValueError):  # gone, or half written, at this moment
            continue
        if job is not None:
            found[job] = (since, slurm)
    return found


def box(system: str, replicate: int | str = 1) -> str:
    """The name of a system's box: the system's own for its first replicate."""
    return system if str(replicate) == "1" else f"{system}.{replicate}"


def system_of(box: str) -> str:
    """The system that a box is of."""
    return box.partition(".")[0]
