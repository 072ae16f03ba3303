"""MD uses the threads it is given, in each of its engines, and moves as with one."""

from pathlib import Path

import numpy as np
import pytest

from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md.hardware import Hardware
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.ace import BuiltIn
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import Uncertainty
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"
PACE = Path(__file__).parents[1] / "data" / "pace"
STEPS = 20


@pytest.fixture(scope="module")
def box():
    return read_box(HEXANE / "equilibrated.data", Topology.read(HEXANE / "system.json"))


def moved(engine, box):
    """Positions after some steps, and LAMMPS' own threads."""
    with open_simulation(engine, box, Conditions("nvt", 300.0, 0.5), seed=1) as simulation:
        simulation.ensemble(STEPS)
        simulation.advance(STEPS)
        return simulation.sample().positions, simulation.lmp.extract_setting("nthreads")


def test_the_force_field_runs_on_lammps_threads(box):
    engines = [Classical(HEXANE / "equilibrated.data", of_system(HEXANE / "system.json"), Hardware(n)) for n in (1, 2)]
    (one, _), (two, threads) = (moved(engine, box) for engine in engines)
    assert threads == 2
    np.testing.assert_allclose(two, one, atol=1e-7)


@pytest.mark.parametrize("kind", ["none", "gamma"])
def test_a_learned_potential_runs_on_threads_of_the_evaluator(box, kind, monkeypatch):
    asked = []
    made = BuiltIn.__init__

    def noted(self, potential, active_set=None, threads=1, skin=0.5):
        asked.append(threads)
        made(self, potential, active_set, threads, skin)

    monkeypatch.setattr(BuiltIn, "__init__", noted)
    potential = open_potential(PACE / "ch_sbessel_r3.yaml")
    engines = [potential.engine(Uncertainty(kind, 10), "built-in", Hardware(threads)) for threads in (1, 2)]
    one, two = (moved(engine, box)[0] for engine in engines)
    assert asked == [1, 2]
    np.testing.assert_allclose(two, one, atol=1e-9)
