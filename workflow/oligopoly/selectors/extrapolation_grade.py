"""MaxVol on the extrapolation grade: the candidates whose environments span the most.

Podryabinkin and Shapeev, Comput. Mater. Sci. 140 (2017) 171.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from oligopoly.selectors.contract import Choice, Context, SelectorSettings

if TYPE_CHECKING:
    from oligopoly.selectors.candidates import Candidate

# MaxVol leaves its own training environments with grades up to a few percent above 1.
INTERPOLATES = 1.1


class Settings(SelectorSettings):
    """MaxVol on the extrapolation grade: the candidates whose environments span the most."""

    needs: ClassVar[frozenset[str]] = frozenset({"gamma"})

    kind: Literal["extrapolation_grade"] = "extrapolation_grade"

    def create(self) -> "ExtrapolationGrade":
        return ExtrapolationGrade(self)


class ExtrapolationGrade:
    """The selector as `selectors.contract.Selector` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def choose(self, candidates: Sequence["Candidate"], context: Context) -> list[Choice]:
        """The environments of all candidates compete with those of the active set for a place in the square matrix of
        largest volume. A frame is taken if one of its atoms wins a place or if it is the moment that stopped a run.
        Those moments come first, then the frames with more winners, and at most `budget` are taken.
        """
        winners = _winners(candidates, context) if candidates else np.zeros(0, int)
        order = sorted(
            range(len(candidates)),
            key=lambda i: (not candidates[i].stopped, -winners[i], -candidates[i].score),
        )
        choices: dict[int, Choice] = {}
        for i in order:
            stopped = candidates[i].stopped
            if not winners[i] and not stopped:
                choices[i] = Choice(False, "known", "adds nothing: no atom enters the active set")
            elif sum(choice.taken for choice in choices.values()) >= context.budget:
                reason = f"budget of {context.budget} spent on better ones ({winners[i]} winning atoms)"
                choices[i] = Choice(False, "over_budget", reason)
            else:
                why = candidates[i].atoms.info.get("stop_reason")
                reason = f"{winners[i]} atoms enter the active set" + (f"; stopped a run: {why}" if why else "")
                choices[i] = Choice(True, candidates[i].stop_code or "enters_active_set", reason)
        return [choices[i] for i in range(len(candidates))]


def _winners(candidates: Sequence["Candidate"], context: Context) -> np.ndarray:
    """How many atoms of each candidate win a place in the active set."""
    from oligopoly.ace import active_set
    from oligopoly.potentials.basis import active_set_of

    basis, active = active_set_of(context.potential.manifest)
    winners = np.zeros(len(candidates), dtype=int)
    projections = [basis.projections(candidate.atoms) for candidate in candidates]
    for element in active.elements:
        having = [i for i, p in enumerate(projections) if element in p]
        if not having:
            continue
        rows = np.concatenate([projections[i][element] for i in having])
        owners = np.repeat(having, [len(projections[i][element]) for i in having])
        # What interpolates can only win a place that a newcomer has made for it.
        new = active.gamma(element, rows) > INTERPOLATES
        entered = active_set.extend(active.rows(element), rows[new])
        winners += np.bincount(owners[new][entered], minlength=len(candidates))
    return winners
