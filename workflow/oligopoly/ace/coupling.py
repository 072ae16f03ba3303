"""Coupling of spherical harmonics to rotational invariants, and its expansion into products over m.

A basis function of rank r is prod_i A_{n_i l_i m_i} summed over all (m_1 ... m_r) with generalised
Clebsch-Gordan coefficients. pacemaker couples along one fixed binary tree per rank: neighbours in pairs
(12)(34)(56), then the pairs in the order in which they came, an odd one last. `lint` holds the r-2 inner angular
momenta of that tree in the order of its nodes; the root has L = 0.

Source: R. Drautz, Phys. Rev. B 102, 024104 (2020), eqs. 24-29; A. Bochkarev et al., Phys. Rev. Mater. 6,
013804 (2022), the B-basis of pacemaker.
"""

import itertools
from fractions import Fraction
from functools import cache
from math import factorial, sqrt

from oligopoly.errors import UserError


@cache
def clebsch_gordan(l1: int, m1: int, l2: int, m2: int, l: int, m: int) -> float:
    """<l1 m1 l2 m2 | l m> in the Condon-Shortley convention, zero where it is not defined.

    Racah's formula (E. U. Condon, G. H. Shortley, The Theory of Atomic Spectra, 1935, sec. 14), summed in
    rationals, so that one square root is all the rounding there is.
    """
    if m1 + m2 != m or not abs(l1 - l2) <= l <= l1 + l2 or abs(m1) > l1 or abs(m2) > l2 or abs(m) > l:
        return 0.0
    f = factorial
    first = max(0, l2 - l - m1, l1 - l + m2)
    last = min(l1 + l2 - l, l1 - m1, l2 + m2)
    total = sum(
        Fraction(
            (-1) ** k,
            f(k) * f(l1 + l2 - l - k) * f(l1 - m1 - k) * f(l2 + m2 - k) * f(l - l2 + m1 + k) * f(l - l1 - m2 + k),
        )
        for k in range(first, last + 1)
    )
    square = Fraction(
        (2 * l + 1) * f(l + l1 - l2) * f(l - l1 + l2) * f(l1 + l2 - l)
        * f(l + m) * f(l - m) * f(l1 - m1) * f(l1 + m1) * f(l2 - m2) * f(l2 + m2),
        f(l1 + l2 + l + 1),
    )  # fmt: skip
    return float(total) * sqrt(square) if total else 0.0


@cache
def tree(rank: int) -> tuple[tuple[int, int, int], ...]:
    """Nodes (left, right, result) of the coupling tree, as indices into (l_1 ... l_r, lint_1 ... lint_{r-2}, L=0)."""
    pairs = [(2 * i, 2 * i + 1) for i in range(rank // 2)]
    odd = [rank - 1] if rank % 2 else []
    nodes: list[tuple[int, int, int]] = []
    queue: list[int] = []
    for result, (left, right) in enumerate(pairs, start=rank):
        nodes.append((left, right, result))
        queue.append(result)
    while len(queue) > 1:
        result = rank + len(nodes)
        nodes.append((queue.pop(0), queue.pop(0), result))
        queue.append(result)
    if odd and rank > 1:
        nodes.append((queue.pop(0), odd[0], rank + len(nodes)))
    return tuple(nodes)


def inner_momenta(l: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All `lint` that couple `l` to L = 0 along the tree, in lexicographic order."""
    rank = len(l)
    if rank == 1:
        return [()] if l[0] == 0 else []
    found = [l]
    for left, right, result in tree(rank):
        if result == 2 * rank - 2:
            found = [known for known in found if known[left] == known[right]]
        else:
            found = [
                (*known, momentum)
                for known in found
                for momentum in range(abs(known[left] - known[right]), known[left] + known[right] + 1)
            ]
    return sorted(known[rank:] for known in found)


@cache
def couple(l: tuple[int, ...], lint: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], float], ...]:
    """Generalised Clebsch-Gordan coefficients (m_1 ... m_r) -> coefficient, m and -m folded into one term.

    Of two terms m and -m, whose products of A are complex conjugates, the one with its first non-zero m
    positive stays, with twice the coefficient: the sum over all terms of coefficient * Re(prod A_{n l m}) is
    the invariant. Sorted by m, as pacemaker writes them.

    Raises UserError when `lint` does not fit the tree or the sum of `l` is odd (no invariant of even parity).
    """
    rank = len(l)
    lint = complete(l, lint)
    if sum(l) % 2:
        raise UserError(f"A basis function with l = {list(l)} is odd under inversion; the sum of l must be even.")
    momenta = (*l, *lint, 0) if rank > 1 else l
    if lint not in inner_momenta(l):
        raise UserError(f"lint = {list(lint)} does not couple l = {list(l)} to zero; possible: {inner_momenta(l)}.")
    terms = []
    for m in itertools.product(*(range(-x, x + 1) for x in l)):
        if sum(m) or next((x for x in m if x), 0) < 0:
            continue
        projections = [*m] + [0] * (rank - 1)
        coefficient = 2.0 if any(m) else 1.0
        for left, right, result in tree(rank):
            projections[result] = projections[left] + projections[right]
            coefficient *= clebsch_gordan(
                momenta[left], projections[left], momenta[right], projections[right],
                momenta[result], projections[result],
            )  # fmt: skip
        if coefficient:
            terms.append((m, coefficient))
    return tuple(terms)


def complete(l: tuple[int, ...], lint: tuple[int, ...]) -> tuple[int, ...]:
    """`lint` with the last inner momentum, which L = 0 fixes and files may leave out, filled in.

    Raises UserError when the length fits neither form.
    """
    rank, lint = len(l), tuple(lint)
    wanted = max(rank - 2, 0)
    if len(lint) == wanted - 1 and rank >= 3:
        lint = (*lint, lint[-1] if rank % 2 == 0 else l[-1])
    if len(lint) != wanted:
        raise UserError(f"A function of rank {rank} has {wanted} inner momenta; lint = {list(lint)} has {len(lint)}.")
    return lint


def expand(function) -> list[tuple[tuple[int, ...], float]]:
    """C-tilde terms [(m, coefficient)] of a `BasisFunction`: its coefficient times the invariant's.

    Empty where the invariant vanishes because factors are equal.
    """
    labels = tuple(zip(function.elements[1:], function.n, function.l, strict=True))
    equal = tuple(labels.index(label) for label in labels)
    terms = invariant(tuple(function.l), tuple(function.lint), equal)
    return [(m, function.c * coefficient) for m, coefficient in terms]


@cache
def invariant(
    l: tuple[int, ...], lint: tuple[int, ...], equal: tuple[int, ...]
) -> tuple[tuple[tuple[int, ...], float], ...]:
    """`couple(l, lint)` with the terms merged that differ only by a permutation of equal factors.

    `equal[i]` names the factor that factor i equals (same element, n and l). As in pacemaker's files, the m of
    equal factors are in ascending order, but only in functions where merging saves a term.
    """
    terms = couple(l, lint)
    merged: dict[tuple[int, ...], float] = {}
    for m, coefficient in terms:
        canonical = list(m)
        for name in set(equal):
            positions = [i for i, factor in enumerate(equal) if factor == name]
            for position, value in zip(positions, sorted(m[i] for i in positions), strict=True):
                canonical[position] = value
        merged[tuple(canonical)] = merged.get(tuple(canonical), 0.0) + coefficient
    merged = {m: merged[m] for m in sorted(merged) if abs(merged[m]) > 1e-15}
    return tuple(merged.items()) if len(merged) < len(terms) else terms
