"""`snakemake explain`: why a frame was selected, why a label failed, why a job would run, what made a potential."""

import ast
import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from oligopoly import layout
from oligopoly.config.models import Config
from oligopoly.errors import UserError
from oligopoly.files import read_table
from oligopoly.labelers.outcomes import Outcome
from oligopoly.operations import usage
from oligopoly.operations.provenance import origins
from oligopoly.selectors.ledger import words

REASON = re.compile(r"^Job \d+: (.+)\nReason: (.+)$", re.M)


def explain(configs: Mapping[str, Config], target: str | None, dry_run: list[str]) -> str:
    """What there is to say about `target`: a file of a run, a frame, a label's key, or nothing (then: how to ask).

    configs: by run, the members of a study in their order; dry_run: the command that plans jobs, to which the file's
    name is added.
    """
    if target is None:
        return _usage(Path(layout.RESULTS, next(iter(configs))))
    told = (_told(config, Path(layout.RESULTS, run), target, dry_run) for run, config in configs.items())
    if found := next(filter(None, told), None):
        return found
    raise UserError(
        f"explain: '{target}' is no file that a rule of this run makes, and no frame of a ledger or of outcomes "
        f"in {', '.join(str(Path(layout.RESULTS, run)) for run in configs)}. "
        "`snakemake explain` shows what can be asked"
    )


def _told(config: Config, run: Path, target: str, dry_run: list[str]) -> str | None:
    if found := _file(run, target):
        path, job = found
        said = [_job(run, path, job), _content(run, config.label.store, path, job), _why_again(path, dry_run)]
        return "\n\n".join(filter(None, said))
    told = _frame(run, target)
    if told:
        return "\n\n".join(told)
    return None


def _usage(run: Path) -> str:
    frame = next((row["candidate"] for _, row in _ledgers(run)), "hexane.npt/candidates/3")
    failed = next((row["frame"] for row in usage.outcomes(run) if row["outcome"] != Outcome.LABELLED), None)
    return "\n".join(
        [
            "Ask about a file, a frame, or a label (--config target=... does the same):",
            f"  snakemake explain {run}/final/manifest.json         what it was made from, what would make it again",
            f"  snakemake explain {run}/gen_000/labels/0.extxyz     which structures got no label, and why",
            f"  snakemake explain {frame}        why this frame was selected or not, and what became of it",
            *([f"  snakemake explain {failed}        why this structure has no label"] if failed else []),
        ]
    )


def _file(run: Path, target: str) -> tuple[Path, layout.Job] | None:
    for path in (Path(target), run / target):
        if job := layout.made_by(path, run):
            return path, job
    return None


def _job(run: Path, path: Path, job: layout.Job) -> str:
    there = "is there" if path.exists() else "is not there yet"
    lines = [f"{path} {there}. It is made by: {job}."]
    done = {(use.rule, use.name): use for use in usage.jobs(run)}
    use = done.get((job.rule, job.name or job.rule))
    if use and path.exists():
        lines.append(
            f"That took {use.seconds:.0f} s on {use.cores} cores" + (f" and {use.gpus} GPUs." if use.gpus else ".")
        )
    log = job.log(run)
    if log.exists():
        lines.append(f"Log: {log}, which began {log.read_text(errors='replace').splitlines()[0]}.")
    return "\n".join(lines)


def _content(run: Path, store: str, path: Path, job: layout.Job) -> str | None:
    """What the file itself, or what lies beside it, says about how it came to be."""
    if job.rule == "label":
        return _chunk(run, job.name)
    if job.rule in ("fit", "final", "provenance"):
        return _potential(run, store, job)
    if job.rule == "select":
        return _selection(run / layout.LEDGER.format(gen=job.name))
    if job.rule == "assess" and path.exists():
        verdict = json.loads(path.read_text())
        return "\n".join([f"Verdict: {verdict['decision']}.", *(f"- {reason}" for reason in verdict["reasons"])])
    if job.rule == "explore" and (stop := path.parent / "stop.json").exists():
        end = json.loads(stop.read_text())
        return f"The run ended as '{end['outcome']}': {end['reason']}"
    return None


def _chunk(run: Path, name: str) -> str | None:
    generation, chunk = name.split(".")
    path = run / layout.CHUNK_OUTCOMES.format(gen=generation, chunk=chunk)
    if not path.exists():
        return None
    rows = [row for row in usage.outcomes(run, int(generation)) if row["file"] == str(path)]
    ends = Counter(row["outcome"] for row in rows)
    reused = sum(row["reused"] == "1" for row in rows)
    lines = [
        f"Of {len(rows)} structures: {', '.join(f'{n} {end}' for end, n in ends.items())}; {reused} from the store."
    ]
    lines += [
        f"- {row['frame']}: {row['outcome']}, {row['reason']}" for row in rows if row["outcome"] != Outcome.LABELLED
    ]
    return "\n".join(lines)


def _potential(run: Path, store: str, job: layout.Job) -> str | None:
    written = run / layout.PROVENANCE
    if job.rule != "fit" and written.exists():
        facts = json.loads(written.read_text())
        lines = [
            f"The final potential is that of generation {facts['generation']} ({facts['decision']}), "
            f"oligopoly {facts['oligopoly']} at commit {facts['git_commit']}, seed {facts['seed']}, "
            f"{facts['machine']}.",
            *(f"- {name}: sha256 {digest[:16]}..." for name, digest in facts["files"].items()),
            f"Trained on {facts['training_set']['file']}:",
            *(f"- {count} of {origin}" for origin, count in facts["training_set"]["origins"].items()),
        ]
        return "\n".join([*lines, *_lineage(run, store, int(facts["generation"]))])
    if job.rule == "fit":
        train = run / layout.TRAIN.format(gen=job.name)
        if train.exists():
            lines = [f"Trained on {train}:", *(f"- {n} of {origin}" for origin, n in origins(train).items())]
            return "\n".join([*lines, *_lineage(run, store, int(job.name))])
    return None


def _lineage(run: Path, store: str, last: int) -> list[str]:
    """The generations that a potential stands on."""
    lines = ["The generations before it:"]
    for number in range(last + 1):
        verdict = run / layout.VERDICT.format(gen=f"{number:03d}")
        said = json.loads(verdict.read_text())["decision"] if verdict.exists() else "not judged yet"
        lines.append(f"- {number:03d}: {usage.computed(run, store, number)} labels computed; {said}")
    return lines


def _selection(ledger: Path) -> str | None:
    if not ledger.exists():
        return None
    rows = list(read_table(ledger))
    codes = Counter((row["chosen"] == "1", row.get("code")) for row in rows)
    return "\n".join(
        [f"{ledger}: {len(rows)} candidates."]
        + [f"- {n} {'taken' if taken else 'left'}: {words(code)}" for (taken, code), n in codes.most_common()]
    )


def _frame(run: Path, target: str) -> list[str]:
    """Everything that ledgers and outcomes say about a candidate, an origin or a label's key."""
    wanted = re.fullmatch(r"(?:gen_(\d{3})/)?(.+)", target)
    told: list[str] = []
    outcomes = usage.outcomes(run)
    if wanted is None:
        return told
    for number, row in _ledgers(run):
        origin = f"{row['system']}/gen_{number:03d}/{row['sampler']}/{row['step']}"
        named = row["candidate"] == wanted[2] and wanted[1] in (None, f"{number:03d}")
        if not named and origin != target:
            continue
        lines = [
            f"Generation {number:03d}, {row['candidate']} ({origin}): "
            f"{'taken' if row['chosen'] == '1' else 'not taken'}, score {row['score']}. "
            f"{row['reason'][:1].upper()}{row['reason'][1:]}."
        ]
        ends = [end for end in outcomes if end["frame"] == origin and f"gen_{number:03d}" in end["file"]]
        if row["chosen"] == "1":
            lines += [_end(end) for end in ends] or [f"It waits for its label in chunk {row['chunk']}."]
        told.append("\n".join(lines))
    if not told:
        told = [_end(end) for end in outcomes if target in (end["frame"], end["key"]) or end["key"].startswith(target)]
    return told


def _end(row: dict[str, str]) -> str:
    why = f": {row['reason']}" if row["reason"] else ""
    how = "from the store" if row["reused"] == "1" else f"{float(row['seconds']):.1f} s"
    return f"Label of {row['frame']}: {row['outcome']}{why} ({how}, key {row['key'][:12]}, {row['file']})."


def _ledgers(run: Path):
    for ledger in sorted(run.glob(layout.LEDGER.format(gen="*"))):
        for row in read_table(ledger):
            yield int(ledger.parts[-3].removeprefix("gen_")), row


def _why_again(path: Path, dry_run: list[str]) -> str:
    """Why Snakemake would make the file (again), in its own words."""
    planned = subprocess.run([*dry_run, str(path)], capture_output=True, text=True)
    said = planned.stdout + planned.stderr
    if "Nothing to be done" in said:
        return "Asked for it now, Snakemake would do nothing: it is up to date."
    jobs = REASON.findall(said)
    if planned.returncode or not jobs:
        return "Snakemake cannot plan it: " + "\n".join(said.strip().splitlines()[-5:])
    *before, (what, reason) = jobs
    lines = [f"Asked for it now, Snakemake would run: {what}.", f"Reason: {_changes(reason)}."]
    first = [f"- {what}: {_changes(why)}" for what, why in before if "updated by another job" not in why]
    if before:
        lines.append(f"{len(before)} jobs come before it, beginning with:")
        lines += first[:10]
    return "\n".join(lines)


def _changes(reason: str) -> str:
    """The reason with what changed in the parameters instead of all of them, before and now."""
    found = re.search(r"Params have changed.*?before: (\{.*\}) now: (\{.*\})", reason)
    if not found:
        return reason
    try:
        before, now = ast.literal_eval(found[1]), ast.literal_eval(found[2])
    except (ValueError, SyntaxError):
        return reason
    changed = [
        f"{key}: {before.get(key, 'not there')} -> {now.get(key, 'not there')}"
        for key in {**before, **now}
        if before.get(key, "not there") != now.get(key, "not there")
    ]
    return "parameters changed, " + "; ".join(changed)
