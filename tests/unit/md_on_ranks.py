"""MD of hexane with the force field in legs, as a process that can be killed: FOLDER RANKS."""

import sys
from pathlib import Path

from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md.hardware import Hardware
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.operations.logs import logged
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = Path(__file__).parents[1] / "data" / "hexane"
LEG = 50.0

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    topology = Topology.read(DATA / "system.json")
    hardware = Hardware(1, int(sys.argv[2]), "mpiexec")
    with logged(folder / "log"):
        run_md(
            Classical(DATA / "equilibrated.data", of_system(DATA / "system.json"), hardware),
            read_box(DATA / "equilibrated.data", topology),
            topology,
            Conditions("npt", 300.0, 1.0, 1.0),
            duration_fs=2 * LEG,
            sample_every_fs=10.0,
            seed=1,
            out_dir=folder,
            leg_fs=LEG,
        )
