"""What a run has used so far: its jobs' benchmark files, and its labels."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from oligopoly import layout
from oligopoly.files import read_table
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling.store import Store


@dataclass(frozen=True)
class Use:
    """One finished job: seconds of wall time on its cores and GPUs; generation is None outside the loop."""

    rule: str
    name: str
    generation: int | None
    seconds: float
    cores: int
    gpus: int
    finished: float

    @property
    def core_hours(self) -> float:
        return self.seconds * self.cores / 3600

    @property
    def gpu_hours(self) -> float:
        return self.seconds * self.gpus / 3600


def jobs(run: str | Path) -> list[Use]:
    """Finished jobs of the run folder, oldest first.

    The profiles ask for extended benchmarks, which know the cores and GPUs a job was given; without them a job counts
    as one core. Attempts that were killed or failed leave no benchmark and do not count.
    """
    folder = Path(run) / "benchmarks"
    found = []
    for path in folder.rglob("*.tsv"):
        try:
            with open(path, newline="") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            finished = path.stat().st_mtime
        except FileNotFoundError:  # being written again at this moment
            continue
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        head = re.match(r"(\d{3})(?:\.|$)", path.stem)
        generation = int(head[1]) if head and rule in layout.BY_GENERATION else 0 if rule == "pool" else None
        for row in rows:
            gpus, tasks = (re.search(rf"'{name}': (\d+)", row.get("resources") or "") for name in ("gpu", "tasks"))
            cores = row.get("threads") or "1"
            if row.get("s") in (None, "NA"):
                continue
            found.append(
                Use(
                    rule, path.stem, generation, float(row["s"]),
                    (int(cores) if cores.isdigit() else 1) * (int(tasks[1]) if tasks else 1),
                    int(gpus[1]) if gpus else 0, finished,
                )
            )  # fmt: skip
    return sorted(found, key=lambda use: use.finished)


def outcomes(run: str | Path, generation: int | None = None) -> list[dict[str, str]]:
    """Rows of the outcomes of all label chunks that are done, of one generation or all."""
    pattern = layout.CHUNK_OUTCOMES.format(gen="*" if generation is None else f"{generation:03d}", chunk="*")
    rows = []
    for path in sorted(Path(run).glob(pattern)):
        rows += [row | {"file": str(path)} for row in read_table(path)]
    return rows


def computed(run: str | Path, store: str | Path, generation: int | None = None) -> int:
    """How many labels of one generation or all were computed for it, rather than found in the label store.

    What a job that was killed had computed is found in the store by the next attempt; it counts all the same, since its
    record is younger than the choice of the structures.
    """
    known, count = Store(store), 0
    for row in outcomes(run, generation):
        if row["outcome"] != Outcome.LABELLED:
            continue
        count += row["reused"] == "0" or _younger(known.path(row["key"]), Path(row["file"]).parents[1])
    return count


def _younger(record: Path, generation: Path) -> bool:
    try:
        ledger = generation.parent / layout.LEDGER.format(gen=generation.name.removeprefix("gen_"))
        return record.stat().st_mtime >= ledger.stat().st_mtime
    except FileNotFoundError:
        return False
