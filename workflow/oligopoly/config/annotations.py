"""What the annotation of a key says: which blocks, kinds of part, or words it takes."""

import types
import typing
from typing import Any, Literal

from pydantic import BaseModel, Tag


def kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Models by kind of a key that takes one of several kinds of part."""
    found: dict[str, type[BaseModel]] = {}
    for part in alternatives(annotation):
        marks = [mark for mark in getattr(part, "__metadata__", ()) if isinstance(mark, Tag)]
        if marks:
            found[marks[0].tag] = part.__origin__
        elif hasattr(part, "__metadata__"):
            found |= kinds(part.__origin__)
    return found


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a key that takes a block of one kind."""
    found = (part for part in alternatives(annotation) if isinstance(part, type) and issubclass(part, BaseModel))
    return next(found, None)


def of_entries(annotation: Any) -> Any:
    """The annotation of what a key holds by name; None for all other keys."""
    return bare(typing.get_args(annotation)[1]) if typing.get_origin(annotation) is dict else None


def words(annotation: Any) -> list[str]:
    """The words that a key takes, where there is a fixed list of them."""
    found = [part for part in alternatives(annotation) if typing.get_origin(part) is Literal]
    return [word for part in found for word in typing.get_args(part)] if len(found) == 1 else []


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that a key may have."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def bare(annotation: Any) -> Any:
    """Without what `Annotated` adds."""
    return getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation
