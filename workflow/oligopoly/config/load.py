"""Reading and checking a config, with one message per mistake."""

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from oligopoly.config.annotations import kinds, model_of, of_entries
from oligopoly.config.models import Config, Label
from oligopoly.config.renamed import current
from oligopoly.errors import UserError
from oligopoly.parts import DUMPED


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of a silent override."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise UserError(f"line {key.start_mark.line + 1}: the key '{key.value}' is given twice")
        seen.add(key.value)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path: str | Path) -> Config:
    """Config in the YAML file `path`.

    Raises UserError: missing file, broken YAML, or any wrong key or value (all of them, one per line).
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path}: no such config file") from None
    except (yaml.YAMLError, UserError) as error:
        raise UserError(f"{path}: {error}") from error
    return check(data, source=str(path))


def check(data: Any, source: str = "config", quiet: bool = False) -> Config:
    """Config from plain data, as YAML or Snakemake read it; `source` names it in messages; keys of earlier
    versions are told on stderr unless `quiet`."""
    if not isinstance(data, Mapping):
        raise UserError(f"{source}: must be a mapping of keys to values")
    data, moved = current(data)
    for line in [] if quiet else moved:
        print(f"{source}: {line}", file=sys.stderr)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        lines = "\n  ".join(_messages(error, data))
        raise UserError(f"{source} cannot be used:\n  {lines}") from None
    for name, system in config.systems.items():
        _check_chemistry(source, name, system)
    return config


def checked(dumped: Mapping) -> Config:
    """A config that was checked before, from what `model_dump` made of it."""
    return Config.model_validate(dict(dumped), context=DUMPED)


def check_label(data: Mapping, source: str) -> Label:
    """The block `label` alone, as `check` reads it."""
    try:
        return Label.model_validate(dict(data))
    except ValidationError as error:
        lines = "\n  ".join(_messages(error, {"label": data}, ("label",)))
        raise UserError(f"{source} cannot be used:\n  {lines}") from None


def _check_chemistry(source: str, name: str, system: Any) -> None:
    from oligopoly.systems.unit import check_unit

    try:
        check_unit(system.repeat_unit, system.end_groups, system.degree_of_polymerisation)
    except UserError as error:
        raise UserError(f"{source} cannot be used:\n  systems.{name}: {error}") from None


def _messages(error: ValidationError, data: Mapping, above: tuple = ()) -> Iterator[str]:
    for item in error.errors():
        location, model = _follow((*above, *item["loc"]), data)
        given = _as_written(data, location, item.get("input"))
        no_block = item["type"] == "kind" and not isinstance(given, Mapping)
        if item["type"] == "kind" and not no_block:
            location, given = [*location, "kind"], given.get("kind")
        path = ".".join(map(str, location)) or "config"
        if no_block:
            yield f"{path}: given {given!r}: needs keys of its own; `kind` is one of {item['ctx']['expected']}"
        elif item["type"] == "extra_forbidden":
            yield f"{path}: unknown key{_nearest(model, location)}"
        elif item["type"] == "missing":
            yield f"{path}: is missing{_meaning(model, location)}"
        else:
            text = item["msg"].removeprefix("Value error, ")
            shown = "" if isinstance(given, (Mapping, BaseModel)) else f"given {given!r}: "
            yield f"{path}: {shown}{text[:1].lower() + text[1:]}{_near_choice(item, given)}"


def _as_written(data: Any, location: list, otherwise: Any) -> Any:
    """What stands in the file at `location`, unit included, rather than what it was parsed to."""
    for step in location:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return data


def _is_type_tag(part: Any, location: tuple, data: Any) -> bool:
    # Pydantic names the branch of a union in the location; a user's path holds real keys only.
    if isinstance(part, int):
        return False
    for step in location[: location.index(part)]:
        if isinstance(data, Mapping) and step in data:
            data = data[step]
    known = isinstance(data, Mapping) and part in data
    return not known and any(mark in str(part) for mark in "([ ")


def _near_choice(item: Any, given: Any) -> str:
    if item["type"] not in ("literal_error", "kind") or not isinstance(given, str):
        return ""
    choices = [choice.strip(" '") for choice in item["ctx"]["expected"].replace(" or ", ",").split(",")]
    near = difflib.get_close_matches(given, choices, n=1, cutoff=0.4)
    return f"; did you mean '{near[0]}'?" if near else ""


def _nearest(model: type[BaseModel] | None, location: list) -> str:
    if model is None:
        return ""
    names = list(model.model_fields)
    near = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known here: {', '.join(names)}"


def _meaning(model: type[BaseModel] | None, location: list) -> str:
    field = model.model_fields.get(str(location[-1])) if model else None
    return f" ({field.description})" if field is not None and field.description else ""


def _follow(location: tuple, data: Mapping) -> tuple[list, type[BaseModel] | None]:
    """The keys in a location, without the branches of unions, and the settings model that has the last of them."""
    keys: list = []
    model = None
    annotation: Any = Config
    for part in location:
        branches = kinds(annotation)
        if part in branches:
            annotation = branches[part]
            continue
        if _is_type_tag(part, location, data):
            continue
        keys.append(part)
        model = model_of(annotation)
        if model is not None and part in model.model_fields:
            annotation = model.model_fields[part].annotation
        else:
            annotation = of_entries(annotation)
    return keys, model
