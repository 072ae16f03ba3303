"""config/config.yaml: every key with its meaning and its default; generated from the models, never edited.

Run `python -m oligopoly.config.document` (or `make docs`) after changing a model.
"""

import inspect
import json
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from oligopoly.config.load import kinds
from oligopoly.config.models import Config
from oligopoly.files import write_text

PATH = Path(__file__).parents[3] / "config" / "config.yaml"
HEADER = """\
# yaml-language-server: $schema=../workflow/schemas/config.schema.json
# Every key, its meaning and its default. Copy this file, delete what you leave as it is, and run
#   snakemake --profile slurm --configfile config/mine.yaml
# Quantities carry their unit: 300 K, 1.5 fs, 200 ps, 1 atm (or bar, MPa, GPa), 5 A (or nm).
# A wrong key, unit or value stops `snakemake -n` with a message that names the key and what is right.
# A key without a comment means what it meant where it stood before.
# This file is generated from the settings of each part (`make docs`).
"""
WIDTH, COLUMN = 120, 30  # of a line, and of the comments
DEEP = 2  # blocks below blocks below blocks stand on one line


class _Document:
    """One writing of the file: what was explained once is not explained again."""

    def __init__(self) -> None:
        self.said: set[tuple[str, str]] = set()
        self.listed: list[type[BaseModel]] = []

    def block(self, model: type[BaseModel], given: Mapping[str, Any], depth: int) -> Iterator[str]:
        """Lines of a block: a model's keys with their defaults, or what is `given` in their place."""
        for name, field in model.model_fields.items():
            value = given[name] if name in given else _value(field)
            if depth == 0:
                yield ""
            yield from self.key(name, field, value, depth, model)

    def key(self, name: str, field: FieldInfo, value: Any, depth: int, owner: type[BaseModel]) -> Iterator[str]:
        """Lines of one key, and of what else may stand there."""
        branches, entries = kinds(field.annotation), _entries(field.annotation)
        inner = branches[value["kind"]] if branches and value is not None else _model(field.annotation)
        about = self._about(name, field, owner)
        if entries is not None and value:
            yield from self._named(name, about, entries, value, depth)
        elif inner is not None and value is not None and depth < DEEP and inner.model_fields:
            yield from self._header(name, inner, field, depth)
            yield from self.block(inner, value, depth + 1)
        else:
            if inner is not None and not field.description and name not in self.said:
                about = _sentence(inner)
            yield from _line(depth, f"{name}: {_flow(value)}", about)
        for kind, branch in branches.items():
            if value is None or kind != value["kind"]:
                yield from self._instead(name, branch, depth)

    def _header(self, name: str, inner: type[BaseModel], field: FieldInfo, depth: int) -> Iterator[str]:
        chosen_by_kind = "kind" in inner.model_fields
        said, more = _parts(inner)
        about = (field.description or "") if chosen_by_kind else (field.description or said)
        if depth == 0:
            yield from _comment(0, _capital(about))
            yield from _comment(0, more)
            yield f"{name}:"
        else:
            yield from _line(depth, f"{name}:", about)
            yield from _comment(depth + 1, more)

    def _instead(self, name: str, branch: type[BaseModel], depth: int) -> Iterator[str]:
        """Another kind, as a comment."""
        said, more = _parts(branch)
        lines = [f"{name}:", *_comment(1, more), *self.block(branch, {}, depth=1)]
        yield "#" if False else ""
        for line in lines:
            yield "  " * depth + f"# {line}"

    def _named(self, name: str, about: str, entries: dict[str, type[BaseModel]], value: Any, depth: int) -> Iterator[str]:
        """Entries by name: one below the other, their keys explained at the first or, where each is a line, above."""
        yield from _line(depth, f"{name}:", about)
        rows = {entry: _flow(content) for entry, content in value.items()}
        if all(len(entry) + len(row) + 2 * depth + 4 <= WIDTH - 10 for entry, row in rows.items()):
            for model in entries.values():
                yield from self._list(model, depth + 1)
            for entry, row in rows.items():
                yield from _line(depth + 1, f"{entry}: {row}", "")
        else:
            for entry, content in value.items():
                yield from _line(depth + 1, f"{entry}:", "")
                model = entries[content.get("kind", next(iter(entries)))]
                for key, field in model.model_fields.items():
                    yield from self.key(key, field, content.get(key, _value(field)), depth + 2, model)

    def _list(self, model: type[BaseModel], depth: int) -> Iterator[str]:
        """The keys of an entry, as a comment; those that were listed before are left out."""
        before = next((base for base in model.__mro__ if base in self.listed), None)
        known = before.model_fields if before is not None else {}
        self.listed.append(model)
        yield from _comment(depth, "keys of each, and what they are by default" + (", as above and:" if known else ":"))
        for name, field in model.model_fields.items():
            if name in known and _value(known[name]) == _value(field):
                continue
            value = "..." if field.is_required() and not _literal(field) else _flow(_value(field))
            for line in _line(0, f"{name}: {value}", self._about(name, field, model), COLUMN - 2 * depth - 4):
                yield "  " * depth + f"#   {line}"

    def _about(self, name: str, field: FieldInfo, owner: type[BaseModel]) -> str:
        """The comment of a key; empty where the same was said before."""
        choices = _choices(field)
        about = field.description or ""
        if name == "kind" and len(choices) == 1:
            return _parts(owner)[0]
        if len(choices) > 1 and not all(choice in about for choice in choices):
            about = f"{' or '.join(choices)}{': ' if about else ''}{about}"
        if (name, about) in self.said:
            return ""
        self.said.add((name, about))
        return about


def document() -> str:
    """The file as it stands."""
    lines = _Document().block(Config, {}, depth=0)
    return HEADER + "\n".join(line.rstrip() for line in lines) + "\n"


def _value(field: FieldInfo) -> Any:
    """The default of a key as it is written, or an example where there is none."""
    if not field.is_required():
        return _written(field.default)
    if field.examples:
        return field.examples[0]
    choices = _choices(field)
    return choices[0] if choices else _written(PydanticUndefined)


def _written(default: Any) -> Any:
    """Plain data of a default; of a block, only what differs from the model's own defaults."""
    if default is PydanticUndefined:
        raise ValueError("a key that has no default needs an example: Field(examples=[...])")
    if isinstance(default, BaseModel):
        given = {name: getattr(default, name) for name in default.model_fields_set}
        kind = {"kind": default.kind} if hasattr(default, "kind") else {}
        return kind | {name: _written(value) for name, value in given.items()}
    return default
