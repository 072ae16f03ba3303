"""Keys of earlier versions, and where they went: configs and results of then are still read."""

import copy
from collections.abc import Mapping
from typing import Any

from oligopoly.config.production import RUNS

MOVED = {
    "explore.gamma_every": "explore.uncertainty.every",
    "explore.gamma_select": "explore.uncertainty.select",
    "explore.gamma_break": "explore.uncertainty.stop",
    "produce.npt": "produce.runs.npt.duration",
    "produce.nvt": "produce.runs.nvt.duration",
    "produce.nvt_timestep": "produce.runs.nvt.timestep",
    "produce.density_tolerance_percent": "properties.density.tolerance_percent",
}
# What a block held when it could not be given. One who gives it says all of it.
DEFAULTS: dict[str, dict[str, Any]] = {"produce.runs": RUNS}
RENAMED_VALUES = {("explore.engine", "ace"): "built-in"}


def current(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The config with today's keys, and a line for each key that has moved.

    An old key beside what has taken its place is left, so that validation tells of it.
    """
    now, told = copy.deepcopy(dict(data)), []
    for old, new in MOVED.items():
        *way, last = old.split(".")
        block = _block(now, way)
        if block is None or last not in block or _has(data, new):
            continue
        for key, default in DEFAULTS.items():
            *there, name = key.split(".")
            if new.startswith(key + "."):
                (_block(now, there, make=True) or {}).setdefault(name, copy.deepcopy(default))
        *there, name = new.split(".")
        target = _block(now, there, make=True)
        if target is not None:
            target[name] = block.pop(last)
            told.append(f"{old} is called {new} now")
    for (key, value), today in RENAMED_VALUES.items():
        *way, last = key.split(".")
        block = _block(now, way)
        if block is not None and block.get(last) == value:
            block[last] = today
    return now, told


def _has(given: Mapping[str, Any], new: str) -> bool:
    """Does a config say itself what an old key would have to say?"""
    whole = next((key for key in DEFAULTS if new.startswith(key + ".")), new)
    *way, last = whole.split(".")
    return last in (_block(given, way) or {})


def _block(data: Any, way: list[str], make: bool = False) -> dict[str, Any] | None:
    """The block at the end of a way of keys; None where there is none."""
    for key in way:
        if make:
            data.setdefault(key, {})
        data = data.get(key)
        if not isinstance(data, dict):
            return None
    return data
