"""From basis functions to the evaluator's plan: leaves, products, and a sparse quadratic form.

The atomic base functions of one central atom are the leaves, kept as real rows: Re A_{mu n l m}, and
Im A for m > 0; A_{l,-m} = (-1)^m conj(A_lm). Rows are extended by de-duplicated products of two
entries (leaf x leaf, or deeper for rank > 4), so that every function of any rank is bilinear in rows
and the energy is E = X^T S X / 2 with a sparse symmetric S. Functions of rank 1 depend on distances alone
and stand apart: all of a pair of elements add up to one pair potential.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oligopoly.ace import coupling, radial, repulsion
from oligopoly.ace.potential import Potential
from oligopoly.ace.yace import CTilde

REAL_REAL, REAL_COMPLEX, COMPLEX_COMPLEX = 0, 1, 2
# Radial functions of rank > 1 end where all of them stay below this part of their height: far below
# round-off in energies, so nothing changes but the number of neighbours.
NEGLIGIBLE = 1e-13
# Nearer to the cutoff (as a part of it) a reach of their own would save nothing.
WORTH_IT = 0.9


@dataclass
class Shell:
    """Leaves of one neighbour element: for each l the radial functions used with it.

    `radials[l]` are columns of the table; the leaf rows of (l, m) start at `rows[l] + len(radials[l]) *
    (0 if m == 0 else 2 m - 1)`, the real parts first, then (m > 0) the imaginary parts. Knots are
    evenly spaced from 0 to `reach` (Angstrom), beyond which all of them are zero.
    """

    reach: float
    values: np.ndarray  # (knots, radial functions)
    slopes: np.ndarray  # dR/dr, the same shape
    radials: list[list[int]]
    rows: list[int]


@dataclass
class Pair:
    """What one element of neighbours adds to the energy of a central atom by their distance alone.

    Knots are evenly spaced from 0 to `rcut` (Angstrom). `values` and `slopes` (knots,) are the sum of
    the functions of rank 1, and of the core energy where that is simply added; `core` and `core_slopes`
    are the core energy that replaces ACE inside the inner cutoff (zbl), None without. `singles` (knots,
    number) and `single_slopes` are the functions of rank 1 apart, number `functions[k]` of the element.
    """

    rcut: float
    values: np.ndarray
    slopes: np.ndarray
    core: np.ndarray | None
    core_slopes: np.ndarray | None
    singles: np.ndarray
    single_slopes: np.ndarray
    functions: list[int]


@dataclass
class Plan:
    """All that the evaluator needs to know about one central element.

    `products` are (kind, a, a_im, b, b_im, sign, re, im): rows of the factors and of the result, in an
    order in which factors come first; result = A B for sign +1 and A conj(B) for sign -1. `quadratic` is
    {(row, row): coefficient}, upper triangle. `invariants[f]` lists (row, row, coefficient) of B-basis
    function f, if asked for; functions of rank 1 are not in the plan (see `pair`).
    """

    leaves: int
    rows: int
    products: np.ndarray  # (number, 8)
    quadratic: dict[tuple[int, int], float]
    invariants: list[list[tuple[int, int, float]]]
    shells: list[Shell]
    E0: float


def plan(potential: Potential | CTilde, element: str, invariants: bool) -> Plan:
    """Plan of the central `element`, for energies and forces, or with `invariants` for the B-basis too.

    Without `invariants` functions without a coefficient are left out.
    """
    b_basis = isinstance(potential, Potential)
    tables = {mu: _RadialRows(potential, element, mu) for mu in potential.elements if (element, mu) in potential.bonds}
    summands: list[tuple] = []  # (terms (m, coefficient), weight, factors (mu, radial column, l))
    functions: Sequence[Any] = potential.functions.get(element, [])  # of the one form or the other
    for f in functions:
        # in the B-basis the function's own coefficient is the weight
        weight = f.c if b_basis else 1.0
        if f.rank == 1:
            summands.append(((), weight, []))
        elif invariants or weight != 0:
            labels = zip(f.elements[1:], f.n, f.l, strict=True)
            factors = [(mu, tables[mu].column_of(n, l), l) for mu, n, l in labels]
            summands.append((_invariant(f) if b_basis else f.terms, weight, factors))

    shells, leaf_rows, leaves = _layout(potential, element, tables, [factors for *_, factors in summands])
    builder = _Products(leaf_rows, leaves)
    # per summand: [(entries, coefficient)]
    monomials = [[_monomial(factors, m, c) for m, c in terms] for terms, _, factors in summands]
    builder.choose([entries for terms in monomials for entries, _ in terms])

    quadratic: dict[tuple[int, int], float] = defaultdict(float)
    bilinears: list[list[tuple[int, int, float]]] = []
    for terms, (_, weight, _) in zip(monomials, summands, strict=True):
        bilinear: dict[tuple[int, int], float] = defaultdict(float)
        for entries, coefficient in terms:
            for a, b, c in builder.bilinear(entries):
                bilinear[(a, b)] += c * coefficient
        if invariants:
            bilinears.append([(a, b, c) for (a, b), c in bilinear.items()])
        for (a, b), c in bilinear.items():
            if weight * c != 0:
                quadratic[(min(a, b), max(a, b))] += weight * c
    return Plan(
        leaves=leaves,
        rows=builder.rows,
        products=np.array(builder.products, dtype=np.int64).reshape(-1, 8),
        quadratic=dict(quadratic),
        invariants=bilinears,
        shells=shells,
        E0=potential.E0.get(element, 0.0),
    )


def _invariant(f) -> tuple[tuple[tuple[int, ...], float], ...]:
    labels = tuple(zip(f.elements[1:], f.n, f.l, strict=True))
    return coupling.invariant(f.l, f.lint, tuple(labels.index(label) for label in labels))


def pair(potential: Potential | CTilde, element: str, mu: str) -> Pair | None:
    """Energies of the central `element` from the distances to `mu` alone; None without such a bond."""
    bond = potential.bonds.get((element, mu))
    if bond is None:
        return None
    g, dg = radial.tabulate(bond, potential.delta_spline_bins)
    b_basis = isinstance(potential, Potential)
    numbers, functions, total = [], [], np.zeros(bond.nradbase)
    all_functions: Sequence[Any] = potential.functions.get(element, [])
    for number, f in enumerate(all_functions):
        if f.rank == 1 and f.elements[1] == mu:
            functions.append(number)
            numbers.append(f.n[0] - 1)
            total[f.n[0] - 1] += f.c if b_basis else sum(c for _, c in f.terms)
    values, slopes = total @ g, total @ dg
    core: np.ndarray | None = None
    core_slopes: np.ndarray | None = None
    if bond.core_repulsion[0] != 0:
        r = radial.knots(bond, potential.delta_spline_bins)
        r[0] = r[1]
        energy, slope = repulsion.energy(bond, element, mu, r)
        if bond.inner_cutoff_type == "zbl":
            core, core_slopes = energy, slope
        else:
            values, slopes = values + energy, slopes + slope
    return Pair(bond.rcut, values, slopes, core, core_slopes, g[numbers].T, dg[numbers].T, functions)


class _RadialRows:
    """The distinct radial functions that the functions of one ordered pair use."""

    def __init__(self, potential, element: str, mu: str):
        self.pair = (element, mu)
        self.bond = potential.bonds[self.pair]
        self.delta = potential.delta_spline_bins
        self.coefficients: list[np.ndarray] = []
        self._index: dict[bytes, int] = {}

    def column_of(self, n: int, l: int) -> int:
        """Column of R_nl."""
        return self.column(self.bond.radcoefficients[n - 1, l])

    def column(self, row: np.ndarray) -> int:
        """Column of sum_k row_k g_k."""
        row = row + 0.0  # no negative zeros
        key = row.tobytes()
        if key not in self._index:
            self._index[key] = len(self.coefficients)
            self.coefficients.append(row)
        return self._index[key]

    def tabulate(self, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Values and slopes (knots, functions) from 0 to the knot `reach`."""
        end = np.searchsorted(radial.knots(self.bond, self.delta), reach)
        g, dg = radial.tabulate(self.bond, self.delta)
        rows = np.array(self.coefficients).reshape(-1, self.bond.nradbase)
        return g[:, : end + 1].T @ rows.T, dg[:, : end + 1].T @ rows.T


def _reach(potential, a: str, b: str) -> float:
    """The knot (Angstrom) where the functions of rank > 1 of both elements of a pair end."""
    bond = potential.bonds[a, b]
    used = {
        (n, l)
        for centre, other in ((a, b), (b, a))
        for f in potential.functions.get(centre, [])
        for mu, n, l in zip(f.elements[1:], f.n, f.l, strict=True)
        if f.rank > 1 and mu == other
    }
    if (b, a) not in potential.bonds or not used:
        return bond.rcut
    rows = np.array([bond.radcoefficients[n - 1, l] for n, l in sorted(used)])
    values = np.abs(rows @ radial.tabulate(bond, potential.delta_spline_bins)[0])
    counts = (values > NEGLIGIBLE * values.max(axis=1, keepdims=True)).any(axis=0)
    reach = radial.knots(bond, potential.delta_spline_bins)[np.flatnonzero(counts).max(initial=0) + 1]
    # neighbours that blend ACE with the core must be among the near ones
    return bond.rcut if reach > WORTH_IT * bond.rcut or reach < bond.r_in else float(reach)


def _layout(potential, element, tables, factors):
    """Shells with their rows; {(mu, column, l, m): (re, im or -1)}; the number of leaf rows."""
    used: dict[str, dict[int, set[int]]] = {mu: defaultdict(set) for mu in tables}
    for parts in factors:
        for mu, column, l in parts:
            used[mu][l].add(column)
    shells, leaf_rows, row = [], {}, 0
    for mu in potential.elements:
        if mu not in tables:
            continue
        lmax = max(used[mu], default=-1)
        radials = [sorted(used[mu][l]) for l in range(lmax + 1)]
        rows = []
        for l, columns in enumerate(radials):
            rows.append(row)
            for k, column in enumerate(columns):
                for m in range(l + 1):
                    re = row + len(columns) * (2 * m - 1 if m else 0) + k
                    leaf_rows[(mu, column, l, m)] = (re, re + len(columns) if m else -1)
            row += len(columns) * (2 * l + 1)
        reach = _reach(potential, element, mu)
        values, slopes = tables[mu].tabulate(reach)
        shells.append(Shell(reach, values, slopes, radials, rows))
    return shells, leaf_rows, row


def _monomial(parts, m, coefficient):
    """Sorted entries (leaf key, conjugated), and the coefficient with the signs of negative m."""
    entries = []
    for (mu, column, l), projection in zip(parts, m, strict=True):
        if projection < 0 and projection % 2:
            coefficient = -coefficient
        entries.append(((mu, column, l, abs(projection)), projection < 0))
    return tuple(sorted(entries)), coefficient


def _canonical(entries):
    """The entries with the first complex leaf unconjugated, and if all had to be conjugated for that."""
    first = next((conjugated for key, conjugated in entries if key[3]), False)
    if not first:
        return entries, False
    return tuple(sorted((key, not conjugated if key[3] else False) for key, conjugated in entries)), True


class _Products:
    """De-duplicated products, and the bilinear form of each monomial in them."""

    def __init__(self, leaf_rows: dict, leaves: int):
        self.leaf_rows = leaf_rows
        self.rows = leaves
        self.products: list[tuple[int, ...]] = []
        self._known: dict[tuple, tuple[int, int]] = {}
        self._splits: dict[tuple, tuple] = {}

    def choose(self, monomials: list[tuple]) -> None:
        """Decide into which halves each monomial of rank > 2 is split: few distinct halves in all."""
        distinct = sorted({_canonical(entries)[0] for entries in monomials if len(entries) > 2})
        options = {entries: self._options(entries) for entries in distinct}
        # greedy cover: the half that serves most monomials not yet served, again and again
        serves = defaultdict(set)
        for entries in distinct:
            for number, halves in enumerate(options[entries]):
                for half in halves:
                    if len(half) > 1:
                        serves[_canonical(half)[0]].add((entries, number))
        triples = [entries for entries in distinct if len(entries) == 3]
        chosen: set[tuple] = set()
        gain: Counter[tuple] = Counter()
        for half, uses in serves.items():
            gain[half] = len({entries for entries, _ in uses if len(entries) == 3})
        waiting = set(triples)
        while waiting:
            half = max(gain, key=lambda h: (gain[h], h))
            chosen.add(half)
            for entries, number in sorted(serves[half]):
                if entries in waiting:
                    waiting.discard(entries)
                    self._splits[entries] = options[entries][number]
                    touched = {_canonical(h)[0] for halves in options[entries] for h in halves if len(h) > 1}
                    for other in touched:
                        gain[other] -= 1
        for entries in distinct:
            if len(entries) > 3:
                self._splits[entries] = min(
                    options[entries],
                    key=lambda halves: (
                        sum(_canonical(half)[0] not in chosen for half in halves if len(half) > 1),
                        -sum(len(serves[_canonical(half)[0]]) for half in halves if len(half) > 1),
                    ),
                )
                chosen.update(_canonical(half)[0] for half in self._splits[entries] if len(half) > 1)

    @staticmethod
    def _options(entries):
        """Ways to split into two halves of nearly equal size."""
        size = len(entries) // 2
        found = {}
        for left in itertools.combinations(range(len(entries)), size):
            a = tuple(entries[i] for i in left)
            b = tuple(entries[i] for i in range(len(entries)) if i not in left)
            found[tuple(sorted((a, b)))] = (a, b)
        return [found[key] for key in sorted(found)]

    def bilinear(self, entries):
        """[(row, row, factor)] whose sum is the real part of the monomial, which is of rank > 1."""
        entries, _ = _canonical(entries)
        a, b = (entries[:1], entries[1:]) if len(entries) == 2 else self._splits[entries]
        (ar, ai, a_conjugated), (br, bi, b_conjugated) = self._entity(a), self._entity(b)
        form = [(ar, br, 1.0)]
        if ai >= 0 and bi >= 0:
            form.append((ai, bi, 1.0 if a_conjugated != b_conjugated else -1.0))
        return form

    def _entity(self, entries):
        """(re row, im row or -1, conjugated) of a leaf or product, which is made if need be."""
        if len(entries) == 1:
            key, conjugated = entries[0]
            return (*self.leaf_rows[key], conjugated)
        canonical, flipped = _canonical(entries)
        if canonical not in self._known:
            self._known[canonical] = self._make(canonical)
        return (*self._known[canonical], flipped)

    def _make(self, entries):
        a, b = (entries[:1], entries[1:]) if len(entries) < 4 else (entries[:2], entries[2:])
        (ar, ai, a_conjugated), (br, bi, b_conjugated) = self._entity(a), self._entity(b)
        if bi < 0 and ai >= 0:
            (ar, ai, a_conjugated), (br, bi, b_conjugated) = (
                (br, bi, b_conjugated),
                (ar, ai, a_conjugated),
            )
        # the first complex leaf of a canonical product is unconjugated, so only the second half can be
        re = self.rows
        if ai < 0 and bi < 0:
            kind, im, self.rows = REAL_REAL, -1, self.rows + 1
        else:
            kind, im, self.rows = (REAL_COMPLEX if ai < 0 else COMPLEX_COMPLEX), re + 1, self.rows + 2
        sign = -1 if b_conjugated else 1
        self.products.append((kind, ar, ai, br, bi, sign, re, im))
        return re, im
