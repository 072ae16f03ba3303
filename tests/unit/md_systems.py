"""Small systems for tests of MD: argon by brute force, and a box of hexane."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from oligopoly.md import placement
from oligopoly.md.engine import Computed, by_element, mass_commands
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.units import METAL
from oligopoly.potentials.uncertainty import gamma
from oligopoly.systems.topology import Topology

EPSILON, SIGMA, CUTOFF = 0.0103, 3.405, 6.0  # eV, A, A


class LennardJones:
    """An `oligopoly.md.engine.Evaluator`; cut at CUTOFF, unshifted.

    Its score, as gamma, is largest neighbour density: 1 at a distance of SIGMA.
    """

    def __init__(self):
        self.calls = 0

    def compute(self, numbers, positions, cell=None, pbc=None, scored=False):
        self.calls += 1
        n = len(positions)
        i, j = np.triu_indices(n, 1)
        d = positions[j] - positions[i]
        if np.all(pbc):
            d = d - np.rint(d @ np.linalg.inv(cell)) @ cell
        r2 = (d**2).sum(1)
        near = r2 < CUTOFF**2
        i, j, d, r2 = i[near], j[near], d[near], r2[near]
        s6 = (SIGMA**2 / r2) ** 3
        pair = 4 * EPSILON * (s6**2 - s6)
        slope = -24 * EPSILON * (2 * s6**2 - s6) / r2  # dE/dr / r
        forces = np.zeros((n, 3))
        np.add.at(forces, i, slope[:, None] * d)
        np.add.at(forces, j, -slope[:, None] * d)
        grades = np.zeros(n)
        for a in (i, j):
            np.maximum.at(grades, a, s6)
        virial = np.einsum("k,ka,kb->ab", slope, d, d)
        return Computed(float(pair.sum()), forces, virial, gamma(grades) if scored else None)


@dataclass
class PairLJ:
    """LAMMPS' own Lennard-Jones as an engine."""

    units = METAL
    hardware: Hardware = ONE_CORE

    def load(self, lmp, atoms, hydrogen_mass):
        elements, types = by_element(atoms)
        for command in ["units metal", "atom_style atomic", "boundary p p p", "atom_modify map array"]:
            lmp.command(command)
        placement.create(lmp, atoms, types, 1)
        for command in [
            *mass_commands(atoms, elements, None),
            f"pair_style lj/cut {CUTOFF}",
            f"pair_coeff * * {EPSILON} {SIGMA}",
            "neigh_modify every 1 delay 0",
        ]:
            lmp.command(command)

    def score(self, lmp):
        return None

    def failure(self):
        return None


def argon(n: int = 4, seed: int = 0, tilted: bool = False) -> tuple[Atoms, Topology]:
    """n^3 argon atoms near a lattice, each a molecule; unwrapped on purpose."""
    rng = np.random.default_rng(seed)
    a = 3.9
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3) * a
    cell = np.eye(3) * n * a
    if tilted:
        cell = cell @ np.array([[1, 0, 0], [0.15, 1, 0], [-0.1, 0.05, 1]])
        grid = grid @ np.linalg.inv(np.eye(3) * n * a) @ cell
    positions = grid + rng.normal(scale=0.05, size=grid.shape) + 0.4
    positions += rng.integers(-1, 2, size=(len(grid), 3)) @ cell
    count = len(grid)
    topology = Topology(
        numbers=np.full(count, 18),
        molecules=np.arange(count),
        repeat_units=np.zeros(count, int),
        bonds=np.zeros((0, 2), int),
        masses=np.full(count, 39.948),
    )
    return Atoms(np.full(count, 18), positions, cell=cell, pbc=True), topology
