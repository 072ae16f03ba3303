"""Which moments of a run are kept as candidates: few of them, spread over its time."""

from dataclasses import dataclass

import numpy as np

from oligopoly.md.engine import Score
from oligopoly.md.simulation import Sample

# Shortest time between two candidates, fs: about a vibration of a C-C bond.
SPACING = 25.0


@dataclass(frozen=True)
class Moment:
    """A sample with the potential's uncertainty, where it has one."""

    sample: Sample
    score: Score | None

    @classmethod
    def at(cls, step: int, score: Score | None) -> "Moment":
        """Of a frame that no motion led to."""
        nowhere = np.zeros((0, 3))
        return cls(Sample(step, 0.0, nowhere, np.zeros((3, 3)), 0.0, 0.0, 0.0, 0.0), score)

    @property
    def worst(self) -> float:
        """Largest score; 0 without one."""
        return self.score.frame if self.score else 0.0


class Thinned:
    """Of the frames offered, the worst of each window of time; at most `limit` windows.

    The window starts as `spacing` fs and doubles whenever there would be more than `limit` frames,
    so they cover the whole time in which frames were offered, whether that is 1 or 100 ps.
    """

    def __init__(self, limit: int, spacing: float = SPACING):
        self.limit, self.window = limit, spacing
        self.kept: dict[int, Moment] = {}

    def offer(self, moment: Moment) -> None:
        """Consider a frame."""
        self._keep(self.kept, moment)
        while len(self.kept) > self.limit:
            self.window *= 2
            wider: dict[int, Moment] = {}
            for kept in self.kept.values():
                self._keep(wider, kept)
            self.kept = wider

    def _keep(self, kept: dict[int, Moment], moment: Moment) -> None:
        key = int(moment.sample.time_fs // self.window)
        if key not in kept or moment.worst > kept[key].worst:
            kept[key] = moment


class Drawn:
    """Of the frames offered, one by lot from each of `count` equal spans of the run."""

    def __init__(self, count: int, duration_fs: float, seed: int):
        self.span = duration_fs / max(count, 1)
        self.count = count
        self.random = np.random.default_rng(seed)
        self.kept: dict[int, Moment] = {}
        self._seen: dict[int, int] = {}

    def offer(self, moment: Moment) -> None:
        """Consider a frame."""
        if not self.count:
            return
        key = min(int(moment.sample.time_fs // self.span), self.count - 1)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self.random.integers(self._seen[key]) == 0:
            self.kept[key] = moment
