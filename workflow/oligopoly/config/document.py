"""config/config.yaml: every key with its meaning and its default; generated from the models, never edited.

Run `python -m oligopoly.config.document` (or `make docs`) after changing a model.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from oligopoly.config.annotations import kinds, model_of, of_entries, words
from oligopoly.config.models import Config
from oligopoly.config.written import COLUMN, commented, flow, line, remark
from oligopoly.files import write_text
from oligopoly.parts import PartSettings

PATH = Path(__file__).parents[3] / "config" / "config.yaml"
HEADER = """\
# yaml-language-server: $schema=../workflow/schemas/config.schema.json
# Every key, its meaning and its default. Copy this file, delete what you leave as it is, and run
#   snakemake --profile slurm --configfile config/mine.yaml
# Quantities carry their unit: 300 K, 1.5 fs, 200 ps, 1 atm (or bar, MPa, GPa), 5 A (or nm).
# A wrong key, unit or value stops `snakemake -n` with a message that names the key and what is right.
# What is explained once is not explained again. `make docs` writes this file from the settings of each part.
"""
STEP = 2  # of indentation
DEEPEST = 2 * STEP  # blocks further in stand on one line
LONGEST = 96  # of entries that stand on one line each


def document() -> str:
    """The file as it stands."""
    lines = _Writer().block(Config, {}, 0)
    return HEADER + "\n".join(lines) + "\n"


class _Writer:
    """One writing of the file, which knows what it has said."""

    def __init__(self) -> None:
        self.said: set[tuple[str, str]] = set()
        self.listed: dict[type[BaseModel], str] = {}

    def block(self, model: type[BaseModel], values: Mapping[str, Any], indent: int) -> Iterator[str]:
        """A model's keys, each with its default or what `values` has in its place."""
        apart = True
        for name, field in model.model_fields.items():
            value = values[name] if name in values else _default(field)
            if indent == 0:
                before, apart = apart, isinstance(value, Mapping) or bool(kinds(field.annotation))
                yield from [""] * (before or apart)
            yield from self.key(name, field, value, model, indent)

    def key(self, name: str, field: FieldInfo, value: Any, owner: type[BaseModel], indent: int) -> Iterator[str]:
        """One key, and whatever else may stand there."""
        choices, entries = kinds(field.annotation), _entries(field.annotation)
        model = choices[value["kind"]] if choices and value else model_of(field.annotation)
        if entries and value:
            yield from self.named(name, self.about(name, field, owner), entries, value, indent)
        elif model is not None and value and indent < DEEPEST:
            yield from self.opened(name, field, model, indent)
            yield from self.block(model, value, indent + STEP)
        else:
            yield from line(indent, f"{name}: {flow(value)}", self.about(name, field, owner))
        others = [other for kind, other in choices.items() if not value or kind != value["kind"]]
        for number, other in enumerate(others):
            yield from self.instead(name, other, indent, number, len(others))

    def opened(self, name: str, field: FieldInfo, model: type[BaseModel], indent: int) -> Iterator[str]:
        """The head of a block. What a kind of part is stands beside its `kind`."""
        about = field.description or ("" if _has_kinds(model) else _summary(model))
        if indent == 0:
            yield from remark(indent, f"{_sentence(about)} {_details(model)}")
            yield f"{name}:"
        else:
            yield from line(indent, f"{name}:", _aside(about))
            yield from remark(indent + STEP, _details(model))

    def instead(self, name: str, model: type[BaseModel], indent: int, number: int, count: int) -> Iterator[str]:
        """Another kind of part, as a comment."""
        if indent == 0:
            yield ""
        if number == 0:
            yield from remark(indent, "Or in its place:" if count == 1 else "Or one of these in its place:")
        details = _details(model)
        if details:
            yield from remark(indent, f"{_sentence(_summary(model))} {details}")
            self.said.add(("kind", _summary(model)))
        lines = [" " * indent + f"{name}:", *self.block(model, {}, indent + STEP)]
        yield from commented(indent, iter(lines))

    def named(
        self, name: str, about: str, entries: Mapping[str, type[BaseModel]], values: Mapping[str, Any], indent: int
    ) -> Iterator[str]:
        """Entries with names of the user's: on a line each, below a list of their keys; or, where they are too long for
        that, as blocks, the first of which has all the keys."""
        yield from line(indent, f"{name}:", about)
        indent += STEP
        if max(len(f"{entry}: {flow(value)}") for entry, value in values.items()) <= LONGEST:
            for kind, model in entries.items():
                yield from self.keys(name, model, kind if len(entries) > 1 else "", indent)
            yield from (" " * indent + f"{entry}: {flow(value)}" for entry, value in values.items())
            return
        for number, (entry, value) in enumerate(values.items()):
            model = entries[value.get("kind", next(iter(entries)))]
            yield " " * indent + f"{entry}:"
            for key, field in model.model_fields.items():
                if number == 0 or key in value:
                    content = value[key] if key in value else _default(field)
                    yield from self.key(key, field, content, model, indent + STEP)

    def keys(self, name: str, model: type[BaseModel], kind: str, indent: int) -> Iterator[str]:
        """The keys of such entries, as a comment; those listed before are left out."""
        before = next((base for base in self.listed if issubclass(model, base)), None)
        known = before.model_fields if before else {}
        self.listed[model] = name
        what = f"Keys of {f'kind {kind}' if kind else 'each'}, with their defaults"
        yield from remark(indent, f"{what}: those of {self.listed[before]}, and" if before else f"{what}:")
        for key, field in sorted(model.model_fields.items(), key=lambda item: item[0] != "kind"):
            same = key in known and known[key].default == field.default
            if same or (key == "kind" and not kind):
                continue
            value = "..." if field.is_required() and not words(field.annotation) else flow(_default(field))
            lines = line(indent + STEP, f"{key}: {value}", self.about(key, field, model), COLUMN - STEP)
            yield from commented(indent, lines)

    def about(self, name: str, field: FieldInfo, owner: type[BaseModel]) -> str:
        """What is said of a key, the first time."""
        choices, model = words(field.annotation), model_of(field.annotation)
        if name == "kind" and len(choices) == 1:
            about = _summary(owner)
        elif len(choices) > 1 and not all(choice in (field.description or "") for choice in choices):
            about = ": ".join(filter(None, (" or ".join(choices), field.description)))
        else:
            about = field.description or (_summary(model) if model else "")
        if (name, about) in self.said:
            return ""
        self.said.add((name, about))
        return _aside(about)


def _default(field: FieldInfo) -> Any:
    """The default of a key as it is written, or an example where it has none."""
    model = model_of(field.annotation)
    if field.is_required() and model is not None:
        return {name: _default(inner) for name, inner in model.model_fields.items()}
    if field.is_required():
        found = [*(field.examples or ()), *words(field.annotation)]
        if not found:
            raise ValueError(f"a key without default needs an example, Field(examples=[...]): {field.description}")
        return found[0]
    return _whole(field.default)


def _whole(value: Any) -> Any:
    """A block that is a default, as plain data with all its keys."""
    if not isinstance(value, BaseModel):
        return value
    return {
        name: _whole(getattr(value, name)) if name in value.model_fields_set else _default(field)
        for name, field in type(value).model_fields.items()
    }


def _entries(annotation: Any) -> dict[str, type[BaseModel]]:
    """Models of a key that takes blocks by name: by kind, or the only one by its own name."""
    entry = of_entries(annotation)
    model = model_of(entry)
    return kinds(entry) or ({model.__name__: model} if model else {})


def _has_kinds(model: type[BaseModel]) -> bool:
    return issubclass(model, PartSettings) and "kind" in model.model_fields


def _summary(model: type[BaseModel]) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", ":")) else ".")


def _aside(text: str) -> str:
    """A sentence as it stands beside a key: without full stop, and without capital unless it begins with a name."""
    if ". " in text or not text.endswith("."):
        return text
    word = text.split()[0].rstrip(",;:")
    is_name = not word.isalpha() or word[1:] != word[1:].lower()
    return (text if is_name else text[:1].lower() + text[1:])[:-1]


def _details(model: type[BaseModel]) -> str:
    """What a docstring says after its first paragraph."""
    _, _, rest = (inspect.getdoc(model) or "").partition("\n\n")
    return " ".join(rest.split())


if __name__ == "__main__":
    write_text(PATH, document())
