"""How long the analysis of a long trajectory takes, and how much memory: numbers in analysis.md.

    python benchmarks/analysis.py FOLDER make [FRAMES]     a melt of 20 chains of 302 atoms, as production writes it
    python benchmarks/analysis.py FOLDER measure [THREADS] all default properties of an NVT run

The motion is made up (chains that diffuse, atoms that tremble): only the time it takes to analyse it is of interest.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

CHAINS, UNITS, DENSITY = 20, 50, 0.77  # g/cm3


def make(folder: Path, frames: int) -> None:
    """Trajectory, thermo table and system.json."""
    from oligopoly.forcefields.gaff2 import Settings
    from oligopoly.md.simulation import Sample
    from oligopoly.md.trajectory import writers
    from oligopoly.properties.density import GRAM_PER_CM3
    from oligopoly.properties.msd import centres
    from oligopoly.systems.box import read_box
    from oligopoly.systems.build import build_system
    from oligopoly.systems.topology import Topology

    system, data = folder / "system.json", folder / "built.data"
    build_system(
        data, system, repeat_unit="*CC*", end_groups=("*[H]", "*[H]"), degree_of_polymerisation=UNITS, chains=CHAINS,
        force_field=Settings(), seed=1,
    )  # fmt: skip
    topology = Topology.read(system)
    box = read_box(data, topology)
    length = (topology.masses.sum() * GRAM_PER_CM3 / DENSITY) ** (1 / 3)
    middles = centres(box.positions[None], topology.masses, topology.molecules)[0]
    start = box.positions + (middles * (length / box.cell[0, 0] - 1))[topology.molecules]
    rng = np.random.default_rng(1)
    drift = np.zeros((CHAINS, 3))
    status = {"nvt": {"outcome": "completed", "reason": "ran to its end"}}
    (folder / "status.json").write_text(json.dumps(status))
    with writers(folder / "nvt", topology.numbers, topology.masses, True) as (trajectory, thermo):
        for k in range(frames):
            drift += rng.normal(0, 0.05, drift.shape)
            positions = start + drift[topology.molecules] + rng.normal(0, 0.1, start.shape)
            sample = Sample(500 * k, 250.0 * k, positions, length * np.eye(3), 450.0, 1.0, 0.0, 0.0)
            trajectory.write(sample)
            thermo.write(sample)


def measure(folder: Path, threads: int) -> None:
    """As the rule `properties` does, of one engine."""
    from oligopoly.config.production import Properties
    from oligopoly.properties.compare import compare

    began = time.monotonic()
    compare(
        {"learned": [folder]}, {"nvt": "nvt"}, folder / "system.json", folder / f"properties.{threads}.json",
        properties=Properties().chosen({"nvt"}), temperature=450.0, threads=threads,
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{threads} threads: {time.monotonic() - began:.0f} s, {peak:.0f} MB at most")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    number = int(sys.argv[3]) if len(sys.argv) > 3 else None
    make(where, number or 10_000) if sys.argv[2] == "make" else measure(where, number or 2)
