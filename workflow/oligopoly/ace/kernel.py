"""The inner loops of the evaluator: eight central atoms of one element at a time, one per SIMD lane.

Every array of the working space is `[index][8 lanes]`; a block of eight atoms goes through
filter (neighbours within reach) -> radial and angular functions -> atomic base (leaves) ->
products and quadratic form -> adjoints -> forces. Lanes with fewer neighbours than their block get
dummies far away, in the last bin of each table, where everything is zero.
"""

import math
from pathlib import Path

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher

from oligopoly.ace import simd
from oligopoly.ace.simd import (
    floor,
    gather,
    gather_component,
    load,
    load_from,
    peek,
    poke,
    splat,
    sqrt,
    store,
    total,
)

# columns of `meta`, one row per central element
(
    ROWS, LEAVES, PRODUCTS, PRODUCTS_AT, S_PTR, S_IDX, S_VAL,
    B_COUNT, B_PTR, B_IDX, B_VAL, ZBL, HAS_FAR, META,
) = range(14)  # fmt: skip
# columns of `shells`, one row per (central element, neighbour element): functions of rank > 1, and
# functions of the distance alone; CORE_TABLE is -1 without a core, TABLE is -1 without anything
(
    TABLE, BINS, FUNCTIONS, GROUPS, LMAX, LISTS,
    PAIR_TABLE, PAIR_BINS, CORE_TABLE, SINGLE_TABLE, SINGLES, SINGLE_NUMBERS, FAR, SHELL,
) = range(14)  # fmt: skip
# columns of `pair_values`: reach of functions of rank > 1, bins per Angstrom of their table and of
# those of the distance alone, inner cutoff of zbl and its width
REACH, PER_BIN, PAIR_PER_BIN, R_IN, DELTA_IN, PAIR = range(6)

# distance of dummies, where all tables are zero
NOWHERE = 1e3

_options = dict(nogil=True, cache=True, error_model="numpy")
_inlined = dict(_options, forceinline=True)


def angular_coefficients(lmax: int) -> np.ndarray:
    """a_lm, b_lm and P_mm (in [2, m, m]) of the recursion for P_lm(z), (3, lmax + 1, lmax + 1).

    P_00 = 1, P_lm = a_lm (z P_{l-1,m} + b_lm P_{l-2,m}); pacemaker's Y_lm = P_lm(z) (x + i y)^m.
    """
    c = np.zeros((3, lmax + 1, lmax + 1))
    c[2, 0, 0] = 1.0
    for m in range(1, lmax + 1):
        c[2, m, m] = -math.sqrt((2 * m + 1) / (2 * m)) * c[2, m - 1, m - 1]
    for m in range(lmax + 1):
        for l in range(m + 1, lmax + 1):
            c[0, l, m] = math.sqrt((4 * l * l - 1) / (l * l - m * m))
            if l > m + 1:
                c[1, l, m] = -math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1))
    return c


@njit(**_options)
def _filter(members, count, xyz, first, elements, neighbours, e, rcut2, distance, indices, slot0, dummy):
    """Neighbours of element `e` within the cutoff: vectors to `distance`, indices to `indices`.

    Returns the number of slots. Without branches: each candidate is written to the next free slot, which
    only counts if the candidate is near enough.
    """
    width = 0
    counts = np.zeros(8, np.int64)
    for k in range(count):
        i = peek(members, k)
        x, y, z = peek(xyz, 3 * i), peek(xyz, 3 * i + 1), peek(xyz, 3 * i + 2)
        slot = 8 * slot0 + k
        row = i * (elements + 1) + e
        for p in range(peek(first, row), peek(first, row + 1)):
            j = peek(neighbours, p)
            dx, dy, dz = peek(xyz, 3 * j) - x, peek(xyz, 3 * j + 1) - y, peek(xyz, 3 * j + 2) - z
            poke(distance, 5 * slot - 4 * k, dx)
            poke(distance, 5 * slot - 4 * k + 8, dy)
            poke(distance, 5 * slot - 4 * k + 16, dz)
            poke(indices, slot, j)
            slot += 8 * (dx * dx + dy * dy + dz * dz < rcut2)
        counts[k] = slot // 8 - slot0
        width = max(width, counts[k])
    for k in range(8):
        for s in range(slot0 + counts[k], slot0 + width):
            poke(distance, 40 * s + k, NOWHERE)
            poke(distance, 40 * s + k + 8, 0.0)
            poke(distance, 40 * s + k + 16, 0.0)
            poke(indices, 8 * s + k, dummy)
    return width


@njit(**_inlined)
def _cubic(f0, d0, f1, d1, t):
    """Cubic Hermite polynomial and its slope at the fraction `t` of a bin; slopes are per bin."""
    rise = f1 - f0
    c3 = (d0 - rise) + (d1 - rise)
    q = (rise - d0) - c3 + t * c3
    return f0 + t * (d0 + t * q), d0 + t * (q + q + t * c3)


@njit(**_inlined)
def _eight(table, row, functions, t):
    """Eight functions and their slopes, at the fraction `t` of the bin that starts at `row`."""
    return _cubic(
        load_from(table, row), load_from(table, row + functions),
        load_from(table, row + 2 * functions), load_from(table, row + 3 * functions), splat(t),
    )  # fmt: skip


@njit(**_inlined)
def _store_transposed(y, at, v0, v1, v2, v3, v4, v5, v6, v7):
    t = simd.transpose(v0, v1, v2, v3, v4, v5, v6, v7)
    store(y, at, t[0])
    store(y, at + 1, t[1])
    store(y, at + 2, t[2])
    store(y, at + 3, t[3])
    store(y, at + 4, t[4])
    store(y, at + 5, t[5])
    store(y, at + 6, t[6])
    store(y, at + 7, t[7])


@njit(**_inlined)
def _radial(y, r_at, d_at, table, groups, functions, t, rows):
    """Interpolate all radial functions of one slot: values to `r_at`, slopes per bin to `d_at`.

    Eight functions of one lane at a time, then transposed to eight lanes of one function. `rows` (8,) is
    the lane's place in the table, `t` (8,) the fraction of its bin.
    """
    n = functions
    # one or two functions beyond a multiple of eight are cheaper lane by lane than as a group of eight
    single = 0 < n - 8 * (groups - 1) <= 2
    for group in range(groups - 1 if single else groups):
        o = 8 * group
        r0, d0 = _eight(table, peek(rows, 0) + o, n, peek(t, 0))
        r1, d1 = _eight(table, peek(rows, 1) + o, n, peek(t, 1))
        r2, d2 = _eight(table, peek(rows, 2) + o, n, peek(t, 2))
        r3, d3 = _eight(table, peek(rows, 3) + o, n, peek(t, 3))
        r4, d4 = _eight(table, peek(rows, 4) + o, n, peek(t, 4))
        r5, d5 = _eight(table, peek(rows, 5) + o, n, peek(t, 5))
        r6, d6 = _eight(table, peek(rows, 6) + o, n, peek(t, 6))
        r7, d7 = _eight(table, peek(rows, 7) + o, n, peek(t, 7))
        _store_transposed(y, r_at + o, r0, r1, r2, r3, r4, r5, r6, r7)
        _store_transposed(y, d_at + o, d0, d1, d2, d3, d4, d5, d6, d7)
    if single:
        for o in range(8 * (groups - 1), n):
            value, slope = _cubic(
                gather(table, rows, o), gather(table, rows, o + n),
                gather(table, rows, o + 2 * n), gather(table, rows, o + 3 * n), load(t, 0),
            )  # fmt: skip
            store(y, r_at + o, value)
            store(y, d_at + o, slope)


@njit(**_inlined)
def _angular(y, at, x_, y_, z_, lmax, coefficients):
    """Y_lm of one slot: m = 0 at l^2, real and imaginary part of m > 0 from l^2 + 2 m - 1 on."""
    tr, ti = splat(1.0), splat(0.0)
    for m in range(lmax + 1):
        if m > 0:
            tr, ti = tr * x_ - ti * y_, tr * y_ + ti * x_
        p, before = splat(coefficients[2, m, m]), splat(0.0)
        for l in range(m, lmax + 1):
            if l > m:
                p, before = coefficients[0, l, m] * (z_ * p + coefficients[1, l, m] * before), p
            if m == 0:
                store(y, at + l * l, p)
            else:
                store(y, at + l * l + 2 * m - 1, p * tr)
                store(y, at + l * l + 2 * m, p * ti)


@njit(**_options)
def _accumulate(x, y, r_at, r_stride, y_at, y_stride, width, lmax, lists):
    """Leaves of one neighbour element: A_nlm = sum over slots of R_nl Y_lm."""
    p = lmax + 1
    for l in range(lmax + 1):
        number, row = peek(lists, p), peek(lists, p + 1)
        p += 2
        n = 0
        while n < number:
            if n + 4 <= number:
                c0, c1 = peek(lists, p + n), peek(lists, p + n + 1)
                c2, c3 = peek(lists, p + n + 2), peek(lists, p + n + 3)
                for m in range(2 * l + 1):
                    a0, a1, a2, a3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
                    r, v = r_at, y_at + l * l + m
                    for _ in range(width):
                        h = load(y, v)
                        a0 = a0 + load(y, r + c0) * h
                        a1 = a1 + load(y, r + c1) * h
                        a2 = a2 + load(y, r + c2) * h
                        a3 = a3 + load(y, r + c3) * h
                        r += r_stride
                        v += y_stride
                    o = row + m * number + n
                    store(x, o, a0)
                    store(x, o + 1, a1)
                    store(x, o + 2, a2)
                    store(x, o + 3, a3)
                n += 4
            elif n + 2 <= number:
                c0, c1 = peek(lists, p + n), peek(lists, p + n + 1)
                for m in range(2 * l + 1):
                    a0, a1 = splat(0.0), splat(0.0)
                    r, v = r_at, y_at + l * l + m
                    for _ in range(width):
                        h = load(y, v)
                        a0 = a0 + load(y, r + c0) * h
                        a1 = a1 + load(y, r + c1) * h
                        r += r_stride
                        v += y_stride
                    o = row + m * number + n
                    store(x, o, a0)
                    store(x, o + 1, a1)
                n += 2
            else:
                c0 = peek(lists, p + n)
                for m in range(2 * l + 1):
                    a0 = splat(0.0)
                    r, v = r_at, y_at + l * l + m
                    for _ in range(width):
                        a0 = a0 + load(y, r + c0) * load(y, v)
                        r += r_stride
                        v += y_stride
                    store(x, row + m * number + n, a0)
                n += 1
        p += number


@njit(**_options)
def _forward(x, products):
    for q in range(products.shape[0]):
        kind = products[q, 0]
        ar, br = load(x, products[q, 1]), load(x, products[q, 3])
        if kind == 0:
            store(x, products[q, 6], ar * br)
        else:
            bi = load(x, products[q, 4])
            if kind == 1:
                store(x, products[q, 6], ar * br)
                store(x, products[q, 7], ar * bi)
            else:
                ai = load(x, products[q, 2])
                s = splat(float(products[q, 5]))
                bi = s * bi
                store(x, products[q, 6], ar * br - ai * bi)
                store(x, products[q, 7], ai * br + ar * bi)


@njit(**_options)
def _backward(x, g, products):
    for q in range(products.shape[0] - 1, -1, -1):
        kind, a, b, bim = products[q, 0], products[q, 1], products[q, 3], products[q, 4]
        ar, br, gr = load(x, a), load(x, b), load(g, products[q, 6])
        if kind == 0:
            store(g, a, load(g, a) + gr * br)
            store(g, b, load(g, b) + gr * ar)
        else:
            bi, gi = load(x, bim), load(g, products[q, 7])
            if kind == 1:
                store(g, a, load(g, a) + gr * br + gi * bi)
                store(g, b, load(g, b) + gr * ar)
                store(g, bim, load(g, bim) + gi * ar)
            else:
                aim = products[q, 2]
                ai = load(x, aim)
                s = splat(float(products[q, 5]))
                store(g, a, load(g, a) + gr * br + s * (gi * bi))
                store(g, aim, load(g, aim) + gi * br - s * (gr * bi))
                store(g, b, load(g, b) + gr * ar + gi * ai)
                store(g, bim, load(g, bim) + s * (gi * ar - gr * ai))


@njit(**_options)
def _quadratic(x, g, rows, pointers, columns, values):
    """G = S X for all rows; the energy X.S X / 2 of each lane."""
    energy = splat(0.0)
    for row in range(rows):
        s = splat(0.0)
        for p in range(peek(pointers, row), peek(pointers, row + 1)):
            s = s + peek(values, p) * load(x, peek(columns, p))
        store(g, row, s)
        energy = energy + s * load(x, row)
    return energy * 0.5


@njit(**_inlined)
def _gradient(g, y, r_at, d_at, x_, y_, z_, inverse, per_bin, lmax, lists, coefficients):
    """dE/d(neighbour position) of eight pairs from the adjoints G; u = x_, y_, z_ is a unit vector.

    With W_lm = sum_n G_nlm R_nl, and W'_lm the same with the slopes (per bin), it is sum_lm (W' Y) u +
    (W dY/du, projected on the plane at right angles to u) / r.
    """
    sx, sy, sz, along = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    tr, ti = splat(1.0), splat(0.0)
    for m in range(lmax + 1):
        p, before = splat(coefficients[2, m, m]), splat(0.0)
        d, d_before = splat(0.0), splat(0.0)
        ur, ui, vr, vi = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        er, ei = splat(0.0), splat(0.0)
        for l in range(m, lmax + 1):
            if l > m:
                a, b = coefficients[0, l, m], coefficients[1, l, m]
                d, d_before = a * (p + z_ * d + b * d_before), d
                p, before = a * (z_ * p + b * before), p
            q = peek(lists, l)
            number = peek(lists, q)
            re = peek(lists, q + 1)
            wr, dr = splat(0.0), splat(0.0)
            if m == 0:
                for n in range(number):
                    c = peek(lists, q + 2 + n)
                    h = load(g, re + n)
                    wr = wr + h * load(y, r_at + c)
                    dr = dr + h * load(y, d_at + c)
            else:
                re += (2 * m - 1) * number
                im = re + number
                wi, di = splat(0.0), splat(0.0)
                for n in range(number):
                    c = peek(lists, q + 2 + n)
                    r, s = load(y, r_at + c), load(y, d_at + c)
                    h, k = load(g, re + n), load(g, im + n)
                    wr = wr + h * r
                    dr = dr + h * s
                    wi = wi + k * r
                    di = di + k * s
                ui = ui + wi * p
                vi = vi + wi * d
                ei = ei + di * p
            ur = ur + wr * p
            vr = vr + wr * d
            er = er + dr * p
        if m > 0:
            fm = splat(float(m))
            # tr, ti still hold (x + i y)^(m-1) here
            sx = sx + fm * (ur * tr + ui * ti)
            sy = sy + fm * (ui * tr - ur * ti)
            tr, ti = tr * x_ - ti * y_, tr * y_ + ti * x_
        sz = sz + vr * tr + vi * ti
        along = along + er * tr + ei * ti
    radial = along * splat(per_bin) - (sx * x_ + sy * y_ + sz * z_) * inverse
    return radial * x_ + sx * inverse, radial * y_ + sy * inverse, radial * z_ + sz * inverse


@njit(**_options)
def _step(t, width):
    """Polynomial from 0 at t <= 0 to 1 at t >= width, and its derivative."""
    if t <= 0.0:
        return 0.0, 0.0
    if t >= width:
        return 1.0, 0.0
    x = 2.0 * t / width - 1.0
    return 0.5 + 3.75 * (x / 4 - x**3 / 6 + x**5 / 20), 7.5 / width * (0.25 - x * x / 2 + x**4 / 4)


@njit(**_options)
def _switch(distance, indices, widths, pair, dummy, fcut, dfcut, nearest):
    """Weight of ACE against core energy per lane, from the neighbour deepest in its inner cutoff."""
    for k in range(8):
        least, fcut[k], dfcut[k] = np.inf, 1.0, 0.0
        slot = 0
        for e in range(len(widths)):
            shift = pair[e, R_IN] - pair[e, DELTA_IN]
            for s in range(slot, slot + widths[e]):
                d = 1.0 / distance[s, 3, k] - shift
                if d < least and indices[s, k] != dummy:
                    least = d
                    nearest[k] = s
                    fcut[k], dfcut[k] = _step(d, pair[e, DELTA_IN])
            slot += widths[e]


@njit(**_inlined)
def _invariant(x, f, number, pointers, columns, values):
    """B-basis function `f`, zero if it is of rank 1 or not one of the `number`."""
    s = splat(0.0)
    if f < number:
        for p in range(peek(pointers, f), peek(pointers, f + 1)):
            s = s + peek(values, p) * (load(x, peek(columns, 2 * p)) * load(x, peek(columns, 2 * p + 1)))
    return s


@njit(**_options)
def _invariants(x, number, pointers, columns, values, invariants, row):
    """Add B-basis functions of rank > 1 of one block to the rows of `invariants` from `row` on."""
    wide = invariants.shape[1]
    flat = invariants.reshape(invariants.size)
    for f in range(0, wide, 8):
        t = simd.transpose(
            _invariant(x, f, number, pointers, columns, values),
            _invariant(x, f + 1, number, pointers, columns, values),
            _invariant(x, f + 2, number, pointers, columns, values),
            _invariant(x, f + 3, number, pointers, columns, values),
            _invariant(x, f + 4, number, pointers, columns, values),
            _invariant(x, f + 5, number, pointers, columns, values),
            _invariant(x, f + 6, number, pointers, columns, values),
            _invariant(x, f + 7, number, pointers, columns, values),
        )
        at = (row * wide + f) // 8
        wide8 = wide // 8
        store(flat, at, load(flat, at) + t[0])
        store(flat, at + wide8, load(flat, at + wide8) + t[1])
        store(flat, at + 2 * wide8, load(flat, at + 2 * wide8) + t[2])
        store(flat, at + 3 * wide8, load(flat, at + 3 * wide8) + t[3])
        store(flat, at + 4 * wide8, load(flat, at + 4 * wide8) + t[4])
        store(flat, at + 5 * wide8, load(flat, at + 5 * wide8) + t[5])
        store(flat, at + 6 * wide8, load(flat, at + 6 * wide8) + t[6])
        store(flat, at + 7 * wide8, load(flat, at + 7 * wide8) + t[7])


@njit(**_inlined)
def _polynomials(table, rows):
    """The eight numbers of the bins at `rows` (8,), each of them for eight pairs."""
    return simd.transpose(
        load_from(table, peek(rows, 0)), load_from(table, peek(rows, 1)),
        load_from(table, peek(rows, 2)), load_from(table, peek(rows, 3)),
        load_from(table, peek(rows, 4)), load_from(table, peek(rows, 5)),
        load_from(table, peek(rows, 6)), load_from(table, peek(rows, 7)),
    )  # fmt: skip


@njit(**_inlined)
def _add_singles(sums, stride, table, number, rows, t, weights):
    """Add the functions of rank 1 of eight pairs at the bins `rows` to `sums`, `stride` vectors apart."""
    # cubic Hermite polynomials as a sum of values and slopes at both ends of the bin
    u = 1.0 - t
    store(weights, 0, u * u * (t + t + 1.0))
    store(weights, 1, t * u * u)
    store(weights, 2, t * t * (u + u + 1.0))
    store(weights, 3, (t * t) * u)
    for k in range(8):
        row = 2 * number * (peek(rows, k) // 8)
        f0, d0 = splat(peek(weights, k)), splat(peek(weights, 8 + k))
        f1, d1 = splat(peek(weights, 16 + k)), splat(peek(weights, 24 + k))
        for group in range((number + 7) // 8):
            o, at = row + 8 * group, k * stride + group
            value = f0 * load_from(table, o) + d0 * load_from(table, o + number)
            value = value + (f1 * load_from(table, o + 2 * number) - d1 * load_from(table, o + 3 * number))
            store(sums, at, load(sums, at) + value)


@njit(**_options)
def _put_singles(sums, at, number, names, ints, invariants, row):
    for k in range(number):
        invariants[row, ints[names + k]] += sums[8 * at + k]


@njit(**_options)
def _far(
    i, xyz, far, first, elements, shells, pairs, ints, floats, rows, weights, singles, invariants, line,
    out, forces, virial,
):  # fmt: skip
    """Pair potentials of atom `i` and its neighbours beyond the reach of the other functions; functions of
    rank 1 are added to row `line` of `invariants`, if that is not negative.

    Returns its energy. Eight neighbours at a time; the table has the slope of the energies of both atoms of
    a pair, so that the force on `i` is whole and its neighbours need not be touched.
    """
    energy = splat(0.0)
    fx, fy, fz = splat(0.0), splat(0.0), splat(0.0)
    vxx, vyy, vzz = splat(0.0), splat(0.0), splat(0.0)
    vyz, vxz, vxy = splat(0.0), splat(0.0), splat(0.0)
    x, y, z = splat(peek(xyz, 3 * i)), splat(peek(xyz, 3 * i + 1)), splat(peek(xyz, 3 * i + 2))
    for e in range(elements):
        if shells[e, FAR] == 0:
            continue
        table = floats[shells[e, PAIR_TABLE] :]
        number = shells[e, SINGLES] if line >= 0 else 0
        single_table = floats[shells[e, SINGLE_TABLE] :]
        singles[: number + 8] = 0.0
        reach = pairs[e, REACH]
        row = i * (elements + 1) + e
        for p in range(peek(first, row), peek(first, row + 1), 8):
            dx = gather_component(xyz, far, p, 0) - x
            dy = gather_component(xyz, far, p, 1) - y
            dz = gather_component(xyz, far, p, 2) - z
            square = simd.square(dx, dy, dz)
            r = sqrt(square)
            s = r * pairs[e, PAIR_PER_BIN]
            # the bin after the last is zero
            last = splat(float(shells[e, PAIR_BINS]))
            b = simd.minimum(floor(s), last)
            b = simd.where_less(square, splat(reach * reach), last, b)
            simd.store_integers(rows, 0, b * 8.0)
            t = s - b
            if number > 0:
                _add_singles(singles, 0, single_table, number, rows, t, weights)
            c0, c1, c2, c3, d0, d1, d2, _ = _polynomials(table, rows)
            energy = energy + (c0 + t * (c1 + t * (c2 + t * c3)))
            slope = (d0 + t * (d1 + t * d2)) / r
            gx, gy, gz = slope * dx, slope * dy, slope * dz
            fx, fy, fz = fx + gx, fy + gy, fz + gz
            vxx, vyy, vzz = vxx + dx * gx, vyy + dy * gy, vzz + dz * gz
            vyz, vxz, vxy = vyz + dy * gz, vxz + dx * gz, vxy + dx * gy
        if number > 0:
            _put_singles(singles, 0, number, shells[e, SINGLE_NUMBERS], ints, invariants, line)
    t = simd.transpose(fx, fy, fz, energy, vxx, vyy, vzz, vyz)
    store(out, 0, ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7])))
    for c in range(3):
        poke(forces, 3 * i + c, peek(forces, 3 * i + c) + peek(out, c))
    # each pair comes twice, with the slope of both energies
    virial[0] += 0.5 * peek(out, 4)
    virial[1] += 0.5 * peek(out, 5)
    virial[2] += 0.5 * peek(out, 6)
    virial[3] += 0.5 * peek(out, 7)
    virial[4] += 0.5 * total(vxz)
    virial[5] += 0.5 * total(vxy)
    return peek(out, 3)


@njit(**_options)
def _core(i, e, xyz, begin, end, neighbours, shell, pair, floats, weight, forces, virial):
    """Core energy (zbl) of atom `i`; `weight` of its force replaces as much of the pair potential's."""
    energy = 0.0
    for p in range(begin, end):
        j = peek(neighbours, p)
        dx = peek(xyz, 3 * j) - peek(xyz, 3 * i)
        dy = peek(xyz, 3 * j + 1) - peek(xyz, 3 * i + 1)
        dz = peek(xyz, 3 * j + 2) - peek(xyz, 3 * i + 2)
        r = math.sqrt(dx * dx + dy * dy + dz * dz)
        s = r * pair[PAIR_PER_BIN]
        if s >= shell[PAIR_BINS]:
            continue
        b = int(s)
        t = s - b
        slope = 0.0
        if shell[CORE_TABLE] >= 0:
            c = shell[CORE_TABLE] + 4 * b
            c1, c2, c3 = floats[c + 1], floats[c + 2], floats[c + 3]
            energy += floats[c] + t * (c1 + t * (c2 + t * c3))
            slope = c1 + t * (2 * c2 + t * 3 * c3)
        c = shell[PAIR_TABLE] + 8 * b
        slope -= floats[c + 1] + t * (2 * floats[c + 2] + t * 3 * floats[c + 3])
        slope *= weight * pair[PAIR_PER_BIN] / r
        d = (dx, dy, dz)
        for c in range(3):
            poke(forces, 3 * i + c, peek(forces, 3 * i + c) + slope * d[c])
            poke(forces, 3 * j + c, peek(forces, 3 * j + c) - slope * d[c])
        virial[0] += slope * dx * dx
        virial[1] += slope * dy * dy
        virial[2] += slope * dz * dz
        virial[3] += slope * dy * dz
        virial[4] += slope * dx * dz
        virial[5] += slope * dx * dy
    return energy


@njit(**_options)
def evaluate(
    begin, end, step, blocks, centres, xyz, near_first, near, far_first, far,
    meta, shells, pair_values, ints, floats, coefficients,
    work, distance, indices, invariants, energies, forces, virial,
):  # fmt: skip
    """Add blocks `begin`, `begin + step`, ... before `end` to `energies` (atoms,), `forces` (extended, 3) and
    `virial` (6,). If `invariants` (8 x number of blocks, functions up to a multiple of 8) has any rows, they
    are filled with the B-basis functions of the atoms of these blocks.

    `blocks` (number, 8) are atoms, -1 where there is none; `centres` their elements. Extended atoms are
    atoms, images and one dummy. `virial` is xx yy zz yz xz xy of sum r (x) dE/dr.
    """
    elements = shells.shape[1]
    dummy = xyz.shape[0] - 1
    fractions = np.empty(8)
    bin_rows = np.empty(8, np.int64)
    lanes = np.empty((8, 8))
    flat_lanes = lanes.reshape(64)
    flat_distance = distance.reshape(distance.size)
    flat_indices = indices.reshape(indices.size)
    flat_forces = forces.reshape(forces.size)
    flat_near_first = near_first.reshape(near_first.size)
    flat_far_first = far_first.reshape(far_first.size)
    flat_xyz = xyz.reshape(xyz.size)
    members = np.empty(8, np.int64)
    fcut, dfcut = np.ones(8), np.zeros(8)
    nearest = np.zeros(8, np.int64)
    far_energy, core_energy, sums = np.zeros(8), np.zeros(8), np.zeros(8)
    widths = np.empty(elements, np.int64)
    wanted = invariants.shape[0] > 0
    stride = (max(0, shells[:, :, SINGLES].max()) + 7) // 8
    singles, weights = np.empty(64 * stride + 8), np.empty(32)
    vxx, vyy, vzz = splat(0.0), splat(0.0), splat(0.0)
    vyz, vxz, vxy = splat(0.0), splat(0.0), splat(0.0)
    line = -8
    for block in range(begin, end, step):
        line += 8
        centre = centres[block]
        head = meta[centre]
        rows, leaves = head[ROWS], head[LEAVES]
        count = 0
        for k in range(8):
            i = blocks[block, k]
            members[k] = i if i >= 0 else dummy
            count += i >= 0
        # working space: rows X, adjoints G, angular and radial functions of all slots
        x = work[: 8 * rows]
        g = work[8 * rows : 16 * rows]
        y = work[16 * rows :]

        if wanted:
            invariants[line : line + 8] = 0.0
        slot = 0
        used = 0
        pair_energy = splat(0.0)
        for e in range(elements):
            shell = shells[centre, e]
            pair = pair_values[centre, e]
            width = 0
            if shell[TABLE] >= 0:
                width = _filter(
                    members, count, flat_xyz, flat_near_first, elements, near, e,
                    pair[REACH] * pair[REACH], flat_distance, flat_indices, slot, dummy,
                )  # fmt: skip
            widths[e] = width
            number = shell[SINGLES] if wanted else 0
            single_table = floats[shell[SINGLE_TABLE] :]
            if number > 0:
                singles[:] = 0.0
            groups, lmax = shell[GROUPS], shell[LMAX]
            ny, nr = (lmax + 1) ** 2, 8 * groups
            table = floats[shell[TABLE] :]
            per_bin = pair[PER_BIN]
            last = float(shell[BINS] + 1)
            functions = shell[FUNCTIONS]
            y_at, r_at, d_at = used, used + width * ny, used + width * (ny + nr)
            used += width * (ny + 2 * nr)
            for k in range(width):
                at = 5 * (slot + k)
                dx, dy = load(flat_distance, at), load(flat_distance, at + 1)
                dz = load(flat_distance, at + 2)
                r = sqrt(dx * dx + dy * dy + dz * dz)
                inverse = 1.0 / r
                store(flat_distance, at + 3, inverse)
                s = r * pair[PAIR_PER_BIN]
                b = simd.minimum(floor(s), splat(float(shell[PAIR_BINS])))
                simd.store_integers(bin_rows, 0, b * 8.0)
                t = s - b
                if number > 0:
                    _add_singles(singles, stride, single_table, number, bin_rows, t, weights)
                c0, c1, c2, c3, _, _, _, _ = _polynomials(floats[shell[PAIR_TABLE] :], bin_rows)
                pair_energy = pair_energy + (c0 + t * (c1 + t * (c2 + t * c3)))
                slope = c1 + t * (2.0 * c2 + t * (3.0 * c3))
                store(flat_distance, at + 4, slope * (pair[PAIR_PER_BIN] * inverse))
                s = r * per_bin
                b = simd.minimum(floor(s), splat(last))
                simd.store_integers(bin_rows, 0, b * splat(2.0 * functions))
                store(fractions, 0, s - b)
                _radial(y, r_at + k * nr, d_at + k * nr, table, groups, functions, fractions, bin_rows)
                _angular(y, y_at + k * ny, dx * inverse, dy * inverse, dz * inverse, lmax, coefficients)
            for k in range(count if number > 0 else 0):
                _put_singles(singles, k * stride, number, shell[SINGLE_NUMBERS], ints, invariants, line + k)
            if shell[TABLE] >= 0:
                _accumulate(x, y, r_at, nr, y_at, ny, width, lmax, ints[shell[LISTS] :])
            slot += width

        number = head[PRODUCTS]
        products = ints[head[PRODUCTS_AT] : head[PRODUCTS_AT] + 8 * number].reshape(number, 8)
        _forward(x, products)
        energy = _quadratic(
            x, g, rows,
            ints[head[S_PTR] :], ints[head[S_IDX] :], floats[head[S_VAL] :],
        )  # fmt: skip
        if wanted:
            _invariants(
                x, head[B_COUNT], ints[head[B_PTR] :], ints[head[B_IDX] :], floats[head[B_VAL] :],
                invariants, line,
            )  # fmt: skip
        _backward(x, g, products)
        energy = energy + pair_energy
        if head[HAS_FAR] == 1:
            for k in range(count):
                far_energy[k] = _far(
                    members[k], flat_xyz, far, flat_far_first, elements, shells[centre],
                    pair_values[centre], ints, floats, bin_rows, weights, singles, invariants,
                    line + k if wanted else -1, sums, flat_forces, virial,
                )  # fmt: skip
            energy = energy + load(far_energy, 0)

        zbl = head[ZBL] == 1
        if zbl:
            _switch(distance, indices, widths, pair_values[centre], dummy, fcut, dfcut, nearest)
            for k in range(count):
                core_energy[k] = 0.0
                if fcut[k] == 1.0:
                    continue
                for e in range(elements):
                    if shells[centre, e, TABLE] >= 0:
                        wide = shells[centre, e, FAR] == 1
                        row = members[k] * (elements + 1) + e
                        starts = flat_far_first if wide else flat_near_first
                        core_energy[k] += _core(
                            members[k], e, flat_xyz, starts[row], starts[row + 1], far if wide else near,
                            shells[centre, e], pair_values[centre, e], floats, 1.0 - fcut[k],
                            flat_forces, virial,
                        )  # fmt: skip
            switch, core = load(fcut, 0), load(core_energy, 0)
            difference = energy - core
            energy = core + switch * difference
            for row in range(leaves):
                store(g, row, switch * load(g, row))
            store(flat_lanes, 7, difference)
            for k in range(count):
                if dfcut[k] != 0.0:
                    s = nearest[k]
                    slope = lanes[7, k] * dfcut[k] * distance[s, 3, k]
                    for c in range(3):
                        f = slope * distance[s, c, k]
                        forces[members[k], c] += f
                        forces[indices[s, k], c] -= f
                    virial[0] += slope * distance[s, 0, k] ** 2
                    virial[1] += slope * distance[s, 1, k] ** 2
                    virial[2] += slope * distance[s, 2, k] ** 2
                    virial[3] += slope * distance[s, 1, k] * distance[s, 2, k]
                    virial[4] += slope * distance[s, 0, k] * distance[s, 2, k]
                    virial[5] += slope * distance[s, 0, k] * distance[s, 1, k]

        fx, fy, fz = splat(0.0), splat(0.0), splat(0.0)
        slot = 0
        used = 0
        for e in range(elements):
            shell = shells[centre, e]
            width = widths[e]
            groups, lmax = shell[GROUPS], shell[LMAX]
            ny, nr = (lmax + 1) ** 2, 8 * groups
            r_at, d_at = used + width * ny, used + width * (ny + nr)
            used += width * (ny + 2 * nr)
            lists = ints[shell[LISTS] :]
            per_bin = pair_values[centre, e, PER_BIN]
            for k in range(width):
                at = 5 * (slot + k)
                dx, dy = load(flat_distance, at), load(flat_distance, at + 1)
                dz = load(flat_distance, at + 2)
                inverse = load(flat_distance, at + 3)
                slope = load(flat_distance, at + 4)
                gx, gy, gz = _gradient(
                    g, y, r_at + k * nr, d_at + k * nr, dx * inverse, dy * inverse, dz * inverse,
                    inverse, per_bin, lmax, lists, coefficients,
                )  # fmt: skip
                gx, gy, gz = gx + slope * dx, gy + slope * dy, gz + slope * dz
                fx, fy, fz = fx + gx, fy + gy, fz + gz
                vxx, vyy, vzz = vxx + dx * gx, vyy + dy * gy, vzz + dz * gz
                vyz, vxz, vxy = vyz + dy * gz, vxz + dx * gz, vxy + dx * gy
                store(flat_lanes, 0, gx)
                store(flat_lanes, 1, gy)
                store(flat_lanes, 2, gz)
                for q in range(8):
                    j = 3 * peek(flat_indices, 8 * (slot + k) + q)
                    poke(flat_forces, j, peek(flat_forces, j) - peek(flat_lanes, q))
                    poke(flat_forces, j + 1, peek(flat_forces, j + 1) - peek(flat_lanes, 8 + q))
                    poke(flat_forces, j + 2, peek(flat_forces, j + 2) - peek(flat_lanes, 16 + q))
            slot += width
        store(flat_lanes, 0, fx)
        store(flat_lanes, 1, fy)
        store(flat_lanes, 2, fz)
        store(flat_lanes, 3, energy)
        for k in range(count):
            i = members[k]
            forces[i, 0] += lanes[0, k]
            forces[i, 1] += lanes[1, k]
            forces[i, 2] += lanes[2, k]
            energies[i] += lanes[3, k]
    virial[0] += total(vxx)
    virial[1] += total(vyy)
    virial[2] += total(vzz)
    virial[3] += total(vyz)
    virial[4] += total(vxz)
    virial[5] += total(vxy)


@njit(**_options)
def fold(extended, owner, atoms):
    """Forces (atoms, 3) from those on atoms and images."""
    forces = np.zeros((atoms, 3))
    for k in range(len(owner)):
        for c in range(3):
            forces[owner[k], c] += extended[k, c]
    return forces


def _notice_edits_of(*modules) -> None:
    """Make numba's cache depend on modules whose code is compiled into functions of this one.

    By itself it only looks at the file that a function stands in.
    """
    newest = max(Path(module.__file__).stat().st_mtime for module in modules)
    for function in globals().values():
        if isinstance(function, Dispatcher):
            file = function._cache._cache_file
            file._source_stamp = (*file._source_stamp, newest)


_notice_edits_of(simd)
