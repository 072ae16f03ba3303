"""Which job makes which file of a run, and what Snakemake's folder says about the jobs at work."""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

# Paths below results/{run}; the groups name the job, as in logs/{rule}/{name}.log and benchmarks/{rule}/{name}.tsv.
MADE_BY = [
    ("build", r"systems/([^/]+)/(?:built\.data|system\.json)"),
    ("equilibrate", r"systems/([^/]+)/equilibrat(?:ed|ion)\..+"),
    ("reference", r"systems/([^/]+)/reference/([^/]+)/.+"),
    ("pool", r"gen_000/pool/([^/]+)\.extxyz"),
    ("explore", r"gen_(\d{3})/explore/([^/]+)/.+"),
    ("select", r"gen_(\d{3})/selection/.+"),
    ("label", r"gen_(\d{3})/labels/(\d+)\..+"),
    ("collect", r"gen_(\d{3})/(?:dataset/.+|labels/outcomes\.tsv)"),
    ("fit", r"gen_(\d{3})/potential/.+"),
    ("assess", r"gen_(\d{3})/assess\.json"),
    ("final", r"final/potential\..+"),
    ("provenance", r"(?:final/provenance\.json|config\.yaml)"),
    ("contact_scan", r"final/contact_scan\.([^/]+)\.json"),
    ("produce", r"produce/([^/]+)/([^/]+)/.+"),
    ("properties", r"properties/([^/]+)\.json"),
    ("report", r"report/.+"),
]


@dataclass(frozen=True)
class Job:
    """A job by rule and wildcards; `name` is empty for a rule that has none."""

    rule: str
    name: str

    def __str__(self) -> str:
        return f"{self.rule} {self.name}".strip()

    def log(self, run: str | Path) -> Path:
        return Path(run, "logs", self.rule, f"{self.name}.log") if self.name else Path(run, "logs", f"{self.rule}.log")

    def benchmark(self, run: str | Path) -> Path:
        return Path(str(self.log(run).with_suffix(".tsv")).replace("/logs/", "/benchmarks/", 1))


def made_by(path: str | Path, run: str | Path) -> Job | None:
    """The job that makes the file `path` of the run folder `run`; None for a file that no rule makes."""
    path, run = Path(path), Path(run)
    if not path.is_relative_to(run):
        return None
    for rule, pattern in MADE_BY:
        match = re.fullmatch(pattern, str(path.relative_to(run)))
        if match:
            return Job(rule, ".".join(match.groups()))
    return None


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
