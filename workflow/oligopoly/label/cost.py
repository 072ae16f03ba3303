"""What a label costs: core seconds and memory by size of the structure, from the store's own timings.

t = a n^b with n the number of basis functions that the structure has in def2-SVP. In another basis, and in tight
binding, n is larger or smaller by much the same factor for all organic molecules, which `a` takes up; so one measure
serves all methods and costs nothing. The last SAMPLES timings of a level of theory lie in one small file beside the
labels, so that asking takes no reading of records; before there are any, GUESSES.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.files import write_text

SAMPLES = 300
FEW = 5  # timings, and
SPREAD = 1.5  # times the size between the smallest and the largest: less says nothing about the exponent
# Measured times scatter, and a job that runs out of time costs more than one that asks for too much.
MARGIN = 1.5
START_S = 180  # what a job needs besides: starting, reading, writing, stopping before its end
PARENT_MB = 500


@dataclass(frozen=True)
class Guess:
    """Core seconds and MB of ethylene glycol (86 functions in def2-SVP), exponents, and MB without a structure."""

    seconds: float
    exponent: float
    megabytes: float
    memory_exponent: float = 1.7
    base_megabytes: float = 300.0


# Measured on one core of 2026: ethylene glycol and its dimer with PySCF 2.14, Psi4 1.3.2 (def2-SVP 7 and 28 s, 0.9 and
# 1.8 GB; def2-TZVPD 20 and 132 s, 1.9 and 6.0 GB) and tblite 0.8; 20 atoms (360 functions) with plane waves: 20-60 s.
GUESSES = {
    "classical": Guess(0.02, 1.0, 20.0, 1.0),
    "xtb": Guess(0.05, 2.2, 20.0),
    "gaussian, small basis": Guess(8.0, 2.1, 600.0, 1.4),
    "gaussian": Guess(22.0, 2.6, 1600.0),
    "plane waves": Guess(5.0, 2.0, 250.0, 1.2),
}
BASIS_FUNCTIONS = {1: 5, 2: 5}  # def2-SVP: helium and hydrogen
ROWS = ((10, 14), (18, 18), (36, 31), (118, 35))


def size(atoms: Atoms) -> int:
    """Number of basis functions in def2-SVP."""
    return sum(BASIS_FUNCTIONS.get(z) or next(n for last, n in ROWS if z <= last) for z in atoms.numbers.tolist())


def guess(labeler: Mapping[str, Any]) -> Guess:
    """Before there are timings: by the kind of labeler and, of Gaussian codes, whether the basis is a small one."""
    kind = labeler["kind"]
    if kind in GUESSES:
        return GUESSES[kind]
    if "basis" in labeler:
        small = str(labeler["basis"]).lower() in ("def2-svp", "sto-3g", "3-21g", "6-31g", "6-31g*", "cc-pvdz")
        return GUESSES["gaussian, small basis" if small else "gaussian"]
    return GUESSES["plane waves"]


class Costs:
    """Predictions for one level of theory.

    store: its folder. labeler: the config's block `label.labeler`. Timings that two jobs write at once replace each
    other; that loses some of many and no more.
    """

    def __init__(self, store: str | Path, labeler: Mapping[str, Any]):
        name = hashlib.sha256(json.dumps(dict(labeler), sort_keys=True).encode()).hexdigest()[:8]
        self.path = Path(store) / "timings" / f"{labeler['kind']}-{name}.json"
        self._guess = guess(labeler)
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


def relative(atoms: Atoms, labeler: Mapping[str, Any]) -> float:
    """Cost of a structure relative to others, by the guessed exponent.

    Chunks are balanced by this and not by timings, so that a rerun makes the same chunks.
    """
    return size(atoms) ** guess(labeler).exponent


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
