"""Positions that stay in their file, and go through memory a few frames at a time."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from oligopoly.progress import Progress

COORDINATES = 1_000_000  # of a block of frames: 8 MB, and as much again for each step of a calculation


class StoredPositions:
    """Positions (F, N, 3) in A of frames in files, each read when it is asked for, and then forgotten.

    `read` gives positions (N, 3) of the frame with a number, also to several threads at once. A slice stays in the
    files; `numpy.asarray` reads.
    """

    def __init__(self, frames: int, atoms: int, read: Callable[[int], np.ndarray]):
        self.numbers, self.atoms, self.read = np.arange(frames), atoms, read

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.read(int(self.numbers[index]))
        part = StoredPositions(0, self.atoms, self.read)
        part.numbers = self.numbers[index]
        return part

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        found = np.empty((len(self), self.atoms, 3))
        for index, positions in enumerate(self):
            found[index] = positions
        return found if dtype is None else found.astype(dtype, copy=False)


def from_bytes(
    paths: Sequence[str | Path], places: np.ndarray, atoms: int, parse: Callable[[int, bytes], np.ndarray]
) -> StoredPositions:
    """Of files: places (F, 3), which of the files, the first byte of a frame and how many there are; `parse` makes
    positions (N, 3) of the number of a frame and its bytes."""
    files = [open(path, "rb", buffering=0) for path in paths]  # noqa: SIM115, for as long as someone may ask

    def read(number: int) -> np.ndarray:
        file, first, size = places[number].tolist()
        return parse(number, os.pread(files[file].fileno(), size, first))

    return StoredPositions(len(places), atoms, read)


Positions = np.ndarray | StoredPositions | Sequence[np.ndarray]


def blocks(positions: Positions, label: str = "frames") -> Iterator[tuple[int, np.ndarray]]:
    """All frames in their order, some (f, N, 3) at a time, each time with the number of the first of them."""
    if not len(positions):
        return
    step = max(1, COORDINATES // np.size(positions[0]))
    progress = Progress(len(positions), label, "frames")
    for first in range(0, len(positions), step):
        block = np.asarray(positions[first : first + step], float)
        yield first, block
        progress.update(len(block))
