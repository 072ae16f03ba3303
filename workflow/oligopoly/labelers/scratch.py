"""Scratch folders of the programs that labelers run, on the machine's own disk."""

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path

LOCK = ".oligopoly-owner"


class Scratch:
    """A folder at `path` for a run of `code`, until `remove` or the end of a `with`.

    Its owner holds a lock in it (flock), which ends with the process however that ends. So the next one to make a
    folder knows those that a killed job left behind, gigabytes perhaps, and removes them. Only those of its own
    machine: shared file systems may keep locks for each machine alone (Lustre's localflock).
    """

    def __init__(self, code: str, parent: str | Path | None = None):
        parent = Path(parent or tempfile.gettempdir())
        _remove_left(parent)
        # Under its own name only when it is locked, so that nobody takes it for one left behind.
        hidden = Path(tempfile.mkdtemp(prefix=".oligopoly-", dir=parent))
        self._lock = open(hidden / LOCK, "w")  # noqa: SIM115 - until remove
        self._lock.write(socket.gethostname())
        self._lock.flush()
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = hidden.rename(parent / f"oligopoly-{code}-{hidden.name.removeprefix('.oligopoly-')}")

    def remove(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_) -> None:
        self.remove()


def _remove_left(parent: Path) -> None:
    for folder in parent.glob("oligopoly-*"):
        with contextlib.suppress(OSError):  # owned by a living process, or gone meanwhile
            if folder.stat().st_uid != os.getuid():
                continue
            with open(folder / LOCK) as lock:
                if lock.read() != socket.gethostname():
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for entry in folder.iterdir():
                    if entry.name != LOCK:  # last, since without it nobody would try again
                        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
                shutil.rmtree(folder)
