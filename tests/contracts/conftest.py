"""What all contracts need: the helpers of tests/unit, and the example parts in their registries."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from .examples import register, unregister  # noqa: E402


@pytest.fixture(scope="package", autouse=True)
def examples():
    """The example parts are in their registries."""
    register()
    yield
    unregister()
