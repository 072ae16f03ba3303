"""Errors of correlated means, against AR(1) series whose autocorrelation time is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from oligopoly.properties import statistics


def ar1(phi, n, seed, count=1):
    """Stationary AR(1) series (count, n): unit variance, tau = (1 + phi) / (2 (1 - phi))."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, n)) * np.sqrt(1 - phi**2)
    noise[:, 0] = rng.normal(size=count)
    return lfilter([1.0], [1.0, -phi], noise, axis=1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_integrated_time_of_ar1(phi):
    expected = 0.5 * (1 + phi) / (1 - phi)
    found = np.mean([statistics.integrated_time(x) for x in ar1(phi, 20000, 1, count=8)])
    assert found == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize(("phi", "length"), [(0.0, 200), (0.9, 400), (0.9, 2000)])
def test_errors_cover_the_truth(phi, length):
    """The estimated error agrees with the spread of the means of independent runs."""
    runs = ar1(phi, length, 2, count=400)
    spread = runs.mean(axis=1).std()
    results = [statistics.mean(x, quiet=True) for x in runs]
    assert np.sqrt(np.mean([m.error**2 for m in results])) == pytest.approx(spread, rel=0.15)
    assert np.sqrt(np.mean([m.block_error**2 for m in results])) == pytest.approx(spread, rel=0.3)
    inside = np.mean([abs(m.value) < 2 * m.error for m in results])
    assert inside > 0.88


def test_short_run_warns():
    x = ar1(0.98, 300, 3)[0]
    with pytest.warns(UserWarning, match="density.*correlation time"):
        m = statistics.mean(x, "density")
    assert m.warning and m.effective < 20


def test_constant_and_unusable_series():
    m = statistics.mean(np.ones(10))
    assert (m.value, m.error, m.block_error) == (1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="two samples"):
        statistics.mean([1.0])
    with pytest.raises(ValueError, match="finite"):
        statistics.mean([1.0, np.nan])


@pytest.mark.parametrize(("phi", "length"), [(0.95, 500), (0.95, 2000)])
def test_production_keeps_its_intervals_honest(phi, length):
    """With and without a drift at the start, two sigma hold the truth as often as they should."""
    for drift in (0, 3):
        runs = ar1(phi, length, 3, count=150) + drift * np.exp(-np.arange(length) / 40)
        found = [statistics.production(x) for x in runs]
        inside = np.mean([abs(m.value) < 2 * m.error for _, m in found])
        assert inside > 0.88
        assert abs(np.mean([m.value for _, m in found])) < 0.4 * found[0][1].error + 0.03
        assert all(start <= length / 3 for start, _ in found)


def test_a_clear_drift_is_cut_off():
    x = 0.1 * ar1(0.8, 2000, 4)[0] + 3 * np.exp(-np.arange(2000) / 60)
    assert 150 <= statistics.equilibrated_from(x) <= 500
    assert statistics.equilibrated_from(np.ones(4)) == 0


def test_blocking_levels_of_white_noise_are_flat():
    lengths, errors, uncertainties = statistics.blocking(ar1(0.0, 4096, 5)[0])
    assert lengths[0] == 1 and lengths[-1] == 2048
    assert np.all(abs(errors[:6] - 1 / 64) < 4 * uncertainties[:6])


def test_share_interval():
    assert statistics.share(0, 0)[1:] == (0.0, 1.0)
    # Clopper-Pearson of 0 of n in closed form: high = 1 - (alpha/2)^(1/n)
    assert statistics.share(0, 20)[2] == pytest.approx(1 - 0.025 ** (1 / 20))
    p, low, high = statistics.share(3, 30)
    assert (p, low, high) == pytest.approx((0.1, 0.02112, 0.26529), abs=1e-5)
    with pytest.raises(ValueError):
        statistics.share(3, 2)
