"""Chains at random places in a dilute box."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from oligopoly.seeds import derive

CLEARANCE = 2.0  # A between atoms of different molecules when they are placed


AVOGADRO_A3 = 0.602214076  # g/mol per A^3 -> 1 g/cm3 is 0.602 g/mol/A^3


def place(conformations, chains, mass, density, seed, apart=False, clearance=CLEARANCE):
    """Positions (chains*n, 3), molecules whole, and the length of the cubic box, in A.

    mass: of a chain, g/mol. Random places and orientations with at least `clearance` between atoms of different
    molecules or images; the box grows by 10 % in length when a chain finds no room. `apart`: the spheres around the
    molecules do not overlap, so that no ring threads another.
    """
    rng = np.random.default_rng(derive(seed, "placement"))
    length = (chains * mass / (density * AVOGADRO_A3)) ** (1 / 3)
    while True:
        placed: list[np.ndarray] = []
        spheres: list[tuple[np.ndarray, float]] = []
        for k in range(chains):
            shape = conformations[k] - conformations[k].mean(axis=0)
            radius = np.linalg.norm(shape, axis=1).max()
            for _ in range(200):
                center = rng.uniform(0, length, 3)
                trial = Rotation.random(random_state=rng.integers(2**31)).apply(shape) + center
                if apart and not _clear(center, radius, spheres, length):
                    continue
                if _meets_itself(trial, length, clearance):
                    continue
                if not placed:
                    break
                tree = cKDTree(np.mod(np.concatenate(placed), length), boxsize=length * (1 + 1e-12))
                if tree.query(np.mod(trial, length))[0].min() > clearance:
                    break
            else:
                break
            placed.append(trial)
            spheres.append((center, radius))
        if len(placed) == chains:
            return np.concatenate(placed), length
        length *= 1.1


def overlapping(conformations: list[np.ndarray], mass: float, density: float, seed: int) -> tuple[np.ndarray, float]:
    """As `place`, at the density (g/cm3) of a melt, through each other: what is squeezed from a dilute box is smaller
    than in a melt, and a long chain never recovers its size. Overlaps are for `md.push_off`."""
    rng = np.random.default_rng(derive(seed, "placement"))
    length = (len(conformations) * mass / (density * AVOGADRO_A3)) ** (1 / 3)
    turned = [
        Rotation.random(random_state=rng.integers(2**31)).apply(shape - shape.mean(axis=0)) + rng.uniform(0, length, 3)
        for shape in conformations
    ]
    return np.concatenate(turned), length


def _meets_itself(positions: np.ndarray, length: float, clearance: float) -> bool:
    """Is an atom near another's image, of a chain longer than the box?"""
    if np.ptp(positions, axis=0).max() < length - clearance:
        return False
    here, images = cKDTree(positions), cKDTree(np.mod(positions, length), boxsize=length * (1 + 1e-12))
    return images.count_neighbors(images, clearance) > here.count_neighbors(here, clearance)


def _clear(center: np.ndarray, radius: float, spheres: list[tuple[np.ndarray, float]], length: float) -> bool:
    if 2 * radius > length:
        return False  # it would thread its own image
    for other, size in spheres:
        apart = center - other
        apart -= length * np.round(apart / length)
        if np.linalg.norm(apart) < radius + size:
            return False
    return True
