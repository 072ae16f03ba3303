"""Conformations of a chain by a self-avoiding random walk of its backbone torsions."""

from collections import deque

import numpy as np
from rdkit import Chem
from scipy.spatial.distance import cdist

CANDIDATES = 24  # torsions tried per bond; the one with most room is taken
ROOM = 1.7  # A between atoms three and more bonds apart; with less the walk goes back some bonds
FAR = 5.0  # A; room beyond it does not matter
BACK = 3  # bonds, at most
PATIENCE = 8  # choices per bond, on average, before a walk makes do with 0.1 A less of room

SWEEPS = 500  # over all bonds, to close a ring
CLOSE = 0.02  # A from where the two ends of a ring should be


def backbone(chain: Chem.Mol, first: int, last: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Bonds (i, j) to turn between atoms `first` and `last`, and where each atom hangs (n,).

    Turning bond (i, j) moves the atoms that hang at or behind the place of j; places count along
    the shortest path. Bonds in rings, multiple bonds and the ends' own bonds to hydrogen stay.
    """
    path = list(Chem.GetShortestPath(chain, first, last))
    place = np.full(chain.GetNumAtoms(), -1)
    place[path] = np.arange(len(path))
    queue = deque(path)
    while queue:
        i = queue.popleft()
        for neighbour in chain.GetAtomWithIdx(i).GetNeighbors():
            j = neighbour.GetIdx()
            if place[j] < 0:
                place[j] = place[i]
                queue.append(j)
    turnable = []
    for i, j in zip(path[:-1], path[1:], strict=True):
        bond = chain.GetBondBetweenAtoms(i, j)
        ends = (bond.GetBeginAtom().GetDegree(), bond.GetEndAtom().GetDegree())
        if bond.GetBondType() == Chem.BondType.SINGLE and not bond.IsInRing() and min(ends) > 1:
            turnable.append((i, j))
    return turnable, place


def random_walk(
    positions: np.ndarray, turnable: list[tuple[int, int]], place: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A conformation (n, 3) in A: each bond of `turnable` in turn gets a random torsion.

    Of a few torsions the one is taken that leaves the atoms it settles farthest from those already
    settled, which prefers staggered and extended states and keeps the chain off itself. Bond
    lengths, angles and rings stay as they are.
    """
    x = positions.copy()
    k, steps = 0, 0
    while k < len(turnable):
        i, j = turnable[k]
        steps += 1
        behind = place >= place[j]
        if k + 1 < len(turnable):
            # This torsion also settles the far end of the next axis.
            settled = (place <= place[turnable[k + 1][0]]) | (np.arange(len(x)) == turnable[k + 1][1])
        else:
            settled = np.ones(len(x), bool)
        # All pairs of these are three or more bonds apart; the others do not change.
        fresh = np.flatnonzero(behind & settled)
        fresh = fresh[fresh != j]
        old = np.flatnonzero(~behind)
        old = old[old != i]
        axis = (x[j] - x[i]) / np.linalg.norm(x[j] - x[i])
        choice, room = rng.uniform(-np.pi, np.pi), np.inf
        if len(fresh) and len(old):
            angles = rng.uniform(-np.pi, np.pi, CANDIDATES)
            # Turning leaves all of `fresh` within this radius.
            reach = np.linalg.norm(x[fresh] - x[j], axis=1).max() + FAR
            near = old[((x[old] - x[j]) ** 2).sum(axis=1) < reach**2]
            old = near if len(near) else old
            gaps = [cdist(_turned(x[fresh], x[j], axis, angle), x[old]).min() for angle in angles]
            choice, room = angles[np.argmax(gaps)], np.max(gaps)
        x[behind] = _turned(x[behind], x[j], axis, choice)
        if room < ROOM - 0.1 * (steps // (PATIENCE * len(turnable))):
            k = max(0, k - int(rng.integers(BACK + 1)))
        else:
            k += 1
    return x


def turned_by(
    positions: np.ndarray, turnable: list[tuple[int, int]], place: np.ndarray, angles: np.ndarray
) -> np.ndarray:
    """The conformation (n, 3) with each bond of `turnable` turned by its angle (K,), in rad, and all behind it."""
    x = positions.copy()
    for (i, j), angle in zip(turnable, angles.tolist(), strict=True):
        behind = place >= place[j]
        x[behind] = _turned(x[behind], x[j], (x[j] - x[i]) / np.linalg.norm(x[j] - x[i]), angle)
    return x


def close(
    positions: np.ndarray,
    turnable: list[tuple[int, int]],
    place: np.ndarray,
    targets: list[tuple[int, int]],
    rng: np.random.Generator,
) -> np.ndarray | None:
    """The conformation (n, 3) turned about `turnable` until the first atom of each pair of `targets` is on the second.

    Cyclic coordinate descent (Canutescu and Dunbrack, Protein Sci. 12 (2003) 963): each bond in turn, in random order,
    gets the torsion that brings the atoms nearest to their targets. None where 0.02 A are not reached.
    """
    x = positions.copy()
    moving, fixed = (list(ends) for ends in zip(*targets, strict=True))
    for _ in range(SWEEPS):
        for k in rng.permutation(len(turnable)):
            i, j = turnable[k]
            axis = (x[j] - x[i]) / np.linalg.norm(x[j] - x[i])
            r, t = x[moving] - x[j], x[fixed] - x[j]
            across = r - np.outer(r @ axis, axis)
            angle = np.arctan2((np.cross(axis, across) * t).sum(), (across * t).sum())
            behind = place >= place[j]
            x[behind] = _turned(x[behind], x[j], axis, angle)
        if np.linalg.norm(x[moving] - x[fixed], axis=1).max() < CLOSE:
            return x
    return None


def _turned(points: np.ndarray, origin: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """`points` turned by `angle` about the unit vector `axis` through `origin` (Rodrigues)."""
    r = points - origin
    along = np.outer(r @ axis, axis)
    return origin + along + np.cos(angle) * (r - along) + np.sin(angle) * (r @ _cross(axis))


def _cross(a: np.ndarray) -> np.ndarray:
    """Matrix M with r @ M = a x r."""
    return np.array([[0, a[2], -a[1]], [-a[2], 0, a[0]], [a[1], -a[0], 0]])
