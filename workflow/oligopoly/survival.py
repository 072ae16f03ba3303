"""After a kill -9: no job outlives its Snakemake, no lock outlives its owner.

A killed Snakemake leaves a lock that forbids the same command to run again, and jobs that go on
without it, so that a restart would do their work twice. Here the jobs notice and end, and the lock
of a process that is no more is taken away.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil

from oligopoly.files import write_text

POLL_S = 0.5


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


def claim(folder: str | Path) -> None:
    """Note in Snakemake's `folder` (.snakemake) that this process owns its lock."""
    process = psutil.Process()
    owner = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}
    write_text(Path(folder) / "owner.json", json.dumps(owner) + "\n")


def take_over(folder: str | Path) -> None:
    """Claim Snakemake's `folder` unless its owner lives; remove the locks of an owner that died here.

    Locks of an owner that is not known, or was on another host, are left for `snakemake --unlock`.
    """
    folder = Path(folder)
    locks = list((folder / "locks").glob("*.lock"))
    try:
        owner = json.loads((folder / "owner.json").read_text())
    except (FileNotFoundError, ValueError):
        owner = None
    if owner is None and locks:
        return
    if owner is not None and (owner["host"] != socket.gethostname() or _alive(owner)):
        return
    for lock in locks:
        lock.unlink(missing_ok=True)
    if locks:
        print(f"Removed the lock of Snakemake {owner['pid']}, which was killed.", file=sys.stderr)
    claim(folder)


def _alive(owner: dict) -> bool:
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
