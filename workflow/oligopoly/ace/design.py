"""Rows of the linear least-squares problem: what each basis function contributes to energy, forces and virial.

For one frame, energy = rows.energy @ c, forces = rows.forces @ c and dE/dstrain = rows.virial @ c, with the
coefficients c of all functions, element after element in the order of `Potential.functions`. What does not depend
on c (E0 and the repulsive core) is `fixed`.

Each function is a sum of products of A_nlm (`coupling.invariant`). For every atom, dA/dr of its neighbours is
gathered once (periodic images of an atom together), and the derivative of a function is the sum of the few dA/dr
it contains, weighted by the products of the other factors.
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
    one neighbour element are consecutive. A slot is a leaf within a function; a factor of a term names its slot
    and whether it is complex conjugated.
    """

    leaf_start: np.ndarray  # (elements + 1,)
    leaf_radial: np.ndarray  # (leaves,)
    leaf_harmonic: np.ndarray  # (leaves,)
    leaf_real: np.ndarray  # (leaves,) True for m = 0
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
        self._zbl = any(bond.inner_cutoff_type == "zbl" and bond.core_repulsion[0] for bond in potential.bonds.values())
        self._core = any(bond.core_repulsion[0] for bond in potential.bonds.values())
        self._tables, radial_index = _radial_tables(potential)
        self._plans = [_plan(potential, element, radial_index) for element in self.elements]

    def rows(self, atoms: Atoms) -> Rows:
        """Rows of one frame; the stress belonging to a virial row is virial / volume.

        Raises UserError for an element that the potential does not know.
        """
        pairs = self._pairs(atoms)
        energy = np.zeros(self.size)
        # columns of one function are contiguous: the kernel adds vectors along the atoms
        forces = np.zeros((self.size, 3 * len(atoms)))
        virial = np.zeros((self.size, 6))
        for index, element in enumerate(self.elements):
            columns = self.slices[element]
            self._run(index, pairs, energy[columns], forces[columns], virial[columns], np.zeros((0, 0)), True)
        return Rows(energy, forces.T, virial.T)

    def projections(self, atoms: Atoms) -> dict[str, np.ndarray]:
        """B-basis values (atoms of the element, its functions) by element, atoms in the frame's order.

        Elements without an atom in the frame are left out.
        """
        pairs = self._pairs(atoms)
        result = {}
        for index, element in enumerate(self.elements):
            count = self.slices[element].stop - self.slices[element].start
            values = np.zeros((int(np.sum(pairs.kinds == index)), count))
            if len(values):
                self._run(index, pairs, np.zeros(count), np.zeros((0, 0)), np.zeros((0, 0)), values, False)
                result[element] = values
        return result

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
        order = vesin.NeighborList(cutoff=self.cutoff, full_list=True, sorted=True)
        i, j, distances, vectors = order.compute(
            points=atoms.positions, box=np.asarray(atoms.cell), periodic=atoms.pbc, quantities="ijdD"
        )
        i, j = i.astype(np.int64), j.astype(np.int64)
        limits = np.array([[self.potential.bonds[a, b].rcut if (a, b) in self.potential.bonds else 0.0
                            for b in self.elements] for a in self.elements])  # fmt: skip
        keep = distances < limits[kinds[i], kinds[j]]
        i, j, distances, vectors = i[keep], j[keep], distances[keep], vectors[keep]
        # within an atom by element, then by atom: images of one neighbour are adjacent
        order = np.lexsort((j, kinds[j], i))
        i, j, distances, vectors = i[order], j[order], distances[order], np.ascontiguousarray(vectors[order])
        start = np.searchsorted(i, np.arange(len(kinds) + 1))
        pairs = _Pairs(kinds, i, j, distances, vectors, start, *_no_blending(len(kinds)))
        return self._blend(pairs) if self._zbl else pairs

    def _blend(self, pairs: "_Pairs") -> "_Pairs":
        """Share fcut of ACE in each atom's energy, decided by its neighbour deepest in the inner cutoff."""
        i, j = pairs.i, pairs.j
        r_in, delta = (
            np.array([[getattr(self.potential.bonds[a, b], name) if (a, b) in self.potential.bonds else 0.0
                       for b in self.elements] for a in self.elements])[pairs.kinds[i], pairs.kinds[j]]
            for name in ("r_in", "delta_in")
        )  # fmt: skip
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

    def _run(self, index, pairs, energy, forces, virial, values, derivatives) -> None:
        plan = self._plans[index]
        table, table_start, bins, counts = self._tables[index]
        _kernel(
            index, pairs.kinds, pairs.j, pairs.distances, pairs.vectors, pairs.start,
            pairs.fcut, pairs.dfcut, pairs.nearest,
            table, table_start, bins, counts,
            plan.leaf_start, plan.leaf_radial, plan.leaf_harmonic, plan.leaf_real, plan.slot_start, plan.slot_leaf,
            plan.term_start, plan.term_coefficient, plan.factor_start, plan.factor_slot, plan.factor_conjugate,
            plan.lmax, derivatives, energy, forces, virial, values,
        )  # fmt: skip


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
        slots: dict[int, int] = {}
        for ms, coefficient in terms:
            for position, m in enumerate(ms):
                # A_{l,-m} = (-1)^m A*_{lm}
                coefficient *= -1.0 if m < 0 and m % 2 else 1.0
                slot = slots.setdefault(number[leaf(f, position, m)], len(slots))
                factor_slot.append(slot)
                factor_conjugate.append(m < 0)
            term_coefficient.append(coefficient)
            factor_start.append(len(factor_slot))
        slot_leaf += list(slots)
        slot_start.append(len(slot_leaf))
        term_start.append(len(term_coefficient))
    kinds = np.array([name[0] for name in leaves], dtype=np.int64)
    integers = lambda values: np.array(values, dtype=np.int64)  # noqa: E731
    return _Plan(
        leaf_start=np.searchsorted(kinds, np.arange(len(potential.elements) + 1)),
        leaf_radial=integers([name[2] for name in leaves]),
        leaf_harmonic=integers([name[1] for name in leaves]),
        leaf_real=np.array([name[3] for name in leaves], dtype=np.bool_),
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
def _harmonics(lmax, x, y, z, value, gradient):
    """Y_lm = P_lm(z) (x + i y)^m on the unit sphere for m >= 0, and the gradient of that polynomial.

    value (2, harmonics), gradient (3, 2, harmonics), harmonics indexed by l(l+1)/2 + m, real and imaginary parts.
    Normalised to Y_00 = 1; Condon-Shortley phase (Drautz 2020, appendix).
    """
    power_re, power_im, before_re, before_im = 1.0, 0.0, 0.0, 0.0
    diagonal = 1.0
    for m in range(lmax + 1):
        if m > 0:
            before_re, before_im = power_re, power_im
            power_re, power_im = before_re * x - before_im * y, before_re * y + before_im * x
            diagonal *= -np.sqrt((2.0 * m + 1.0) / (2.0 * m))
        p, dp, p_below, dp_below = diagonal, 0.0, 0.0, 0.0
        for l in range(m, lmax + 1):
            if l > m:
                a = np.sqrt((4.0 * l * l - 1.0) / (l * l - m * m))
                b = 0.0
                if l > m + 1:
                    b = -np.sqrt(((l - 1.0) ** 2 - m * m) / (4.0 * (l - 1.0) ** 2 - 1.0))
                p_next = a * (z * p + b * p_below)
                dp_next = a * (p + z * dp + b * dp_below)
                p_below, dp_below, p, dp = p, dp, p_next, dp_next
            h = l * (l + 1) // 2 + m
            value[0, h] = p * power_re
            value[1, h] = p * power_im
            gradient[0, 0, h] = m * p * before_re
            gradient[0, 1, h] = m * p * before_im
            gradient[1, 0, h] = -m * p * before_im
            gradient[1, 1, h] = m * p * before_re
            gradient[2, 0, h] = dp * power_re
            gradient[2, 1, h] = dp * power_im


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _kernel(
    central, kinds, pair_j, pair_r, pair_d, pair_start, fcut, dfcut, nearest,
    table, table_start, bins, counts,
    leaf_start, leaf_radial, leaf_harmonic, leaf_real, slot_start, slot_leaf,
    term_start, term_coefficient, factor_start, factor_slot, factor_conjugate,
    lmax, derivatives, energy, forces, virial, values,
):  # fmt: skip
    """All atoms of one element. Columns of a neighbour element's block: its distinct atoms, the centre, the
    virial xx yy zz | yz xz xy, three numbers each."""
    n_functions = len(slot_start) - 1
    n_leaves = leaf_start[-1]
    n_elements = len(leaf_start) - 1
    n_harmonics = (lmax + 1) * (lmax + 2) // 2
    widest, most = 0, 1
    for atom in range(len(kinds)):
        widest = max(widest, pair_start[atom + 1] - pair_start[atom])
    for e in range(n_elements):
        most = max(most, counts[e])
    most_slots, most_factors = 1, 1
    for k in range(n_functions):
        most_slots = max(most_slots, slot_start[k + 1] - slot_start[k])
    for t in range(len(term_coefficient)):
        most_factors = max(most_factors, factor_start[t + 1] - factor_start[t])
    n_columns = 3 * (widest + 3 * n_elements)

    radial_value, radial_slope = np.empty(most), np.empty(most)
    y_value, y_gradient = np.empty((2, n_harmonics)), np.empty((3, 2, n_harmonics))
    a_re, a_im = np.empty(n_leaves), np.empty(n_leaves)
    da_re, da_im = np.empty((n_leaves, n_columns)), np.empty((n_leaves, n_columns))
    slot_re, slot_im = np.empty(most_slots), np.empty(most_slots)
    ahead_re, ahead_im = np.empty(most_factors + 1), np.empty(most_factors + 1)
    row = np.empty(n_columns)
    column_atom = np.empty(widest + 3 * n_elements, np.int64)
    block_start, block_end = np.zeros(n_elements, np.int64), np.zeros(n_elements, np.int64)
    atom_row = -1
    nearest_column, nearest_element = 0, 0

    for atom in range(len(kinds)):
        if kinds[atom] != central:
            continue
        atom_row += 1
        a_re[:] = 0.0
        a_im[:] = 0.0
        first, last = pair_start[atom], pair_start[atom + 1]

        # ---- leaves and their derivatives
        column = 0
        pair = first
        for e in range(n_elements):
            block_start[e] = column
            begin = pair
            distinct = 0
            previous = -1
            while pair < last and kinds[pair_j[pair]] == e:
                if pair_j[pair] != previous:
                    previous = pair_j[pair]
                    column_atom[column // 3 + distinct] = previous
                    distinct += 1
                pair += 1
            centre = column + 3 * distinct
            column_atom[centre // 3] = atom
            block_end[e] = centre + 9
            if derivatives:
                for leaf in range(leaf_start[e], leaf_start[e + 1]):
                    da_re[leaf, column : centre + 9] = 0.0
                    da_im[leaf, column : centre + 9] = 0.0
            at = column - 3
            previous = -1
            n_radial = counts[e]
            for p in range(begin, pair):
                if pair_j[p] != previous:
                    previous = pair_j[p]
                    at += 3
                if p == nearest[atom]:
                    nearest_column, nearest_element = at, e
                r = pair_r[p]
                u0, u1, u2 = pair_d[p, 0] / r, pair_d[p, 1] / r, pair_d[p, 2] / r
                place = r / bins[e]
                knot = int(place)
                w = place - knot
                base = table_start[e] + 2 * n_radial * knot
                # cubic Hermite polynomials
                v0, v1 = (1.0 + 2.0 * w) * (1.0 - w) ** 2, w * w * (3.0 - 2.0 * w)
                s0, s1 = w * (1.0 - w) ** 2, w * w * (w - 1.0)
                dv = 6.0 * w * (w - 1.0) / bins[e]
                ds0, ds1 = (1.0 - w) * (1.0 - 3.0 * w) / bins[e], w * (3.0 * w - 2.0) / bins[e]
                for k in range(n_radial):
                    lower, lower_slope = table[base + k], table[base + n_radial + k]
                    upper, upper_slope = table[base + 2 * n_radial + k], table[base + 3 * n_radial + k]
                    radial_value[k] = v0 * lower + v1 * upper + s0 * lower_slope + s1 * upper_slope
                    radial_slope[k] = dv * (lower - upper) + ds0 * lower_slope + ds1 * upper_slope
                _harmonics(lmax, u0, u1, u2, y_value, y_gradient)
                if not derivatives:
                    for leaf in range(leaf_start[e], leaf_start[e + 1]):
                        k, h = leaf_radial[leaf], leaf_harmonic[leaf]
                        a_re[leaf] += radial_value[k] * y_value[0, h]
                        a_im[leaf] += radial_value[k] * y_value[1, h]
                    continue
                # the gradient along the sphere is what moving the neighbour changes in Y
                for h in range(n_harmonics):
                    for c in range(2):
                        g0, g1, g2 = y_gradient[0, c, h], y_gradient[1, c, h], y_gradient[2, c, h]
                        along = g0 * u0 + g1 * u1 + g2 * u2
                        y_gradient[0, c, h] = (g0 - along * u0) / r
                        y_gradient[1, c, h] = (g1 - along * u1) / r
                        y_gradient[2, c, h] = (g2 - along * u2) / r
                d0, d1, d2 = pair_d[p, 0], pair_d[p, 1], pair_d[p, 2]
                for leaf in range(leaf_start[e], leaf_start[e + 1]):
                    k, h = leaf_radial[leaf], leaf_harmonic[leaf]
                    value, slope = radial_value[k], radial_slope[k]
                    a_re[leaf] += value * y_value[0, h]
                    radial_part = slope * y_value[0, h]
                    f0 = radial_part * u0 + value * y_gradient[0, 0, h]
                    f1 = radial_part * u1 + value * y_gradient[1, 0, h]
                    f2 = radial_part * u2 + value * y_gradient[2, 0, h]
                    _gather(da_re, leaf, at, centre, f0, f1, f2, d0, d1, d2)
                    if not leaf_real[leaf]:
                        a_im[leaf] += value * y_value[1, h]
                        radial_part = slope * y_value[1, h]
                        f0 = radial_part * u0 + value * y_gradient[0, 1, h]
                        f1 = radial_part * u1 + value * y_gradient[1, 1, h]
                        f2 = radial_part * u2 + value * y_gradient[2, 1, h]
                        _gather(da_im, leaf, at, centre, f0, f1, f2, d0, d1, d2)
            column = centre + 9

        # ---- functions
        share = fcut[atom]
        for k in range(n_functions):
            first_slot, n_slots = slot_start[k], slot_start[k + 1] - slot_start[k]
            slot_re[:n_slots] = 0.0
            slot_im[:n_slots] = 0.0
            total = 0.0
            for t in range(term_start[k], term_start[k + 1]):
                first_factor, rank = factor_start[t], factor_start[t + 1] - factor_start[t]
                ahead_re[0], ahead_im[0] = term_coefficient[t], 0.0
                for q in range(rank):
                    leaf = slot_leaf[first_slot + factor_slot[first_factor + q]]
                    re, im = a_re[leaf], a_im[leaf]
                    if factor_conjugate[first_factor + q]:
                        im = -im
                    ahead_re[q + 1] = ahead_re[q] * re - ahead_im[q] * im
                    ahead_im[q + 1] = ahead_re[q] * im + ahead_im[q] * re
                total += ahead_re[rank]
                if not derivatives:
                    continue
                behind_re, behind_im = 1.0, 0.0
                for q in range(rank - 1, -1, -1):
                    s = factor_slot[first_factor + q]
                    leaf = slot_leaf[first_slot + s]
                    re, im = a_re[leaf], a_im[leaf]
                    w_re = ahead_re[q] * behind_re - ahead_im[q] * behind_im
                    w_im = ahead_re[q] * behind_im + ahead_im[q] * behind_re
                    slot_re[s] += w_re
                    if factor_conjugate[first_factor + q]:
                        slot_im[s] -= w_im
                        im = -im
                    else:
                        slot_im[s] += w_im
                    behind_re, behind_im = behind_re * re - behind_im * im, behind_re * im + behind_im * re
            energy[k] += share * total
            if not derivatives:
                values[atom_row, k] = total
                continue
            row[:column] = 0.0
            for s in range(n_slots):
                leaf = slot_leaf[first_slot + s]
                e = 0
                while leaf_start[e + 1] <= leaf:
                    e += 1
                w_re, w_im = share * slot_re[s], share * slot_im[s]
                if leaf_real[leaf]:
                    _add(row, da_re, leaf, block_start[e], block_end[e], w_re)
                else:
                    _add2(row, da_re, da_im, leaf, block_start[e], block_end[e], w_re, -w_im)
            if dfcut[atom] != 0.0:
                p = nearest[atom]
                scale = total * dfcut[atom] / pair_r[p]
                centre = block_end[nearest_element] - 9
                d0, d1, d2 = pair_d[p, 0], pair_d[p, 1], pair_d[p, 2]
                _gather_row(row, nearest_column, centre, scale * d0, scale * d1, scale * d2, d0, d1, d2)
            for e in range(n_elements):
                end = block_end[e] - 6
                for c in range(block_start[e], end, 3):
                    target = 3 * column_atom[c // 3]
                    forces[k, target] -= row[c]
                    forces[k, target + 1] -= row[c + 1]
                    forces[k, target + 2] -= row[c + 2]
                for v in range(6):
                    virial[k, v] += row[end + v]


@numba.njit(nogil=True, fastmath={"contract"}, inline="always")
def _gather(block, leaf, at, centre, f0, f1, f2, d0, d1, d2):
    block[leaf, at] += f0
    block[leaf, at + 1] += f1
    block[leaf, at + 2] += f2
    block[leaf, centre] -= f0
    block[leaf, centre + 1] -= f1
    block[leaf, centre + 2] -= f2
    block[leaf, centre + 3] += f0 * d0
    block[leaf, centre + 4] += f1 * d1
    block[leaf, centre + 5] += f2 * d2
    block[leaf, centre + 6] += f1 * d2
    block[leaf, centre + 7] += f0 * d2
    block[leaf, centre + 8] += f0 * d1


@numba.njit(nogil=True, fastmath={"contract"})
def _gather_row(row, at, centre, f0, f1, f2, d0, d1, d2):
    row[at] += f0
    row[at + 1] += f1
    row[at + 2] += f2
    row[centre] -= f0
    row[centre + 1] -= f1
    row[centre + 2] -= f2
    row[centre + 3] += f0 * d0
    row[centre + 4] += f1 * d1
    row[centre + 5] += f2 * d2
    row[centre + 6] += f1 * d2
    row[centre + 7] += f0 * d2
    row[centre + 8] += f0 * d1


@numba.njit(nogil=True, fastmath={"contract"})
def _add(row, block, leaf, start, end, weight):
    for c in range(start, end):
        row[c] += weight * block[leaf, c]


@numba.njit(nogil=True, fastmath={"contract"})
def _add2(row, block, other, leaf, start, end, weight, weight_other):
    for c in range(start, end):
        row[c] += weight * block[leaf, c] + weight_other * other[leaf, c]
