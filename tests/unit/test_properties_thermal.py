"""Fluctuations in NPT: of a system whose response is known, and how often two errors hold the truth."""

import numpy as np
import pytest
from ase.units import J, kB, kg

from oligopoly.errors import UserError
from oligopoly.properties import thermal


def correlated(rng, samples, tau, count=1):
    """Series (count, samples) of mean 0, variance 1 and this correlation time."""
    from scipy.signal import lfilter

    a = np.exp(-1 / tau)
    noise = rng.normal(size=(count, samples)) * np.sqrt(1 - a * a)
    noise[:, 0] = rng.normal(size=count)
    return lfilter([1], [1, -a], noise, axis=1)


def test_an_ideal_gas_has_alpha_1_over_t_beta_1_over_p_and_cp_of_its_atoms():
    """V of N atoms at pressure P has a gamma distribution, and E is kinetic."""
    rng = np.random.default_rng(0)
    atoms, temperature, samples = 50, 300.0, 200_000
    pressure = 100.0 * thermal.BAR
    kt = kB * temperature
    volume = rng.gamma(atoms + 1, kt / pressure, samples)
    energy = rng.gamma(1.5 * atoms, kt, samples)
    found = thermal.from_series(
        volume, energy, np.full(samples, 100.0), np.full(samples, temperature), mass=atoms * 39.948
    )
    alpha, beta, cp = found["alpha_1e4_K"], found["beta_GPa"], found["cp_J_gK"]
    assert alpha[0] == pytest.approx(1e4 / temperature, rel=0.01) and abs(alpha[0] - 1e4 / temperature) < 3 * alpha[1]
    assert beta[0] == pytest.approx(1 / 0.01, rel=0.02)  # 100 bar are 0.01 GPa
    assert cp[0] == pytest.approx(2.5 * kB / J / (39.948 / kg * 1000), rel=0.03)  # argon gas: 0.52 J/(g K)
    assert found["effective_samples"] > 1000


@pytest.mark.parametrize("times", [3, 10, 40])
def test_two_errors_hold_the_truth_or_it_is_not_known(times):
    rng = np.random.default_rng(times)
    one, two = correlated(rng, 50 * times, 50, 200), correlated(rng, 50 * times, 17, 200)
    held = []
    for x, y in zip(one, 0.6 * one + 0.8 * two, strict=True):
        value, error, effective = thermal.covariance(x, y)
        held.append(abs(value - 0.6) < 2 * error or effective < thermal.FEW)
    assert np.mean(held) >= 0.85


def test_a_constant_volume_does_not_fluctuate():
    with pytest.raises(UserError, match="a volume that changes"):
        thermal.from_series(np.full(20, 100.0), np.zeros(20), np.zeros(20), np.full(20, 300.0), 10.0)
