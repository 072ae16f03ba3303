"""How a potential says what it does not know: kinds of score, their thresholds, and committees."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oligopoly.md.engine import Computed, Evaluator, Score

Kind = Literal["gamma", "committee", "none"]


@dataclass(frozen=True)
class Scale:
    """A kind of score for people, and thresholds that suit most potentials."""

    name: str
    unit: str
    symbol: str
    select: float
    stop: float


SCALES = {
    "gamma": Scale("extrapolation grade", "", "γ", 2.0, 25.0),
    # the band of DP-GEN's examples, whose upper end is where structures begin to be unphysical
    "committee": Scale("committee deviation", "eV/A", "σ(F)", 0.15, 1.5),
}


@dataclass(frozen=True)
class Uncertainty:
    """What MD with a potential asks it: every so many steps for a score of this kind; frames above `select` become
    candidates, and above `stop` the run ends. With "none" there are no scores."""

    kind: Kind
    every: int
    select: float = np.inf
    stop: float = np.inf


NONE = Uncertainty("none", 10)


def first_of(gives: Collection[str]) -> Kind:
    """The kind of score to ask where it is left open, of those that a potential has."""
    return "gamma" if "gamma" in gives else "committee" if "committee" in gives else "none"


def gamma(grades: np.ndarray) -> Score:
    """Extrapolation grades (N,) as a score."""
    return _score("gamma", grades)


def deviation(forces: Sequence[np.ndarray]) -> Score:
    """Of the members' forces (M, N, 3), in eV/A: per atom sqrt(<|F_m - <F>|^2>) over the members.

    Y. Zhang et al., Comput. Phys. Commun. 253 (2020) 107206, eq. 1 (DP-GEN); the frame's score is the largest.
    """
    stack = np.asarray(forces)
    return _score("committee", np.sqrt(((stack - stack.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)))


def _score(kind: str, per_atom: np.ndarray) -> Score:
    scale = SCALES[kind]
    return Score(kind, scale.name, scale.unit, per_atom)


class Committee:
    """An evaluator whose score is the deviation of other evaluators' forces, who are asked for it alone."""

    def __init__(self, evaluator: Evaluator, members: Sequence[Evaluator]):
        self.evaluator, self.members = evaluator, members

    def compute(self, numbers, positions, cell=None, pbc=None, scored: bool = False) -> Computed:
        """As `md.engine.Evaluator` has it."""
        found = self.evaluator.compute(numbers, positions, cell, pbc)
        if not scored:
            return found
        forces = [member.compute(numbers, positions, cell, pbc).forces for member in self.members]
        return found._replace(score=deviation(forces))
