"""MD on one core, two threads and two MPI ranks: `python benchmarks/threads.py`, results in threads.md.

A box of hexane (tests/data/hexane) repeated, moved by the force field and by ACE, 228 functions per element, with
coefficients so small that atoms fly freely: speed does not depend on them. All ways are open at the same time and take
turns, so that what else the machine does meets all of them; the fastest of several turns counts.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ace_speed
import numpy as np
import psutil

from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.potential import write_yaml
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md.engine import Engine
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import NONE, Uncertainty
from oligopoly.systems import datafile
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = Path(__file__).parents[1] / "tests" / "data"
SIZES = ((1, 1, 1), (2, 2, 2), (5, 3, 2))
TWO_THREADS, TWO_RANKS = Hardware(2), Hardware(1, 2, "mpiexec")


def repeated(copies: tuple[int, int, int], folder: Path):
    """The box repeated along each axis, and its data file."""
    topology = Topology.read(DATA / "hexane" / "system.json")
    box = read_box(DATA / "hexane" / "equilibrated.data", topology)
    chain, _, _ = datafile.read(DATA / "hexane" / "equilibrated.data", topology.atoms_per_chain)
    large = box.repeat(copies)
    path = folder / f"{len(large)}.data"
    datafile.write(path, chain, large.positions, np.asarray(large.cell))
    return large, path


def microseconds(make, ways: list[Hardware], box, turns: int, busy: float, seconds: float) -> list[float]:
    """Wall time per atom and step of each way, the best of `turns` that begin while others use less than `busy` of the
    cores."""
    best = [np.inf] * len(ways)
    with contextlib.ExitStack() as stack:
        simulations = [
            stack.enter_context(open_simulation(make(way), box, Conditions("nvt", 300.0, 0.5), seed=1)) for way in ways
        ]
        for simulation in simulations:
            simulation.ensemble(1_000_000)
            simulation.advance(20)
        steps = 10 * max(1, round(seconds / 10 / (3e-6 * len(box))))
        for _ in range(turns):
            for k, simulation in enumerate(simulations):
                end = time.monotonic() + 20.0
                while psutil.cpu_percent(0.2) > 100 * busy and time.monotonic() < end:
                    pass
                begin = time.perf_counter()
                simulation.advance(steps)
                best[k] = min(best[k], 1e6 * (time.perf_counter() - begin) / steps / len(box))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="so many, the largest")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--busy", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    file = options.folder / "speed.yaml"
    model = ace_speed.potential(228)
    write_yaml(model, file)
    ActiveSet(ace_speed.inverses(model)).write(file.with_suffix(".asi"))
    potential = open_potential(file)
    force_field = of_system(DATA / "hexane" / "system.json")
    print("| atoms | engine | 1 core | 2 threads | ratio | 2 ranks | ratio |\n|---|---|---|---|---|---|---|")
    for copies in SIZES[-options.sizes :]:
        box, data = repeated(copies, options.folder)
        engines: list[tuple[str, Callable[[Hardware], Engine], list[Hardware]]] = [
            ("force field", partial(Classical, data, force_field), [TWO_THREADS, TWO_RANKS]),
            ("built-in ACE", partial(potential.engine, NONE, "built-in"), [TWO_THREADS]),
            (
                "the same, gamma every 10",
                partial(potential.engine, Uncertainty("gamma", 10), "built-in"),
                [TWO_THREADS],
            ),
        ]
        for name, make, ways in engines:
            times = microseconds(make, [ONE_CORE, *ways], box, options.turns, options.busy, options.seconds)
            row = " | ".join(f"{one:.2f} | {times[0] / one:.2f}" for one in times[1:])
            print(f"| {len(box)} | {name} | {times[0]:.2f} | {row}{' | | ' * (len(times) < 3)} |", flush=True)
    print(f"load at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
