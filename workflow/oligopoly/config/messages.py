"""Mistakes in a config in words: one line each, with its key, what was given, and what would be right."""

import difflib
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from oligopoly.config.annotations import alternatives, bare, kinds, model_of, of_entries
from oligopoly.config.models import Config

MOST = 30  # lines; more mistakes are counted
WIDEST = 60  # characters of what was given
NUMBERS = {"int_type", "int_from_float", "float_type", "finite_number", "int_parsing_size"}
BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
# Of a value that is another kind of thing than one of the alternatives takes.
OTHER_KIND = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a block of keys",
    "bool_type": "true or false",
    "none_required": "null",
    "literal_error": "",
}


@dataclass(frozen=True)
class _Place:
    """Where a mistake is: the keys that lead there, without what pydantic puts between them; the block that has the
    last of them; what this one may be; `branch`: which alternative of the key with `branch[0]` keys it is about, of
    those in `union`."""

    keys: tuple[str | int, ...]
    owner: type[BaseModel] | None
    annotation: Any
    metadata: Sequence[Any]
    branch: tuple[int, str] | None
    union: Any
    is_name: bool


def messages(error: ValidationError, data: Any, above: tuple[str, ...] = ()) -> list[str]:
    """A line for each mistake that `error` has found in `data`; above: keys that lead to what was validated."""
    found = [(_follow((*above, *item["loc"])), item) for item in error.errors(include_url=False)]
    lines: list[str] = []
    for union, group in groupby(found, key=lambda pair: pair[0].branch and pair[0].keys[: pair[0].branch[0]]):
        for line in map(" ".join, _of_union(list(group), data) if union else ((_line(*one, data),) for one in group)):
            if line not in lines:
                lines.append(line)
    return lines if len(lines) <= MOST else [*lines[:MOST], f"and {len(lines) - MOST} more mistakes"]


def shown(value: Any) -> str:
    """What was given, as YAML has it, shortened."""
    if isinstance(value, Mapping | BaseModel):
        return "a block of keys" if value else "an empty block"
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 20]}...{text[-10:]} ({len(text)} characters)"


def _of_union(group: list[tuple[_Place, ErrorDetails]], data: Any) -> Iterator[tuple[str]]:
    """Of a key that takes one of several types: the mistakes of the one that fits best, or what all of them are."""
    by_branch: dict[Any, list[tuple[_Place, ErrorDetails]]] = {}
    for place, item in group:
        by_branch.setdefault(place.branch, []).append((place, item))
    for pairs in by_branch.values():
        depth = pairs[0][0].branch[0]  # type: ignore[index]
        if not any(item["type"] in OTHER_KIND and len(place.keys) == depth for place, item in pairs):
            yield from ((_line(place, item, data),) for place, item in pairs)
            return
    place = group[0][0]
    keys = place.keys[: place.branch[0]]  # type: ignore[index]
    given = _given(data, keys, group[0][1].get("input"))
    said = [
        item.get("ctx", {}).get("expected") or OTHER_KIND[item["type"]]
        for place, item in group
        if item["type"] in OTHER_KIND and place.branch and len(place.keys) == place.branch[0]
    ]
    limits = _limits(place.union)
    said = [f"{one} {limits}" if limits and "number" in one else one for one in said]
    near = "".join(_near(item, given) for _, item in group)
    meant = _meaning(place.owner, keys) if "text" in said else ""  # which text, the key says
    right = f"must be {' or '.join(dict.fromkeys(said))}"
    yield (f"{_path(keys)}: given {shown(given)}: {right}{near or meant}",)


def _line(place: _Place, item: ErrorDetails, data: Any) -> str:
    kind, keys = item["type"], place.keys
    given = _given(data, keys, item.get("input"))
    if place.is_name:
        given, keys = keys[-1], keys[:-1]
    if kind == "kind":
        if not isinstance(given, Mapping):
            expected = item["ctx"]["expected"]
            return f"{_path(keys)}: given {shown(given)}: needs keys of its own; `kind` is one of {expected}"
        given, keys = given.get("kind"), (*keys, "kind")
    if kind == "missing":
        if keys and isinstance(keys[-1], int):
            count = len(typing.get_args(_sequence(place.owner, keys)) or ()) or keys[-1] + 1
            given = _given(data, keys[:-1], None)
            return f"{_path(keys[:-1])}: given {shown(given)}: must be a list of {count}"
        return f"{_path(keys)}: is missing{_meaning(place.owner, keys)}"
    if kind == "extra_forbidden":
        return f"{_path(keys)}: unknown key{_nearest(place.owner, keys)}"
    if kind == "value_error":
        text = item["msg"].removeprefix("Value error, ")
        model = model_of(place.annotation) if keys else Config
        if model is not None and text.split(":")[0].split(".")[0] in model.model_fields and ":" in text:
            return f"{_path(keys, root='')}.{text}".lstrip(".")  # of several keys: it says itself what was given
        text = text[:1].lower() + text[1:]
    else:
        text = _right(place, item, given)
    told = "" if isinstance(given, Mapping) and kind == "value_error" else f"given {shown(given)}: "
    return f"{_path(keys)}: {told}{text}"


def _right(place: _Place, item: ErrorDetails, given: Any) -> str:
    """What would be right."""
    kind, context = item["type"], item.get("ctx", {})
    limits = _limits(place.annotation, place.metadata)
    if kind in NUMBERS | BOUNDS:
        whole = _is_whole(place.annotation)
        return f"must be {'a whole number' if whole else 'a number'} {limits}".rstrip() + _as_number(given, whole)
    if kind == "bool_type":
        return "must be true or false"
    if kind == "string_type":
        simple = isinstance(given, int | float)
        return "must be text" + (f': put it in quotes, "{str(given).lower()}"' if simple else "")
    if kind in ("list_type", "tuple_type"):
        simple = isinstance(given, str | int | float) and not isinstance(given, bool)
        return "must be a list" + (f": [{given}]" if simple and len(str(given)) < WIDEST else "")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        model, entries = model_of(place.annotation), of_entries(place.annotation)
        model_of_each = model_of(entries) or next(iter(kinds(entries).values()), None)
        names = list((model or model_of_each or BaseModel).model_fields)
        which = f": {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else ""
        if kind == "dict_type":
            return f"needs names, each with {'keys of its own' if names else 'its value'}{which}"
        return f"needs keys of its own{which}"
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        if least == 1 and not given:
            return "must not be empty"
        bound = f"at least {least} are needed" if kind == "too_short" else f"at most {most} are possible"
        return f"has {context.get('actual_length')} entries: {bound}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"has {len(given)} characters: at most {context['max_length']} are possible"
    if kind in ("literal_error", "kind"):
        return f"must be {context['expected']}{_near(item, given)}"
    if kind == "invalid_key":
        return "keys are words: put it in quotes"
    text = item["msg"].replace("Input should", "must")
    return text[:1].lower() + text[1:]


def _is_whole(annotation: Any) -> bool:
    parts = [bare(part) for part in alternatives(annotation)]
    return int in parts and float not in parts


def _as_number(given: Any, whole: bool) -> str:
    """How the number that was meant is written."""
    try:
        value = float(given.replace("_", "") if isinstance(given, str) else math.nan)
    except ValueError:
        return ""
    if not math.isfinite(value) or (whole and not value.is_integer()):
        return ""
    return f": write {number(value)}, without quotes"


def number(value: float) -> str:
    """A number as people write it."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def _limits(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The range of a number in words."""
    found = bounds(annotation, metadata)
    if "ge" in found and "le" in found:
        return f"from {number(found['ge'])} to {number(found['le'])}"
    names = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    return " and ".join(f"{name} {number(found[key])}" for key, name in names.items() if key in found)


def bounds(annotation: Any, metadata: Sequence[Any] = ()) -> dict[str, float]:
    """Bounds of a key's number, of its items where it is a list: gt, ge, lt, le."""
    found: dict[str, float] = {}
    for mark in metadata:
        for one in getattr(mark, "metadata", None) or [mark]:  # of a Field, or of annotated_types itself
            found |= {key: value for key in ("gt", "ge", "lt", "le") if (value := getattr(one, key, None)) is not None}
    for part in typing.get_args(annotation) if not found else ():
        found = found or bounds(part, getattr(part, "__metadata__", ()))
    return found


def _given(data: Any, keys: Sequence[str | int], otherwise: Any) -> Any:
    """What stands in the file, unit included, rather than what it was parsed to."""
    for step in keys:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return data


def _path(keys: Sequence[str | int], root: str = "config") -> str:
    return ".".join(str(key) if len(str(key)) <= WIDEST else f"{str(key)[:30]}..." for key in keys) or root


def _near(item: ErrorDetails, given: Any) -> str:
    if item["type"] not in ("literal_error", "kind") or not isinstance(given, str):
        return ""
    # of a literal, pydantic tells the choices as a sentence only
    said = item["ctx"]["expected"].replace(" or ", ",").split(",")
    choices = item["ctx"].get("kinds") or [choice.strip(" '") for choice in said]
    near = difflib.get_close_matches(given, choices, n=1, cutoff=0.4) or [
        choice for choice in choices if choice.lower() == given.lower()
    ]
    return f"; did you mean '{near[0]}'?" if near else ""


def _nearest(model: type[BaseModel] | None, keys: Sequence[str | int]) -> str:
    if model is None:
        return ""
    names = list(model.model_fields)
    near = difflib.get_close_matches(str(keys[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known here: {', '.join(names)}"


def _meaning(model: type[BaseModel] | None, keys: Sequence[str | int]) -> str:
    field = model.model_fields.get(str(keys[-1])) if model else None
    return f" ({field.description})" if field is not None and field.description else ""


def _sequence(owner: type[BaseModel] | None, keys: Sequence[str | int]) -> Any:
    field = owner.model_fields.get(str(keys[-2])) if owner and len(keys) > 1 else None
    parts = [bare(part) for part in alternatives(field.annotation)] if field else []
    return next((part for part in parts if typing.get_origin(part) is tuple), None)


def _is_called(option: Any, name: str) -> bool:
    """May pydantic call this alternative so? (list[...], tuple[...], literal[...], or as one value is)"""
    origins = {list: "list", tuple: "tuple", typing.Literal: "literal"}
    called = name.split("[")[0]
    return origins.get(typing.get_origin(bare(option))) == (called if called in origins.values() else None)


def _follow(location: Sequence[str | int]) -> _Place:
    """The place of a mistake, from a location of pydantic's, which names the branches of unions between the keys."""
    keys: list[str | int] = []
    owner: type[BaseModel] | None = None
    annotation: Any = Config
    metadata: Sequence[Any] = ()
    branch, union, is_name = None, None, False
    for part in location:
        choices = kinds(annotation)
        options = [one for one in alternatives(bare(annotation)) if one is not type(None)]
        if choices and part in choices:
            annotation, metadata = choices[str(part)], ()
        elif part == "[key]":
            is_name = True
        elif not choices and len(options) > 1:
            if branch is None:
                branch, union = (len(keys), str(part)), annotation
            annotation = next((one for one in options if _is_called(one, str(part))), options[0])
            metadata = getattr(annotation, "__metadata__", metadata)
        else:
            keys.append(part)
            inner = options[0] if len(options) == 1 else annotation
            model = model_of(bare(inner))
            if model is not None:
                owner = model
                field = model.model_fields.get(str(part))
                annotation, metadata = (field.annotation, field.metadata) if field else (Any, ())
            else:
                inner = bare(inner)
                items = typing.get_args(inner) or (Any,)
                of_tuple = typing.get_origin(inner) is tuple and isinstance(part, int) and part < len(items)
                item = of_entries(inner) or items[part if of_tuple else 0]  # type: ignore[index]
                annotation, metadata = item, getattr(item, "__metadata__", ())
    return _Place(tuple(keys), owner, annotation, metadata, branch, union, is_name)
