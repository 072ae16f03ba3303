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
# What a block is taken to hold when a key moves into it that was not alone there.
DEFAULTS: dict[str, dict[str, Any]] = {"produce.runs": RUNS}
RENAMED_VALUES = {("explore.engine", "ace"): "built-in"}


def current(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The config with today's keys, and a line for each key that has moved.

    A key that stands there under both names is left, so that validation tells of the old one.
    """
    given, data, told = data, copy.deepcopy(dict(data)), []
    for old, new in MOVED.items():
        *way, last = old.split(".")
        block = _block(data, way)
        if block is None or last not in block:
            continue
        *there, name = new.split(".")
        _fill(data, new)
        target = _block(data, there, make=True)
        if target is None or name in (_block(given, there) or {}):
            continue
        target[name] = block.pop(last)
        told.append(f"{old} is called {new} now")
    for (key, value), now in RENAMED_VALUES.items():
        *way, last = key.split(".")
        block = _block(data, way)
        if block is not None and block.get(last) == value:
            block[last] = now
    return data, told


def _fill(data: dict[str, Any], new: str) -> None:
    for key, default in DEFAULTS.items():
        *way, last = key.split(".")
        block = _block(data, way, make=True)
        if new.startswith(key + ".") and block is not None and last not in block:
            block[last] = copy.deepcopy(default)


def _block(data: dict[str, Any], way: list[str], make: bool = False) -> dict[str, Any] | None:
    for key in way:
        if make:
            data.setdefault(key, {})
        data = data.get(key)
        if not isinstance(data, dict):
            return None
    return data
