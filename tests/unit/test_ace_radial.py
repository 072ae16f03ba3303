"""Radial functions and core repulsion: derivatives, limits at the cutoffs, the textbook form of ZBL."""

import numpy as np
import pytest

from oligopoly.ace import functions, radial, repulsion
from oligopoly.ace.potential import Bond
from oligopoly.errors import UserError


def bond(**changes) -> Bond:
    settings = dict(
        nradmax=2, lmax=1, nradbase=8, radbase="ChebExpCos", radparameters=[5.25],
        radcoefficients=np.zeros((2, 2, 8)), rcut=5.0, dcut=0.01,
    )  # fmt: skip
    return Bond(**(settings | changes))


def numerical(function, r, h=1e-6):
    return (function(r + h)[0] - function(r - h)[0]) / (2 * h)


BONDS = [
    bond(),
    bond(dcut=0.5),
    bond(r_in=1.2, delta_in=0.4),
    bond(radbase="SBessel"),
    bond(radbase="ChebPow", radparameters=[2.0]),
    bond(radbase="ChebLinear"),
]


@pytest.mark.parametrize("b", BONDS)
def test_derivatives(b):
    r = np.linspace(0.5, 4.9999, 333)
    g, dg = radial.base(b, r)
    assert g.shape == (8, 333)
    assert np.abs(dg - numerical(lambda x: radial.base(b, x), r)).max() < 2e-6 * max(1, np.abs(dg).max())


@pytest.mark.parametrize("b", [b for b in BONDS if b.radbase != "ChebLinear"])
def test_value_and_slope_vanish_at_the_cutoff(b):
    g, dg = radial.base(b, np.array([b.rcut - 1e-7, b.rcut, b.rcut + 1]))
    assert np.abs(g).max() < 1e-9 and np.abs(dg).max() < 1e-4
    assert (g[:, 1:] == 0).all() and (dg[:, 1:] == 0).all()


def test_inner_cutoff_removes_the_functions_below_it():
    g, dg = radial.base(bond(r_in=1.2, delta_in=0.4), np.array([0.5, 0.8, 1.2]))
    plain, _ = radial.base(bond(), np.array([1.2]))
    assert (g[:, :2] == 0).all() and np.allclose(g[:, 2:], plain)


def test_zbl_pairs_without_a_core_keep_their_functions_where_pacemaker_would_cut_them():
    """pacemaker and ML-PACE zero the functions of a zbl pair below 1 A if and only if delta_in is 0."""
    r = np.array([0.7, 0.99, 1.01])
    plain, _ = radial.base(bond(), r)
    cut, slope = radial.base(bond(inner_cutoff_type="zbl"), r)
    assert (cut[:, :2] == 0).all() and (slope[:, :2] == 0).all() and np.array_equal(cut[:, 2], plain[:, 2])
    chosen = functions.bonds(functions.select(["C", "H"], 20, [3, 2], [0, 1]), 5.0, inner_radii={("C", "C"): 1.0})
    for pair in (("C", "H"), ("H", "H")):
        assert chosen[pair].core_repulsion[0] == 0 and (radial.base(chosen[pair], r)[0][:, :2] != 0).any()


def test_sbessel_is_orthonormal():
    """The simplified spherical Bessel functions are orthonormal with weight r^2 (Kocer et al. 2019)."""
    r = np.linspace(1e-6, 5.0, 20001)
    g, _ = radial.base(bond(radbase="SBessel"), r)
    overlap = np.trapezoid(g[:, None] * g[None] * r**2, r)
    assert np.abs(overlap - np.eye(8)).max() < 1e-6


def test_table_has_pacemakers_knots():
    r = radial.knots(bond(rcut=5.5), 0.001)
    assert len(r) == 5501 and r[-1] == 5.5
    g, dg = radial.tabulate(bond(rcut=5.5), 0.001)
    assert (g[:, -1] == 0).all() and (dg[:, -1] == 0).all() and np.isfinite(g).all()


def test_unknown_radial_functions_are_named():
    with pytest.raises(UserError, match="'Gauss'.*ChebExpCos"):
        radial.base(bond(radbase="Gauss"), np.array([1.0]))


@pytest.mark.parametrize(
    "b",
    [
        bond(inner_cutoff_type="zbl", core_repulsion=(1.0, 1.0), r_in=0.9, delta_in=0.3),
        bond(inner_cutoff_type="zbl", core_repulsion=(1.0, 1.0), r_in=0.9, delta_in=0.3, dcut=1.0),
        bond(inner_cutoff_type="distance", core_repulsion=(30.0, 0.7), r_in=1.5, delta_in=0.5),
        bond(inner_cutoff_type="density", core_repulsion=(30.0, 0.7)),
    ],
)
def test_core_derivatives_and_cutoff(b):
    r = np.linspace(0.3, 4.9, 200)
    e, de = repulsion.energy(b, "C", "O", r)
    assert np.abs(de / numerical(lambda x: repulsion.energy(b, "C", "O", x), r) - 1)[np.abs(de) > 1e-3].max() < 1e-5
    assert repulsion.energy(b, "C", "O", np.array([b.rcut]))[0] == 0


def test_zbl_is_the_screened_coulomb_energy_at_short_range():
    b = bond(inner_cutoff_type="zbl", core_repulsion=(1.0, 1.0), r_in=0.9, delta_in=0.3)
    r = np.array([0.05, 0.1])
    length = 0.4685 / (6**0.23 + 8**0.23)
    phi = sum(c * np.exp(-k * r / length) for c, k in
              ((0.18175, 3.1998), (0.50986, 0.94229),
               (0.28022, 0.4029), (0.02817, 0.20162)))  # fmt: skip
    pair = 14.399645 * 48 / r * phi
    assert np.allclose(2 * repulsion.energy(b, "C", "O", r)[0], pair, rtol=1e-3)
