"""Everything a run has left behind, read once; what is not there yet is None or empty."""

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from oligopoly.md.trajectory import read_thermo


@dataclass
class Generation:
    """One turn of the loop. `walkers` by name: {"stop": ..., "gamma": ...}; `composition` counts
    training frames by (system, generation, sampler)."""

    number: int
    metrics: dict | None
    assess: dict | None
    predictions: dict | None
    ledger: list[dict]
    outcomes: list[dict]
    walkers: dict[str, dict]
    composition: Counter
    held_out: int

    @property
    def name(self) -> str:
        return f"{self.number:03d}"

    @property
    def trained_on(self) -> int:
        return sum(self.composition.values())


@dataclass
class Results:
    """A run. `production` by system and engine: thermo tables of the NPT runs."""

    folder: Path
    config: dict
    generations: list[Generation]
    properties: dict[str, dict]
    scans: dict[str, dict]
    provenance: dict | None
    timings: list[dict]
    production: dict[str, dict[str, dict]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.config.get("run") or self.folder.name

    @property
    def fitted(self) -> Generation | None:
        """The last generation that has a potential."""
        return next((g for g in reversed(self.generations) if g.metrics), None)

    @property
    def assessed(self) -> Generation | None:
        """The last generation that has a verdict."""
        return next((g for g in reversed(self.generations) if g.assess), None)


def read(folder: str | Path) -> Results:
    """Read `results/{run}`, however far the run has come."""
    folder = Path(folder)
    config_file = folder / "config.yaml"
    return Results(
        folder=folder,
        config=(yaml.safe_load(config_file.read_text()) or {}) if config_file.exists() else {},
        generations=[_generation(path) for path in sorted(folder.glob("gen_[0-9][0-9][0-9]"))],
        properties=_properties(folder / "properties"),
        scans={p.stem.partition(".")[2] or "all": _json(p) for p in sorted(folder.glob("final/contact_scan*.json"))},
        provenance=_json(folder / "final" / "provenance.json"),
        timings=_timings(folder / "benchmarks"),
        production=_production(folder / "produce"),
    )


def _generation(folder: Path) -> Generation:
    train = Counter(_origins(folder / "dataset" / "train.extxyz"))
    walkers = {}
    for path in sorted((folder / "explore").glob("*")):
        if path.is_dir():
            walkers[path.name] = {
                "stop": _json(path / "stop.json"),
                "gamma": _arrays(path / "gamma.npz"),
            }
    labels = folder / "labels"
    files = sorted(labels.glob("*.outcomes.tsv")) + sorted(labels.glob("*/outcomes.tsv"))
    whole = labels / "outcomes.tsv"
    return Generation(
        number=int(folder.name.removeprefix("gen_")),
        metrics=_json(folder / "potential" / "metrics.json"),
        assess=_json(folder / "assess.json"),
        predictions=_arrays(folder / "potential" / "predictions.npz"),
        ledger=_table(folder / "selection" / "ledger.tsv"),
        outcomes=_table(whole) if whole.exists() else [r for f in files for r in _table(f)],
        walkers=walkers,
        composition=train,
        held_out=sum(1 for _ in _origins(folder / "dataset" / "test.extxyz")),
    )


def _properties(folder: Path) -> dict[str, dict]:
    """By system, those trained on first."""
    found = {p.stem: _json(p) for p in sorted(folder.glob("*.json"))}
    return dict(sorted(found.items(), key=lambda item: item[1]["role"] != "train"))


def _json(path: Path) -> dict | None:
    return json.loads(path.read_text()) if path.exists() else None


def _arrays(path: Path) -> dict | None:
    if not path.exists():
        return None
    with np.load(path) as content:
        return {key: content[key] for key in content.files}


def _table(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _origins(path: Path):
    """(system, generation, sampler) of each frame, from the comment lines alone."""
    if not path.exists():
        return
    with open(path) as file:
        while count := file.readline().strip():
            comment = file.readline()
            yield (
                _value(comment, "origin_system") or "?",
                int(_value(comment, "origin_generation") or 0),
                _value(comment, "origin_sampler") or "?",
            )
            for _ in range(int(count)):
                file.readline()


def _value(comment: str, key: str) -> str | None:
    found = re.search(rf'(?:^|\s){key}=(?:"([^"]*)"|(\S+))', comment)
    return found and (found[1] if found[1] is not None else found[2])


def _timings(folder: Path) -> list[dict]:
    """Jobs with their stage, name, wall-clock seconds, CPU seconds and peak memory (MB)."""
    jobs = []
    for path in sorted(folder.rglob("*.tsv")):
        stage, _, name = path.relative_to(folder).with_suffix("").as_posix().partition("/")
        for row in _table(path):
            jobs.append(
                {
                    "stage": stage,
                    "job": name,
                    "seconds": _number(row.get("s")),
                    "cpu": _number(row.get("cpu_time")),
                    "memory": _number(row.get("max_rss")),
                    "ended": path.stat().st_mtime,
                }
            )
    return jobs


def _number(text) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None  # Snakemake writes NA or - for jobs too short to be sampled


def _production(folder: Path) -> dict:
    tables: dict = {}
    for path in sorted(folder.glob("*/*/npt/thermo.tsv")):
        tables.setdefault(path.parts[-4], {})[path.parts[-3]] = read_thermo(path)
    return tables
