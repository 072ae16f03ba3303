"""Everything a run has left behind, read once; what is not there yet is None or empty."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from oligopoly import layout
from oligopoly.config.renamed import current
from oligopoly.files import read_table
from oligopoly.report.earlier import current_properties, current_scan, density_series


@dataclass
class Generation:
    """One turn of the loop. `walkers` by name: {"stop": ..., "scores": ...}; `composition` counts
    training frames by (system, generation, sampler)."""

    number: int
    metrics: Any  # JSON, or None
    assess: Any
    predictions_file: Path
    ledger: list[dict]
    outcomes: list[dict]
    walkers: dict[str, dict]
    composition: Counter
    held_out: int

    @cached_property
    def predictions(self) -> dict | None:
        """Arrays of the held-out frames, by reference and potential, as `accuracy.parity`; read when asked for."""
        return _arrays(self.predictions_file)

    @property
    def name(self) -> str:
        return f"{self.number:03d}"

    @property
    def trained_on(self) -> int:
        return sum(self.composition.values())


@dataclass
class Results:
    """A run."""

    folder: Path
    config: dict
    generations: list[Generation]
    properties: dict[str, dict]
    scans: dict[str, dict]
    provenance: dict | None
    timings: list[dict]

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


def read(folder: str | Path, owners: Mapping[str, tuple[str, str]] | None = None) -> Results:
    """Read `results/{run}`, however far the run has come.

    owners: of a member of a study, by rule the runs that made its files of generation 0 and of later ones.
    """
    folder = Path(folder)
    results = _results_of(folder, owners)
    numbers = {int(path.name[4:]) for root in results for path in root.glob("gen_[0-9][0-9][0-9]")}
    if owners:  # of others it has what it would have made itself
        numbers = {n for n in numbers if (folder / layout.VERDICT.format(gen=f"{n:03d}")).exists() or n == 0}
    config_file = folder / "config.yaml"
    return Results(
        folder=folder,
        config=current(yaml.safe_load(config_file.read_text()) or {})[0] if config_file.exists() else {},
        generations=[_generation(folder, number, owners) for number in sorted(numbers)],
        properties=_properties(folder / "properties"),
        scans={
            p.stem.partition(".")[2] or "all": current_scan(json.loads(p.read_text()))
            for p in sorted(folder.glob("final/contact_scan*.json"))
        },
        provenance=_json(folder / "final" / "provenance.json"),
        timings=_timings(folder / "benchmarks"),
    )


def _results_of(folder: Path, owners: Mapping[str, tuple[str, str]] | None) -> list[Path]:
    """The folders of all runs that made something for this one."""
    return [folder] + [_root(folder, run) for pair in (owners or {}).values() for run in pair]


def _root(folder: Path, run: str) -> Path:
    """The folder of another run of the same results."""
    results = next((parent for parent in folder.parents if parent.name == layout.RESULTS), folder.parent)
    return results / run


def _generation(folder: Path, number: int, owners: Mapping[str, tuple[str, str]] | None) -> Generation:
    gen = f"{number:03d}"

    def at(template: str, **more: str) -> Path:
        rule = layout.stage_of(template).rule
        root = _root(folder, owners[rule][0 if number == 0 else 1]) if owners and rule in owners else folder
        return root / template.format(gen=gen, **more)

    train = Counter(_origins(at(layout.TRAIN)))
    walkers = {}
    for path in sorted(at(layout.STOP, system="*", walker="*").parents[1].glob("*")):
        if path.is_dir():
            walkers[path.name] = {
                "stop": _json(path / "stop.json"),
                "scores": _scores(path),
            }
    whole = at(layout.OUTCOMES)
    files = sorted(whole.parent.glob("*.outcomes.tsv")) + sorted(whole.parent.glob("*/outcomes.tsv"))
    return Generation(
        number=number,
        metrics=_json(at(layout.METRICS)),
        assess=_json(at(layout.VERDICT)),
        predictions_file=at(layout.PREDICTIONS),
        ledger=_table(at(layout.LEDGER)),
        outcomes=_table(whole) if whole.exists() else [r for f in files for r in _table(f)],
        walkers=walkers,
        composition=train,
        held_out=sum(1 for _ in _origins(at(layout.TEST))),
    )


def _scores(walker: Path) -> dict | None:
    """Largest scores of a run, `largest` (M,) of the `kind`; before there were kinds, gamma alone had a file."""
    found, old = _arrays(walker / "scores.npz"), _arrays(walker / "gamma.npz")
    if found is not None:
        return {"kind": str(found["kind"]), "largest": found["largest"]}
    return None if old is None else {"kind": "gamma", "largest": old["gamma_max"]}


def _properties(folder: Path) -> dict[str, dict]:
    """By system, those trained on first."""
    found = {p.stem: current_properties(json.loads(p.read_text())) for p in sorted(folder.glob("*.json"))}
    for one in found.values():
        density_series(folder.parent, one)
    return dict(sorted(found.items(), key=lambda item: (item[1]["role"] != "train", _natural(item[0]))))


def _natural(name: str) -> list:
    """To sort by: chains of 8 units come before those of 12."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _json(path: Path) -> dict | None:
    return json.loads(path.read_text()) if path.exists() else None


def _arrays(path: Path) -> dict | None:
    if not path.exists():
        return None
    with np.load(path) as content:
        return {key: content[key] for key in content.files}


def _table(path: Path) -> list[dict]:
    return read_table(path) if path.exists() else []


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
    """Jobs with their stage, name, wall-clock seconds and peak memory (MB)."""
    jobs = []
    for path in sorted(folder.rglob("*.tsv")):
        stage, _, name = path.relative_to(folder).with_suffix("").as_posix().partition("/")
        for row in _table(path):
            jobs.append(
                {
                    "stage": stage,
                    "job": name,
                    "seconds": _number(row.get("s")),
                    "memory": _number(row.get("max_rss")),
                    "cores": _number(row.get("threads")) or 1.0,
                }
            )
    return jobs


def _number(text) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None  # Snakemake writes NA or - for jobs too short to be sampled
