"""Two molecules pushed together: data that leaves a potential no hole between molecules.

A liquid never visits contacts that cost an electronvolt, so a potential learned from it may turn
over there and let atoms of different molecules fuse. Pairs of molecules moved along their line of
approach show such a hole, and as training data they close it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from ase import Atoms
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from oligopoly.samplers.clusters import cut_clusters, evenly
from oligopoly.seeds import derive
from oligopoly.systems.topology import Topology

T = TypeVar("T")
# Closest distances of the scans, A: from an ordinary contact of hydrogens into the wall. With GAFF2
# two hydrogens head on cost 1 eV at 1.63 A and 3 eV at 1.48 A; carbons are met at larger ones.
DISTANCES = (
    2.6,
    2.4,
    2.25,
    2.1,
    2.0,
    1.9,
    1.8,
    1.7,
    1.65,
    1.6,
    1.55,
    1.5,
    1.45,
    1.4,
    1.35,
    1.3,
    1.25,
    1.2,
)
STEP = 0.01  # A, in which the approach is followed


def close_contact_scan(
    pair: Atoms, topology: Topology, distances: Sequence[float] = DISTANCES, seed: int | None = None
) -> list[Atoms]:
    """The second molecule of `pair` (two molecules, not periodic) moved towards the first.

    Along the line of their closest atoms, to the closest intermolecular distances `distances` in A
    (largest first); molecules stay rigid. With a `seed` the second molecule is turned at random
    before, and a random atom of it is aimed at a random atom of the first, from outside: contacts
    that the liquid at hand does not show. Each frame notes `contact_distance` (A) and
    `contact_atoms` in its info. Distances that the line does not reach (the molecules pass each
    other) are left out.
    """
    size = topology.atoms_per_chain
    first, second = pair.positions[:size], pair.positions[size : 2 * size]
    if seed is None:
        between = cdist(first, second)
        i, j = np.unravel_index(between.argmin(), between.shape)
        line = second[j] - first[i]
    else:
        rng = np.random.default_rng(seed)
        i, j = rng.integers(size, size=2)
        line = first[i] - first.mean(axis=0) + rng.normal(scale=0.5, size=3)
        second = Rotation.random(random_state=rng.integers(2**31)).apply(second - second[j]) + first[i]
    line = line / np.linalg.norm(line)
    while cdist(first, second).min() < max(distances) + 0.5 or (second - first.mean(axis=0)).dot(line).min() < 0:
        second = second + 0.1 * line
    reach = max(5.0, np.ptp(first @ line) + np.ptp(second @ line))

    shifts = np.arange(0.0, reach, STEP)
    closest = np.array([cdist(first, second - s * line).min() for s in shifts])
    scan = []
    for distance in sorted(distances, reverse=True):
        below = np.flatnonzero(closest <= distance)
        if len(below) == 0:
            break
        k = below[0]
        # The distance falls linearly between two steps, to far better than it matters.
        fraction = 0.0 if k == 0 else (closest[k - 1] - distance) / (closest[k - 1] - closest[k])
        shift = shifts[k] - (1 - fraction) * STEP if k else 0.0
        frame = Atoms(pair.numbers[: 2 * size], np.concatenate([first, second - shift * line]))
        gaps = cdist(frame.positions[:size], frame.positions[size:])
        i, j = np.unravel_index(gaps.argmin(), gaps.shape)
        frame.info.update({key: value for key, value in pair.info.items() if key.startswith("origin_")})
        frame.info["contact_distance"] = round(float(gaps[i, j]), 4)
        frame.info["contact_atoms"] = f"{i} {size + j}"
        frame.info["config_type"] = "contact"
        scan.append(frame)
    return scan


def contact_pool(
    frames: Sequence[Atoms],
    topology: Topology,
    pairs: int,
    energy: Callable[[Atoms], float],
    max_energy: float,
    seed: int,
    distances: Sequence[float] = DISTANCES,
) -> list[list[Atoms]]:
    """Scans of `pairs` pairs of neighbours from periodic `frames`, every other pair turned at random.

    Each scan ends where `energy` (eV) of the pair has risen by more than `max_energy` (eV) above
    its lowest so far. `origin_step` and the rest are those of the frame.
    """
    scans: list[list[Atoms]] = []
    if len(frames) == 0:
        return scans
    chosen = np.resize(evenly(pairs, len(frames)), pairs)
    for k, index in enumerate(chosen):
        pair = cut_clusters(frames[index], topology, [2], 1, derive(seed, "pair", k))[0]
        pair.info["origin_sampler"] = f"{pair.info.get('origin_sampler', 'md')}-contact{k}"
        scan = close_contact_scan(pair, topology, distances, derive(seed, "turn", k) if k % 2 else None)
        scans.append(list(before_rise(((frame, energy(frame)) for frame in scan), max_energy)))
    return scans


def before_rise(scan: Iterable[tuple[T, float]], max_energy: float) -> Iterator[T]:
    """What has come with an energy (eV) until that is by more than `max_energy` above the lowest so far."""
    lowest = np.inf
    for found, value in scan:
        lowest = min(lowest, value)
        if not value <= lowest + max_energy:
            return
        yield found
