"""Rows of the linear least-squares problem: what each basis function contributes to energy, forces and virial.

For one frame, energy = rows.energy @ c, forces = rows.forces @ c and dE/dstrain = rows.virial @ c, with the
coefficients c of all functions, element after element in the order of `Potential.functions`. What does not depend
on c (E0 and the repulsive core) is `fixed`.

Each function is a sum of products of A_nlm (`coupling.invariant`). For every atom, dA/dr of its neighbours is
gathered once (periodic images of an atom together), and the derivative of a function is the sum of the few dA/dr
it contains, weighted by the products of the other factors. Neighbours, and in the end functions, go eight at a time
through `simd` vectors.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import vesin
from ase import Atoms

from oligopoly.ace import core, radial
from oligopoly.ace.coupling import invariant
from oligopoly.ace.potential import BasisFunction, Potential
from oligopoly.ace.simd import LANES, load, splat, store, total, transpose
from oligopoly.errors import UserError


class Rows(NamedTuple):
    """energy (K,) in eV per unit coefficient, forces (3N, K) in eV/A, virial (6, K) = dE/dstrain in eV (Voigt)."""

    energy: np.ndarray
    forces: np.ndarray
    virial: np.ndarray


class Fixed(NamedTuple):
    """The part without coefficients: energy in eV, forces (N, 3) in eV/A, virial (6,) in eV (Voigt)."""

    energy: float
    forces: np.ndarray
    virial: np.ndarray


@dataclass
class _Plan:
    """The functions of one central element, flattened for the compiled kernel.

    A leaf is one A_nlm with m >= 0: a row of the radial table of its pair, and an index l(l+1)/2 + m. Leaves of
    one neighbour element are consecutive. Its real part and, for m > 0, imaginary part are consecutive `parts`. A
    slot is a leaf within a function, in the order of the leaves; a factor of a term names its slot and whether it
    is complex conjugated.
    """

    leaf_start: np.ndarray  # (elements + 1,)
    leaf_radial: np.ndarray  # (leaves,)
    leaf_harmonic: np.ndarray  # (leaves,)
    leaf_part: np.ndarray  # (leaves + 1,) first part of each
    slot_start: np.ndarray  # (functions + 1,)
    slot_leaf: np.ndarray  # (slots,)
    term_start: np.ndarray  # (functions + 1,)
    term_coefficient: np.ndarray  # (terms,)
    factor_start: np.ndarray  # (terms + 1,)
    factor_slot: np.ndarray  # (factors,) relative to the function's first slot
    factor_conjugate: np.ndarray  # (factors,) True for A*
    lmax: int


class Design:
    """Design matrix rows and B-basis projections of a linear potential.

    `functions[element]` and `slices[element]` say which columns belong to which function; `size` is their number.
    The coefficients in `potential` are not used.
    """

    def __init__(self, potential: Potential):
        self.potential = potential
        self.elements = list(potential.elements)
        self.functions: list[BasisFunction] = []
        self.slices: dict[str, slice] = {}
        for element in self.elements:
            start = len(self.functions)
            self.functions += potential.functions[element]
            self.slices[element] = slice(start, len(self.functions))
        self.size = len(self.functions)
        self.cutoff = max(bond.rcut for bond in potential.bonds.values())
        self._limits, self._r_in, self._delta = (self._by_pair(name) for name in ("rcut", "r_in", "delta_in"))
        self._zbl = any(bond.inner_cutoff_type == "zbl" and bond.core_repulsion[0] for bond in potential.bonds.values())
        self._core = any(bond.core_repulsion[0] for bond in potential.bonds.values())
        self._tables, radial_index = _radial_tables(potential)
        self._plans = [_plan(potential, element, radial_index) for element in self.elements]

    def _by_pair(self, name: str) -> np.ndarray:
        """(elements, elements) of a bond's number, zero where there is no bond."""
        bonds = self.potential.bonds
        return np.array(
            [[getattr(bonds[a, b], name) if (a, b) in bonds else 0.0 for b in self.elements] for a in self.elements]
        )

    def rows(self, atoms: Atoms) -> Rows:
        """Rows of one frame; the stress belonging to a virial row is virial / volume.

        Raises UserError for an element that the potential does not know.
        """
        pairs = self._pairs(atoms)
        n = len(atoms)
        energy, forces, virial = np.zeros(self.size), np.zeros((3 * n, self.size)), np.zeros((6, self.size))
        for index, element in enumerate(self.elements):
            columns = self.slices[element]
            values, gradient = self._run(index, pairs, derivatives=True)
            width = columns.stop - columns.start
            energy[columns] = pairs.fcut[pairs.kinds == index] @ values
            np.negative(gradient[: 3 * n, :width], out=forces[:, columns])
            virial[:, columns] = gradient[3 * n : 3 * n + 6, :width]
        return Rows(energy, forces, virial)

    def projections(self, atoms: Atoms) -> dict[str, np.ndarray]:
        """B-basis values (atoms of the element, its functions) by element, atoms in the frame's order.

        Elements without an atom in the frame are left out.
        """
        pairs = self._pairs(atoms)
        present = np.unique(pairs.kinds)
        return {self.elements[index]: self._run(index, pairs, derivatives=False)[0] for index in present}

    def fixed(self, atoms: Atoms) -> Fixed:
        """E0 and core repulsion of one frame, which the coefficients do not touch."""
        pairs = self._pairs(atoms)
        energy = sum(self.potential.E0.get(self.elements[kind], 0.0) for kind in pairs.kinds)
        forces, virial = np.zeros((len(atoms), 3)), np.zeros(6)
        if self._core:
            energy += self._core_energy(pairs, forces, virial)
        return Fixed(float(energy), forces, virial)

    def _core_energy(self, pairs: "_Pairs", forces: np.ndarray, virial: np.ndarray) -> float:
        """Sum of (1 - fcut_i) E_core,i (all of E_core for other than ZBL cores); adds to `forces` and `virial`."""
        i, j, d = pairs.i, pairs.j, pairs.vectors
        near = pairs.fcut[i] < 1.0 if self._zbl else np.ones(len(i), bool)
        value, slope = np.zeros(len(i)), np.zeros(len(i))
        for (a, b), bond in self.potential.bonds.items():
            chosen = near & (pairs.kinds[i] == self.elements.index(a)) & (pairs.kinds[j] == self.elements.index(b))
            if chosen.any():
                value[chosen], slope[chosen] = core.energy(bond, a, b, pairs.distances[chosen])
        share = 1.0 - pairs.fcut if self._zbl else np.ones_like(pairs.fcut)
        per_atom = np.bincount(i, value, len(pairs.kinds))
        gradient = (share[i] * slope / pairs.distances)[:, None] * d
        if self._zbl:
            blended = np.flatnonzero(pairs.dfcut)
            k = pairs.nearest[blended]
            gradient[k] -= (per_atom[blended] * pairs.dfcut[blended] / pairs.distances[k])[:, None] * d[k]
        np.add.at(forces, i, gradient)
        np.add.at(forces, j, -gradient)
        virial += _voigt(d.T @ gradient)
        return float(share @ per_atom)

    def _pairs(self, atoms: Atoms) -> "_Pairs":
        kinds = _kinds(atoms, self.elements)
        neighbours = vesin.NeighborList(cutoff=self.cutoff, full_list=True)
        i, j, distances, vectors = neighbours.compute(
            points=atoms.positions, box=np.asarray(atoms.cell), periodic=atoms.pbc, quantities="ijdD"
        )
        i, j = i.astype(np.int64), j.astype(np.int64)
        order, start = _in_groups(i, j, distances, kinds, self._limits)
        i, j, distances, vectors = i[order], j[order], distances[order], vectors[order]
        pairs = _Pairs(kinds, i, j, distances, vectors, start, *_no_blending(len(kinds)))
        return self._blend(pairs) if self._zbl else pairs

    def _blend(self, pairs: "_Pairs") -> "_Pairs":
        """Share fcut of ACE in each atom's energy, decided by its neighbour deepest in the inner cutoff."""
        i, j = pairs.i, pairs.j
        kinds = pairs.kinds[i], pairs.kinds[j]
        r_in, delta = self._r_in[kinds], self._delta[kinds]
        depth = pairs.distances - (r_in - delta)
        by_depth = np.lexsort((depth, i))
        atoms, first = np.unique(i[by_depth], return_index=True)
        nearest = by_depth[first]
        fcut, dfcut, of_atom = _no_blending(len(pairs.kinds))
        of_atom[atoms] = nearest
        inside = nearest[depth[nearest] < delta[nearest]]
        for pair in inside:
            f, df = radial.inner_cutoff(pairs.distances[pair : pair + 1], r_in[pair], delta[pair])
            fcut[i[pair]], dfcut[i[pair]] = 1.0 - f[0], -df[0]
        return pairs._replace(fcut=fcut, dfcut=dfcut, nearest=of_atom)

    def _run(self, index: int, pairs: "_Pairs", derivatives: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values (atoms of the element, functions), and d(sum of values, blended)/d(position, strain)."""
        plan = self._plans[index]
        table, table_start, bins, counts = self._tables[index]
        functions = len(plan.slot_start) - 1
        values = np.zeros((int(np.sum(pairs.kinds == index)), functions))
        # rows: 3N positions, 6 strains, and one for what padding writes; columns: functions in full vectors
        gradient = np.zeros((3 * len(pairs.kinds) + 7, -(-functions // LANES) * LANES) if derivatives else (0, 0))
        if len(values) and functions:
            _kernel(
                index, pairs.kinds, pairs.j, pairs.distances, pairs.vectors, pairs.start,
                pairs.fcut, pairs.dfcut, pairs.nearest, table, table_start, bins, counts,
                plan.leaf_start, plan.leaf_radial, plan.leaf_harmonic, plan.leaf_part, plan.slot_start, plan.slot_leaf,
                plan.term_start, plan.term_coefficient, plan.factor_start, plan.factor_slot, plan.factor_conjugate,
                plan.lmax, derivatives, values, gradient,
            )  # fmt: skip
        return values, gradient


class _Pairs(NamedTuple):
    """Full neighbour list sorted by atom, neighbour element, neighbour; and the blending into the ZBL core."""

    kinds: np.ndarray  # (N,) index of the element
    i: np.ndarray
    j: np.ndarray
    distances: np.ndarray
    vectors: np.ndarray  # (pairs, 3), r_j - r_i
    start: np.ndarray  # (N + 1,)
    fcut: np.ndarray  # (N,)
    dfcut: np.ndarray  # (N,) derivative by the distance of the `nearest` pair
    nearest: np.ndarray  # (N,)


@numba.njit(cache=True, nogil=True)
def _in_groups(i, j, distances, kinds, limits):
    """Pairs within the `limits` of their elements by atom, neighbour element and neighbour, and where atoms start.

    Images of one neighbour are adjacent, in the order in which they came. Counting sorts, by neighbour first.
    """
    n, elements = len(kinds), len(limits)
    of_j, of_group = np.zeros(n + 1, np.int64), np.zeros(n * elements + 1, np.int64)
    for p in range(len(i)):
        if distances[p] < limits[kinds[i[p]], kinds[j[p]]]:
            of_j[j[p] + 1] += 1
            of_group[i[p] * elements + kinds[j[p]] + 1] += 1
    of_j, of_group = np.cumsum(of_j), np.cumsum(of_group)
    start = of_group[::elements].copy()
    by_j, order = np.empty(of_j[n], np.int64), np.empty(of_j[n], np.int64)
    for p in range(len(i)):
        if distances[p] < limits[kinds[i[p]], kinds[j[p]]]:
            by_j[of_j[j[p]]] = p
            of_j[j[p]] += 1
    for p in by_j:
        group = i[p] * elements + kinds[j[p]]
        order[of_group[group]] = p
        of_group[group] += 1
    return order, start


def _no_blending(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.ones(count), np.zeros(count), np.full(count, -1)


def _kinds(atoms: Atoms, elements: list[str]) -> np.ndarray:
    index = {element: k for k, element in enumerate(elements)}
    unknown = sorted(set(atoms.symbols) - set(index))
    if unknown:
        raise UserError(f"The potential knows the elements {elements}, but the frame contains {unknown}.")
    return np.array([index[symbol] for symbol in atoms.symbols], dtype=np.int64)


def _voigt(matrix: np.ndarray) -> np.ndarray:
    """xx yy zz yz xz xy of the symmetric part."""
    m = 0.5 * (matrix + matrix.T)
    return np.array([m[0, 0], m[1, 1], m[2, 2], m[1, 2], m[0, 2], m[0, 1]])


def _radial_tables(potential: Potential):
    """Per central element a table of its distinct radial functions, and where to find them.

    Table of a pair: (knots, 2, functions), values and derivatives times the bin width. The index maps
    (a, b, rank-1 or not, n, l) to the function's row: functions of rank 1 use g_n, others R_nl; equal ones share a
    row.
    """
    tables, index = [], {}
    for a in potential.elements:
        parts, starts, bins, counts = [], [], [], []
        for b in potential.elements:
            bond = potential.bonds.get((a, b))
            rows: dict[bytes, int] = {}
            used = []
            for f in potential.functions[a]:
                for neighbour, n, l in zip(f.elements[1:], f.n, f.l, strict=True):
                    if neighbour != b or (a, b, f.rank == 1, n, l) in index:
                        continue
                    row = np.eye(bond.nradbase)[n - 1] if f.rank == 1 else np.asarray(bond.radcoefficients)[n - 1, l]
                    if row.tobytes() not in rows:
                        rows[row.tobytes()] = len(used)
                        used.append(row)
                    index[a, b, f.rank == 1, n, l] = rows[row.tobytes()]
            starts.append(sum(part.size for part in parts))
            counts.append(len(used))
            if not used:
                bins.append(1.0)
                continue
            values, slopes = radial.tabulate(bond, potential.delta_spline_bins)
            width = bond.rcut / (values.shape[1] - 1)
            part = np.stack([np.array(used) @ values, np.array(used) @ slopes * width])  # (2, functions, knots)
            parts.append(np.ascontiguousarray(part.transpose(2, 0, 1)).ravel())
            bins.append(width)
        tables.append((
            np.concatenate(parts) if parts else np.zeros(1), np.array(starts), np.array(bins), np.array(counts),
        ))  # fmt: skip
    return tables, index


def _plan(potential: Potential, element: str, radial_index: dict) -> _Plan:
    functions = potential.functions[element]

    def leaf(f: BasisFunction, position: int, m: int) -> tuple[int, int, int, bool]:
        b, n, l = f.elements[position + 1], f.n[position], f.l[position]
        row = radial_index[element, b, f.rank == 1, n, l]
        return potential.elements.index(b), l * (l + 1) // 2 + abs(m), row, m == 0

    expanded = [_terms(f) for f in functions]
    leaves = sorted({
        leaf(f, position, m)
        for f, terms in zip(functions, expanded, strict=True) for ms, _ in terms for position, m in enumerate(ms)
    })  # fmt: skip
    number = {name: k for k, name in enumerate(leaves)}
    slot_start, slot_leaf, term_start, term_coefficient = [0], [], [0], []
    factor_start, factor_slot, factor_conjugate = [0], [], []
    for f, terms in zip(functions, expanded, strict=True):
        used = sorted({number[leaf(f, position, m)] for ms, _ in terms for position, m in enumerate(ms)})
        for ms, coefficient in terms:
            for position, m in enumerate(ms):
                # A_{l,-m} = (-1)^m A*_{lm}
                coefficient *= -1.0 if m < 0 and m % 2 else 1.0
                factor_slot.append(used.index(number[leaf(f, position, m)]))
                factor_conjugate.append(m < 0)
            term_coefficient.append(coefficient)
            factor_start.append(len(factor_slot))
        slot_leaf += used
        slot_start.append(len(slot_leaf))
        term_start.append(len(term_coefficient))
    kinds = np.array([name[0] for name in leaves], dtype=np.int64)
    integers = lambda values: np.array(values, dtype=np.int64)  # noqa: E731
    return _Plan(
        leaf_start=np.searchsorted(kinds, np.arange(len(potential.elements) + 1)),
        leaf_radial=integers([name[2] for name in leaves]),
        leaf_harmonic=integers([name[1] for name in leaves]),
        leaf_part=integers(np.cumsum([0] + [1 if name[3] else 2 for name in leaves])),
        slot_start=integers(slot_start),
        slot_leaf=integers(slot_leaf),
        term_start=integers(term_start),
        term_coefficient=np.array(term_coefficient, dtype=float),
        factor_start=integers(factor_start),
        factor_slot=integers(factor_slot),
        factor_conjugate=np.array(factor_conjugate, dtype=np.bool_),
        lmax=max((max(f.l) for f in functions), default=0),
    )


def _terms(f: BasisFunction) -> tuple[tuple[tuple[int, ...], float], ...]:
    labels = tuple(zip(f.elements[1:], f.n, f.l, strict=True))
    return invariant(f.l, f.lint, tuple(labels.index(label) for label in labels))


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
def _kernel(
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
