"""Choice of functions: the same ones as pyace chose for the reference potentials, and sensible limits."""

import dataclasses

import numpy as np
import pace
import pytest

from oligopoly.ace import radial
from oligopoly.ace.functions import bonds, candidates, independent_couplings, select
from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError


@pytest.mark.parametrize(
    "name, count, n_max, l_max",
    [
        ("ch_sbessel_r3", 100, [10, 4, 2], [0, 3, 2]),
        ("cho_chebexpcos_r4", 300, [10, 6, 4, 2], [0, 3, 2, 1]),
        ("cho_zbl_r2", 60, [10, 6], [0, 3]),
    ],
)
def test_selection_is_pacemakers(name, count, n_max, l_max):
    reference = read_yaml(pace.DATA / f"{name}.yaml")
    chosen = select(reference.elements, count, n_max, l_max)
    for element in reference.elements:
        assert chosen[element] == [dataclasses.replace(f, c=0.0) for f in reference.functions[element]]
    for pair, bond in bonds(chosen, cutoff=5.0).items():
        expected = reference.bonds[pair]
        assert (bond.nradmax, bond.lmax, bond.nradbase) == (expected.nradmax, expected.lmax, expected.nradbase)
        np.testing.assert_array_equal(bond.radcoefficients, expected.radcoefficients)


@pytest.mark.parametrize(
    # numbers of independent functions in pacemaker's own table
    "pattern, l_max, count",
    [
        ((0, 0), 10, 11),
        ((0, 0, 0), 6, 30),
        ((0, 1, 2), 6, 106),
        ((0, 0, 0, 0), 4, 51),
        ((0, 0, 0, 1), 4, 126),
        ((0, 0, 1, 1), 4, 195),
        ((0, 0, 0, 0, 0), 3, 45),
        ((0, 0, 0, 0, 0, 0), 2, 22),
    ],
)
def test_numbers_of_independent_couplings(pattern, l_max, count):
    assert len(independent_couplings(pattern, l_max)) == count


def test_any_elements_and_ranks():
    chosen = select(["O", "C", "H", "N"], 200, [8, 4, 2, 1, 1], [0, 2, 1, 1, 1])
    assert list(chosen) == ["C", "H", "N", "O"]
    assert all(190 <= len(functions) <= 200 for functions in chosen.values())
    assert max(f.rank for f in chosen["C"]) >= 4
    assert len(set(chosen["C"])) == len(chosen["C"])


def test_limits_that_make_no_basis_are_refused():
    with pytest.raises(UserError, match="one number for each rank"):
        select(["C"], 10, [5, 3], [0])
    with pytest.raises(UserError, match="start with 0"):
        select(["C"], 10, [5, 3], [1, 2])


def test_many_body_functions_end_at_their_own_cutoffs():
    chosen = select(["C", "H"], 100, [12, 5, 3], [0, 3, 2])
    bond = bonds(chosen, cutoff=5.0, many_body_cutoffs=(2.5, 4.0))["C", "H"]
    r = np.linspace(0.7, 5.0, 500)
    g, _ = radial.base(bond, r)
    many_body = np.abs(bond.radcoefficients[:, 0] @ g)
    for n, end in enumerate([2.5, 2.5, 2.5, 4.0, 4.0][: bond.nradmax]):
        assert many_body[n, r > end].max() < 0.02
        assert many_body[n, r < end].max() > 0.2
    assert bond.nradmax > 3
    assert np.abs(g[:, r > 4.0]).max() > 0.05


def test_candidates_are_the_simplest_functions_of_what_occurs():
    pairs = {("C", "C"), ("C", "H"), ("H", "H"), ("C", "O"), ("H", "O")}  # a single oxygen
    chosen = candidates(["O", "H", "C"], 500, (0, 4, 3, 2), pairs)
    assert list(chosen) == ["C", "H", "O"]
    for element, functions in chosen.items():
        assert len(set(functions)) == len(functions) == 500
        assert {f.rank for f in functions} == {1, 2, 3, 4}
        assert all(max(f.l) <= (0, 4, 3, 2)[f.rank - 1] for f in functions)
        assert not any({element, other} == {"O"} for f in functions for other in f.elements[1:])
        # fewer of them are the first of more
        assert set(candidates(["C", "H", "O"], 200, (0, 4, 3, 2), pairs)[element]) <= set(functions)


def test_candidates_are_those_of_pacemaker():
    everything = select(["C", "H"], 10**6, [14, 3, 2], [0, 3, 2])
    chosen = candidates(["C", "H"], 400, (0, 3, 2), [("C", "C"), ("C", "H"), ("H", "H")])
    for element in ("C", "H"):
        within = {f for f in chosen[element] if f.rank == 1 or max(f.n) <= (3, 2)[f.rank - 2]}
        assert len(within) > 100
        assert within <= set(everything[element])
