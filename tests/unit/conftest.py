from pathlib import Path

import pytest

from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


@pytest.fixture(scope="module")
def topology():
    return Topology.read(HEXANE / "system.json")


@pytest.fixture(scope="module")
def box(topology):
    """Liquid hexane, ten chains."""
    return read_box(HEXANE / "equilibrated.data", topology)
