"""Active set: the environments that span what the potential has seen, and how far others lie outside.

For each element the active set is a square matrix A of B-basis rows, chosen from the training environments so that
|det A| is (locally) largest. An environment with the row B is B = gamma . A; max |gamma| <= 1 means interpolation.
Source: E. V. Podryabinkin, A. V. Shapeev, Comput. Mater. Sci. 140, 171 (2017); MaxVol: S. A. Goreinov et al., in
Matrix Methods (2010), p. 247; for ACE: Y. Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023).
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numba
import numpy as np
import scipy.linalg
from ase import Atoms

from oligopoly.ace import fingerprint
from oligopoly.ace.design import Design
from oligopoly.ace.potential import Potential
from oligopoly.errors import UserError
from oligopoly.files import atomic
from oligopoly.progress import Progress

# A function whose values never vary by more than this share of its largest one counts as unseen in that direction:
# it enters A with a row of its own of this size.
_UNSEEN = 1e-9
_BATCH = 12000  # environments
_NEAR = 4  # rows that take part in the exchanges of one round, for each function


@dataclass
class ActiveSet:
    """`inverse[element]` = A^-1, (functions, functions), columns in the order of `Potential.functions`. `fit`:
    fingerprint of the potential that it was built for, None where it is not known."""

    inverse: dict[str, np.ndarray]
    fit: str | None = None

    @property
    def elements(self) -> list[str]:
        return list(self.inverse)

    def gamma(self, element: str, rows: np.ndarray) -> np.ndarray:
        """Extrapolation grade max_k |(B A^-1)_k| of each row (M, functions) of `element`."""
        return np.abs(rows @ self.inverse[element]).max(axis=1, initial=0.0)

    def rows(self, element: str) -> np.ndarray:
        """A itself, (functions, functions)."""
        return np.linalg.inv(self.inverse[element])

    def write(self, path: str | Path) -> None:
        """Write pacemaker's `.asi`: an npz with one inverse per element, `fit` in the comment of the archive, where
        pacemaker and LAMMPS do not look."""
        with atomic(path) as temporary:
            with open(temporary, "wb") as stream:
                inverse: dict[str, Any] = self.inverse
                np.savez(stream, **inverse)
            if self.fit:
                with ZipFile(temporary, "a") as archive:
                    archive.comment = f"fit {self.fit}".encode()

    @classmethod
    def read(cls, path: str | Path) -> "ActiveSet":
        """Read an `.asi`. Raises UserError when it is not one of a linear potential."""
        try:
            with np.load(path) as content:
                inverse = {str(element): np.ascontiguousarray(content[element], dtype=float) for element in content}
            with ZipFile(path) as archive:
                said = archive.comment.decode(errors="replace").split()
        except FileNotFoundError:
            raise UserError(f"There is no active set {path}.") from None
        except (ValueError, TypeError, AttributeError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise UserError(f"{path} is not an active set (an npz with one matrix per element): {error}") from error
        for element, matrix in inverse.items():
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise UserError(f"{path}: the matrix of {element} has the shape {matrix.shape}; it must be square.")
            if not np.isfinite(matrix).all():
                raise UserError(f"{path}: the matrix of {element} has numbers that are not finite.")
        return cls(inverse, said[1] if len(said) == 2 and said[0] == "fit" else None)


def build(potential: Potential, frames: Iterable[Atoms], design: Design | None = None) -> ActiveSet:
    """Active set from all environments of `frames`; memory does not grow with their number.

    The environments pass twice, batch by batch: the second time those count that the result of the first
    extrapolates to, so that at the end gamma of all of them is about 1 at most.
    """
    design = design or Design(potential)
    frames = list(frames)
    squares: dict[str, np.ndarray] = {}
    for _ in range(2):
        for element, rows in _batches(design, frames):
            if element not in squares:
                rows = np.concatenate([rows, _unseen(rows)])
                squares[element] = rows[maxvol(rows)]
            else:
                rows = np.concatenate([squares[element], rows])
                squares[element] = rows[maxvol(rows, start=np.arange(rows.shape[1]))]
    for element, columns in design.slices.items():
        squares.setdefault(element, _UNSEEN * np.eye(columns.stop - columns.start))
    inverse = {element: np.linalg.inv(squares[element]) for element in design.elements}
    return ActiveSet(inverse, fingerprint.of(potential))


def extend(active: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Indices of the candidate rows (M, K) that enter the active square matrix (K, K) by MaxVol, ascending."""
    start = np.arange(len(active))
    index = maxvol(np.concatenate([active, candidates]), start)
    return np.sort(index[index >= len(active)] - len(active))


def maxvol(rows: np.ndarray, start: np.ndarray | None = None, tolerance: float = 1.01) -> np.ndarray:
    """Indices (K,) of rows of the matrix (M, K) whose determinant no exchange of one row enlarges by `tolerance`.

    Starts from `start`, or from the pivots of an LU factorisation. Raises UserError for fewer rows than columns.
    """
    count, width = rows.shape
    if count < width:
        raise UserError(f"An active set of {width} functions needs at least as many environments, not {count}.")
    if width == 0:
        return np.zeros(0, dtype=np.int64)
    largest = np.abs(rows).max(axis=0)
    rows = rows / np.where(largest > 0, largest, 1.0)
    index = _pivots(rows) if start is None else np.array(start, dtype=np.int64)
    # Each round solves afresh, so that rounding errors of the exchanges do not add up.
    for _ in range(50):
        shares = scipy.linalg.lu_solve(scipy.linalg.lu_factor(rows[index], check_finite=False), np.eye(width))
        shares = rows @ shares
        reach = np.abs(shares).max(axis=1)
        reach[index] = 0.0
        if reach.max() <= tolerance:
            break
        # not only those outside: exchanges push out others, and each round costs a product with all rows
        near = np.argsort(-reach)[: max(_NEAR * width, 500)]
        _exchange(np.ascontiguousarray(shares[near]), near, index, tolerance, 2 * width)
    return index


def _pivots(rows: np.ndarray) -> np.ndarray:
    width = rows.shape[1]
    _, exchanges, _ = scipy.linalg.lapack.dgetrf(np.asfortranarray(rows))
    order = np.arange(len(rows))
    for k in range(width):
        order[[k, exchanges[k]]] = order[[exchanges[k], k]]
    return order[:width].copy()


@numba.njit(cache=True, nogil=True)
def _exchange(shares, names, index, tolerance, at_most):
    """Exchange rows while one has a share |C_ij| above `tolerance`, always the largest; changes `index`."""
    count, width = shares.shape
    direction = np.empty(width)
    best, bi, bj = 0.0, 0, 0
    for i in range(count):
        for j in range(width):
            if abs(shares[i, j]) > best:
                best, bi, bj = abs(shares[i, j]), i, j
    for _ in range(at_most):
        if best <= tolerance:
            return
        index[bj] = names[bi]
        pivot = shares[bi, bj]
        for j in range(width):
            direction[j] = shares[bi, j] / pivot
        direction[bj] = (pivot - 1.0) / pivot
        column = bj
        best = 0.0
        next_i, next_j = 0, 0
        for i in range(count):
            weight = shares[i, column]
            for j in range(width):
                shares[i, j] -= weight * direction[j]
            top = 0.0
            for j in range(width):
                top = max(top, abs(shares[i, j]))
            if top > best:
                best, next_i = top, i
        for j in range(width):
            if abs(shares[next_i, j]) == best:
                next_j = j
        bi, bj = next_i, next_j


def _unseen(rows: np.ndarray) -> np.ndarray:
    """Rows that stand for the directions in which the data do not vary, so that a square matrix always exists."""
    largest = np.abs(rows).max(axis=0, initial=0.0)
    return _UNSEEN * np.diag(np.where(largest > 0, largest, largest.max(initial=0.0) or 1.0))


def _batches(design: Design, frames: list[Atoms]) -> Iterable[tuple[str, np.ndarray]]:
    """(element, rows) with at least `_BATCH` rows each but for the last ones."""
    waiting: dict[str, list[np.ndarray]] = {element: [] for element in design.elements}
    progress = Progress(len(frames), "active set", "frames")
    for atoms in frames:
        progress.update()
        for element, rows in design.projections(atoms).items():
            waiting[element].append(rows)
            if sum(map(len, waiting[element])) >= _BATCH:
                yield element, np.concatenate(waiting[element])
                waiting[element] = []
    for element, rest in waiting.items():
        if rest:
            yield element, np.concatenate(rest)
