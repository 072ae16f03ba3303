"""Weighted rows of the least-squares problem, and their reduction to an R factor batch by batch."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from oligopoly.accuracy import labels
from oligopoly.ace.design import Design
from oligopoly.ace.regression import Factor, triangle
from oligopoly.errors import UserError
from oligopoly.progress import Progress

# Above this force (eV/A) a frame is on a repulsive wall: its rows weigh less, so that it fixes where the wall is
# without its large errors deciding everything else.
WALL = 10.0


class Weights(NamedTuple):
    """Expected errors (one sigma) that the rows are divided by.

    `force` in eV/A per component; `energy` and `energy_cluster` in eV/atom of frames that are periodic or not;
    `volume` in eV/atom: of the energy change on expansion by 1 %, which weighs the stress; None leaves stress out.
    `by_config_type` names what is different for frames of one `config_type`.
    """

    force: float = 0.1
    energy: float = 0.3e-3
    energy_cluster: float = 1e-3
    volume: float | None = 3e-5
    by_config_type: Mapping[str, Mapping[str, float | None]] = {}

    def of(self, atoms: Atoms) -> "Weights":
        """Those of one frame."""
        different: Mapping[str, Any] = self.by_config_type.get(str(atoms.info.get("config_type", "none")), {})
        return self._replace(**different)


def weighted_rows(atoms: Atoms, design: Design, E0: dict[str, float], weights: Weights) -> np.ndarray:
    """Rows [A | b] (M, K + elements + 1) of one frame, divided by their sigma.

    The columns after the functions shift the energy of each element. Rows without a reference are left out.
    Raises UserError for a frame without energy and forces.
    """
    reference = labels(atoms)
    if reference.energy is None and reference.forces is None:
        raise UserError(
            f"A training frame ({atoms.symbols}) has neither `REF_energy` nor `REF_forces`; "
            f"it has info {sorted(atoms.info)} and arrays {sorted(atoms.arrays)}."
        )
    weights = weights.of(atoms)
    rows, fixed = design.rows(atoms), design.fixed(atoms)
    n, k, elements = len(atoms), design.size, design.elements
    counts = np.array([np.sum(np.array(atoms.symbols) == element) for element in elements], dtype=float)
    width = k + len(elements) + 1
    wall = np.ones(n)
    if reference.forces is not None:
        wall = 1.0 + (np.linalg.norm(reference.forces, axis=1) / WALL) ** 2
    blocks = []
    if reference.energy is not None:
        sigma = n * (weights.energy if atoms.pbc.all() else weights.energy_cluster) * wall.max()
        target = reference.energy - fixed.energy - sum(E0.get(symbol, 0.0) for symbol in atoms.symbols)
        blocks.append(np.concatenate([rows.energy, counts, [target]])[None] / sigma)
    if reference.forces is not None:
        block = np.zeros((3 * n, width))
        per_row = 1.0 / (weights.force * np.repeat(wall, 3))
        np.multiply(rows.forces, per_row[:, None], out=block[:, :k])
        block[:, -1] = (reference.forces - fixed.forces).ravel() * per_row
        blocks.append(block)
    if reference.stress is not None and weights.volume is not None:
        # |dE/dstrain| of isotropic strain 0.01/3 is the energy of 1 % of volume; shear counts twice in 3x3
        per_row = 0.01 / np.sqrt(3.0) / (n * weights.volume * wall.max()) * np.sqrt([1, 1, 1, 2, 2, 2])
        block = np.zeros((6, width))
        block[:, :k] = rows.virial * per_row[:, None]
        block[:, -1] = (reference.stress * atoms.get_volume() - fixed.virial) * per_row
        blocks.append(block)
    return np.concatenate(blocks)


def accumulate(
    factor: Factor, frames: Sequence[Atoms], design: Design, E0: dict[str, float], weights: Weights, threads: int = 1
) -> None:
    """Add the rows of `frames` to `factor`; its unknowns are the functions, and shifts of E0 if it has room for them.

    Memory: a batch of about three times as many rows as unknowns for each of `threads`, whatever the number of frames.
    """
    width = factor.r.shape[0]

    def reduced(batch: list[Atoms]) -> tuple[np.ndarray, int]:
        rows = _batch(batch, design, E0, weights, width)
        return triangle(rows), len(rows)

    for r, count in _in_parallel(reduced, frames, 3 * width, threads, "fit"):
        factor.merge(r, count)


def blocks(
    frames: Sequence[Atoms], design: Design, E0: dict[str, float], weights: Weights, threads: int, label: str
) -> Iterator[np.ndarray]:
    """The rows of `frames` themselves, (M, K + elements + 1) with M about the number of unknowns."""
    width = design.size + len(design.elements) + 1
    yield from _in_parallel(lambda batch: _batch(batch, design, E0, weights, width), frames, width, threads, label)


def _batch(batch: list[Atoms], design: Design, E0: dict[str, float], weights: Weights, width: int) -> np.ndarray:
    """Rows of several frames in Fortran's order, without shifts of E0 where `width` has no room for them."""
    rows = np.empty((sum(map(_most_rows, batch)), width), order="F")
    filled = 0
    for atoms in batch:
        block = weighted_rows(atoms, design, E0, weights)
        to = slice(filled, filled + len(block))
        rows[to, : width - 1], rows[to, -1] = block[:, : width - 1], block[:, -1]
        filled += len(block)
    return rows[:filled]


def _in_parallel(work: Callable, frames: Sequence[Atoms], rows: int, threads: int, label: str) -> Iterator:
    """`work(batch)` of batches of frames that have about so many rows.

    In the order of the frames, whichever is ready first: the same bytes for any number of threads.
    """
    progress = Progress(len(frames), label, "frames")
    waiting: deque = deque()
    with ThreadPoolExecutor(threads) as pool:
        for batch in _batches(frames, rows):
            waiting.append((pool.submit(work, batch), len(batch)))
            if len(waiting) > threads:
                yield waiting[0][0].result()
                progress.update(waiting.popleft()[1])
        while waiting:
            yield waiting[0][0].result()
            progress.update(waiting.popleft()[1])


def _most_rows(atoms: Atoms) -> int:
    return 3 * len(atoms) + 7


def _batches(frames: Sequence[Atoms], rows: int) -> Iterator[list[Atoms]]:
    batch: list[Atoms] = []
    for atoms in frames:
        batch.append(atoms)
        if sum(map(_most_rows, batch)) >= rows:
            yield batch
            batch = []
    if batch:
        yield batch
