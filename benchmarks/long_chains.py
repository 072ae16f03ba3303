"""Long chains built and pushed off each other: `python benchmarks/long_chains.py`, minutes on one core. Results:
long_chains.md."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.md import placement
from oligopoly.md.lammps import start
from oligopoly.md.push_off import push_off
from oligopoly.properties.dimensions import longest_ways
from oligopoly.systems import datafile
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology

MELTS = {
    "ua": ({"kind": "trappe-ua"}, "*CC*", 200, 40, 450.0),
    "all-atom": ({"kind": "gaff2"}, "*CC*", 50, 20, 450.0),
    "beads": ({"kind": "kremer-grest"}, "*C*", 200, 20, 300.0),
}
SEPARATIONS = (8, 24, 48, 96, 198)
AFTER = 5000  # steps of 1 fs


def told(positions: np.ndarray, ways: np.ndarray) -> str:
    """R^2(s)/s by s, with errors over chains."""
    chains, found = positions[ways], []
    for s in (s for s in SEPARATIONS if s < ways.shape[1]):
        each = ((chains[:, s:] - chains[:, :-s]) ** 2).sum(axis=2).mean(axis=1) / s
        found.append(f"{s}: {each.mean():.2f} +- {each.std(ddof=1) / np.sqrt(len(each)):.2f}")
    return ", ".join(found)


def melt(folder: Path, block: dict, unit: str, units: int, chains: int, temperature: float) -> None:
    """Build, push off, and move a little."""
    data, system = folder / "built.data", folder / "system.json"
    settings = FORCE_FIELDS.read(block)
    begin = time.perf_counter()
    build_system(
        data, system, repeat_unit=unit, end_groups=["*[H]", "*[H]"], degree_of_polymerisation=units, chains=chains,
        force_field=settings, seed=1,
    )  # fmt: skip
    built = time.perf_counter()
    topology = Topology.read(system)
    chain, positions, cell = datafile.read(data, topology.atoms_per_chain)
    ways = np.array(longest_ways(topology.numbers, topology.bonds, topology.molecules))
    print(f"{len(topology)} particles, built in {built - begin:.0f} s; R2/s {told(positions, ways)}")
    lmp = start()
    commands = settings.create().commands("md", True, impropers=chain.has_impropers)
    for command in [*commands, "neighbor 2.0 bin", "neigh_modify every 1 delay 0 check yes", f"read_data {data}"]:
        lmp.command(command)
    push_off(lmp, chain, commands, temperature, 1.0, seed=1)
    lmp.command("minimize 1.0e-5 1.0e-5 1000 10000")
    pushed = time.perf_counter()
    after, cell = placement.unwrapped(lmp, periodic=True)
    close = len(topology.close_contacts(after, cell))
    broken = len(topology.broken_bonds(after))
    print(f"pushed off in {pushed - built:.0f} s: {close} contacts, {broken} bonds broken; R2/s {told(after, ways)}")
    lmp.command(f"velocity all create {temperature} 1 mom yes rot yes dist gaussian")
    lmp.command(f"fix move all nvt temp {temperature} {temperature} 100")
    lmp.command(f"run {AFTER}")
    after, _ = placement.unwrapped(lmp, periodic=True)
    print(f"after {AFTER} steps at {lmp.get_thermo('temp'):.0f} K: R2/s {told(after, ways)}")
    lmp.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("melts", nargs="*", default=list(MELTS), choices=list(MELTS))
    for name in parser.parse_args().melts:
        print(name, json.dumps(MELTS[name][0]))
        with tempfile.TemporaryDirectory() as scratch:
            melt(Path(scratch), *MELTS[name])
