"""Squared displacements against lag time, of motions that fit into memory and of those that do not."""

import numpy as np

AT_ONCE = 12_000_000  # coordinates (96 MB) of a motion that is kept whole
WINDOW = 32  # positions of each group that are kept for each doubling of the lag


class Whole:
    """MSD over all time origins at all lags up to half the run, by FFT (tidynamics). The motion is kept."""

    def __init__(self, frames: int, owners: np.ndarray, count: int):
        self.lags = np.arange(frames // 2 + 1)
        self.owners, self.count = owners, count
        self.path, self.seen = np.empty((frames, len(owners), 3)), 0

    def add(self, path: np.ndarray) -> None:
        """The next frames (f, G, 3)."""
        self.path[self.seen : self.seen + len(path)] = path
        self.seen += len(path)

    def result(self) -> np.ndarray:
        """MSD (count, L), averaged over the groups of each owner."""
        from tidynamics import msd

        total = np.zeros((self.count, len(self.lags)))
        for group, owner in enumerate(self.owners):
            total[owner] += msd(self.path[:, group])[: len(self.lags)]
        return total / np.bincount(self.owners, minlength=self.count)[:, None]


class Doubling:
    """MSD of groups whose positions come one frame after the other and are not kept.

    Lags below WINDOW are exact, over all time origins. Beyond, each time the lag has doubled only every second frame
    counts: lags are WINDOW/2, ... WINDOW - 1 times 2^k frames, from origins 2^k frames apart, and so at least WINDOW/2
    origins within a lag. Positions are never averaged over time, so that each value is one that all origins would
    scatter around (the blocks of D. Frenkel, B. Smit, Understanding Molecular Simulation (2002), section 4.4.2, without
    their smoothing). Memory: WINDOW positions of each group for each doubling.
    """

    def __init__(self, frames: int, owners: np.ndarray, count: int):
        self.lags = doubling_lags(frames)
        self.owners, self.count = owners, count
        self.place = {int(lag): k for k, lag in enumerate(self.lags)}
        self.total = np.zeros((count, len(self.lags)))
        self.origins = np.zeros(len(self.lags), int)
        self.seen = 0
        self.kept: list[np.ndarray] = []  # of each doubling: the last WINDOW positions (WINDOW, G, 3), in a circle
        order = np.argsort(owners, kind="stable")
        self.order = None if np.array_equal(order, np.arange(len(owners))) else order
        self.starts = np.searchsorted(owners[order], np.arange(count))

    def add(self, path: np.ndarray) -> None:
        """The next frames (f, G, 3)."""
        for positions in path:
            level, step = 0, 1
            while self.seen % step == 0 and self.lags[-1] >= (step * WINDOW // 2 if level else 0):
                self._at(level, step, positions)
                level, step = level + 1, 2 * step
            self.seen += 1

    def _at(self, level: int, step: int, positions: np.ndarray) -> None:
        if level == len(self.kept):
            self.kept.append(np.zeros((WINDOW, *positions.shape)))
        circle, number = self.kept[level], self.seen // step
        circle[number % WINDOW] = positions
        for back in range(WINDOW // 2 if level else 1, min(WINDOW, number + 1)):
            place = self.place.get(back * step)
            if place is None:
                break
            moved = positions - circle[(number - back) % WINDOW]
            squares = np.einsum("gx,gx->g", moved, moved)
            ordered = squares if self.order is None else squares[self.order]
            self.total[:, place] += np.add.reduceat(ordered, self.starts)
            self.origins[place] += 1

    def result(self) -> np.ndarray:
        """MSD (count, L), averaged over the groups of each owner."""
        groups = np.bincount(self.owners, minlength=self.count)
        return self.total / np.maximum(self.origins, 1) / groups[:, None]


def doubling_lags(frames: int) -> np.ndarray:
    """Lags (L,) of `Doubling`, in frames, from 0 to about half the run."""
    last = frames // 2
    found = list(range(min(WINDOW, last + 1)))
    step = 2
    while step * WINDOW // 2 <= last:
        found += [step * k for k in range(WINDOW // 2, WINDOW) if step * k <= last]
        step *= 2
    return np.array(found)


def of_motion(frames: int, owners: np.ndarray, count: int) -> Whole | Doubling:
    """What finds the MSD of the groups of `count` owners; owners : (G,) from 0, each with a group at least."""
    whole = 3 * frames * len(owners) <= AT_ONCE
    return (Whole if whole else Doubling)(frames, owners, count)
