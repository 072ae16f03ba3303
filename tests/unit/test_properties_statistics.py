"""Errors of correlated means, against AR(1) series whose autocorrelation time is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from oligopoly.properties import density, statistics


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


def chains(tau, frames, rng, count=10, offset=0.0):
    """(frames, count) of mean 0.3: series of correlation time tau (frames), each about its own mean."""
    phi = (2 * tau - 1) / (2 * tau + 1)
    series = ar1(phi, frames, rng.integers(1 << 30), count=count) + offset * rng.normal(size=(count, 1))
    return 0.3 + series.T


def test_over_chains_of_independent_samples():
    rng = np.random.default_rng(1)
    run = 2 + rng.normal(size=(1000, 20))
    found = statistics.over_chains([run], 0.5, "x")
    assert found["value"] == pytest.approx(run.mean())
    assert found["error_time"] == pytest.approx(1 / np.sqrt(20000), rel=0.1)
    assert found["error_chains"] == pytest.approx(1 / np.sqrt(20000), rel=0.4)
    assert found["error"] == max(found["error_time"], found["error_chains"])
    assert found["error_replicates"] is None
    assert found["relaxation_ps"] == pytest.approx(0.25, rel=0.3)  # half a frame
    assert found["run_ps"] == 500 and found["samples"] == 20000
    assert found["known"] is True and found["warning"] is None


def test_over_chains_of_frozen_chains():
    """Each stays what it was: time says that the mean is known, the chains that it is not."""
    rng = np.random.default_rng(2)
    own = rng.normal(size=12)
    found = statistics.over_chains([own + 0.01 * rng.normal(size=(400, 12))], 1.0, "the share")
    assert found["error_chains"] == pytest.approx(own.std(ddof=1) / np.sqrt(12), rel=0.02)
    assert found["error"] == found["error_chains"] > 100 * found["error_time"]
    assert found["known"] is False and found["relaxation_ps"] > 0.4 * 400
    assert found["warning"].startswith("the share changes within about") and "too short" in found["warning"]


@pytest.mark.parametrize("count", [1, 12])
def test_what_never_changes_in_a_run_is_not_known(count):
    """All torsions trans from beginning to end say nothing on how often they are."""
    found = statistics.over_chains([np.ones((50, count))], 1.0, "x")
    assert found["value"] == 1 and found["error"] == 0 and found["known"] is False


def test_a_run_shorter_than_the_relaxation_is_not_known():
    rng = np.random.default_rng(3)
    for tau, least, most in ((1200, 0, 0.05), (200, 0, 0.25), (4, 0.95, 1)):
        known = [statistics.over_chains([chains(tau, 400, rng)], 1.0, "x")["known"] for _ in range(50)]
        assert least <= np.mean(known) <= most, tau


def test_replicates_that_scatter_say_so():
    rng = np.random.default_rng(4)
    shifts = (0.0, 0.5, -0.5, 0.2)
    runs = [shift + rng.normal(size=(500, 10)) for shift in shifts]
    found = statistics.over_chains(runs, 1.0, "x")
    assert found["value"] == pytest.approx(np.mean([run.mean() for run in runs]))
    assert found["error_replicates"] == pytest.approx(np.std(shifts, ddof=1) / 2, rel=0.1)
    assert found["error"] == found["error_replicates"] > 2 * found["error_time"]
    assert statistics.over_chains(runs[:2], 1.0, "x")["error_replicates"] is None


def test_motion_that_all_chains_share_needs_a_long_run():
    """Their means agree, and all of them are wrong together."""
    rng = np.random.default_rng(5)
    for tau, least, most in ((2, 0.9, 1), (130, 0, 0.45)):
        known, honest = [], []
        for _ in range(100):
            run = 0.6 * chains(tau, 400, rng, count=1) + 0.8 * rng.normal(size=(400, 10))
            found = statistics.over_chains([run], 1.0, "x")
            known.append(found["known"])
            honest.append(not found["known"] or abs(found["value"] - 0.18) < 2 * found["error"])
        assert least <= np.mean(known) <= most and np.mean(honest) > 0.8


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 0.3, 1.0])
def test_two_standard_errors_over_chains_hold_the_truth_or_it_is_not_known(offset, replicates):
    """200 sets of 10 chains whose correlation times are from 1/100 up to a third of the run."""
    rng = np.random.default_rng(6)
    honest = []
    for k in range(200):
        tau = 400 * (1 / 100, 1 / 30, 1 / 10, 1 / 5, 1 / 3)[k % 5]
        found = statistics.over_chains([chains(tau, 400, rng, offset=offset) for _ in range(replicates)], 1.0, "x")
        honest.append(not found["known"] or abs(found["value"] - 0.3) < 2 * found["error"])
    assert np.reshape(honest, (40, 5)).mean(axis=0).min() >= 0.85


def test_two_standard_errors_of_a_density_hold_the_truth_or_it_is_not_known():
    rng = np.random.default_rng(7)
    times = 0.25 * np.arange(400)
    for share in (1 / 100, 1 / 30, 1 / 15, 1 / 10, 1 / 8, 1 / 5, 1 / 3):
        honest, known = [], []
        for series in 0.7 + 0.02 * (chains(400 * share, 400, rng, count=200) - 0.3).T:
            found = density.measure(times, series)
            known.append(found["effective_samples"] >= density.FEW)
            honest.append(not known[-1] or abs(found["value"] - 0.7) < 2 * found["error"])
        assert np.mean(honest) >= 0.85, share
        assert share > 1 / 50 or np.mean(known) > 0.95


def test_over_replicates():
    assert statistics.over_replicates([1.0, 3.0], [0.3, 0.4]) == pytest.approx((2.0, 0.25))
    value, error = statistics.over_replicates([1.0, 3.0, 2.0], [0.01, 0.01, 0.01])
    assert (value, error) == pytest.approx((2.0, 1 / np.sqrt(3)))


def test_replicates_of_unequal_length_are_known_by_the_shortest():
    rng = np.random.default_rng(5)
    long = lfilter([1], [1, -0.9], rng.normal(size=(4000, 6)), axis=0)  # correlated over ten frames
    whole = statistics.over_chains([long, long[::-1]], 1.0, "x")
    broken = statistics.over_chains([long, long[2000:2012]], 1.0, "x")
    assert whole["known"] and whole["run_ps"] == 4000 and whole["samples"] == 48000
    assert not broken["known"] and broken["run_ps"] == 12 and broken["samples"] == 4012 * 6
    assert "a run lasted 12 ps" in broken["warning"]
