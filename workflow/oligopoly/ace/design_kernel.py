"""The compiled loop behind `design`: B-basis functions of the atoms of one element, and their derivatives."""

import numba
import numpy as np

from oligopoly.ace.simd import LANES, load, splat, store, total, transpose


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _harmonics(lmax, vectors, unit, inverse_r, value, gradient):
    """Y_lm = P_lm(z) (x + i y)^m for m >= 0 of unit vectors, and their derivatives by the neighbour's position.

    `unit` (3, V), `inverse_r` (V,), value (harmonics, 2, V), gradient (harmonics, 2, 3, V), with V numbers in
    `vectors` vectors and harmonics indexed by l(l+1)/2 + m, real and imaginary parts. Normalised to Y_00 = 1;
    Condon-Shortley phase (Drautz 2020, appendix).
    """
    stride = unit.shape[1] // LANES
    for v in range(vectors):
        x, y, z = load(unit, v), load(unit, stride + v), load(unit, 2 * stride + v)
        scale = load(inverse_r, v)
        power_re, power_im, before_re, before_im = splat(1.0), splat(0.0), splat(0.0), splat(0.0)
        diagonal = 1.0
        for m in range(lmax + 1):
            if m > 0:
                before_re, before_im = power_re, power_im
                power_re, power_im = before_re * x - before_im * y, before_re * y + before_im * x
                diagonal *= -np.sqrt((2.0 * m + 1.0) / (2.0 * m))
            p, dp, p_below, dp_below = splat(diagonal), splat(0.0), splat(0.0), splat(0.0)
            for l in range(m, lmax + 1):
                if l > m:
                    a = np.sqrt((4.0 * l * l - 1.0) / (l * l - m * m))
                    b = 0.0
                    if l > m + 1:
                        b = -np.sqrt(((l - 1.0) ** 2 - m * m) / (4.0 * (l - 1.0) ** 2 - 1.0))
                    p_next = a * (z * p + b * p_below)
                    dp_next = a * (p + z * dp + b * dp_below)
                    p_below, dp_below, p, dp = p, dp, p_next, dp_next
                mp = float(m) * p
                for c in range(2):
                    if c == 0:
                        at, g0, g1, g2 = p * power_re, mp * before_re, splat(0.0) - mp * before_im, dp * power_re
                    else:
                        at, g0, g1, g2 = p * power_im, mp * before_im, mp * before_re, dp * power_im
                    # only the part along the sphere counts: Y does not change with r
                    along = g0 * x + g1 * y + g2 * z
                    h = 2 * (l * (l + 1) // 2 + m) + c
                    store(value, h * stride + v, at)
                    store(gradient, (3 * h) * stride + v, (g0 - along * x) * scale)
                    store(gradient, (3 * h + 1) * stride + v, (g1 - along * y) * scale)
                    store(gradient, (3 * h + 2) * stride + v, (g2 - along * z) * scale)


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _radials(begin, end, pair_r, table, start, width, count, value, slope):
    """R_k and dR_k/dr of the pairs begin ... end - 1 by cubic Hermite interpolation, each (k, neighbour)."""
    for p in range(begin, end):
        place = pair_r[p] / width
        knot = int(place)
        w = place - knot
        base = start + 2 * count * knot
        v0, v1 = (1.0 + 2.0 * w) * (1.0 - w) ** 2, w * w * (3.0 - 2.0 * w)
        s0, s1 = w * (1.0 - w) ** 2, w * w * (w - 1.0)
        dv = 6.0 * w * (w - 1.0) / width
        ds0, ds1 = (1.0 - w) * (1.0 - 3.0 * w) / width, w * (3.0 * w - 2.0) / width
        for k in range(count):
            lower, lower_slope = table[base + k], table[base + count + k]
            upper, upper_slope = table[base + 2 * count + k], table[base + 3 * count + k]
            value[k, p - begin] = v0 * lower + v1 * upper + s0 * lower_slope + s1 * upper_slope
            slope[k, p - begin] = dv * (lower - upper) + ds0 * lower_slope + ds1 * upper_slope


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def kernel(
    central, kinds, pair_j, pair_r, pair_d, pair_start, fcut, dfcut, nearest, table, table_start, bins, counts,
    leaf_start, leaf_radial, leaf_harmonic, leaf_part, slot_start, slot_leaf,
    term_start, term_coefficient, factor_start, factor_slot, factor_conjugate,
    lmax, derivatives, values, gradient,
):  # fmt: skip
    """Fill `values` and add to `gradient` for all atoms of one element.

    Derivatives of the parts stand in `da` (parts, columns). Columns of a neighbour element's block, each padded to
    full vectors: x, y, z of its distinct atoms, then x y z of the central atom and the strains xx yy zz yz xz xy.
    `target` is the row of `gradient` that a column adds to.
    """
    n_atoms = len(kinds)
    n_functions = len(slot_start) - 1
    n_elements = len(leaf_start) - 1
    n_harmonics = (lmax + 1) * (lmax + 2) // 2
    widest, most = 1, 1
    for atom in range(n_atoms):
        widest = max(widest, pair_start[atom + 1] - pair_start[atom])
    for e in range(n_elements):
        most = max(most, counts[e])
    most_slots, most_factors = 1, 1
    for k in range(n_functions):
        most_slots = max(most_slots, slot_start[k + 1] - slot_start[k])
    for t in range(len(term_coefficient)):
        most_factors = max(most_factors, factor_start[t + 1] - factor_start[t])
    nv = (widest + LANES - 1) // LANES
    n_columns = 3 * (nv + n_elements) + 2 * n_elements  # vectors
    padding = 3 * n_atoms + 6
    functions_v = gradient.shape[1] // LANES

    unit, d = np.zeros((3, nv * LANES)), np.zeros((3, nv * LANES))
    inverse_r = np.ones(nv * LANES)
    radial_value, radial_slope = np.zeros((most, nv * LANES)), np.zeros((most, nv * LANES))
    y_value, y_gradient = np.zeros((n_harmonics, 2, nv * LANES)), np.zeros((n_harmonics, 2, 3, nv * LANES))
    a = np.zeros(leaf_part[-1])
    da = np.zeros((leaf_part[-1], n_columns * LANES))
    image = np.zeros((3, nv * LANES))
    place = np.zeros(nv * LANES, np.int64)
    target = np.zeros(n_columns * LANES, np.int64)
    block = np.zeros(n_elements + 1, np.int64)
    slot_re, slot_im = np.empty(most_slots), np.empty(most_slots)
    ahead_re, ahead_im = np.empty(most_factors + 1), np.empty(most_factors + 1)
    entry_part, entry_weight = np.zeros(2 * most_slots, np.int64), np.zeros(2 * most_slots)
    entry_element = np.zeros(2 * most_slots, np.int64)
    eight = np.zeros((LANES, n_columns * LANES))
    zero = splat(0.0)
    atom_row = -1
    nearest_column, nearest_tail = 0, 0

    for atom in range(n_atoms):
        if kinds[atom] != central:
            continue
        atom_row += 1
        share = fcut[atom]

        # ---- A and dA of each neighbour element
        pair = pair_start[atom]
        column = 0
        for e in range(n_elements):
            block[e] = column
            begin = pair
            distinct = 0
            while pair < pair_start[atom + 1] and kinds[pair_j[pair]] == e:
                if pair == begin or pair_j[pair] != pair_j[pair - 1]:
                    distinct += 1
                place[pair - begin] = distinct - 1
                pair += 1
            n = pair - begin
            vectors = (n + LANES - 1) // LANES
            wide = (distinct + LANES - 1) // LANES
            tail = column + 3 * wide
            block[e + 1] = tail + 2
            for q in range(n):
                p = begin + q
                inverse_r[q] = 1.0 / pair_r[p]
                for x in range(3):
                    d[x, q] = pair_d[p, x]
                    unit[x, q] = pair_d[p, x] * inverse_r[q]
                if p == nearest[atom]:
                    nearest_column, nearest_tail = column * LANES + place[q], tail * LANES
            _radials(begin, pair, pair_r, table, table_start[e], bins[e], counts[e], radial_value, radial_slope)
            for q in range(n, vectors * LANES):
                for x in range(3):
                    d[x, q], unit[x, q] = 0.0, 0.0
                inverse_r[q] = 1.0
                for k in range(counts[e]):
                    radial_value[k, q], radial_slope[k, q] = 0.0, 0.0
            _harmonics(lmax, vectors, unit, inverse_r, y_value, y_gradient)
            if derivatives:
                for c in range(column * LANES, block[e + 1] * LANES):
                    target[c] = padding
                for q in range(n):
                    for x in range(3):
                        target[(column + x * wide) * LANES + place[q]] = 3 * pair_j[begin + q] + x
                for x in range(3):
                    target[tail * LANES + x] = 3 * atom + x
                for x in range(6):
                    target[tail * LANES + 3 + x] = 3 * n_atoms + x
            for leaf in range(leaf_start[e], leaf_start[e + 1]):
                k = leaf_radial[leaf]
                for part in range(leaf_part[leaf], leaf_part[leaf + 1]):
                    h = 2 * leaf_harmonic[leaf] + part - leaf_part[leaf]
                    sum_a = zero
                    if not derivatives:
                        for v in range(vectors):
                            sum_a = sum_a + load(radial_value, k * nv + v) * load(y_value, h * nv + v)
                        a[part] = total(sum_a)
                        continue
                    c0, c1, c2, w0, w1, w2, w3, w4, w5 = zero, zero, zero, zero, zero, zero, zero, zero, zero
                    for v in range(vectors):
                        value, slope = load(radial_value, k * nv + v), load(radial_slope, k * nv + v)
                        y = load(y_value, h * nv + v)
                        sum_a = sum_a + value * y
                        along = slope * y
                        f0 = along * load(unit, v) + value * load(y_gradient, 3 * h * nv + v)
                        f1 = along * load(unit, nv + v) + value * load(y_gradient, (3 * h + 1) * nv + v)
                        f2 = along * load(unit, 2 * nv + v) + value * load(y_gradient, (3 * h + 2) * nv + v)
                        d0, d1, d2 = load(d, v), load(d, nv + v), load(d, 2 * nv + v)
                        c0, c1, c2 = c0 + f0, c1 + f1, c2 + f2
                        w0, w1, w2 = w0 + f0 * d0, w1 + f1 * d1, w2 + f2 * d2
                        w3, w4, w5 = w3 + f1 * d2, w4 + f0 * d2, w5 + f0 * d1
                        if distinct == n:
                            at = part * n_columns + column + v
                            store(da, at, f0)
                            store(da, at + wide, f1)
                            store(da, at + 2 * wide, f2)
                        else:
                            store(image, v, f0)
                            store(image, nv + v, f1)
                            store(image, 2 * nv + v, f2)
                    if distinct != n:
                        for v in range(3 * wide):
                            store(da, part * n_columns + column + v, zero)
                        for x in range(3):
                            for q in range(n):
                                da[part, (column + x * wide) * LANES + place[q]] += image[x, q]
                    a[part] = total(sum_a)
                    at = tail * LANES
                    da[part, at], da[part, at + 1], da[part, at + 2] = -total(c0), -total(c1), -total(c2)
                    da[part, at + 3], da[part, at + 4], da[part, at + 5] = total(w0), total(w1), total(w2)
                    da[part, at + 6], da[part, at + 7], da[part, at + 8] = total(w3), total(w4), total(w5)
            column = block[e + 1]

        # ---- functions, eight at a time
        for first in range(0, n_functions, LANES):
            for lane in range(LANES):
                k = first + lane
                if k >= n_functions:
                    for v in range(column):
                        store(eight, lane * n_columns + v, zero)
                    continue
                first_slot, n_slots = slot_start[k], slot_start[k + 1] - slot_start[k]
                slot_re[:n_slots] = 0.0
                slot_im[:n_slots] = 0.0
                value_k = 0.0
                for t in range(term_start[k], term_start[k + 1]):
                    first_factor, rank = factor_start[t], factor_start[t + 1] - factor_start[t]
                    ahead_re[0], ahead_im[0] = term_coefficient[t], 0.0
                    for q in range(rank):
                        leaf = slot_leaf[first_slot + factor_slot[first_factor + q]]
                        part = leaf_part[leaf]
                        re, im = a[part], 0.0
                        if leaf_part[leaf + 1] > part + 1:
                            im = -a[part + 1] if factor_conjugate[first_factor + q] else a[part + 1]
                        ahead_re[q + 1] = ahead_re[q] * re - ahead_im[q] * im
                        ahead_im[q + 1] = ahead_re[q] * im + ahead_im[q] * re
                    value_k += ahead_re[rank]
                    if not derivatives:
                        continue
                    behind_re, behind_im = 1.0, 0.0
                    for q in range(rank - 1, -1, -1):
                        s = factor_slot[first_factor + q]
                        leaf = slot_leaf[first_slot + s]
                        part = leaf_part[leaf]
                        re, im = a[part], 0.0
                        slot_re[s] += ahead_re[q] * behind_re - ahead_im[q] * behind_im
                        if leaf_part[leaf + 1] > part + 1:
                            # Re(w dA) = Re w dRe A - Im w dIm A, the other sign for A*
                            sign = 1.0 if factor_conjugate[first_factor + q] else -1.0
                            slot_im[s] += sign * (ahead_re[q] * behind_im + ahead_im[q] * behind_re)
                            im = -sign * a[part + 1]
                        behind_re, behind_im = behind_re * re - behind_im * im, behind_re * im + behind_im * re
                values[atom_row, k] = value_k
                if not derivatives:
                    continue
                entries = 0
                e = 0
                for s in range(n_slots):
                    leaf = slot_leaf[first_slot + s]
                    while leaf_start[e + 1] <= leaf:
                        e += 1
                    for part in range(leaf_part[leaf], leaf_part[leaf + 1]):
                        entry_part[entries], entry_element[entries] = part * n_columns, e
                        entry_weight[entries] = share * (slot_re[s] if part == leaf_part[leaf] else slot_im[s])
                        entries += 1
                low = 0
                for e in range(n_elements):
                    high = low
                    while high < entries and entry_element[high] == e:
                        high += 1
                    for v in range(block[e], block[e + 1]):
                        row = zero
                        for s in range(low, high):
                            row = row + entry_weight[s] * load(da, entry_part[s] + v)
                        store(eight, lane * n_columns + v, row)
                    low = high
                if dfcut[atom] != 0.0:
                    p = nearest[atom]
                    wide = (nearest_tail // LANES - block[kinds[pair_j[p]]]) // 3
                    for x in range(3):
                        f = value_k * dfcut[atom] * pair_d[p, x] / pair_r[p]
                        eight[lane, nearest_column + x * wide * LANES] += f
                        eight[lane, nearest_tail + x] -= f
                        eight[lane, nearest_tail + 3 + x] += f * pair_d[p, x]
                    f = value_k * dfcut[atom] / pair_r[p]
                    eight[lane, nearest_tail + 6] += f * pair_d[p, 1] * pair_d[p, 2]
                    eight[lane, nearest_tail + 7] += f * pair_d[p, 0] * pair_d[p, 2]
                    eight[lane, nearest_tail + 8] += f * pair_d[p, 0] * pair_d[p, 1]
            if not derivatives:
                continue
            # columns of eight functions become rows of eight functions
            at = first // LANES
            for v in range(column):
                t0, t1, t2, t3, t4, t5, t6, t7 = transpose(
                    load(eight, v), load(eight, n_columns + v), load(eight, 2 * n_columns + v),
                    load(eight, 3 * n_columns + v), load(eight, 4 * n_columns + v), load(eight, 5 * n_columns + v),
                    load(eight, 6 * n_columns + v), load(eight, 7 * n_columns + v),
                )  # fmt: skip
                c = v * LANES
                _accumulate(gradient, target[c] * functions_v + at, t0)
                _accumulate(gradient, target[c + 1] * functions_v + at, t1)
                _accumulate(gradient, target[c + 2] * functions_v + at, t2)
                _accumulate(gradient, target[c + 3] * functions_v + at, t3)
                _accumulate(gradient, target[c + 4] * functions_v + at, t4)
                _accumulate(gradient, target[c + 5] * functions_v + at, t5)
                _accumulate(gradient, target[c + 6] * functions_v + at, t6)
                _accumulate(gradient, target[c + 7] * functions_v + at, t7)


@numba.njit(nogil=True, inline="always")
def _accumulate(array, index, vector):
    store(array, index, load(array, index) + vector)
