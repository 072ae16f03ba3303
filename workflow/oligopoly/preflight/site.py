"""What the login node can tell: partitions, account, limits of every rule, disk."""

import difflib
import getpass
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oligopoly.preflight.findings import Finding, attempt

# The SLURM executor asks squeue about jobs that ended; SLURM must remember them longer than it waits between two looks.
MIN_JOB_AGE_S = 120


@dataclass(frozen=True)
class Ask:
    """What one attempt of a rule's jobs asks SLURM for: cores of each task, MB, minutes."""

    rule: str
    attempt: int
    partition: str | None
    cores: int
    mem_mb: int | None
    runtime: int | None
    gpus: int
    account: str | None
    tasks: int = 1


def check(results: str | Path, asks: list[Ask], jobs: int | None, slurm: bool) -> list[Finding]:
    """Everything there is to find out before any job. jobs: how many Snakemake keeps in the queue at once."""
    found = attempt("disk", lambda: _disk(results), "choose a folder on a file system with space, then run again")
    if not slurm:
        return [*found, Finding("scheduler", "none: jobs run on this machine")]
    if shutil.which("sbatch") is None:
        problem = "there is no command sbatch on this machine"
        return [*found, Finding("SLURM", "", problem, "start Snakemake on a login node of the cluster")]
    remedy = "ask `sinfo` and your administrators; profiles/slurm/config.yaml names partition and account"
    found += attempt("partitions", lambda: _partitions(asks), remedy)
    if any(finding.problem for finding in found):
        return found
    found += attempt("account", lambda: _account(jobs), remedy)
    found += attempt("limits", lambda: _limits(asks), remedy)
    found += attempt("job status", _memory_of_jobs, remedy)
    return found


def _disk(results: str | Path) -> Iterable[Finding]:
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    usage = shutil.disk_usage(folder)
    free = f"{usage.free / 1e9:.0f} GB free of {usage.total / 1e9:.0f} GB under {folder.absolute()}"
    if usage.free < 1e9:
        yield Finding("disk", "", f"only {free}", "make space, or start in a folder on another file system")
    else:
        yield Finding("disk", free)
    quota = _said("quota", "-w") if shutil.which("quota") else ""
    # A * behind the blocks marks a quota that is used up.
    over = [line for line in quota.splitlines() if re.match(r"\s*\S+\s+\d+\*", line)]
    if over:
        yield Finding("quota", "", f"your quota is used up: {over[0].strip()}", "delete files, or ask for more")
    elif quota:
        yield Finding("quota", "not used up")


def _partitions(asks: list[Ask]) -> Iterable[Finding]:
    there: dict[str, list[str]] = {}
    for line in _said("sinfo", "-h", "-o", "%R|%a|%l|%D|%c|%m|%G").splitlines():
        name, *rest = line.split("|")
        there.setdefault(name, rest)
    for name in sorted({ask.partition for ask in asks if ask.partition}):
        users = sorted({ask.rule for ask in asks if ask.partition == name})
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            yield Finding(
                f"partition {name}", "",
                f"there is none of this name (there are {', '.join(there)}); {', '.join(users)} would go there",
                (f"did you mean {near[0]}? " if near else "")
                + "They stand in profiles/slurm/config.yaml; that of GPU jobs in the config, cluster.gpu_partition",
            )  # fmt: skip
            continue
        state, limit, nodes, cores, memory, gres = there[name]
        if state != "up":
            yield Finding(f"partition {name}", "", f"it is {state}", "wait, or name another one")
        else:
            has = "" if gres == "(null)" else f", {gres}"
            yield Finding(
                f"partition {name}", f"{nodes} nodes of {cores} cores and {int(memory.rstrip('+')) // 1000} GB{has}, "
                f"jobs up to {limit}, for {', '.join(users)}",
            )  # fmt: skip


def _account(jobs: int | None) -> Iterable[Finding]:
    if shutil.which("sacctmgr") is None:
        yield Finding("account", "not known: there is no sacctmgr here")
        return
    user = getpass.getuser()
    asked = _said(
        "sacctmgr", "-n", "-P", "show", "assoc", f"user={user}", "format=Account,MaxJobs,MaxSubmit,GrpTRESMins"
    )
    rows = [line.split("|") for line in asked.splitlines()]
    if not rows:
        yield Finding("account", f"accounting knows no account of {user}; SLURM decides when jobs are submitted")
        return
    yield Finding("account", f"{user} may use {', '.join(sorted({row[0] for row in rows}))}")
    least = min((int(row[2]) for row in rows if row[2].isdigit()), default=None)
    if jobs and least is not None and least < jobs:
        yield Finding(
            "jobs in the queue", "", f"the profile keeps up to {jobs}, your account allows {least}",
            f"write jobs: {least} in profiles/slurm/config.yaml",
        )  # fmt: skip
    for row in rows:
        if row[3]:
            yield Finding("account's allowance", f"{row[0]}: {row[3]} (minutes)")


def _limits(asks: list[Ask]) -> Iterable[Finding]:
    """SLURM itself says whether it would take each job, with `sbatch --test-only`, which submits nothing."""
    refused, good, tested = [], set(), {}
    for ask in asks:
        request = _request(ask)
        if request not in tested:
            command = ["sbatch", "--test-only", *request, "--wrap", "true"]
            done = subprocess.run(command, capture_output=True, text=True)
            tested[request] = done.returncode, done.stdout + done.stderr
        code, said = tested[request]
        if code == 0:
            good.add(ask.rule)
        else:
            refused.append((ask, said))
    for rule in sorted({ask.rule for ask, _ in refused}):
        ask, said = next((ask, said) for ask, said in refused if ask.rule == rule)
        words = [line.partition("error: ")[2] for line in said.splitlines() if "error: " in line]
        asked = f"attempt {ask.attempt} asks for {' '.join(_request(ask))}"
        yield Finding(
            f"rule {rule}", "", f"{asked}, which SLURM refuses: {'; '.join(words) or said.strip()}",
            "in profiles/slurm/config.yaml: less memory or time per attempt (set-resources), fewer retries, or another "
            "partition",
        )  # fmt: skip
    yield Finding("limits", f"SLURM takes all attempts of {', '.join(sorted(good - {a.rule for a, _ in refused}))}")


def _request(ask: Ask) -> tuple[str, ...]:
    options = [("-p", ask.partition), ("-A", ask.account), ("-t", ask.runtime), ("--mem", ask.mem_mb)]
    given = [word for option, value in options if value for word in (option, str(value))]
    tasks = ["-n", str(ask.tasks)] if ask.tasks > 1 else []
    return (*given, *tasks, "-c", str(ask.cores), *([f"--gpus={ask.gpus}"] if ask.gpus else []))


def _memory_of_jobs() -> Iterable[Finding]:
    found = re.search(r"MinJobAge\s*=\s*(\d+)", _said("scontrol", "show", "config"))
    if found and int(found[1]) < MIN_JOB_AGE_S:
        yield Finding(
            "job status", "",
            f"SLURM forgets a job {found[1]} s after its end (MinJobAge), before Snakemake asks about it",
            "write slurm-status-command: sacct in profiles/slurm/config.yaml, and never scancel a job of the run",
        )  # fmt: skip
    elif found:
        yield Finding("job status", f"squeue tells the end of a job for {found[1]} s")


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
