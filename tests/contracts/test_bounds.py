"""Every number that a config takes has a least and a largest value, finite ones; every list an end."""

import math
import typing

import pytest
from pydantic import ValidationError

from oligopoly.config.annotations import alternatives
from oligopoly.config.messages import bounds

from .test_settings import models


def numbers(annotation, metadata=()):
    """The parts of an annotation that are numbers, with what bounds them."""
    for part in alternatives(annotation):
        marks = [*metadata, *getattr(part, "__metadata__", ())]
        part = getattr(part, "__origin__", part) if hasattr(part, "__metadata__") else part
        if part in (int, float):
            yield bounds(part, marks)
        elif typing.get_origin(part) in (list, tuple, dict) or part in alternatives(part)[1:]:
            for inner in typing.get_args(part):
                yield from numbers(inner)
        elif typing.get_origin(part) in (typing.Union,):
            yield from numbers(part, marks)


ALL = [
    (f"{where}.{key}", found)
    for where, model in models().items()
    for key, field in model.model_fields.items()
    for found in numbers(field.annotation, field.metadata)
]


def test_there_are_many():
    assert len(ALL) > 100
    assert {key.split(".")[0] for key, _ in ALL} >= {"config", "trainers", "labelers", "samplers", "properties"}


@pytest.mark.parametrize(("key", "found"), ALL)
def test_a_number_has_bounds(key, found):
    low, high = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    assert low is not None and high is not None, f"{key} needs Field(ge=..., le=...)"
    assert math.isfinite(low) and math.isfinite(high) and low < high


@pytest.mark.parametrize(("where", "model"), models().items())
def test_numbers_are_neither_texts_nor_true(where, model):
    """By `Settings`, whatever a part adds: strict, and finite."""
    for key, field in model.model_fields.items():
        if field.annotation in (int, float):
            for wrong in (True, "1", math.inf, math.nan):
                with pytest.raises(ValidationError):
                    model.__pydantic_validator__.validate_assignment(model.model_construct(), key, wrong)
