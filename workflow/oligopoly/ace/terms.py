"""From basis functions to the evaluator's plan: leaves, products, and a sparse quadratic form.

The atomic base functions of one central atom are the leaves, kept as real rows: Re A_{mu n l m}, and
Im A for m > 0; A_{l,-m} = (-1)^m conj(A_lm). Rows are extended by de-duplicated products of two
entries (leaf x leaf, or deeper for rank > 4), so that every function of any rank is bilinear in rows
and the energy is E = c.X + X^T S X / 2 with a sparse symmetric S.
"""

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from oligopoly.ace import core, coupling, radial
from oligopoly.ace.potential import Potential
from oligopoly.ace.yace import CTilde

REAL_REAL, REAL_COMPLEX, COMPLEX_COMPLEX = 0, 1, 2


@dataclass
class Shell:
    """Leaves of one neighbour element: for each l the radial functions used with it.

    `radials[l]` are columns of the table; the leaf rows of (l, m) start at `rows[l] + len(radials[l]) *
    (0 if m == 0 else 2 m - 1)`, the real parts first, then (m > 0) the imaginary parts.
    """

    rcut: float
    values: np.ndarray  # (knots, radial functions)
    slopes: np.ndarray  # dR/dr, the same shape
    radials: list[list[int]]
    rows: list[int]
    core_row: int  # row of the core energy, -1 without


@dataclass
class Plan:
    """All that the evaluator needs to know about one central element.

    `products` are (kind, a, a_im, b, b_im, sign, re, im): rows of the factors and of the result, in an
    order in which factors come first; result = A B for sign +1 and A conj(B) for sign -1. `quadratic` is
    {(row, row): coefficient}, upper triangle; `linear` is {row: coefficient}. `invariants[f]` lists
    (row, row or -1, coefficient) of B-basis function f, if asked for.
    """

    leaves: int
    rows: int
    products: np.ndarray  # (number, 8)
    linear: dict[int, float]
    quadratic: dict[tuple[int, int], float]
    invariants: list[list[tuple[int, int, float]]]
    shells: list[Shell]
    E0: float


def plan(potential: Potential | CTilde, element: str, invariants: bool) -> Plan:
    """Plan of the central `element`, for energies and forces, or with `invariants` for the B-basis too.

    Without `invariants` all functions of rank 1 of a neighbour element are one radial function, the pair
    potential that they add up to, and functions without a coefficient are left out.
    """
    b_basis = isinstance(potential, Potential)
    tables = {
        mu: _RadialRows(potential, element, mu)
        for mu in potential.elements
        if (element, mu) in potential.bonds
    }
    summands = []  # (terms (m, coefficient), weight, factors (mu, radial column, l))
    pair = {mu: np.zeros(table.bond.nradbase) for mu, table in tables.items()}
    for f in potential.functions.get(element, []):
        # in the B-basis the function's own coefficient is the weight
        terms, weight = (_invariant(f), f.c) if b_basis else (f.terms, 1.0)
        if not invariants and f.rank == 1:
            pair[f.elements[1]][f.n[0] - 1] += weight * sum(c for _, c in terms)
        elif invariants or weight != 0:
            labels = zip(f.elements[1:], f.n, f.l, strict=True)
            factors = [(mu, tables[mu].column_of(n, l, f.rank), l) for mu, n, l in labels]
            summands.append((terms, weight, factors))
    for mu, row in pair.items():
        if row.any():
            summands.append(((((0,), 1.0),), 1.0, [(mu, tables[mu].column(row), 0)]))

    shells, leaf_rows, leaves = _layout(
        potential, element, tables, [factors for *_, factors in summands]
    )
    builder = _Products(leaf_rows, leaves)
    # per summand: [(entries, coefficient)]
    monomials = [[_monomial(factors, m, c) for m, c in terms] for terms, _, factors in summands]
    builder.choose([entries for terms in monomials for entries, _ in terms])

    linear: dict[int, float] = defaultdict(float)
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
            if weight * c != 0 and b < 0:
                linear[a] += weight * c
            elif weight * c != 0:
                quadratic[(min(a, b), max(a, b))] += weight * c
    for shell in shells:
        if shell.core_row >= 0 and _inner_cutoff(potential) != "zbl":
            linear[shell.core_row] += 1.0
    return Plan(
        leaves=leaves,
        rows=builder.rows,
        products=np.array(builder.products, dtype=np.int64).reshape(-1, 8),
        linear=dict(linear),
        quadratic=dict(quadratic),
        invariants=bilinears,
        shells=shells,
        E0=potential.E0.get(element, 0.0),
    )


def _invariant(f) -> tuple[tuple[tuple[int, ...], float], ...]:
    labels = tuple(zip(f.elements[1:], f.n, f.l, strict=True))
    return coupling.invariant(f.l, f.lint, tuple(labels.index(label) for label in labels))


def _inner_cutoff(potential: Potential | CTilde) -> str:
    return next(iter(potential.bonds.values())).inner_cutoff_type


class _RadialRows:
    """The distinct radial functions that the functions of one ordered pair use."""

    def __init__(self, potential, element: str, mu: str):
        self.pair = (element, mu)
        self.bond = potential.bonds[self.pair]
        self.delta = potential.delta_spline_bins
        self.coefficients: list[np.ndarray] = []
        self._index: dict[bytes, int] = {}

    def column_of(self, n: int, l: int, rank: int) -> int:
        """Column of R_nl, or of g_n for a function of rank 1."""
        if rank > 1:
            return self.column(self.bond.radcoefficients[n - 1, l])
        return self.column(np.eye(1, self.bond.nradbase, n - 1)[0])

    def column(self, row: np.ndarray) -> int:
        """Column of sum_k row_k g_k."""
        row = row + 0.0  # no negative zeros
        key = row.tobytes()
        if key not in self._index:
            self._index[key] = len(self.coefficients)
            self.coefficients.append(row)
        return self._index[key]

    def tabulate(self) -> tuple[np.ndarray, np.ndarray]:
        g, dg = radial.tabulate(self.bond, self.delta)
        rows = np.array(self.coefficients).reshape(-1, self.bond.nradbase)
        columns = [g.T @ rows.T, dg.T @ rows.T]
        if self.bond.core_repulsion[0] != 0:
            r = radial.knots(self.bond, self.delta)
            r[0] = r[1]
            for k, values in enumerate(core.energy(self.bond, *self.pair, r)):
                columns[k] = np.column_stack([columns[k], values])
        return columns[0], columns[1]


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
        values, slopes = tables[mu].tabulate()
        lmax = max(used[mu], default=-1)
        has_core = tables[mu].bond.core_repulsion[0] != 0
        if has_core:
            # the core energy is one more radial function with l = 0, the last of them
            used[mu][0].add(values.shape[1] - 1)
            lmax = max(lmax, 0)
        radials = [sorted(used[mu][l]) for l in range(lmax + 1)]
        rows = []
        for l, columns in enumerate(radials):
            rows.append(row)
            for k, column in enumerate(columns):
                for m in range(l + 1):
                    re = row + len(columns) * (2 * m - 1 if m else 0) + k
                    leaf_rows[(mu, column, l, m)] = (re, re + len(columns) if m else -1)
            row += len(columns) * (2 * l + 1)
        core_row = leaf_rows[(mu, values.shape[1] - 1, 0, 0)][0] if has_core else -1
        shells.append(Shell(tables[mu].bond.rcut, values, slopes, radials, rows, core_row))
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
        gain = Counter()
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
                    touched = {
                        _canonical(h)[0] for halves in options[entries] for h in halves if len(h) > 1
                    }
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
        """[(row, row or -1, factor)] whose sum is the real part of the monomial."""
        entries, _ = _canonical(entries)
        if len(entries) == 1:
            return [(self.leaf_rows[entries[0][0]][0], -1, 1.0)]
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
