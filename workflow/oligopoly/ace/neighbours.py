"""A Verlet list with periodic images as explicit atoms, built by cells.

Positions may lie anywhere (unwrapped chains): wrapping is internal. The list stays valid while no pair
outside it can have come within the cutoff, also when the cell changes.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from oligopoly.errors import UserError


@dataclass
class List:
    """Neighbours within the cutoff + `skin` when it was built, for two cutoffs per pair of elements.

    Extended atoms: the atoms themselves, then images of them. Extended atom k is `owner[k]` shifted by
    `shift[k]` cells. `near[near_first[i, e] : near_first[i, e + 1]]` are extended atoms of element e around
    atom i; its own images are among them. `far` is the same for the wider cutoff where there is one (the
    near ones are in it too), filled up to a multiple of eight with the dummy atom. `cutoff` is the largest.
    """

    owner: np.ndarray  # (extended,)
    shift: np.ndarray  # (extended, 3)
    near_first: np.ndarray  # (atoms, elements + 1)
    near: np.ndarray
    far_first: np.ndarray
    far: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    cutoff: float
    skin: float

    def extended(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Positions (extended + 1, 3) now; the last row is the dummy atom, far from all."""
        out = np.empty((len(self.owner) + 1, 3))
        # no atom is shifted along a direction without periodicity, whatever the cell says there
        _extend(positions, cell, self.owner, self.shift, out)
        return out

    def valid(self, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> bool:
        """True if the list holds all pairs within the cutoff, the atoms being the same and all numbers finite.

        With F the deformation of the cell and u the displacement from the deformed old position, a pair
        that was further apart than cutoff + skin is now further apart than s (cutoff + skin) - 2 max|u|,
        s being the smallest singular value of F.
        """
        if len(positions) != len(self.positions) or not np.array_equal(pbc, self.pbc):
            return False
        if np.array_equal(cell, self.cell):
            return 2 * np.sqrt(_largest_square(positions, self.positions)) <= self.skin
        deformation = np.linalg.solve(complete(self.cell, pbc), complete(cell, pbc))
        shrink = np.linalg.svd(deformation, compute_uv=False)[-1]
        moved = np.sqrt(_largest_square(positions, self.positions @ deformation))
        return shrink * (self.cutoff + self.skin) - 2 * moved >= self.cutoff


def complete(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """`cell` with unit vectors at right angles to the rest where there is no periodicity."""
    cell = np.array(cell, dtype=float)
    if pbc.all():
        return cell
    cell[~pbc] = 0.0
    _, values, directions = np.linalg.svd(cell)
    free = iter(directions[int(np.sum(values > 1e-12)) :])
    for axis in np.flatnonzero(~pbc):
        cell[axis] = next(free)
    return cell


def build(
    species: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    skin: float,
) -> List:
    """Neighbour list of atoms with element indices `species` (atoms,).

    `near` and `far` (elements, elements): cutoffs around an atom of the first element, in Angstrom; 0
    where no neighbours are wanted.

    Raises `UserError` for a periodic cell without volume.
    """
    pbc = np.asarray(pbc, dtype=bool)
    elements = len(far)
    cutoff = float(max(near.max(), far.max()))
    reach = cutoff + skin
    full = complete(cell, pbc)
    if abs(np.linalg.det(full)) < 1e-9:
        raise UserError(
            f"The cell has no volume in its periodic directions (pbc {pbc.tolist()}): {np.asarray(cell).tolist()}."
        )
    inverse = np.linalg.inv(full)
    fractional = positions @ inverse
    wrap = np.where(pbc, np.floor(fractional), 0.0)
    fractional = fractional - wrap
    # layers of images: reach over the distance between opposite faces
    depth = np.where(pbc, reach * np.linalg.norm(inverse, axis=0), 0.0)
    layers = np.ceil(depth).astype(np.int64)
    images = _images(fractional, depth, layers, np.empty(0, np.int64), np.empty((0, 3)))
    owner, shift = np.arange(len(positions) + images), np.zeros((len(positions) + images, 3))
    _images(fractional, depth, layers, owner[len(positions) :], shift[len(positions) :])
    xyz = (fractional[owner] + shift) @ full
    # extended atoms are reckoned from the caller's positions, so the shift undoes the wrapping
    shift = shift - wrap[owner]
    low = xyz.min(axis=0)
    extent = xyz.max(axis=0) - low
    edge = reach / 2
    while np.prod(np.floor(extent / edge) + 1) > 8 * len(xyz) + 1000:
        edge *= 1.5
    number = (np.floor(extent / edge) + 1).astype(np.int64)
    own = positions - wrap @ full if pbc.any() else positions
    # atoms first: their extended positions must be exact for i itself to be recognised by its index
    order, starts = _sort_into_cells(xyz, species[owner], elements, low, edge, number)
    limits = np.array([np.where(c > 0, (c + skin) ** 2, 0.0) for c in (near, far)])
    lists = _collect(own, xyz, species, order, starts, limits, low, edge, number, reach)
    near_first, near_list, far_first, far_list = lists
    return List(
        owner, shift, near_first, near_list, far_first, far_list, positions.copy(), np.array(cell), pbc.copy(),
        cutoff, skin,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _extend(positions, cell, owner, shift, out):
    for k in range(len(owner)):
        i = owner[k]
        for c in range(3):
            out[k, c] = positions[i, c] + shift[k, 0] * cell[0, c] + shift[k, 1] * cell[1, c] + shift[k, 2] * cell[2, c]
    out[len(owner)] = 1e8


@njit(cache=True, nogil=True)
def _largest_square(a, b):
    largest = 0.0
    for i in range(len(a)):
        d = (a[i, 0] - b[i, 0]) ** 2 + (a[i, 1] - b[i, 1]) ** 2 + (a[i, 2] - b[i, 2]) ** 2
        # a position that is not a number counts as far
        if d > largest or d != d:
            largest = d
    return largest


@njit(cache=True, nogil=True)
def _images(fractional, depth, layers, owner, shift):
    """Number of images within `depth` (fractional) of the cell; owners and shifts if there is room."""
    n = 0
    for a in range(-layers[0], layers[0] + 1):
        for b in range(-layers[1], layers[1] + 1):
            for c in range(-layers[2], layers[2] + 1):
                if a == 0 and b == 0 and c == 0:
                    continue
                for i in range(len(fractional)):
                    x, y, z = fractional[i, 0] + a, fractional[i, 1] + b, fractional[i, 2] + c
                    if (
                        (a != 0 and (x < -depth[0] or x > 1 + depth[0]))
                        or (b != 0 and (y < -depth[1] or y > 1 + depth[1]))
                        or (c != 0 and (z < -depth[2] or z > 1 + depth[2]))
                    ):
                        continue
                    if n < len(owner):
                        owner[n] = i
                        shift[n, 0] = a
                        shift[n, 1] = b
                        shift[n, 2] = c
                    n += 1
    return n


@njit(cache=True, nogil=True)
def _sort_into_cells(xyz, species, elements, low, edge, number):
    """Counting sort by (element, cell): the order, and where each (element, cell) starts."""
    cells = number[0] * number[1] * number[2]
    key = np.empty(len(xyz), np.int64)
    starts = np.zeros(elements * cells + 1, np.int64)
    for k in range(len(xyz)):
        cx = min(int((xyz[k, 0] - low[0]) / edge), number[0] - 1)
        cy = min(int((xyz[k, 1] - low[1]) / edge), number[1] - 1)
        cz = min(int((xyz[k, 2] - low[2]) / edge), number[2] - 1)
        key[k] = species[k] * cells + (cx * number[1] + cy) * number[2] + cz
        starts[key[k] + 1] += 1
    for q in range(len(starts) - 1):
        starts[q + 1] += starts[q]
    place = starts[:-1].copy()
    order = np.empty(len(xyz), np.int64)
    for k in range(len(xyz)):
        order[place[key[k]]] = k
        place[key[k]] += 1
    return order, starts


@njit(cache=True, nogil=True)
def _collect(own, xyz, species, order, starts, limits, low, edge, number, reach):
    """Neighbours of each atom by element: where they start, and they; cells along z are contiguous."""
    elements = limits.shape[2]
    cells = number[0] * number[1] * number[2]
    layers = int(np.ceil(reach / edge))
    near_first = np.zeros((len(own), elements + 1), np.int64)
    far_first = np.zeros((len(own), elements + 1), np.int64)
    near = np.empty(64 * len(own) + 1024, np.int32)
    far = np.empty(128 * len(own) + 1024, np.int32)
    sorted_xyz = xyz[order]
    dummy = len(xyz)
    n, m = 0, 0
    for i in range(len(own)):
        x, y, z = own[i, 0], own[i, 1], own[i, 2]
        cx, cy, cz = int((x - low[0]) / edge), int((y - low[1]) / edge), int((z - low[2]) / edge)
        z0, z1 = max(cz - layers, 0), min(cz + layers, number[2] - 1)
        for e in range(elements):
            near_first[i, e] = n
            far_first[i, e] = m
            near_limit, far_limit = limits[0, species[i], e], limits[1, species[i], e]
            for ax in range(max(cx - layers, 0), min(cx + layers, number[0] - 1) + 1):
                for ay in range(max(cy - layers, 0), min(cy + layers, number[1] - 1) + 1):
                    row = e * cells + (ax * number[1] + ay) * number[2]
                    begin, end = starts[row + z0], starts[row + z1 + 1]
                    if n + end - begin > len(near):
                        near = _longer(near, n, end - begin)
                    if m + end - begin + 8 > len(far):
                        far = _longer(far, m, end - begin + 8)
                    # written in any case, counted if it is a neighbour: no branch to mispredict
                    if far_limit > 0.0:
                        for p in range(begin, end):
                            dx, dy, dz = sorted_xyz[p, 0] - x, sorted_xyz[p, 1] - y, sorted_xyz[p, 2] - z
                            square = dx * dx + dy * dy + dz * dz
                            near[n] = order[p]
                            far[m] = order[p]
                            n += (square < near_limit) & (order[p] != i)
                            m += (square < far_limit) & (order[p] != i)
                    else:
                        for p in range(begin, end):
                            dx, dy, dz = sorted_xyz[p, 0] - x, sorted_xyz[p, 1] - y, sorted_xyz[p, 2] - z
                            near[n] = order[p]
                            n += (dx * dx + dy * dy + dz * dz < near_limit) & (order[p] != i)
            while m % 8:
                far[m] = dummy
                m += 1
        near_first[i, elements] = n
        far_first[i, elements] = m
    return near_first, near[:n].copy(), far_first, far[:m].copy()


@njit(cache=True, nogil=True)
def _longer(array, used, more):
    """A longer copy of the first `used` entries, with room for `more` behind them."""
    longer = np.empty(2 * len(array) + more, array.dtype)
    for p in range(used):
        longer[p] = array[p]
    return longer
