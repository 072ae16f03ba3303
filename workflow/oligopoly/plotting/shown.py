"""What can be shown in a report: pictures, tables, sentences."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure, what it shows, and in a few words for those who cannot see it."""

    figure: Any
    caption: str
    alt: str


@dataclass(frozen=True)
class Table:
    """Rows under a header; `numbers` are the columns set flush right."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    numbers: Sequence[int] = field(default_factory=tuple)


@dataclass(frozen=True)
class Words:
    """Sentences; `soft`: in place of something that is not there."""

    text: str
    soft: bool = False


Shown = Picture | Table | Words

# What engines are called in pictures and tables.
NAMES = {"reference": "reference", "learned": "learned potential"}


@contextlib.contextmanager
def called(name: str) -> Iterator[None]:
    """Call the learned potential otherwise, while the block lasts: what is measured may be any run."""
    before = NAMES["learned"]
    NAMES["learned"] = name
    try:
        yield
    finally:
        NAMES["learned"] = before
