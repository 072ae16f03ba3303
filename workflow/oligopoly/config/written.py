"""YAML for people: values on one line, comments beside them in a column of their own."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

WIDTH = 118  # of a line, two less than it may have: it may become a comment
COLUMN = 30  # where comments begin, if the values leave room
NARROW = 48  # of a comment: with less room it stands above the key


def flow(value: Any) -> str:
    """A value on one line, in braces and brackets where it is more than one."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(content)}" for key, content in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    mantissa, mark, exponent = f"{value:g}".partition("e")
    if not mark:
        return mantissa
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent)}"  # 1e-8 would be a word in YAML


def _is_plain(text: str) -> bool:
    try:
        return yaml.safe_load(f"[{text}]") == [text] and ": " not in text
    except yaml.YAMLError:
        return False


def line(indent: int, text: str, comment: str = "", column: int = COLUMN) -> Iterator[str]:
    """A key with its comment beside it, or above it where there is no room."""
    text = " " * indent + text
    start = max(column, len(text) + 2)
    room = WIDTH - start - len("# ")
    if not comment:
        yield text
    elif room < min(NARROW, len(comment)):
        yield from remark(indent, comment)
        yield text
    else:
        first, *more = textwrap.wrap(comment, room, break_long_words=False, break_on_hyphens=False)
        yield f"{text:<{start}}# {first}"
        yield from (" " * start + f"# {rest}" for rest in more)


def remark(indent: int, text: str) -> Iterator[str]:
    """A comment on lines of its own."""
    for wrapped in textwrap.wrap(text, WIDTH - indent - len("# "), break_long_words=False, break_on_hyphens=False):
        yield " " * indent + f"# {wrapped}"


def commented(indent: int, lines: Iterator[str]) -> Iterator[str]:
    """Lines that begin at `indent` or later, as a comment there."""
    for text in lines:
        yield " " * indent + f"# {text[indent:]}".rstrip()
