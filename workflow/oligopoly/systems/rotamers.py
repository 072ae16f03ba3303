"""Torsions of a long chain by their Boltzmann weights in a melt, so that it is built with the size that it has there.

In a melt excluded volume is screened (P. J. Flory, Statistical Mechanics of Chain Molecules (1969), chapter III): what
decides is the torsion's own energy, and what two torsions side by side bring together. Both are tables here, and the
chain of torsions is drawn exactly from them by transfer matrices. Bond lengths, angles and side groups stay as they
are; stiff as they are, they repel too much, so that repulsion counts by the weights of the force field's `local`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

GRID = 36  # angles of a torsion
GAS = 0.0019872043  # kcal/mol/K
HIGHEST = 30.0  # kT: higher than this is impossible enough


@dataclass(frozen=True)
class Local:
    """What particles of a chain (n,) feel along it: bonds (m, 2); `dihedrals` (k, 4) and for each its energy (kcal/mol)
    by its angle (rad); Lennard-Jones sigma (A) and epsilon (kcal/mol); `weights` of the repulsion between particles
    three and four bonds apart."""

    bonds: np.ndarray
    dihedrals: np.ndarray
    energies: Sequence[Callable[[np.ndarray], np.ndarray]]
    sigma: np.ndarray
    epsilon: np.ndarray
    weights: tuple[float, float]


def angles(x: np.ndarray, axes: np.ndarray, local: Local, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """By how much each bond is to be turned (K,), in rad, to have the torsions of a melt at `temperature`.

    x : (n, 3) particles in A; axes : (K, 2) of them, bonds in the order of the chain, each turned with all behind it.
    """
    near: list[list[int]] = [[] for _ in range(len(x))]
    for i, j in local.bonds.tolist():
        near[i].append(j)
        near[j].append(i)
    about: dict[tuple[int, int], list[int]] = {}
    for number, (_, j, k, _) in enumerate(local.dihedrals.tolist()):
        about.setdefault((min(j, k), max(j, k)), []).append(number)
    turns = [_turns(x, *axis) for axis in axes.tolist()]
    beta = 1 / (GAS * temperature)
    single = [beta * _single(x, k, axes, turns, near, about, local) for k in range(len(axes))]
    # the future of each angle, from the end of the chain on; exponents are kept below zero
    future = [np.zeros(GRID)]
    steps: list[np.ndarray] = []
    for k in range(len(axes) - 2, -1, -1):
        pair = beta * _pair(x, k, axes, turns, near, local)
        steps.append(-np.minimum(pair + single[k + 1], HIGHEST) + future[-1])
        top = steps[-1].max()
        future.append(np.log(np.exp(steps[-1] - top).sum(axis=1)) + top)
    found = [_draw(future[-1] - np.minimum(single[0], HIGHEST), rng)]
    for step in reversed(steps):
        found.append(_draw(step[found[-1]], rng))
    return 2 * np.pi / GRID * (np.array(found) + rng.uniform(-0.5, 0.5, len(found)))


def _draw(exponents: np.ndarray, rng: np.random.Generator) -> int:
    weights = np.exp(exponents - exponents.max())
    return int(rng.choice(GRID, p=weights / weights.sum()))


def _turns(x: np.ndarray, i: int, j: int) -> np.ndarray:
    """Rotations (GRID, 3, 3) about the bond, for row vectors from j."""
    from scipy.spatial.transform import Rotation

    axis = (x[j] - x[i]) / np.linalg.norm(x[j] - x[i])
    return Rotation.from_rotvec(2 * np.pi / GRID * np.arange(GRID)[:, None] * axis).as_matrix().transpose(0, 2, 1)


def _single(x, k, axes, turns, near, about, local) -> np.ndarray:
    """Energies (GRID,) of one torsion alone."""
    i, j = axes[k].tolist()
    steps = 2 * np.pi / GRID * np.arange(GRID)
    total = np.zeros(GRID)
    for number in about.get((min(i, j), max(i, j)), []):
        four = local.dihedrals[number]
        total += local.energies[number](_dihedral(*x[four]) + steps)
    left, right = [a for a in near[i] if a != j], [a for a in near[j] if a != i]
    if local.weights[0] and left and right:
        turned = (x[right] - x[j]) @ turns[k] + x[j]
        total += local.weights[0] * _repulsion(x[left], turned, left, right, local)
    return total


def _pair(x, k, axes, turns, near, local) -> np.ndarray:
    """Energies (GRID, GRID) of two torsions side by side."""
    (i, j), (second, last) = axes[k].tolist(), axes[k + 1].tolist()
    if j != second:
        return np.zeros((GRID, GRID))
    left, right = [a for a in near[i] if a != j], [a for a in near[last] if a != second]
    if not left or not right:
        return np.zeros((GRID, GRID))
    once = (x[right] - x[last]) @ turns[k + 1] + x[last]
    twice = np.einsum("brx,axy->abry", once - x[j], turns[k]) + x[j]
    found = _repulsion(x[left], twice.reshape(GRID * GRID, len(right), 3), left, right, local)
    return local.weights[1] * found.reshape(GRID, GRID)


def _repulsion(fixed: np.ndarray, moved: np.ndarray, left: list[int], right: list[int], local: Local) -> np.ndarray:
    """Repulsive part of Lennard-Jones (G,) between `fixed` (l, 3) and `moved` (G, r, 3)."""
    squares = ((moved[:, :, None] - fixed) ** 2).sum(axis=3)
    sigma = (local.sigma[right][:, None] + local.sigma[left]) / 2
    epsilon = np.sqrt(local.epsilon[right][:, None] * local.epsilon[left])
    sixth = (sigma**2 / np.maximum(squares, 0.25)) ** 3
    return np.where(sixth > 0.5, epsilon * (4 * sixth * (sixth - 1) + 1), 0.0).sum(axis=(1, 2))


def _dihedral(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    one, axis, two = b - a, c - b, d - c
    m, n = np.cross(one, axis), np.cross(axis, two)
    return float(np.arctan2(np.cross(m, n) @ axis / np.linalg.norm(axis), m @ n))
