"""Compiled loops over periodic images: molecules made whole, and pairs of atoms of different molecules."""

import numba
import numpy as np


@numba.njit(cache=True)
def unwrap(positions, cell, inverse, order, parent):
    for i in order:
        p = parent[i]
        if p < 0:
            continue
        for a in range(3):
            shift = 0.0
            for b in range(3):
                shift += (positions[i, b] - positions[p, b]) * inverse[b, a]
            shift = np.round(shift)
            if shift != 0.0:
                # Rows of the cell are independent in fractional space: undo them one by one.
                for b in range(3):
                    positions[i, b] -= shift * cell[a, b]
    return positions


@numba.njit(cache=True)
def pairs(fractional, cell, bins, molecules, whole, cutoff):
    n = len(fractional)
    nx, ny, nz = bins[0], bins[1], bins[2]
    head = np.full(nx * ny * nz, -1)
    following = np.full(n, -1)
    where = np.empty((n, 3), np.int64)
    for i in range(n):
        for a in range(3):
            where[i, a] = min(int(fractional[i, a] * bins[a]), bins[a] - 1)
        b = (where[i, 0] * ny + where[i, 1]) * nz + where[i, 2]
        following[i] = head[b]
        head[b] = i
    first, second, distance = [0 for _ in range(0)], [0 for _ in range(0)], [0.0 for _ in range(0)]
    # With fewer than three bins along an axis the neighbours of a bin coincide.
    reach = np.empty((3, 2), np.int64)
    for a in range(3):
        reach[a, 0] = -1 if bins[a] > 2 else 0
        reach[a, 1] = 1 if bins[a] > 1 else 0
    f = np.empty(3)
    for i in range(n):
        for dx in range(reach[0, 0], reach[0, 1] + 1):
            for dy in range(reach[1, 0], reach[1, 1] + 1):
                for dz in range(reach[2, 0], reach[2, 1] + 1):
                    b = (((where[i, 0] + dx) % nx) * ny + (where[i, 1] + dy) % ny) * nz + (where[i, 2] + dz) % nz
                    j = head[b]
                    while j >= 0:
                        if j > i:
                            same = molecules[i] == molecules[j]
                            if not same or len(whole) > 0:
                                for a in range(3):
                                    f[a] = fractional[j, a] - fractional[i, a]
                                    f[a] -= np.round(f[a])
                                d2 = 0.0
                                direct = 0.0
                                for a in range(3):
                                    r = f[0] * cell[0, a] + f[1] * cell[1, a] + f[2] * cell[2, a]
                                    d2 += r * r
                                    if same:
                                        direct += (whole[j, a] - whole[i, a]) ** 2
                                if d2 < cutoff * cutoff and not (same and direct < d2 + 1e-6):
                                    first.append(i)
                                    second.append(j)
                                    distance.append(np.sqrt(d2))
                        j = following[j]
    return np.array(first), np.array(second), np.array(distance)
