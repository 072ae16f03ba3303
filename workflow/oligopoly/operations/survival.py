"""After a kill -9: no job outlives its Snakemake, no lock outlives its owner.

A killed Snakemake leaves a lock that forbids the same command to run again, and jobs that go on
without it, so that a restart would do their work twice. Here the jobs notice and end, those in a
SLURM queue are cancelled, and the lock of a process that is no more is taken away.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from oligopoly import layout
from oligopoly.files import write_text

POLL_S = 0.5
# What SLURM may take to end a job that was cancelled: its KillWait, 30 s by default, and some more.
GRACE_S = 180


def end_with_snakemake() -> None:
    """End this process, with no more work done, once the Snakemake that started its shell is gone."""
    shell = psutil.Process().parent()
    above = shell.parent() if shell else None
    if shell is None or above is None:
        return

    def watch() -> None:
        while shell.is_running() and shell.status() != psutil.STATUS_ZOMBIE and above.is_running():
            if above.status() == psutil.STATUS_ZOMBIE:
                break
            time.sleep(POLL_S)
        os.kill(os.getpid(), signal.SIGKILL)

    def guarded() -> None:
        try:
            watch()
        except psutil.NoSuchProcess:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=guarded, daemon=True).start()


def take_over(folder: str | Path, run: str) -> list[dict]:
    """Note in Snakemake's `folder` (.snakemake) that this process works on `run`, and free it from the dead.

    Removes the locks on `run` of Snakemakes that were killed on this host, unless another that works on `run` may be
    alive. Locks of an owner that was on another host, or is not known, are left for `snakemake --unlock`. Returns what
    those wrote down that are no more, for `end_jobs`: also those on another host whose lock is gone.
    """
    folder = Path(folder)
    locks = [lock for lock in (folder / "locks").glob("*.lock") if _is_on(lock, run)]
    gone, others = [], 0
    for record in _records(folder):
        if record["run"] != run:
            continue
        here = record["host"] == socket.gethostname()
        if (here and not _alive(record)) or (not here and not locks):
            gone.append(record)
        else:
            others += 1
    if gone and not others:
        for lock in locks:
            lock.unlink(missing_ok=True)
        if locks:
            print(f"Removed the lock of Snakemake {gone[-1]['pid']}, which was killed.", file=sys.stderr)
    claim(folder, run)
    return gone


def claim(folder: str | Path, run: str, slurm_name: str | None = None) -> None:
    """Write down that this process works on `run`, and the name of its SLURM jobs."""
    process = psutil.Process()
    record = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time(), "run": run}
    write_text(_own(folder), json.dumps(record | {"slurm_name": slurm_name}) + "\n")


def release(folder: str | Path) -> None:
    """This process is done; it leaves no jobs behind."""
    _own(folder).unlink(missing_ok=True)


def end_jobs(gone: list[dict]) -> bool:
    """Cancel the SLURM jobs that Snakemakes in `gone` (from `take_over`) left in the queue, and wait until they ended.

    Snakemake will submit the same work again; both at a time would do it twice. Returns whether there were any.
    """
    found = False
    for record in gone:
        name = record.get("slurm_name")
        if name and _in_queue(name):
            print(f"Cancelling the SLURM jobs of Snakemake {record['pid']}, which was killed.", file=sys.stderr)
            found = True
            subprocess.run(["scancel", f"--name={name}"], check=False)
            end = time.monotonic() + GRACE_S
            while _in_queue(name) and time.monotonic() < end:
                time.sleep(POLL_S)
        Path(record["file"]).unlink(missing_ok=True)
    return found


def start_again(persistence: Any) -> None:
    """Replace this Snakemake by one with the same command line, which plans anew; its `persistence` is unlocked.

    Does nothing where the command line is not Snakemake's own, as in a script that uses its Python API.
    """
    if Path(sys.argv[0].removesuffix("/__main__.py")).name != "snakemake":  # .../bin/snakemake, or python -m snakemake
        return
    persistence.unlock()
    release(persistence.path)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def living(folder: str | Path, run: str) -> list[dict]:
    """What the Snakemakes wrote down that work on `run`: those alive here, and those on other hosts."""
    return [
        record
        for record in _records(Path(folder))
        if record["run"] == run and (record["host"] != socket.gethostname() or _alive(record))
    ]


def _in_queue(name: str) -> bool:
    try:
        asked = subprocess.run(["squeue", "-h", f"--name={name}", "-o", "%i"], capture_output=True, text=True)
    except OSError:  # no SLURM on this machine
        return False
    return bool(asked.stdout.strip())


def _records(folder: Path) -> list[dict]:
    found = []
    for path in sorted((folder / "owners").glob("*.json")):
        with contextlib.suppress(FileNotFoundError, ValueError):
            found.append(json.loads(path.read_text()) | {"file": str(path)})
    return found


def _own(folder: str | Path) -> Path:
    return Path(folder) / "owners" / f"{socket.gethostname()}-{os.getpid()}.json"


def _is_on(lock: Path, run: str) -> bool:
    """Whether the lock names files of `run`; one that was not written to its end may."""
    with contextlib.suppress(FileNotFoundError):
        text = lock.read_text()
        return not text or f"{layout.RESULTS}/{run}/" in text
    return False


def _alive(owner: dict) -> bool:
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
