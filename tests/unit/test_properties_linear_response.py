"""Density shifts by linear response against closed forms of Gaussian volume fluctuations."""

import numpy as np
import pytest

from oligopoly.errors import UserError
from oligopoly.properties import linear_response
from oligopoly.properties.linear_response import BOLTZMANN, shift, slope

T = 300.0
KT = BOLTZMANN * T
V0, SIGMA = 2000.0, 60.0  # A^3


def volumes(mean, sigma, n=200_000, seed=1):
    return np.random.default_rng(seed).normal(mean, sigma, n)


def test_linear_perturbation_is_exact():
    """D = a V shifts a Gaussian's mean by -a sigma^2 / kT and leaves its width: rho goes up."""
    a = 2e-4  # eV/A^3: a missing tension of 32 MPa
    new = V0 - a * SIGMA**2 / KT
    v_ref, v_ace = volumes(V0, SIGMA), volumes(new, SIGMA, seed=2)
    constant = -1234.5  # the two energies need not share their zero
    forward = slope(v_ref, np.zeros_like(v_ref), a * v_ref + constant, T)
    backward = slope(v_ace, np.zeros_like(v_ace), a * v_ace, T)
    assert forward["value"] > 0
    assert forward["value"] == pytest.approx(a * SIGMA**2 / (KT * V0), rel=0.02)
    both = shift(forward, backward)
    assert both["estimate"] == pytest.approx(V0 / new - 1, abs=4 * both["estimate_error"] + 1e-4)


def test_mean_of_both_directions_beats_either():
    """D = b (V - V0)^2 + a V changes the width too; the trapezoid is nearly right, the slopes not."""
    a, b = 2e-4, 1e-6
    precision = 1 / SIGMA**2 + 2 * b / KT
    new_sigma = precision**-0.5
    new = V0 - a / KT / precision
    d = lambda v: a * v + b * (v - V0) ** 2  # noqa: E731
    v_ref, v_ace = volumes(V0, SIGMA), volumes(new, new_sigma, seed=2)
    forward = slope(v_ref, np.zeros_like(v_ref), d(v_ref), T)
    backward = slope(v_ace, np.zeros_like(v_ace), d(v_ace), T)
    truth = V0 / new - 1
    both = shift(forward, backward)
    miss = abs(both["estimate"] - truth)
    assert miss < 0.5 * abs(np.expm1(forward["value"]) - truth)
    assert miss < 0.5 * abs(np.expm1(backward["value"]) - truth)


def test_energy_noise_that_ignores_the_volume_does_not_shift():
    rng = np.random.default_rng(3)
    v = volumes(V0, SIGMA, 5000)
    result = slope(v, rng.normal(0, 0.1, 5000), rng.normal(0, 0.1, 5000), T)
    assert abs(result["value"]) < 4 * result["error"]


def test_error_covers_the_truth_in_correlated_runs():
    from test_properties_statistics import ar1

    a = 2e-4
    truth = a * SIGMA**2 / (KT * V0)
    runs = V0 + SIGMA * ar1(0.9, 1000, 5, count=200)
    noise = 0.05 * ar1(0.7, 1000, 6, count=200)
    results = [slope(v, np.zeros(1000), a * v + e, T) for v, e in zip(runs, noise, strict=True)]
    values = np.array([r["value"] for r in results])
    errors = np.array([r["error"] for r in results])
    assert values.mean() == pytest.approx(truth, rel=0.03)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.25)


def test_too_few_frames():
    with pytest.raises(UserError, match="10 frames"):
        slope(np.ones(5), np.ones(5), np.ones(5), T)
    assert linear_response.shift(slope(volumes(V0, 1, 50), np.zeros(50), np.zeros(50), T))["backward"] is None
