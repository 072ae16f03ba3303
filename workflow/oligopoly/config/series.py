"""Series of chain lengths: a block of `systems` whose degree of polymerisation is a list stands for several systems."""

from collections.abc import Iterable, Mapping
from typing import Any

from oligopoly.config.messages import shown
from oligopoly.errors import UserError


def expanded(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The config with one system, `name-n`, for each n of a list `degree_of_polymerisation`; its `chains` may be a list
    of as many. And the series by the names of their systems.

    Raises UserError for a list that is empty or holds a value twice or other things than whole numbers, for lists of
    unequal length, and for a name that is taken.
    """
    systems = data.get("systems")
    if not isinstance(systems, Mapping):
        return dict(data), {}
    found: dict[Any, Any] = {}
    series: dict[str, str] = {}
    for name, block in systems.items():
        lengths = block.get("degree_of_polymerisation") if isinstance(block, Mapping) else None
        if not isinstance(lengths, list):
            found[name] = block
            continue
        for one, length, chains in _members(name, lengths, block.get("chains")):
            if one in found or one in systems:
                raise UserError(f"systems.{name}: its system of {length} units would be called '{one}', as another is")
            found[one] = {**block, "degree_of_polymerisation": length}
            if "chains" in block:
                found[one]["chains"] = chains
            series[one] = name
    return {**data, "systems": found}, series


def _members(name: str, lengths: list[Any], chains: Any) -> list[tuple[str, int, Any]]:
    """Name, degree of polymerisation and chains of each system of a series."""
    key = f"systems.{name}.degree_of_polymerisation"
    if not lengths:
        raise UserError(f"{key}: given []: must be a whole number, or a list of at least one")
    for place, length in enumerate(lengths):
        if not isinstance(length, int) or isinstance(length, bool):
            raise UserError(f"{key}: given {shown(length)} in its list: must be whole numbers")
        if length in lengths[:place]:
            raise UserError(f"{key}: given {shown(lengths)}: has {length} twice")
    if not isinstance(chains, list):
        chains = [chains] * len(lengths)
    elif len(chains) != len(lengths):
        raise UserError(
            f"systems.{name}.chains: is a list of {len(chains)}: must be a whole number, or a list of {len(lengths)}, "
            "one for each degree_of_polymerisation"
        )
    return [(f"{name}-{length}", length, count) for length, count in zip(lengths, chains, strict=True)]


def as_written(lines: Iterable[str], series: Mapping[str, str]) -> list[str]:
    """Messages about systems of a series as messages about the block that was written, each once."""
    said = []
    for line in lines:
        for one, name in series.items():
            line = line.replace(f"systems.{one}.", f"systems.{name}.").replace(f"given '{one}'", f"given '{name}'")
        said.append(line)
    return list(dict.fromkeys(said))
