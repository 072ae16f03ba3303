"""Quantities: read back as they were written, bounded, and nothing else than a message for the rest."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from oligopoly import quantities

TYPES = {
    "time": quantities.Time, "temperature": quantities.Temperature, "pressure": quantities.Pressure,
    "length": quantities.Length, "mass": quantities.Mass, "force": quantities.Force, "energy": quantities.Energy,
    "energy per atom": quantities.EnergyPerAtom,
}  # fmt: skip
ADAPTERS = {dimension: TypeAdapter(annotation) for dimension, annotation in TYPES.items()}
UNITS = [(dimension, unit) for dimension, units in quantities.UNITS.items() for unit in units]


def test_each_dimension_has_a_type():
    assert TYPES.keys() == quantities.UNITS.keys()


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(UNITS), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", " ", "  "]))
def test_what_is_written_is_read(unit, number, between):
    dimension, name = unit
    assert quantities.parse(f"{number!r}{between}{name}", dimension) == number * quantities.UNITS[dimension][name]


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(UNITS), st.floats() | st.text(alphabet="0123456789.eE+-_ ٣", max_size=8))
def test_what_is_accepted_is_finite_and_within_bounds(unit, number):
    dimension, name = unit
    try:
        value = ADAPTERS[dimension].validate_python(f"{number} {name}")
    except ValidationError as error:
        assert "must be from" in str(error) or "with its unit" in str(error) or "is no unit" in str(error)
    else:
        assert math.isfinite(value) and value == float(number) * quantities.UNITS[dimension][name]
        assert str(number).isascii()


@settings(deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(TYPES)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
)
def test_the_rest_is_told(dimension, value):
    with pytest.raises(ValidationError, match="with its unit|is no unit of"):
        ADAPTERS[dimension].validate_python(value)
