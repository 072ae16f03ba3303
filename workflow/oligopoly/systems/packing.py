"""Chains at random places in a dilute box."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from oligopoly.seeds import derive

CLEARANCE = 2.0  # A between atoms of different molecules when they are placed


AVOGADRO_A3 = 0.602214076  # g/mol per A^3 -> 1 g/cm3 is 0.602 g/mol/A^3


def place(conformations, chains, template, density, seed):
    """Positions (chains*n, 3), molecules whole, and the length of the cubic box, in A.

    Random places and orientations with at least CLEARANCE between atoms of different molecules;
    the box grows by 10 % in length when a chain finds no room.
    """
    rng = np.random.default_rng(derive(seed, "placement"))
    mass = sum(atom.GetMass() for atom in template.GetAtoms()) * chains
    length = (mass / (density * AVOGADRO_A3)) ** (1 / 3)
    while True:
        placed: list[np.ndarray] = []
        for k in range(chains):
            shape = conformations[k] - conformations[k].mean(axis=0)
            for _ in range(200):
                trial = Rotation.random(random_state=rng.integers(2**31)).apply(shape) + rng.uniform(0, length, 3)
                if not placed:
                    break
                tree = cKDTree(np.mod(np.concatenate(placed), length), boxsize=length * (1 + 1e-12))
                if tree.query(np.mod(trial, length))[0].min() > CLEARANCE:
                    break
            else:
                break
            placed.append(trial)
        if len(placed) == chains:
            return np.concatenate(placed), length
        length *= 1.1
