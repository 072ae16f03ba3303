"""The baseline: candidates drawn without looking."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from oligopoly.selectors.contract import Choice, Context, SelectorSettings

if TYPE_CHECKING:
    from oligopoly.selectors.candidates import Candidate


class Settings(SelectorSettings):
    """The baseline: candidates drawn at random."""

    kind: Literal["random"]

    def create(self) -> "Random":
        return Random(self)


class Random:
    """The selector as `selectors.contract.Selector` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def choose(self, candidates: Sequence["Candidate"], context: Context) -> list[Choice]:
        """`budget` of the candidates, each as likely as any other."""
        drawn = np.random.default_rng(context.seed).permutation(len(candidates))[: context.budget]
        taken = set(drawn.tolist())
        return [
            Choice(True, "drawn", "drawn at random") if i in taken else Choice(False, "not_drawn", "not drawn")
            for i in range(len(candidates))
        ]
