"""Config files as plain data: YAML of one meaning (that of YAML 1.2's core schema), and JSON; nothing is evaluated.

Snakemake reads config files itself, by a loader that evaluates templates, lets the second of two equal keys win, and
takes `NO` for false and `1e-3` for a word. It is told to use this one (see `snakemake_logger_plugin_oligopoly`), and
the Snakefile reads the files once more, in case it was not.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from oligopoly.errors import UserError

LARGEST = 200_000  # bytes of a file, and values in it once references are followed
DEEPEST = 30  # blocks within blocks
TEMPLATES = ("__use_yte__", "__definitions__", "__variables__")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_TAG = "tag:yaml.org,2002:"
_KIND = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}


class _Wrong(Exception):
    """What is wrong, at a mark of YAML or in a line."""

    def __init__(self, what: str, at: Any = None):
        super().__init__(what)
        self.line = at.line + 1 if hasattr(at, "line") else at


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, and words are words."""

    yaml_implicit_resolvers: dict = {}


for _name, _pattern, _first in (
    ("bool", re.compile("true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", re.compile("~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("merge", re.compile("<<"), "<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern.pattern})$"), list(_first))


def load(path: str | Path) -> dict[str, Any]:
    """What the config file `path` says.

    Raises UserError with the file and, where there is one, the line: it is not there, no text in UTF-8, no YAML or
    JSON, or says something in a way that could be understood in two.
    """
    return loads(_text(Path(path)), str(path))


def loads(text: str, source: str) -> dict[str, Any]:
    """The same of the text of a file; `source` names it in messages."""
    try:
        data = _read(text)
    except _Wrong as error:
        raise UserError(f"{source}{_place(text, error.line)}: {error}") from None
    if not isinstance(data, dict):
        what = {list: "a list", type(None): "empty"}.get(type(data), "one value")
        raise UserError(f"{source}: is {what}: a config has keys with their values, such as `run: my-study`")
    for name in TEMPLATES:
        if name in data:
            raise UserError(f"{source}: {name}: a config is data, and templates are not evaluated: write the values")
    return data


def _place(text: str, line: int | None) -> str:
    if line is None:
        return ""
    said = "".join(c if c.isprintable() else " " for c in text.split("\n")[line - 1 : line][0].strip())
    return f", line {line}" + (f" ({said[:50]}{'...' if len(said) > 50 else ''})" if said else "")


def merged(files: Iterable[str | Path], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What config files say, later ones before earlier ones, and `overrides` (`--config`) before all."""
    found: dict[str, Any] = {}
    for file in files:
        _update(found, load(file))
    _update(found, retyped(overrides))
    return found


def retyped(data: Any) -> Any:
    """A copy in which numbers are numbers that a command line has as text (Snakemake's `--config 'a={b: 1}'`)."""
    if isinstance(data, Mapping):
        return {key: retyped(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [retyped(value) for value in data]
    if isinstance(data, str):
        try:
            loader = _Loader("")
            return loader.construct_object(yaml.ScalarNode(loader.resolve(yaml.ScalarNode, data, (True, False)), data))
        except _Wrong:
            return data
    return data


def _update(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), dict):
            _update(found[key], value)
        else:
            found[key] = value


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a folder, where a config file is expected")
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is no regular file; give the config as one")
        raw = path.read_bytes()
    except FileNotFoundError:
        beside = [one.name for one in path.parent.glob("*") if one.is_file()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"; did you mean '{path.parent / near[0]}'?" if near else ""
        raise UserError(f"{path}: no such config file{hint}") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST:
        raise UserError(f"{path}: has {len(raw)} bytes, and a config at most {LARGEST}: is it another file?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: is written in UTF-16: save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: is not written in UTF-8 (byte {raw[error.start]:#x}): save the file as UTF-8"
        ) from None


def _read(text: str) -> Any:
    for number, line in enumerate(text.split("\n"), 1):
        comment = re.search(r"(?:^|\s)#", line)
        for column, character in enumerate(line.rstrip("\r")):
            shown = comment and column > comment.start() and unicodedata.category(character) in ("Cf", "Zs")
            if not (character.isprintable() or character == "\t" or shown):
                name = unicodedata.name(character, "control character").lower()
                raise _Wrong(f"has an invisible character ({name}, {ord(character):#06x}): delete it", number)
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON, which is YAML but for these
    try:
        _vet(text)
        return _plain(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise _explained(error) from None
    except yaml.YAMLError as error:
        raise _Wrong(f"is no YAML: {error}") from None


def _vet(text: str) -> None:
    """What makes a loader run, run on or fall over: tags, many documents, references that grow, deep nesting."""
    documents = 0
    blocks: list[tuple[str | None, list[int]]] = []  # their anchors, and how many values they have
    known: dict[str, int] = {}
    for event in yaml.parse(text, Loader=_Loader):
        at, anchor = event.start_mark, getattr(event, "anchor", None)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Wrong("a second document begins with '---': a config is one", at)
        tag = getattr(event, "tag", None)
        if tag:
            said = tag.replace(_TAG, "!!")
            raise _Wrong(f"has the tag {said[:60]}: a config is plain data, without tags", at)
        weight = 0
        if isinstance(event, yaml.AliasEvent):
            if any(name == anchor for name, _ in blocks):
                raise _Wrong(f"*{anchor} refers to the block that it stands in", at)
            if anchor not in known:
                raise _Wrong(f"*{anchor} refers to nothing: where a word that begins with '*' is meant, quote it", at)
            weight = known[anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            blocks.append((anchor, [1]))
            if len(blocks) > DEEPEST:
                raise _Wrong(f"has more than {DEEPEST} blocks or lists inside each other", at)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, (weight,) = blocks.pop()
        elif isinstance(event, yaml.ScalarEvent):
            weight = 1
        if anchor is not None and not isinstance(event, yaml.AliasEvent | yaml.CollectionStartEvent):
            known[anchor] = weight
        if blocks:
            blocks[-1][1][0] += weight
            if blocks[-1][1][0] > LARGEST:
                raise _Wrong(f"has more than {LARGEST} values once its references are followed", at)


def _plain(data: Any) -> Any:
    """A copy in which nothing is shared."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list) else data


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Wrong("a key is a block or a list: keys are words (does a '{' need quotes?)", key.start_mark)
        kind = key.tag.removeprefix(_TAG)
        if kind in _KIND:
            given = f"the key {key.value[:40]} means {_KIND[kind]}" if key.value else "a key is empty"
            raise _Wrong(f"{given}: keys are words; put it in quotes if it is meant as one", key.start_mark)
        if key.value in seen:
            raise _Wrong(f"the key '{key.value[:60]}' is given twice, first in line {seen[key.value]}", key.start_mark)
        seen[key.value] = key.start_mark.line + 1
    try:
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)
    except yaml.constructor.ConstructorError as error:
        if "merging" in str(error.problem):
            raise _Wrong("'<<' takes a reference to a block, such as <<: *name", error.problem_mark) from None
        raise


def _number(loader: _Loader, node: yaml.ScalarNode) -> float | int:
    text = node.value
    if _INT.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits.startswith("0"):
            plain = digits.lstrip("0") or "0"
            raise _Wrong(f"{text[:40]} begins with 0: write {plain[:40]}, or quote it if it is a name", node.start_mark)
        if len(digits) < 30:
            return int(text)
    value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(value):
        raise _Wrong(f"{text[:40]} is not a finite number", node.start_mark)
    return value


_Loader.add_constructor(_TAG + "map", _mapping)
_Loader.add_constructor(_TAG + "int", _number)
_Loader.add_constructor(_TAG + "float", _number)


def _explained(error: yaml.MarkedYAMLError) -> _Wrong:
    """A message of YAML's in words: what is likely wrong."""
    problem, context = error.problem or "", error.context or ""
    at, opened = error.problem_mark or error.context_mark, error.context_mark
    begins = f"in line {opened.line + 1}" if opened else "above"
    text, here = (at.buffer or "", at.pointer) if at is not None else ("", 0)
    if "\\t" in problem or text[here : here + 1] == "\t":
        return _Wrong("has a tab: YAML is indented with spaces", at)
    if "alias" in context or "anchor" in context:
        return _Wrong("'*' or '&' begins a value, which YAML takes for a reference: put SMILES in quotes, '*CC*'", at)
    if "tag" in context or "tag" in problem:
        return _Wrong("'!' begins a value, which YAML takes for a tag: put the value in quotes", at)
    if "quoted scalar" in context:
        return _Wrong(f"the quote that opens {begins} is not closed" if "end of stream" in problem else problem, opened)
    if "flow sequence" in context or "flow mapping" in context:
        bracket = "[" if "sequence" in context else "{"
        return _Wrong(f"the bracket '{bracket}' that opens {begins} is not closed, or a comma is missing before", at)
    if "could not find expected ':'" in problem:
        return _Wrong("a key stands without ':', or its value goes on at the wrong indentation", opened or at)
    if "mapping values are not allowed" in problem:
        return _Wrong(
            "a ':' stands where no key can begin: is this line or the one above indented wrongly, or does the value "
            "need quotes?",
            at,
        )
    if "found ':'" in problem:
        return _Wrong("a ':' stands without a key", at)
    if "block end" in problem and text[text.rfind("\n", 0, here) + 1 : here].strip(" -"):
        return _Wrong("something follows a value that has ended: is there a quote within the quotes?", at)
    if "block mapping" in context or "block sequence" in context or "block end" in problem:
        return _Wrong(f"is not indented like the block that begins {begins}", at)
    if "cannot start any token" in problem:
        character = problem.split("'")[1] if "'" in problem else "this character"
        return _Wrong(f"no value begins with '{character}': put it in quotes", at)
    if "sequence entries are not allowed" in problem:
        return _Wrong("a '-' stands where no list can begin: put the list below its key, or the value in quotes", at)
    return _Wrong(f"is no YAML: {problem}", at)
