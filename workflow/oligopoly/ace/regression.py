"""Bayesian linear regression from the R factor of a weighted design matrix [A | b].

A c = b with noise of one variance noise^2 in all (weighted) rows and a Gaussian prior of the coefficients: precision
ridge_k / noise^2 for c_k / scale_k. A itself, with condition numbers around 1e16, never exists in memory, and normal
equations, which square that number, are avoided. The prior and the noise are those of the largest marginal likelihood:
D. J. C. MacKay, Neural Comput. 4, 415 (1992); for ACE: C. van der Oord et al., npj Comput. Mater. 9, 168 (2023), and
with a smoothness prior W. C. Witt et al., J. Chem. Phys. 159, 164101 (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

from oligopoly.ace.potential import BasisFunction

# Ridges of the prior stay within these: below, round-off decides; above, a function is as good as gone.
_RIDGES = (1e-16, 1e4)
# Largest power of the roughness in the prior.
_STEEPEST = 3.0


@dataclass
class Factor:
    """R factor of the weighted [A | b], (K + 1, K + 1), upper triangular, of `rows` rows seen so far."""

    r: np.ndarray
    rows: int = 0

    @classmethod
    def empty(cls, unknowns: int) -> "Factor":
        return cls(np.zeros((unknowns + 1, unknowns + 1), order="F"))

    def update(self, block: np.ndarray) -> None:
        """Add rows (M, K + 1) of [A | b]; the result does not depend on the order but for round-off."""
        self.merge(triangle(np.array(block, order="F")), len(block))

    def merge(self, r: np.ndarray, rows: int) -> None:
        """Add rows that `triangle` has reduced to `r`."""
        size = len(r)
        self.r, *_ = scipy.linalg.lapack.dtpqrt(size, min(32, size), self.r, r, overwrite_a=True, overwrite_b=True)
        self.rows += rows


def triangle(block: np.ndarray) -> np.ndarray:
    """R factor (K + 1, K + 1) of rows (M, K + 1), which it overwrites if they are in Fortran's order.

    Columns that are zero, as those of elements that are not in the frames, take no time. Releases the interpreter's
    lock, so that threads can do this at the same time.
    """
    width = block.shape[1]
    filled = np.flatnonzero(block.any(axis=0))
    if len(filled) < width:
        block = np.asfortranarray(block[:, filled])
    upper = np.zeros((width, width), order="F")
    if len(filled):
        r, *_ = scipy.linalg.lapack.dgeqrf(block, lwork=64 * len(filled), overwrite_a=True)
        r = np.triu(r[: len(filled)])
        upper[: len(r), filled] = r
    return upper


@dataclass
class Posterior:
    """Coefficients c = mean + scale * noise * upper^-1 z, with normal z (K,).

    `ridge` (K,) is the prior's, `noise` (a standard deviation) that of the weighted rows; `log_evidence` up to a
    constant of the data. `condition` numbers are of the scaled problem without and with the prior; `chi_squared` is
    the mean squared weighted residual of the training rows.
    """

    mean: np.ndarray
    scale: np.ndarray
    upper: np.ndarray
    ridge: np.ndarray
    noise: float
    log_evidence: float
    condition: float
    condition_regularised: float
    chi_squared: float

    def deviations(self, rows: np.ndarray) -> np.ndarray:
        """Standard deviation (M,) of rows @ c for rows (M, K)."""
        reduced = scipy.linalg.solve_triangular(self.upper, (rows * self.scale).T, trans="T", check_finite=False)
        return self.noise * np.linalg.norm(reduced, axis=0)

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Coefficients (count, K) of members of a committee."""
        z = np.random.default_rng(seed).normal(size=(len(self.mean), count))
        return self.mean + self.noise * self.scale * scipy.linalg.solve_triangular(self.upper, z).T

    def parameters(self) -> float:
        """Number of coefficients that the data decide, rather than the prior (MacKay's gamma)."""
        return len(self.mean) - float(self.ridge @ _variances(self.upper))


class Problem:
    """The scaled problem: columns divided by max(|A_k|, median |A|), |A_k| the length of column k.

    The median keeps functions that are almost zero in all of the data from getting huge coefficients: without it they
    reached 4e8 eV, for force errors only 3 to 8 % smaller (benchmarks/accuracy.md).
    """

    def __init__(self, factor: Factor):
        k = factor.r.shape[0] - 1
        lengths = np.linalg.norm(factor.r[:k, :k], axis=0)
        typical = np.median(lengths[lengths > 0]) if lengths.any() else 1.0
        self.rows = max(factor.rows, 1)
        self.scale = 1.0 / np.maximum(lengths, typical)
        self.scaled = np.asfortranarray(factor.r * np.append(self.scale, 1.0))

    def posterior(self, ridge: np.ndarray) -> Posterior:
        """Mean and covariance for a given prior, with the noise of the largest marginal likelihood."""
        k = len(self.scale)
        upper, mean, noise, log_evidence = self._regularised(ridge)
        residual = self.scaled[:, :k] @ mean - self.scaled[:, k]
        return Posterior(
            self.scale * mean, self.scale, upper, ridge, noise, log_evidence,
            condition=_condition(self.scaled[:k, :k]),
            condition_regularised=_condition(upper),
            chi_squared=float(residual @ residual) / self.rows,
        )  # fmt: skip

    def evidence(self, ridge: np.ndarray) -> tuple[float, np.ndarray]:
        """log p(b | ridge) up to a constant, at the noise that makes it largest, and its derivative by log ridge."""
        upper, mean, noise, log_evidence = self._regularised(ridge)
        # MacKay (1992), eqs. 4.4 and 4.8: each function's own share
        return log_evidence, 0.5 * (1.0 - ridge * (mean**2 / noise**2 + _variances(upper)))

    def _regularised(self, ridge: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
        """R factor with the prior's rows, scaled coefficients, noise, log evidence."""
        k = len(ridge)
        prior = np.zeros((k, k + 1), order="F")
        np.fill_diagonal(prior, np.sqrt(ridge))
        # the prior's rows are upper triangular, which makes this a tenth of the work of rows that are full
        r, *_ = scipy.linalg.lapack.dtpqrt(k, min(32, k), self.scaled, prior, overwrite_b=True)
        upper = np.triu(r[:k, :k])
        mean = scipy.linalg.solve_triangular(upper, r[:k, k])
        variance = max(r[k, k] ** 2 / self.rows, np.finfo(float).tiny)
        determinants = 2.0 * np.sum(np.log(np.abs(np.diag(upper)))) - np.sum(np.log(ridge))
        return upper, mean, float(np.sqrt(variance)), -0.5 * float(self.rows * (np.log(variance) + 1) + determinants)


@dataclass
class Prior:
    """Rough functions are less likely: ridge = by_rank[rank] (1 + sum (n - 1))^(2 power_n) (1 + sum l)^(2 power_l)."""

    by_rank: dict[int, float]
    power_n: float = 0.0
    power_l: float = 0.0

    def ridge(self, functions: Sequence[BasisFunction]) -> np.ndarray:
        """(K,) for `Problem`, relative and without unit."""
        level = np.log([self.by_rank[f.rank] for f in functions])
        return np.exp(level + _roughness(functions) @ [self.power_n, self.power_l])


def most_likely_prior(problem: Problem, functions: Sequence[BasisFunction], unpenalised: np.ndarray) -> Prior:
    """The prior of the largest marginal likelihood; `unpenalised` are the ridges of unknowns after the functions.

    Costs about 20 triangular factorisations of K^3: a second at 1000 functions, half a minute at 3000.
    """
    ranks = sorted({f.rank for f in functions})
    member = np.array([[f.rank == rank for rank in ranks] for f in functions], float)
    features = np.column_stack([member, _roughness(functions)])

    def negative(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = problem.evidence(np.concatenate([np.exp(features @ at), unpenalised]))
        return -value, -features.T @ slope[: len(functions)]

    before = np.inf

    def enough(intermediate_result) -> None:
        nonlocal before
        if before - intermediate_result.fun < max(0.5, 1e-5 * problem.rows):
            raise StopIteration
        before = intermediate_result.fun

    low, high = np.log(_RIDGES)
    found = scipy.optimize.minimize(
        negative,
        np.array([np.log(1e-10)] * len(ranks) + [1.0, 1.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(low, high)] * len(ranks) + [(0.0, _STEEPEST)] * 2,
        callback=enough,
        options={"maxfun": 60},
    )
    *levels, power_n, power_l = map(float, found.x)
    return Prior({rank: float(np.exp(level)) for rank, level in zip(ranks, levels, strict=True)}, power_n, power_l)


def _roughness(functions: Sequence[BasisFunction]) -> np.ndarray:
    return np.array([[2.0 * np.log(1 + sum(f.n) - f.rank), 2.0 * np.log(1 + sum(f.l))] for f in functions])


def _variances(upper: np.ndarray) -> np.ndarray:
    """Diagonal (K,) of (upper^T upper)^-1."""
    inverse, _ = scipy.linalg.lapack.dtrtri(upper)
    return np.einsum("ij,ij->i", inverse, inverse)


def _condition(upper: np.ndarray) -> float:
    """Condition number in the 1-norm, estimated from the triangular matrix."""
    reciprocal, _ = scipy.linalg.lapack.dtrcon(upper)
    return float(1.0 / reciprocal) if reciprocal > 0 else float("inf")
