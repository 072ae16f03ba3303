"""What all contracts need: the helpers of tests/unit, and the example parts in their registries."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from .examples import finished_run, register, unregister  # noqa: E402


@pytest.fixture(scope="package", autouse=True)
def examples():
    """The example parts are in their registries."""
    register()
    yield
    unregister()


@pytest.fixture(scope="package")
def finished(tmp_path_factory, examples):
    """The folder of a finished run of three generations with synthetic results, and production that was measured."""
    return finished_run(tmp_path_factory.mktemp("results") / "synthetic", generations=3)
