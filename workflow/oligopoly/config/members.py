"""The runs that a config plans: itself, or the members of its study."""

import copy
import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from oligopoly import layout
from oligopoly.config.load import check
from oligopoly.config.models import Config
from oligopoly.config.renamed import current
from oligopoly.errors import UserError

# Of one plan for all members: what a study cannot vary, and why.
FIXED = {
    "run": "members are named after what differs",
    "cluster": "all members run on the same machines",
    "label.chunks": "outputs of a job cannot depend on the member",
    "produce.runs": "outputs of a job cannot depend on the member",
    "study": "a study of studies is several configs",
}


MOST = 500  # members of one plan
LONGEST = 150  # characters of the name of a member


def members(config: Config, data: Mapping[str, Any], source: str = "config") -> dict[str, Config]:
    """Configs by run, below `results/`. data: the config as it was written.

    Raises UserError for a key that cannot be varied, and for a member that is no valid config.
    """
    if config.study is None:
        return {config.run: config}
    found = {}
    for name, varied in combinations(config.study.vary, source).items():
        own, _ = current(data)
        own.pop("study")
        for key, value in varied.items():
            _set(own, key, value, source)
        one = check(own, f"{source}, member {name} of the study", quiet=True)
        found[f"{config.run}/{name}"] = one.model_copy(update={"run": f"{config.run}/{name}"})
    return found


def combinations(vary: Mapping[str, list[Any]], source: str = "config") -> dict[str, dict[str, Any]]:
    """What differs, by the name of each member; the last key varies fastest."""
    for key in vary:
        for fixed, why in FIXED.items():
            if key == fixed or key.startswith(fixed + "."):
                raise UserError(f"{source}: study.vary: {key} cannot be varied: {why}")
            if fixed.startswith(key + "."):
                raise UserError(f"{source}: study.vary: {key} cannot be varied as a whole, for {fixed} cannot: {why}")
    count = math.prod(len(values) for values in vary.values())
    if count > MOST:
        raise UserError(f"{source}: study.vary: has {count} combinations, and at most {MOST} members are possible")
    found: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*vary.values()):
        name = "-".join(_word(value) for value in values)
        if name.lower() in layout.FOLDERS:
            raise UserError(f"{source}: study.vary: a member would be called '{name}', as a folder of every run is")
        if len(name) > LONGEST:
            raise UserError(f"{source}: study.vary: a member would be called '{name[:60]}...': give shorter values")
        if name in found:
            raise UserError(f"{source}: study.vary: two members would be called '{name}': give values that read apart")
        found[name] = dict(zip(vary, values, strict=True))
    return found


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        value = "_".join(str(part) for part in value.values())
    return re.sub(r"[^A-Za-z0-9_.]+", "_", str(value)).strip("_") or "none"


def _set(data: dict[str, Any], key: str, value: Any, source: str) -> None:
    block = data
    *way, last = key.split(".")
    for step in way:
        block = block.setdefault(step, {})
        if not isinstance(block, dict):
            raise UserError(f"{source}: study.vary: {key}: '{step}' is no block of keys")
    block[last] = copy.deepcopy(value)
