"""Choice of functions by what they explain in the data, out of a pool several times as large.

Backward elimination: of the functions that are left, those go without which the fit gets least worse, a share of
them at a time. Leaving out function k raises min |A c - b|^2 + ridge |c|^2 by exactly c_k^2 / (H^-1)_kk, where H is
the regularised normal matrix (B. Hassibi, D. G. Stork, Adv. Neural Inf. Process. Syst. 5, 164 (1992)).
"""

from collections.abc import Iterable

import numpy as np
import scipy.linalg

# Relative ridge; where round-off of the normal equations needs more, ten times as much. 1e-9 chooses 5 % worse.
RIDGE = 1e-11
# Share of the functions that go in one step, before the rest are weighed again, for each function that is left.
# Small steps choose better (of 1200, 0.02 instead of 0.25 saves 10 % of the error), and cost little among few.
STEP = 2e-5


def normal_matrix(blocks: Iterable[np.ndarray], unknowns: int) -> np.ndarray:
    """[A | b]^T [A | b] (K + 1, K + 1) of blocks (M, K + 1) of rows, upper triangle only."""
    gram = np.zeros((unknowns + 1, unknowns + 1), order="F")
    for block in blocks:
        gram = scipy.linalg.blas.dsyrk(1.0, np.asfortranarray(block), trans=1, beta=1.0, c=gram, overwrite_c=1)
    return gram


def most_useful(gram: np.ndarray, group: np.ndarray, wanted: dict[int, int]) -> tuple[np.ndarray, float]:
    """Columns to keep, ascending, and the loss min |A c - b|^2 + ridge |c|^2 that they reach.

    `gram` as `normal_matrix` gives it; `group` (K,) puts each column into one of the groups of `wanted`, which says
    how many of each to keep; columns of other groups all stay. Columns that are zero in all of the data go first.
    """
    k = len(group)
    lengths = np.sqrt(np.diag(gram)[:k])
    largest = lengths.max(initial=0.0)
    # as the fit scales them, see `regression.Problem`
    scale = np.maximum(lengths, np.median(lengths[lengths > 0])) if largest else np.ones(k)
    b = gram[:k, k] / scale
    left = np.flatnonzero((lengths > 1e-9 * largest) | ~np.isin(group, list(wanted)))
    while True:
        h = gram[np.ix_(left, left)] / np.outer(scale[left], scale[left])
        factor = _cholesky(h)
        c = scipy.linalg.cho_solve((factor, False), b[left], check_finite=False)
        surplus = {name: int(np.sum(group[left] == name)) - count for name, count in wanted.items()}
        if all(number <= 0 for number in surplus.values()):
            return left, float(gram[k, k] - c @ b[left])
        inverse, _ = scipy.linalg.lapack.dtrtri(factor, overwrite_c=1)
        harm = c**2 / np.einsum("ij,ij->i", inverse, inverse)
        share = np.clip(STEP * len(left), 0.01, 0.25)
        # groups shrink together, so that all get to their number in the last step
        stays = np.ones(len(left), bool)
        worst = max(number / (number + wanted[name]) for name, number in surplus.items() if number > 0)
        steps = max(1, int(np.ceil(np.log1p(-worst) / np.log1p(-share))))
        for name, number in surplus.items():
            if number > 0:
                its = np.flatnonzero(group[left] == name)
                remaining = wanted[name] + number
                leave = remaining - round(remaining * (wanted[name] / remaining) ** (1.0 / steps))
                stays[its[np.argsort(harm[its], kind="stable")[: max(1, leave)]]] = False
        left = left[stays]


def _cholesky(h: np.ndarray) -> np.ndarray:
    """Upper Cholesky factor of h + ridge."""
    ridge = RIDGE
    while True:
        regularised = h.copy()
        regularised[np.diag_indices(len(h))] += ridge
        try:
            return scipy.linalg.cholesky(regularised, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            ridge *= 10.0
