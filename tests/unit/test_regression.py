"""Regression: streams and updates, agrees with closed forms, and chooses its prior as well as a hand could."""

import numpy as np
import pytest

from oligopoly.ace.potential import BasisFunction
from oligopoly.ace.regression import Factor, Prior, Problem, most_likely_prior


def rows_of(count=300, unknowns=12, seed=0, noise=0.1):
    """[A | b] with columns of very different length."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(count, unknowns)) * 10.0 ** rng.uniform(-3, 3, unknowns)
    return np.column_stack([a, a @ rng.normal(size=unknowns) + noise * rng.normal(size=count)])


def factor_of(rows):
    factor = Factor.empty(rows.shape[1] - 1)
    factor.update(rows.copy())
    return factor


def functions(count):
    """Functions of ranks 1 and 2, ever rougher."""
    made = [BasisFunction(("C", "C"), (n,), (0,)) for n in range(1, count // 3 + 1)]
    made += [BasisFunction(("C", "C", "C"), (n, n), (l, l)) for n in range(1, count) for l in range(5)]
    return made[:count]


def test_streaming_gives_the_solution_of_the_whole():
    whole = rows_of()
    factor = Factor.empty(12)
    for size, start in ((7, range(0, 210, 7)), (90, [210])):  # fewer and more rows than unknowns
        for first in start:
            factor.update(whole[first : first + size])
    assert factor.rows == 300
    expected, *_ = np.linalg.lstsq(whole[:, :-1], whole[:, -1], rcond=None)
    posterior = Problem(factor).posterior(np.full(12, 1e-20))
    np.testing.assert_allclose(posterior.mean, expected, rtol=1e-9)
    residual = whole[:, :-1] @ expected - whole[:, -1]
    assert posterior.chi_squared == pytest.approx(np.mean(residual**2))


def test_rows_without_some_elements_count_the_same():
    whole = rows_of()
    whole[:150, [0, 1, 5, 11]] = 0.0
    whole[150:, 3:9] = 0.0
    factor = Factor.empty(12)
    for part in (whole[:150], whole[150:], np.zeros((4, 13))):
        factor.update(part)
    assert np.array_equal(factor.r, np.triu(factor.r))
    np.testing.assert_allclose(factor.r.T @ factor.r, whole.T @ whole, rtol=1e-10, atol=1e-9 * np.abs(whole).max())


def test_ridge_is_relative_to_columns_and_their_median():
    whole = rows_of()
    ridge = np.linspace(0.1, 0.4, 12)
    lengths = np.linalg.norm(whole[:, :-1], axis=0)
    lengths = np.maximum(lengths, np.median(lengths))
    a = np.concatenate([whole[:, :-1], np.diag(np.sqrt(ridge) * lengths)])
    expected, *_ = np.linalg.lstsq(a, np.concatenate([whole[:, -1], np.zeros(12)]), rcond=None)
    np.testing.assert_allclose(Problem(factor_of(whole)).posterior(ridge).mean, expected, rtol=1e-9)


def test_columns_without_data_get_no_coefficient():
    whole = rows_of()
    whole[:, 3] = 0.0
    assert Problem(factor_of(whole)).posterior(np.full(12, 1e-9)).mean[3] == 0.0


def test_posterior_and_evidence_are_those_of_the_whole_matrix():
    whole = rows_of(noise=30.0)
    a, b = whole[:, :-1], whole[:, -1]
    ridge = 10.0 ** np.random.default_rng(1).uniform(-3, 0, 12)
    problem = Problem(factor_of(whole))
    posterior = problem.posterior(ridge)
    prior = posterior.noise**2 * np.diag(posterior.scale**2 / ridge)
    covariance = posterior.noise**2 * np.eye(len(b)) + a @ prior @ a.T
    expected = -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + b @ np.linalg.solve(covariance, b))
    assert posterior.log_evidence - 0.5 * len(b) * np.log(2 * np.pi) == pytest.approx(expected, rel=1e-9)

    # the noise is where the evidence is largest
    for factor in (0.99, 1.01):
        other = covariance * factor**2
        worse = -0.5 * (np.linalg.slogdet(2 * np.pi * other)[1] + b @ np.linalg.solve(other, b))
        assert worse < expected

    spread = np.linalg.inv(np.linalg.inv(prior) + a.T @ a / posterior.noise**2)
    asked = np.random.default_rng(2).normal(size=(4, 12))
    np.testing.assert_allclose(posterior.deviations(asked), np.sqrt(np.diag(asked @ spread @ asked.T)), rtol=1e-8)
    drawn = posterior.draw(20000, seed=3)
    found = np.cov((drawn / np.sqrt(np.diag(spread))).T)
    np.testing.assert_allclose(found, spread / np.sqrt(np.outer(*2 * [np.diag(spread)])), atol=0.04)
    assert np.array_equal(drawn[:3], posterior.draw(20000, seed=3)[:3])


def test_slope_of_the_evidence():
    problem = Problem(factor_of(rows_of(noise=30.0)))
    at = np.random.default_rng(1).uniform(-7, 0, 12)
    _, slope = problem.evidence(np.exp(at))
    for k in range(12):
        step = 1e-4 * np.eye(12)[k]
        difference = problem.evidence(np.exp(at + step))[0] - problem.evidence(np.exp(at - step))[0]
        assert slope[k] == pytest.approx(difference / 2e-4, rel=1e-4, abs=1e-6)


def test_parameters_from_data():
    problem = Problem(factor_of(rows_of()))
    assert problem.posterior(np.full(12, 1e-16)).parameters() == pytest.approx(12, abs=1e-3)
    assert problem.posterior(np.full(12, 1e16)).parameters() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("noise", [0.03, 0.3, 3.0])
def test_the_prior_that_the_data_choose_is_as_good_as_the_best_of_a_scan(noise):
    """Smooth truth, scarce and noisy rows, columns that nearly depend on each other; five times."""
    chosen = functions(60)
    ridges = 10.0 ** np.arange(-12.0, 3)
    found, scanned, scores, noises = [], [], [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mixing = np.linalg.qr(rng.normal(size=(60, 60)))[0] * 10.0 ** np.linspace(0, -4, 60)
        truth = rng.normal(size=60) / np.sqrt(Prior({1: 1e-2, 2: 1.0}, 0.5, 1.0).ridge(chosen))
        a, unseen = rng.normal(size=(120, 60)) @ mixing.T, rng.normal(size=(500, 60)) @ mixing.T
        problem = Problem(factor_of(np.column_stack([a, a @ truth + noise * rng.normal(size=120)])))
        posterior = problem.posterior(most_likely_prior(problem, chosen, np.zeros(0)).ridge(chosen))
        wrong = unseen @ (posterior.mean - truth)
        found.append(wrong)
        scores.append(wrong / posterior.deviations(unseen))
        noises.append(posterior.noise)
        scanned.append([unseen @ (problem.posterior(np.full(60, r)).mean - truth) for r in ridges])
    scan = np.sqrt(np.mean(np.square(scanned), axis=(0, 2)))
    assert np.sqrt(np.mean(np.square(found))) < 1.05 * scan.min()
    assert scan.max() > 1.5 * scan.min()  # the choice matters
    # and it knows how wrong it is
    assert 0.75 < np.sqrt(np.mean(np.square(scores))) < 1.4  # the prior's own uncertainty is not in it
    assert np.mean(noises) == pytest.approx(noise, rel=0.2)
