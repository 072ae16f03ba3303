"""Choice of the basis functions of a potential, in pacemaker's order.

pacemaker builds all functions within `nradmax_by_orders` and `lmax_by_orders` (one number per rank), block by
block (a block is a central element and the set of the other elements that take part), orders each block by
rank + sum of n + sum of l ("power order"), and takes the same number from each block.
"""

import dataclasses
import itertools
from collections.abc import Container, Sequence
from functools import cache

import numpy as np

from oligopoly.ace import radial
from oligopoly.ace.coupling import couple, inner_momenta
from oligopoly.ace.potential import BasisFunction, Bond, ordered
from oligopoly.errors import UserError

NEAR = 3  # radial functions of the near shell, see `bonds`
PAIR_FUNCTIONS = 14  # of rank 1 for each neighbour element, among `candidates`
# Where pair functions reach further than this (Angstrom) beyond the far shell, the shells end for good: see `_shells`
FADE = 0.5


@cache
def independent_couplings(pattern: tuple[int, ...], lmax: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """All (l, lint) with l <= lmax whose invariants are linearly independent and of even parity.

    `pattern` gives equal numbers to factors of equal element and n, in ascending order, for example (0, 0, 1):
    only these factors commute into each other, so that only they make invariants equal, dependent, or zero. Of a
    dependent set the first in lexicographic order stay, with l ascending among equal factors.
    """
    found = []
    for l in itertools.product(range(lmax + 1), repeat=len(pattern)):
        unsorted = any(a == b and x > y for a, b, x, y in zip(pattern, pattern[1:], l, l[1:], strict=False))
        if sum(l) % 2 or unsorted:
            continue
        basis: list[np.ndarray] = []
        columns: dict[tuple[int, ...], int] = {}
        for lint in inner_momenta(l):
            if _extends(basis, columns, _merged(pattern, l, lint)):
                found.append((l, lint))
    return tuple(found)


def _merged(pattern: tuple[int, ...], l: tuple[int, ...], lint: tuple[int, ...]) -> dict[tuple[int, ...], float]:
    """The invariant as a polynomial: products of A that are equal, or complex conjugates, are one term."""
    equal = list(zip(pattern, l, strict=True))
    groups = [[i for i, label in enumerate(equal) if label == name] for name in dict.fromkeys(equal)]
    polynomial: dict[tuple[int, ...], float] = {}
    for m, coefficient in couple(l, lint):
        key = max(_sorted_within(groups, m), _sorted_within(groups, tuple(-x for x in m)))
        polynomial[key] = polynomial.get(key, 0.0) + coefficient
    return polynomial


def _sorted_within(groups: list[list[int]], m: tuple[int, ...]) -> tuple[int, ...]:
    result = list(m)
    for group in groups:
        for position, value in zip(group, sorted(m[i] for i in group), strict=True):
            result[position] = value
    return tuple(result)


def _extends(basis: list[np.ndarray], columns: dict, polynomial: dict[tuple[int, ...], float]) -> bool:
    """Gram-Schmidt step: whether `polynomial` is independent of `basis`, which then grows by it."""
    for key in polynomial:
        columns.setdefault(key, len(columns))
    vector = np.zeros(len(columns))
    for key, value in polynomial.items():
        vector[columns[key]] = value
    for _ in range(2):
        for direction in basis:
            vector[: len(direction)] -= (direction @ vector[: len(direction)]) * direction
    rest = np.linalg.norm(vector)
    if rest < 1e-9:  # the coefficients of one coupling have a norm of order one
        return False
    basis.append(vector / rest)
    return True


def select(
    elements: list[str],
    n_functions: int,
    n_max: list[int],
    l_max: list[int],
) -> dict[str, list[BasisFunction]]:
    """The first `n_functions` functions of each element in pacemaker's power order, with zero coefficients.

    `n_max` and `l_max` hold one number per rank (pacemaker's `nradmax_by_orders`, `lmax_by_orders`). Each block
    of an element gives the same share; what a block cannot give, the others do. Fewer functions come back if
    the limits do not hold so many. Elements of the result: sorted; functions: in pacemaker's internal order.

    Raises UserError for limits that make no basis.
    """
    if len(n_max) != len(l_max) or not n_max:
        raise UserError(f"n_max = {n_max} and l_max = {l_max} must have one number for each rank.")
    if min(n_max) < 1 or min(l_max) < 0 or l_max[0] != 0:
        raise UserError(f"n_max = {n_max} must be positive; l_max = {l_max} must start with 0 and not be negative.")
    if n_functions < 1:
        raise UserError(f"The number of functions per element must be positive, not {n_functions}.")
    elements = sorted(set(elements))
    chosen = {}
    for central in elements:
        others = [element for element in elements if element != central]
        blocks = [
            _block(central, partners, n_max, l_max, n_functions)
            for size in range(min(len(others), len(n_max)) + 1)
            for partners in itertools.combinations(others, size)
        ]
        shares = _shares([len(block) for block in blocks], n_functions)
        functions = [f for block, share in zip(blocks, shares, strict=True) for f in block[:share]]
        chosen[central] = ordered(functions, elements)
    return chosen


def candidates(
    elements: list[str], count: int, l_max: Sequence[int], pairs: Container[tuple[str, str]]
) -> dict[str, list[BasisFunction]]:
    """The `count` simplest functions of each element, with zero coefficients, for a choice among them.

    Simple is a small sum of n - 1 and l over the neighbours, and two for each neighbour after the first. No shares of
    blocks: what a block is worth, data tell. `l_max` by rank; `pairs` are the sorted pairs of elements that occur.
    Elements of the result: sorted; functions: in pacemaker's internal order.
    """
    elements = sorted(set(elements))
    chosen = {}
    for central in elements:
        neighbours = [e for e in elements if (min(central, e), max(central, e)) in pairs]
        found: list[tuple[float, BasisFunction]] = []
        for reach in itertools.count(4, 2):
            before, found = len(found), _simplest(central, neighbours, l_max, reach)
            if len(found) >= count or len(found) == before:
                break
        chosen[central] = ordered([f for _, f in found[:count]], elements)
    return chosen


def _simplest(central: str, elements: list[str], l_max: Sequence[int], reach: int) -> list[tuple[float, BasisFunction]]:
    """(cost, function) for all functions up to a cost, in its order; see `candidates`."""
    found = []
    for n in range(1, PAIR_FUNCTIONS + 1):
        found += [(0.0, BasisFunction((central, e), (n,), (0,))) for e in elements]
    for rank, l_top in enumerate(l_max[1:], start=2):
        budget = reach - 2 * (rank - 1)
        orders = [ns for ns in itertools.product(range(1, budget + 2), repeat=rank) if sum(ns) - rank <= budget]
        for neighbours in itertools.combinations_with_replacement(elements, rank):
            for ns in orders:
                labels = tuple(zip(neighbours, ns, strict=True))
                if any(a > b for a, b in itertools.pairwise(labels)):  # the same product in another order
                    continue
                distinct = sorted(set(labels))
                pattern = tuple(distinct.index(label) for label in labels)
                for ls, lint in independent_couplings(pattern, l_top):
                    cost = 2 * (rank - 1) + sum(ns) - rank + sum(ls)
                    if cost <= reach:
                        found.append((cost, BasisFunction((central, *neighbours), ns, ls, lint)))
    return sorted(found, key=lambda entry: entry[0])


def _block(
    central: str, partners: tuple[str, ...], n_max: list[int], l_max: list[int], at_most: int
) -> list[BasisFunction]:
    """Functions of one block in power order: stable in rank, neighbours, n, l, lint. Only the first `at_most`."""
    present = tuple(sorted({central, *partners}))
    found = []
    for rank, (n_top, l_top) in enumerate(zip(n_max, l_max, strict=True), start=1):
        for neighbours in itertools.combinations_with_replacement(present, rank):
            if {central, *neighbours} != set(present):
                continue
            for n in itertools.product(range(1, n_top + 1), repeat=rank):
                labels = tuple(zip(neighbours, n, strict=True))
                if list(labels) != sorted(labels):  # the same product with its factors in another order
                    continue
                distinct = sorted(set(labels))
                pattern = tuple(distinct.index(label) for label in labels)
                for l, lint in independent_couplings(pattern, l_top):
                    found.append((rank + sum(n) + sum(l), neighbours, n, l, lint))
    found.sort(key=lambda entry: entry[0])
    return [BasisFunction((central, *neighbours), n, l, lint) for _, neighbours, n, l, lint in found[:at_most]]


def _shares(available: list[int], wanted: int) -> list[int]:
    """Split `wanted` evenly over blocks that hold `available`; the remainder of a division is left out."""
    shares = [0] * len(available)
    while True:
        open_blocks = [i for i, limit in enumerate(available) if shares[i] < limit]
        each = (wanted - sum(shares)) // len(open_blocks) if open_blocks else 0
        if each == 0:
            return shares
        for i in open_blocks:
            shares[i] = min(available[i], shares[i] + each)


def bonds(
    functions: dict[str, list[BasisFunction]],
    cutoff: float,
    many_body_cutoffs: tuple[float, float] | None = None,
    inner_radii: dict[tuple[str, str], float] | None = None,
) -> dict[tuple[str, str], Bond]:
    """Radial basis for all ordered pairs, as large as `functions` need: ChebExpCos with lambda 4.

    Functions of rank 1 use the base functions, which reach to `cutoff` (Angstrom). Those of higher rank use R_n = g_n
    as well, or, with `many_body_cutoffs` (near, far), functions of shorter reach, expressed in the base functions
    through `radcoefficients`: R_1 to R_3 end at the near cutoff and resolve bonds and angles, the others at the far
    one. With `inner_radii` (Angstrom, per sorted pair) a ZBL core takes over below r_in, blended over the outer
    quarter of it; without, there is no core.
    """
    size = {pair: [0, 0, 1] for pair in itertools.product(sorted(functions), repeat=2)}
    for f in itertools.chain.from_iterable(functions.values()):
        for neighbour, n, l in zip(f.elements[1:], f.n, f.l, strict=True):
            # pacemaker wants both directions of a pair alike
            for pair in ((f.elements[0], neighbour), (neighbour, f.elements[0])):
                nradmax, lmax, nradbase = size[pair]
                size[pair] = [max(nradmax, n if f.rank > 1 else 0), max(lmax, l), max(nradbase, n)]
    result = {}
    for (a, b), (nradmax, lmax, nradbase) in size.items():
        r_in = (inner_radii or {}).get((min(a, b), max(a, b)), 0.0)
        bond = Bond(
            nradmax=nradmax,
            lmax=lmax,
            nradbase=max(nradbase, _resolution(cutoff, many_body_cutoffs)),
            radbase="ChebExpCos",
            radparameters=[4.0],
            radcoefficients=np.zeros(0),
            rcut=cutoff,
            inner_cutoff_type="zbl" if inner_radii else "distance",
            core_repulsion=(1.0, 1.0) if r_in else (0.0, 0.0),
            r_in=r_in,
            # not zero beside other cores: pacemaker would cut the radial functions of such a pair off below 1 A
            delta_in=0.25 * r_in if r_in or not inner_radii else 0.1,
        )
        rows = _shells(bond, *many_body_cutoffs) if many_body_cutoffs else np.eye(nradmax, bond.nradbase)
        bond.radcoefficients = np.repeat(rows[:, None, :], lmax + 1, axis=1)
        result[a, b] = bond
    return result


def _resolution(cutoff: float, many_body_cutoffs: tuple[float, float] | None) -> int:
    """How many base functions express the shells."""
    if many_body_cutoffs is None:
        return 1
    return 60 if _fades(cutoff, many_body_cutoffs[1]) else 20


def _fades(cutoff: float, far: float) -> bool:
    return far + FADE < 0.9 * cutoff


def _shells(bond: Bond, near: float, far: float) -> np.ndarray:
    """Coefficients (nradmax, nradbase) of radial functions that end at `near` (the first `NEAR`) and `far`.

    Least squares over the distances that occur; 20 base functions with a cutoff of 5 A follow ChebExpCos of 2.5 A
    to 0.1 % of its height. Where the cutoff is much longer than `far`, distances beyond far + FADE get a weight of
    1e12, and more base functions: the shells are then below 1e-13 of their height there, that is zero, and
    neighbours further away than that cost next to nothing (`terms.NEGLIGIBLE`); near `far` they differ by a few per
    cent from the shape aimed at.
    """
    r = np.linspace(0.6, bond.rcut, 1000)
    available, _ = radial.base(bond, r)
    wanted = np.zeros((bond.nradmax, len(r)))
    for first, last, reach in ((0, NEAR, near), (NEAR, bond.nradmax, far)):
        count = min(last, bond.nradmax) - first
        if count <= 0:
            continue
        reach = min(reach, bond.rcut)
        # a softer lambda than that of the base functions resolves the whole of the shorter range
        shell = dataclasses.replace(bond, rcut=reach, radparameters=[2.0], nradbase=count)
        wanted[first : first + count] = radial.base(shell, np.minimum(r, reach))[0]
    if _fades(bond.rcut, far):
        weights = np.where(r > far + FADE, 1e12, 1.0)
        # the ridge keeps the coefficients of order ten, as below
        available = np.hstack([available * weights, 1e-3 * np.eye(bond.nradbase)])
        wanted = np.hstack([wanted, np.zeros((bond.nradmax, bond.nradbase))])
        coefficients, *_ = np.linalg.lstsq(available.T, wanted.T, rcond=1e-16)
        return coefficients.T
    # coefficients of order ten: larger ones, which follow no better, would magnify the round-off of the tables
    coefficients, *_ = np.linalg.lstsq(available.T, wanted.T, rcond=1e-6)
    return coefficients.T
