"""The compiled loop over pairs of atoms in a periodic cell."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def add(points, fractions, cell, mesh, cutoff, species, pair_of, molecules, counted, width, direct):
    """Count the ordered pairs of one frame into counted (P, 2, M, B), by the chain of the first atom.

    Atoms are sorted into the cells of a mesh (3,), column by column along z, so that what is near to an atom lies in
    a few runs of them. The nearest image is found by rounding, which is right up to half the narrowest height.
    """
    n, bins, chains = len(points), counted.shape[3], counted.shape[2]
    nx, ny, nz = mesh
    where = np.empty(n, np.int64)
    for i in range(n):
        x = min(int(fractions[i, 0] * nx), nx - 1)
        y = min(int(fractions[i, 1] * ny), ny - 1)
        z = min(int(fractions[i, 2] * nz), nz - 1)
        where[i] = (x * ny + y) * nz + z
    order = np.argsort(where, kind="mergesort")
    starts = np.searchsorted(where[order], np.arange(nx * ny * nz + 1))
    f = np.empty((3, n))
    kind, molecule = np.empty(n, np.int64), np.empty(n, np.int64)
    for k in range(n):
        for a in range(3):
            f[a, k] = fractions[order[k], a]
        kind[k], molecule[k] = species[order[k]], molecules[order[k]]
    sizes = np.empty(3)  # of a mesh cell, between opposite faces
    inverse = np.linalg.inv(cell)
    for a in range(3):
        sizes[a] = 1 / np.sqrt((inverse[:, a] ** 2).sum()) / mesh[a]
    far = np.ceil(cutoff / sizes).astype(np.int64)
    upright = np.abs(cell - np.diag(np.diag(cell))).max() < 1e-9
    first = np.where(2 * far + 1 >= mesh, 0, -far)
    last = np.where(2 * far + 1 >= mesh, mesh - 1, far)
    distance2, near = np.empty(n), np.empty(n, np.int64)
    limit, per_width = cutoff * cutoff, 1 / width
    flat = counted.reshape(-1)
    for k in range(n):
        z = where[order[k]] % nz
        y = where[order[k]] // nz % ny
        x = where[order[k]] // (ny * nz)
        for dx in range(first[0], last[0] + 1):
            for dy in range(first[1], last[1] + 1):
                column = (((x + dx) % nx) * ny + (y + dy) % ny) * nz
                if starts[column + nz] <= k + 1:
                    continue
                low, high = first[2], last[2]
                if upright and low < 0:
                    # in a box with right angles, columns at a distance need less of their height
                    gx = 0.0 if first[0] == 0 else max(abs(dx) - 1, 0) * sizes[0]
                    gy = 0.0 if first[1] == 0 else max(abs(dy) - 1, 0) * sizes[1]
                    rest = limit - gx * gx - gy * gy
                    if rest <= 0:
                        continue
                    high = min(high, int(np.ceil(np.sqrt(rest) / sizes[2])))
                    low = -high
                # one run, or two where it passes through the end of the box
                if low == 0:
                    run = (0, nz, 0, 0)
                elif z + low < 0:
                    run = (0, z + high + 1, z + low + nz, nz)
                elif z + high >= nz:
                    run = (0, z + high + 1 - nz, z + low, nz)
                else:
                    run = (z + low, z + high + 1, 0, 0)
                for part in range(0, 4, 2):
                    begin, end = max(starts[column + run[part]], k + 1), starts[column + run[part + 1]]
                    if end <= begin:
                        continue
                    _squares(f, np.uint64(begin), np.uint64(end), k, cell, distance2)
                    found = 0
                    for m in range(np.uint64(end - begin)):  # without a branch that nobody can foretell
                        near[found] = m
                        found += distance2[m] < limit
                    for hit in range(found):
                        m = near[hit]
                        d = np.sqrt(distance2[m])
                        m += begin
                        place = min(int(d * per_width), bins - 1)
                        within = 0
                        if molecule[m] == molecule[k]:
                            straight = 0.0
                            for a in range(3):
                                straight += (points[order[m], a] - points[order[k], a]) ** 2
                            if np.sqrt(straight) < d + direct:
                                within = 1
                        row = (2 * pair_of[kind[k], kind[m]] + within) * chains
                        flat[(row + molecule[k]) * bins + place] += 1
                        flat[(row + molecule[m]) * bins + place] += 1


@numba.njit(cache=True, nogil=True)
def _squares(f, begin, end, k, cell, found):
    """Squared distances of atoms begin to end from the nearest image of atom k, f (3, N) their fractions: a loop that
    becomes vector code, since nothing in it can be negative that is an index."""
    c00, c01, c02 = cell[0, 0], cell[0, 1], cell[0, 2]
    c10, c11, c12 = cell[1, 0], cell[1, 1], cell[1, 2]
    c20, c21, c22 = cell[2, 0], cell[2, 1], cell[2, 2]
    ax, ay, az = f[0, k], f[1, k], f[2, k]
    for m in range(begin, end):
        u = f[0, m] - ax
        v = f[1, m] - ay
        w = f[2, m] - az
        u -= np.floor(u + 0.5)
        v -= np.floor(v + 0.5)
        w -= np.floor(w + 0.5)
        rx = u * c00 + v * c10 + w * c20
        ry = u * c01 + v * c11 + w * c21
        rz = u * c02 + v * c12 + w * c22
        found[m - begin] = rx * rx + ry * ry + rz * rz
