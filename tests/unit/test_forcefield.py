from pathlib import Path

import numpy as np
import pytest

from oligopoly.forcefields.registry import of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.md.lammps import start
from oligopoly.md.units import ATM, KCAL_PER_MOL
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


def test_md_and_labels_are_the_same_energy_surface():
    topology = Topology.read(HEXANE / "system.json")
    box = read_box(HEXANE / "equilibrated.data", topology)
    with ClassicalLabeler(HEXANE / "equilibrated.data", HEXANE / "system.json") as labeler:
        label = labeler.label(box)
    lmp = start()
    for command in of_system(HEXANE / "system.json").commands("md", True, impropers=False):
        lmp.command(command)
    lmp.command(f"read_data {HEXANE / 'equilibrated.data'}")
    lmp.command("run 0")
    energy = lmp.get_thermo("pe") * KCAL_PER_MOL
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3) * KCAL_PER_MOL
    lmp.close()
    assert energy == pytest.approx(label.energy, abs=1e-3)
    assert np.abs(forces - label.forces).max() < 1e-3


def test_units_are_those_of_lammps():
    assert pytest.approx(0.0433641, rel=1e-6) == KCAL_PER_MOL
    assert pytest.approx(101325 / 1.602176634e-19 * 1e-30, rel=1e-6) == ATM
