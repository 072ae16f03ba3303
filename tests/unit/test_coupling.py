"""Coupling: known coefficients, orthogonality, rotational invariance, and pacemaker's own expansion."""

import numpy as np
import pace
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from oligopoly.ace import yace
from oligopoly.ace.coupling import clebsch_gordan, couple, expand, inner_momenta, tree
from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError


def test_clebsch_gordan_are_the_tabulated_ones():
    assert clebsch_gordan(1, 0, 1, 0, 2, 0) == pytest.approx(np.sqrt(2 / 3), abs=1e-15)
    assert clebsch_gordan(1, 1, 1, -1, 1, 0) == pytest.approx(np.sqrt(1 / 2), abs=1e-15)
    assert clebsch_gordan(2, -1, 1, 1, 2, 0) == pytest.approx(-np.sqrt(1 / 2), abs=1e-15)
    assert clebsch_gordan(1, 1, 1, 1, 1, 2) == 0.0


@pytest.mark.parametrize("l1, l2", [(1, 1), (2, 3), (4, 4)])
def test_clebsch_gordan_are_orthonormal(l1, l2):
    products = [(a, b) for a in range(-l1, l1 + 1) for b in range(-l2, l2 + 1)]
    coupled = [(l, m) for l in range(abs(l1 - l2), l1 + l2 + 1) for m in range(-l, l + 1)]
    matrix = np.array([[clebsch_gordan(l1, a, l2, b, l, m) for a, b in products] for l, m in coupled])
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(coupled)), atol=1e-14)


def test_trees_couple_pairs_first_and_an_odd_one_last():
    assert tree(3) == ((0, 1, 3), (3, 2, 4))
    assert tree(4) == ((0, 1, 4), (2, 3, 5), (4, 5, 6))
    assert tree(5) == ((0, 1, 5), (2, 3, 6), (5, 6, 7), (7, 4, 8))
    assert tree(6) == ((0, 1, 6), (2, 3, 7), (4, 5, 8), (6, 7, 9), (8, 9, 10))


@pytest.mark.parametrize("l", [(2, 2), (1, 1, 2), (2, 2, 2), (1, 2, 1, 2), (1, 1, 1, 2, 1), (1, 1, 1, 1, 1, 1)])
def test_invariants_do_not_change_under_rotation(l):
    rng = np.random.default_rng(len(l))
    vectors = rng.normal(size=(len(l), 3))
    turned = Rotation.random(rng=3).apply(vectors)

    def harmonic(l, m, v):
        x, y, z = v / np.linalg.norm(v)
        return sph_harm_y(l, m, np.arccos(z), np.arctan2(y, x))

    for lint in inner_momenta(l):
        value, value_turned = (
            sum(c * np.prod([harmonic(l[i], m[i], v[i]) for i in range(len(l))]).real for m, c in couple(l, lint))
            for v in (vectors, turned)
        )
        assert value_turned == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", ["ch_sbessel_r3", "cho_chebexpcos_r4", "cho_zbl_r2"])
def test_expansion_is_pacemakers(name):
    basis, tilde = read_yaml(pace.DATA / f"{name}.yaml"), yace.read(pace.DATA / f"{name}.yace")
    for element in basis.elements:
        # pacemaker adds up functions that differ only in lint
        expected = {(t.elements, t.n, t.l): dict(t.terms) for t in tilde.functions[element]}
        found = {}
        for f in basis.functions[element]:
            terms = found.setdefault((f.elements, f.n, f.l), {})
            for m, c in expand(f):
                terms[m] = terms.get(m, 0.0) + c
        assert found.keys() == expected.keys()
        for key, terms in found.items():
            assert list(terms) == list(expected[key])
            assert list(terms.values()) == pytest.approx(list(expected[key].values()), abs=1e-15)


def test_impossible_couplings_are_refused():
    with pytest.raises(UserError, match="does not couple"):
        couple((1, 1, 2), (1,))
    with pytest.raises(UserError, match="odd"):
        couple((1, 1, 1), (1,))
