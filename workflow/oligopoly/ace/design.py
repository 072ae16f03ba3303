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

from oligopoly.ace import compilation, radial, repulsion
from oligopoly.ace.coupling import invariant
from oligopoly.ace.design_kernel import kernel
from oligopoly.ace.potential import BasisFunction, Potential
from oligopoly.ace.simd import LANES
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
        compilation.announce(kernel)
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
                value[chosen], slope[chosen] = repulsion.energy(bond, a, b, pairs.distances[chosen])
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
            kernel(
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
        parts: list[np.ndarray] = []
        starts, bins, counts = [], [], []
        for b in potential.elements:
            rows: dict[bytes, int] = {}
            used: list[np.ndarray] = []
            for f in potential.functions[a]:
                for neighbour, n, l in zip(f.elements[1:], f.n, f.l, strict=True):
                    if neighbour != b or (a, b, f.rank == 1, n, l) in index:
                        continue
                    bond = potential.bonds[a, b]
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
