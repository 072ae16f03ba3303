"""Extrapolation grade: gamma_i = max_k |sum_f B_if (A^-1)_fk|, A being the active set of the element of atom i
(Lysogorskiy et al., Phys. Rev. Materials 7, 043801 (2023)).

Active sets of real potentials are so nearly singular that single precision would not do: the sum loses eight digits.
"""

import numpy as np
from numba import njit


class Grader:
    """Grades of atoms of one element with the inverse (functions, functions) of its active set."""

    def __init__(self, inverse: np.ndarray):
        self.inverse = np.ascontiguousarray(inverse, dtype=float)

    def __call__(self, invariants: np.ndarray) -> np.ndarray:
        """Grades (N,) of atoms with B-basis functions (N, functions)."""
        return _largest(invariants @ self.inverse)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _largest(rows):
    """Largest absolute number of each row, 0 of an empty one."""
    largest = np.zeros(len(rows))
    for i in range(len(rows)):
        most = 0.0
        for k in range(rows.shape[1]):
            most = max(most, abs(rows[i, k]))
        largest[i] = most
    return largest
