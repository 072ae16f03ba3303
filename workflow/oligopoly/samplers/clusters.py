"""Structures of generation 0: frames of reference MD, and finite clusters cut from them.

Clusters let methods without periodicity label the potential's data; 1..N whole molecules around
one of them, unwrapped along bonds, as they sit in the liquid.
"""

from collections.abc import Mapping, Sequence

import numba
import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.seeds import derive
from oligopoly.systems.topology import Topology


def cut_clusters(atoms: Atoms, topology: Topology, sizes: Sequence[int], per_frame: int, seed: int) -> list[Atoms]:
    """`per_frame` clusters of a periodic frame, their numbers of molecules taken in turn from `sizes`.

    Around a random molecule, the molecules whose nearest images come nearest, by the smallest
    distance of two atoms; sizes beyond what the box holds are capped. The info of `atoms` is kept
    and `origin_molecules` names the molecules, the central one first.
    """
    rng = np.random.default_rng(seed)
    topology = topology.of(len(atoms))
    cell = atoms.cell.array
    whole = topology.unwrap(atoms.positions, cell)
    centres = rng.permutation(topology.n_molecules)
    clusters = []
    for k in range(per_frame):
        centre = int(centres[k % len(centres)])
        size = min(sizes[k % len(sizes)], topology.n_molecules)
        distances, shifts = neighbours(whole, cell, topology, centre)
        molecules = np.argsort(distances, kind="stable")[:size]
        clusters.append(_cluster(atoms, topology, whole, molecules, shifts[molecules] @ cell))
    return clusters


def cut_around(atoms: Atoms, topology: Topology, atom: int, size: int) -> Atoms:
    """The `size` molecules of a periodic frame that come nearest to `atom`, its own first.

    As `cut_clusters`, for the surroundings of one atom.
    """
    topology = topology.of(len(atoms))
    cell = atoms.cell.array
    whole = topology.unwrap(atoms.positions, cell)
    away = whole - whole[atom]
    shifts = -np.round(away @ np.linalg.inv(cell))
    distances = np.linalg.norm(away + shifts @ cell, axis=1)
    own = topology.molecules == topology.molecules[atom]
    distances[own], shifts[own] = 0.0, 0.0
    # Of each molecule the image whose nearest atom is nearest.
    nearest = np.array(
        [np.flatnonzero(topology.molecules == m)[np.argmin(distances[topology.molecules == m])]
         for m in range(topology.n_molecules)]
    )  # fmt: skip
    chosen = np.argsort(distances[nearest], kind="stable")[:size]
    return _cluster(atoms, topology, whole, chosen, shifts[nearest[chosen]] @ cell)


def neighbours(whole: np.ndarray, cell: np.ndarray, topology: Topology, centre: int) -> tuple[np.ndarray, np.ndarray]:
    """How near each molecule comes to molecule `centre`: distances (M,) in A, image shifts (M, 3).

    `whole` positions (N, 3) with molecules whole. Molecule m moved by shifts[m] @ cell is the
    image that comes nearest. The centre itself has distance 0.
    """
    size = topology.atoms_per_chain
    cell = np.asarray(cell, float)
    return _nearest(np.ascontiguousarray(whole), cell, np.linalg.inv(cell), size, centre)


def _cluster(atoms: Atoms, topology: Topology, whole: np.ndarray, molecules: np.ndarray, moves: np.ndarray) -> Atoms:
    size = topology.atoms_per_chain
    rows = (molecules[:, None] * size + np.arange(size)).ravel()
    positions = whole[rows] + np.repeat(moves, size, axis=0)
    positions -= positions.mean(axis=0)
    cluster = Atoms(numbers=topology.numbers[rows], positions=positions)
    cluster.info.update({k: v for k, v in atoms.info.items() if k.startswith("origin_")})
    cluster.info["origin_molecules"] = " ".join(map(str, molecules))
    cluster.info["config_type"] = "cluster"
    return cluster


@numba.njit(cache=True)
def _nearest(whole, cell, inverse, size, centre):
    count = len(whole) // size
    best = np.full(count, np.inf)
    shifts = np.zeros((count, 3))
    f = np.empty(3)
    s = np.empty(3)
    for m in range(count):
        if m == centre:
            best[m] = 0.0
            continue
        for i in range(centre * size, (centre + 1) * size):
            for j in range(m * size, (m + 1) * size):
                for a in range(3):
                    f[a] = 0.0
                    for b in range(3):
                        f[a] += (whole[j, b] - whole[i, b]) * inverse[b, a]
                    s[a] = -np.round(f[a])
                    f[a] += s[a]
                d2 = 0.0
                for a in range(3):
                    r = f[0] * cell[0, a] + f[1] * cell[1, a] + f[2] * cell[2, a]
                    d2 += r * r
                if d2 < best[m]:
                    best[m] = d2
                    shifts[m, 0], shifts[m, 1], shifts[m, 2] = s[0], s[1], s[2]
    return np.sqrt(best), shifts


def evenly(count: int, available: int, offset: float = 0.5) -> np.ndarray:
    """Indices of min(count, available) evenly spaced items, without the ends for offset 0.5."""
    count = min(count, available)
    if count == 0:
        return np.zeros(0, dtype=int)
    return np.floor((np.arange(count) + offset) * available / count).astype(int)


def initial_pool(
    trajectories: Mapping[str, Sequence[Atoms]],
    topology: Topology,
    *,
    system: str,
    frames_per_state: int,
    sizes: Sequence[int],
    clusters: int,
    seed: int,
) -> list[Atoms]:
    """Periodic frames evenly spaced over each trajectory, then `clusters` clusters over all of them.

    `trajectories`: periodic frames by the name of their state point, which becomes
    `origin_sampler`; a frame's `step` becomes `origin_step`. Frames come out with molecules whole.
    """
    pool = []
    for name, trajectory in trajectories.items():
        for k in evenly(frames_per_state, len(trajectory)):
            frame = _bare(trajectory[k], topology, system, name)
            frame.info["config_type"] = "bulk"
            pool.append(frame)

    filled = [name for name in trajectories if len(trajectories[name])]
    for place, name in enumerate(filled):
        trajectory = trajectories[name]
        share = clusters // len(filled) + (place < clusters % len(filled))
        # One cluster per frame where frames suffice: neighbours in one frame are much alike.
        chosen = evenly(share, len(trajectory), offset=0.25)
        for k, index in enumerate(chosen):
            count = share // len(chosen) + (k < share % len(chosen))
            turn = [sizes[(place + k + i) % len(sizes)] for i in range(len(sizes))]
            frame = _bare(trajectory[index], topology, system, name)
            pool += cut_clusters(frame, topology, turn, count, derive(seed, "clusters", system, name, index))
    return pool


def _bare(atoms: Atoms, topology: Topology, system: str, sampler: str) -> Atoms:
    """Copy with molecules whole and nothing but its origin."""
    topology = topology.of(len(atoms))
    positions = topology.unwrap(atoms.positions, atoms.cell.array)
    bare = Atoms(numbers=atoms.numbers, positions=positions, cell=atoms.cell, pbc=True)
    frame_files.set_origin(bare, system, 0, sampler, int(atoms.info.get("step", 0)))
    return bare
