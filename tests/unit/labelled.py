"""Frames labelled by a random linear potential, which a fit can find again."""

import numpy as np
from ase import Atoms

from oligopoly.ace import fit as fitting
from oligopoly.ace.design import Design
from oligopoly.systems.topology import Topology

LIMITS = {"n_max": [12, 5, 3], "l_max": [0, 5, 4]}


def labelled_frames(count, seed=0, periodic=True):
    """Frames of C and H labelled by a random linear potential (30 functions per element within `LIMITS`)."""
    rng = np.random.default_rng(seed)
    basis = fitting.basis(["C", "H"], 30, 4.0, **LIMITS, E0={"C": -3.0, "H": -1.0})
    design = Design(basis)
    coefficients = 0.1 * np.random.default_rng(99).normal(size=design.size)
    frames = []
    for _ in range(count):
        # no contacts, so that no atom sits in the core that `fit` adds
        grid = 1.9 * np.array([(x, y, z) for x in range(2) for y in range(2) for z in range(2)])
        atoms = Atoms("C4H4", positions=grid + 0.25 * rng.normal(size=(8, 3)))
        if periodic:
            atoms.set_cell([3.8 * rng.uniform(0.98, 1.1)] * 3)
            atoms.pbc = True
        rows = design.rows(atoms)
        atoms.info["REF_energy"] = float(rows.energy @ coefficients) - 16.0
        atoms.arrays["REF_forces"] = (rows.forces @ coefficients).reshape(-1, 3)
        if periodic:
            s = rows.virial @ coefficients / atoms.get_volume()
            atoms.info["REF_stress"] = s[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
        frames.append(atoms)
    return frames


def box(seed: int = 3) -> tuple[Atoms, Topology]:
    """A cell eight times, as one molecule without bonds, which a watch lets pass."""
    atoms = labelled_frames(1, seed=seed)[0].repeat(2)
    del atoms.arrays["REF_forces"]
    atoms.info.clear()
    count = len(atoms)
    zeros = np.zeros(count, int)
    return atoms, Topology(np.array(atoms.numbers), zeros, zeros, np.zeros((0, 2), int), atoms.get_masses())
