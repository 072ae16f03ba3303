"""Holes are found, wells are not taken for them."""

import numpy as np
import pytest

from oligopoly.properties.contacts import hole

R = np.linspace(1.2, 6, 80)
LENNARD_JONES = 0.04 * ((3 / R) ** 12 - 2 * (3 / R) ** 6)


def test_a_right_potential_has_no_hole():
    assert hole(R, LENNARD_JONES, LENNARD_JONES) is None
    assert hole(R, LENNARD_JONES, LENNARD_JONES * 0.8 + 5) is None  # zero of energy is free


def test_a_potential_that_turns_over():
    ace = np.where(R > 2.35, LENNARD_JONES, 0)
    barrier = ace.max()
    ace = np.where(R > 2.35, ace, barrier - 2 * (2.35 - R))
    found = hole(R[::-1], LENNARD_JONES[::-1], ace[::-1])  # in any order
    assert found["barrier_eV"] == pytest.approx(barrier - ace[-1])
    assert found["distance_A"] == pytest.approx(1.2)
    assert found["reference_eV"] > found["barrier_eV"]


def test_a_hole_behind_a_high_wall_does_not_count():
    ace = np.where(R > 1.9, LENNARD_JONES, -3)
    assert LENNARD_JONES[R > 1.9].max() > 1
    assert hole(R, LENNARD_JONES, ace) is None
