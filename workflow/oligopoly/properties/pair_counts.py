"""Pairs of atoms by distance: within and between molecules, of each pair of elements and of each chain."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from oligopoly.progress import Progress

DIRECT = 1e-3  # A: so much nearer may the image of a partner be that still is the partner itself


def count(
    positions: Sequence[np.ndarray], cells, species, pair_of, molecules, bins: int, width: float, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Ordered pairs in bins of the distance, (F, P, 2, B) of each frame, and summed over frames, each times its volume,
    (P, 2, M, B) of each chain that the first atom is of; the axis of two: between molecules, within.

    positions : F frames (N, 3) with molecules whole; cells : (F, 3, 3) at least 2 `bins` x `width` high; species :
    (N,); pair_of : (S, S), the pair of two species; molecules : (N,).
    """
    from oligopoly.properties.pair_kernel import add  # numba takes a third of a second to import

    pairs, chains = int(pair_of.max()) + 1, int(molecules.max()) + 1
    counted = np.zeros((len(cells), pairs, 2, bins), np.int64)
    progress = Progress(len(cells), "pair distribution functions", "frames")
    species, pair_of, molecules = (np.ascontiguousarray(a, np.int64) for a in (species, pair_of, molecules))

    def some(first: int) -> np.ndarray:
        of_chain, frame = np.zeros((pairs, 2, chains, bins)), np.zeros((pairs, 2, chains, bins), np.int32)
        for k in range(first, len(cells), threads):
            points, cell = np.ascontiguousarray(positions[k], float), np.ascontiguousarray(cells[k])
            inverse = np.linalg.inv(cell)
            fractions = points @ inverse
            fractions -= np.floor(fractions)
            heights = 1 / np.linalg.norm(inverse, axis=0)
            add(points, fractions, cell, _mesh(heights, bins * width, len(points)), bins * width,
                species, pair_of, molecules, frame, width, DIRECT)  # fmt: skip
            frame.sum(axis=2, out=counted[k])
            of_chain += abs(np.linalg.det(cell)) * frame
            frame[:] = 0
            progress.update()
        return of_chain

    return counted, _in_threads(some, threads)


def _mesh(heights: np.ndarray, reach: float, atoms: int) -> np.ndarray:
    """Cells of the search along each axis: half as wide as it reaches, a quarter as high, and not many more than
    atoms."""
    most = max(1, int(np.cbrt(atoms)))
    return np.clip((np.array([2, 2, 4]) * heights / reach).astype(np.int64), 1, most)


def _in_threads(some: Callable[[int], np.ndarray], threads: int) -> np.ndarray:
    if threads == 1:
        return some(0)
    with ThreadPoolExecutor(threads) as pool:
        return np.sum(list(pool.map(some, range(threads))), axis=0)
