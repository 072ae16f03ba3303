"""What a label costs: core seconds and memory by size of the structure, from the store's own timings.

t = a n^b with n the number of basis functions that the structure has in def2-SVP. In another basis, and in tight
binding, n is larger or smaller by much the same factor for all organic molecules, which `a` takes up; so one measure
serves all methods and costs nothing. The last SAMPLES timings of a level of theory lie in one small file beside the
labels, so that asking takes no reading of records; before there are any, what its settings guess.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.files import write_text
from oligopoly.labelers.registry import LABELERS

SAMPLES = 300
FEW = 5  # timings, and
SPREAD = 1.5  # times the size between the smallest and the largest: less says nothing about the exponent
# Measured times scatter, and a job that runs out of time costs more than one that asks for too much.
MARGIN = 1.5
START_S = 180  # what a job needs besides: starting, reading, writing, stopping before its end
PARENT_MB = 500


BASIS_FUNCTIONS = {1: 5, 2: 5}  # def2-SVP: helium and hydrogen
ROWS = ((10, 14), (18, 18), (36, 31), (118, 35))


def size(atoms: Atoms) -> int:
    """Number of basis functions in def2-SVP."""
    return sum(BASIS_FUNCTIONS.get(z) or next(n for last, n in ROWS if z <= last) for z in atoms.numbers.tolist())


class Costs:
    """Predictions for one level of theory.

    store: its folder. labeler: the config's block `label.labeler`. Timings that two jobs write at once replace each
    other; that loses some of many and no more.
    """

    def __init__(self, store: str | Path, labeler: Mapping[str, Any]):
        name = hashlib.sha256(json.dumps(dict(labeler), sort_keys=True).encode()).hexdigest()[:8]
        self.path = Path(store) / "timings" / f"{labeler['kind']}-{name}.json"
        self._guess = LABELERS.read(labeler).guess()
        self._samples = self._read()
        self._fit()

    def seconds(self, atoms: Atoms) -> float:
        """Core seconds to label `atoms`."""
        return self.a * size(atoms) ** self.b

    def megabytes(self, atoms: Atoms) -> float:
        """Memory of a process that labels `atoms`."""
        return self._guess.base_megabytes + self.m * size(atoms) ** self._guess.memory_exponent

    def add(self, samples: Iterable[tuple[int, float, float]]) -> None:
        """Keep timings: size, core seconds, MB (0 where it is not known)."""
        new = [list(sample) for sample in samples]
        if new:
            self._samples = [*self._read(), *new][-SAMPLES:]
            write_text(self.path, json.dumps({"size, core seconds, MB": self._samples}) + "\n")
            self._fit()

    def _read(self) -> list[list[float]]:
        try:
            return json.loads(self.path.read_text())["size, core seconds, MB"]
        except (FileNotFoundError, ValueError, KeyError):
            return []

    def _fit(self) -> None:
        known = self._guess
        self.b = known.exponent
        self.a = known.seconds / 86**self.b
        self.m = known.megabytes / 86**known.memory_exponent
        if not self._samples:
            return
        n, seconds, megabytes = np.array(self._samples, dtype=float).T
        seconds = np.maximum(seconds, 1e-3)
        if len(n) >= FEW and n.max() >= SPREAD * n.min():
            from scipy.stats import theilslopes  # a second and 60 MB, which every job would pay for at its start

            # The median of slopes (Theil-Sen) is not moved by a few runs on a busy node.
            slope = theilslopes(np.log(seconds), np.log(n))[0]
            self.b = float(np.clip(slope, 0.5, 4.0)) if np.isfinite(slope) else self.b
        self.a = float(np.median(seconds / n**self.b))
        above = (megabytes - known.base_megabytes) / n**known.memory_exponent
        if (megabytes > 0).any():
            self.m = float(max(above.max(), 0.1 * self.m))


def relative(labeler: Mapping[str, Any]) -> Callable[[Atoms], float]:
    """What tells the cost of a structure relative to others, by the guessed exponent.

    Chunks are balanced by this and not by timings, so that a rerun makes the same chunks.
    """
    exponent = LABELERS.read(labeler).guess().exponent
    return lambda atoms: size(atoms) ** exponent


def resources(frames: Sequence[Atoms], costs: Costs, cores: int, attempt: int = 1) -> tuple[int, int]:
    """Minutes and MB to ask for a job that labels `frames` on `cores` cores; a later attempt asks for more."""
    if not frames:
        return START_S // 60, PARENT_MB
    seconds = [costs.seconds(atoms) for atoms in frames]
    side_by_side = min(cores, len(frames))
    wall = max(max(seconds), sum(seconds) / side_by_side)
    memory = sorted((costs.megabytes(atoms) for atoms in frames), reverse=True)[:side_by_side]
    minutes = (START_S + MARGIN * wall) / 60 * 2 ** (attempt - 1)
    return int(np.ceil(minutes)), int(np.ceil(PARENT_MB + MARGIN * sum(memory) * attempt))


def asked(
    chunk: str | Path, store: str | Path, labeler: Mapping[str, Any], cores: int, attempt: int
) -> tuple[int, int]:
    """`resources` of the structures in the file `chunk`; FileNotFoundError where it is not there yet."""
    stamp = Path(chunk).stat().st_mtime_ns
    return resources(_read(str(chunk), stamp), Costs(store, labeler), cores, attempt)


@functools.lru_cache(maxsize=64)
def _read(chunk: str, stamp: int) -> list[Atoms]:
    return frame_files.read(chunk)


def side_by_side(frames: Sequence[Atoms], costs: Costs, cores: int, memory_mb: float) -> int:
    """How many of `frames` to label at once.

    As many as there are cores: that uses them fully, which threads within one structure never do. Fewer only where the
    structures are fewer, or too large for as many to share the memory; then each gets several threads.
    """
    largest = max((costs.megabytes(atoms) for atoms in frames), default=1.0)
    return max(1, min(cores, len(frames), int((memory_mb - PARENT_MB) / largest)))
