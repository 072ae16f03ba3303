"""MD on one and two threads: `python benchmarks/threads.py`, results in threads.md.

A cube of hexane boxes (tests/data/hexane), moved by the force field and by ACE, 228 functions per element, with
coefficients so small that atoms fly freely: speed does not depend on them.
"""

import argparse
import time
from pathlib import Path

import ace_speed
import numpy as np

from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.potential import write_yaml
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import Uncertainty
from oligopoly.systems import datafile
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = Path(__file__).parents[1] / "tests" / "data"


def repeated(copies: int, folder: Path):
    """The box `copies` times along each axis, and its data file."""
    topology = Topology.read(DATA / "hexane" / "system.json")
    box = read_box(DATA / "hexane" / "equilibrated.data", topology)
    chain, _, _ = datafile.read(DATA / "hexane" / "equilibrated.data", topology.atoms_per_chain)
    large = box.repeat(copies)
    path = folder / f"{copies}.data"
    datafile.write(path, chain, large.positions, np.asarray(large.cell))
    return large, path


def microseconds(engine, box, steps: int) -> float:
    """Wall time per atom and step."""
    with open_simulation(engine, box, Conditions("nvt", 300.0, 0.5), seed=1) as simulation:
        simulation.ensemble(2 * steps)
        simulation.advance(steps // 2)
        begin = time.perf_counter()
        simulation.advance(steps)
        return 1e6 * (time.perf_counter() - begin) / steps / len(box)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    options = parser.parse_args()
    file = options.folder / "speed.yaml"
    write_yaml(ace_speed.potential(228), file)
    ActiveSet(ace_speed.inverses(ace_speed.potential(228))).write(file.with_suffix(".asi"))
    potential = open_potential(file)
    force_field = of_system(DATA / "hexane" / "system.json")
    print("| atoms | engine | 1 thread | 2 threads | ratio |\n|---|---|---|---|---|")
    for copies, steps in ((1, 2000), (2, 400), (3, 100)):
        box, data = repeated(copies, options.folder)
        for name, make, factor in (
            ("force field", lambda n, data=data: Classical(data, force_field, n), 1.0),
            ("built-in ACE, gamma every 10", lambda n: potential.engine(Uncertainty("gamma", 10), "built-in", n), 0.25),
        ):
            one, two = (microseconds(make(threads), box, int(steps * factor)) for threads in (1, 2))
            print(f"| {len(box)} | {name} | {one:.2f} | {two:.2f} | {one / two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
