"""`snakemake status`: where a run stands, from its files alone, so that asking is free and disturbs nothing."""

import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from oligopoly import layout
from oligopoly.config.models import Config
from oligopoly.files import read_table
from oligopoly.labelers.outcomes import Outcome
from oligopoly.operations import survival, usage
from oligopoly.operations.budget import UNITS, amount
from oligopoly.progress import MARK, clock
from oligopoly.report.earlier import current_properties

# Snakemake's own log names every job that failed, also those that succeeded on a later attempt.
FAILED = re.compile(r"^Error in rule (\w+)", re.M)


def status(config: Config, runs: Mapping[str, Config] | None = None, folder: str | Path = ".snakemake") -> str:
    """All that `snakemake status` prints. runs: the members of a study, by run; folder: Snakemake's own."""
    # the Snakemake of a study works under the study's name, for all its members
    alive = survival.living(folder, config.run)
    if config.study is not None and runs:
        return _study(config, runs, folder, alive)
    return _run(config, folder, alive)


def _study(config: Config, runs: Mapping[str, Config], folder: str | Path, alive: list[dict]) -> str:
    """A line per member, and the whole of the first, where what they share is made."""
    rows = [("member", "generations judged", "last verdict")]
    for run, member in runs.items():
        root = Path(layout.RESULTS, run)
        verdicts = [v for n in range(member.loop.generations + 1) if (v := _json(root / _in(layout.VERDICT, n)))]
        said = verdicts[-1]["decision"] if verdicts else "-"
        rows.append((run, f"{len(verdicts)} of at most {member.loop.generations + 1}", said))
    page = Path(layout.RESULTS, config.run, layout.STUDY)
    where = f"finished, {page}" if page.exists() else "not finished"
    head = f"Study {config.run}: {where}; {_who(alive)}"
    first = next(iter(runs.values()))
    return "\n".join([head, "", *_table(rows), "", _run(first, folder, alive)])


def _who(alive: list[dict]) -> str:
    who = ", ".join(f"Snakemake {record['pid']} on {record['host']} is at work" for record in alive)
    return who or "no Snakemake is at work on it"


def _in(template: str, number: int) -> str:
    return template.format(gen=f"{number:03d}")


def _run(config: Config, folder: str | Path, alive: list[dict]) -> str:
    run = Path(layout.RESULTS, config.run)
    if not run.exists():
        return f"{run}: nothing has run yet. `snakemake -n` shows the plan, `snakemake preflight` what it will take."
    numbers = [n for n in range(config.loop.generations + 1) if (run / f"gen_{n:03d}").is_dir()]
    lines = [_headline(config, run, alive, numbers), "", *_systems(config, run), ""]
    lines += _table([("gen", "explored", "labelled", "failed", "left", "force error", "verdict")]
                    + [_generation(config, run, number) for number in numbers])  # fmt: skip
    lines += ["", *_failures(run, folder), *_spent(config, run)]
    if alive:
        lines += ["", *_at_work(run, folder), *_end(config, run, numbers)]
    return "\n".join(lines)


def _headline(config: Config, run: Path, alive: list[dict], numbers: list[int]) -> str:
    goal = "exactly" if config.loop.mode == "fixed" else "at most"
    where = f"generation {numbers[-1]} of {goal} {config.loop.generations}" if numbers else "before generation 0"
    if (run / layout.REPORT).exists() and not alive:
        where = f"finished, {run / layout.REPORT}"
    return f"Run {config.run}: {where}; {_who(alive)}"


def _systems(config: Config, run: Path) -> list[str]:
    rows = [("system", "role", "built", "equilibrated", "reference", "produced", "density")]
    for name, system in config.systems.items():
        states = config.reference.states if system.role == "train" else {}
        found = sum((run / layout.LIQUID_THERMO.format(system=name, state=state)).exists() for state in states)
        produced = [
            path.relative_to(run / "produce" / name).parts[0] for path in run.glob(f"produce/{name}/**/status.json")
        ]
        engines = [f"{engine} {count}" if count > 1 else engine for engine, count in sorted(Counter(produced).items())]
        rows.append(
            (
                name,
                system.role,
                _mark(run / layout.BUILT.format(box=name)),
                _mark(run / layout.EQUILIBRATED.format(box=name)),
                f"{found}/{len(states)}" if states else "",
                ", ".join(engines) or "-",
                _density(run / layout.PROPERTIES.format(system=name)),
            )
        )
    return _table(rows)


def _density(path: Path) -> str:
    if not path.exists():
        return "-"
    found = current_properties(json.loads(path.read_text()))["properties"].get("density", {}).get("comparison")
    return f"{found['deviation_percent']:+.1f} %" if found else "not measured"


def _generation(config: Config, run: Path, number: int) -> tuple[str, ...]:
    walkers = len(config.explore.walkers) * sum(system.role == "train" for system in config.systems.values())
    stops = run.glob(layout.STOP.format(gen=f"{number:03d}", system="*", walker="*"))
    explored = "" if number == 0 else f"{len(list(stops))}/{walkers}"
    ends = Counter(row["outcome"] for row in usage.outcomes(run, number))
    labelled, total = ends.pop(Outcome.LABELLED.value, 0), _chosen(run / _in(layout.LEDGER, number))
    failed = ends.total()
    left = "?" if total is None else str(max(total - labelled - failed, 0))
    metrics, verdict = _json(run / _in(layout.METRICS, number)), _json(run / _in(layout.VERDICT, number))
    error = metrics and metrics["test"]["all"].get("force_rmse_percent")
    said = ""
    if verdict:
        unmet = [test["name"] for test in verdict["criteria"] if not test["passed"]]
        said = verdict["decision"] + (f" (not met: {'; '.join(unmet)})" if unmet else "")
    elif metrics:
        said = "fitted, not judged yet"
    elif total is not None:
        said = "labelling" if left != "0" else "fitting"
    elif number:
        said = "exploring"
    return (
        f"{number:03d}", explored, str(labelled), str(failed), left, f"{error:.1f} %" if error else "-", said
    )  # fmt: skip


def _chosen(ledger: Path) -> int | None:
    if not ledger.exists():
        return None
    return sum(row["chosen"] == "1" for row in read_table(ledger))


def _failures(run: Path, folder: str | Path) -> list[str]:
    lines = []
    ends = Counter(row["outcome"] for row in usage.outcomes(run))
    ends.pop(Outcome.LABELLED.value, None)
    if ends:
        told = ", ".join(f"{count} {outcome}" for outcome, count in ends.most_common())
        lines.append(f"Structures without a label: {told} (gen_*/labels/outcomes.tsv; `snakemake explain` says more)")
    logs = sorted(Path(folder, "log").glob("*.snakemake.log"))
    for log in logs[-1:]:
        failed = Counter(FAILED.findall(log.read_text(errors="replace")))
        if failed:
            told = ", ".join(f"{rule} {count}" for rule, count in failed.most_common())
            lines.append(f"Failed attempts of jobs since the last start: {told} ({log})")
    return lines


def _spent(config: Config, run: Path) -> list[str]:
    done = usage.jobs(run)
    spent = {
        "core_hours": sum(use.core_hours for use in done if use.rule != "produce"),
        "gpu_hours": sum(use.gpu_hours for use in done if use.rule != "produce"),
        "labels": usage.computed(run, config.label.store),
    }
    limits = config.budget.limits()
    told = ", ".join(
        amount(spent[name]) + (f" of {limits[name]:g}" if name in limits else "") + f" {unit}"
        for name, unit in UNITS.items()
        if spent[name] or name in limits or name == "labels"
    )
    produced = sum(use.core_hours for use in done if use.rule == "produce")
    return [f"Spent: {told or 'nothing yet'}" + (f"; production {amount(produced)} core-hours" if produced else "")]


def _at_work(run: Path, folder: str | Path) -> list[str]:
    lines = []
    for job, (since, slurm) in sorted(layout.at_work(folder, run).items(), key=lambda item: item[1][0]):
        log = job.log(run)
        started = log.exists() and log.stat().st_mtime >= since
        lasts = clock(time.time() - since)
        said = f"{job}" + (f" (SLURM job {slurm})" if slurm else "")
        if not started:
            lines.append(f"Waiting: {said}, for {lasts}")
        else:
            last = _last_progress(log)
            lines.append(f"Running: {said}, submitted {lasts} ago" + (f": {last}" if last else ""))
    return lines


def _last_progress(log: Path) -> str | None:
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        tail = file.read().decode(errors="replace")
    found = [line for line in tail.splitlines() if line.startswith(MARK)]
    return found[-1].removeprefix(MARK) if found else None


def _end(config: Config, run: Path, numbers: list[int]) -> list[str]:
    """When the loop ends if it needs all generations and each takes as long as those before."""
    judged = [n for n in numbers if (run / _in(layout.VERDICT, n)).exists()]
    if len(judged) < 2:
        return ["Predicted end: not before generation 1 has been judged"]
    times = [(run / _in(layout.VERDICT, n)).stat().st_mtime for n in judged]
    each = (times[-1] - times[0]) / (len(times) - 1)
    left = config.loop.generations - judged[-1]
    end = datetime.fromtimestamp(max(times[-1] + left * each, time.time()))
    if left == 0:
        return ["The loop is over; production and properties come last"]
    bound = "at the latest " if config.loop.mode == "until" else ""
    return [
        f"Predicted end of the loop: {bound}{end:%a %d %b %H:%M}, with {clock(each)} per generation and {left} to go; "
        "then production"
    ]


def _mark(path: Path) -> str:
    return "yes" if path.exists() else "-"


def _json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
