"""What was measured before a job was killed, so that the next one measures only the rest.

A property of one engine is the unit: each goes through the trajectories once, which takes seconds to hours; what lies
within it (sums over a part of the frames) is cheaper to do again than to keep right.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oligopoly import __version__, files
from oligopoly.properties.contract import Run


class Kept:
    """Results in the folder `out`.measured, one file each, by what they were measured of."""

    def __init__(self, out: str | Path):
        self.folder = Path(out).with_suffix(".measured")

    def measure(self, name: str, settings: Any, runs: Sequence[Run], measure: Callable[[], dict[str, Any]]) -> dict:
        """The result that is kept under `name` if settings and files of the runs are the same, or a new one."""
        path = self.folder / f"{name}.json"
        key = hashlib.sha256(repr((__version__, name, settings, [_state(run) for run in runs])).encode()).hexdigest()
        try:
            there = json.loads(path.read_text())
            if there["key"] == key:
                return there["found"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        found = measure()
        files.write_text(path, json.dumps({"key": key, "found": found}))
        return found

    def clear(self) -> None:
        """They stand in the whole now."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _state(run: Run) -> list:
    found = []
    for path in (run.folder / "trajectory.extxyz", run.folder / "thermo.tsv"):
        stat = path.stat() if path.exists() else None
        found.append((str(path), stat and (stat.st_size, stat.st_mtime_ns)))
    return found
