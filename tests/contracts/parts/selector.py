"""A selector: farthest points in the space of a potential's descriptors.

To use it: copy it to workflow/oligopoly/selectors/farthest_points.py, and add
    "farthest_points": "oligopoly.selectors.farthest_points",
to selectors/registry.py. Then `select: {kind: farthest_points}`. With a trainer that gives no descriptors, the config
is refused, and the message names both keys.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from oligopoly.selectors.candidates import Candidate
from oligopoly.selectors.contract import Choice, Context, SelectorSettings


class Settings(SelectorSettings):
    """Candidates that lie farthest from each other, by the mean of their atoms' descriptors."""

    needs: ClassVar[frozenset[str]] = frozenset({"descriptors"})

    kind: Literal["farthest_points"]

    def create(self) -> "FarthestPoints":
        return FarthestPoints()


class FarthestPoints:
    """The selector."""

    def choose(self, candidates: Sequence[Candidate], context: Context) -> list[Choice]:
        """The one with the largest score first, then always the one that is farthest from all that are taken."""
        choices = [Choice(False, "near_others", "there are candidates farther from each other")] * len(candidates)
        if not candidates:
            return choices
        points = np.array([context.potential.descriptors(one.atoms).mean(axis=0) for one in candidates])
        distance, nearest = np.full(len(points), np.inf), int(np.argmax([one.score for one in candidates]))
        for number in range(min(context.budget, len(points))):
            chosen = nearest if number == 0 else int(distance.argmax())
            reason = "largest score" if number == 0 else f"{distance[chosen]:.3g} from the nearest that was taken"
            choices[chosen] = Choice(True, "far_from_others", reason)
            distance = np.minimum(distance, np.linalg.norm(points - points[chosen], axis=1))
            distance[chosen] = -1
        return choices
