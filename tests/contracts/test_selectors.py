"""What every selector keeps: a choice for each candidate, within the budget, with a code and a reason."""

import re

import numpy as np
import pytest
from labelled import labelled_frames

from oligopoly.selectors.candidates import Candidate
from oligopoly.selectors.contract import Choice, Context
from oligopoly.selectors.ledger import words
from oligopoly.selectors.registry import SELECTORS

from .examples import kinds, settings
from .potentials import make, trainer

BUDGET = 4


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    """One that gives all that a selector may need."""
    return make("ace", tmp_path_factory.mktemp("potential"))


@pytest.fixture(params=kinds("selectors"))
def kind(request):
    return request.param


def candidates(count=12):
    """Half of them strange, one the moment that stopped a run."""
    found = []
    for number, atoms in enumerate(labelled_frames(count, seed=20)):
        del atoms.arrays["REF_forces"]
        atoms.info.clear()
        if number % 2:
            atoms.positions += 0.2 * np.random.default_rng(number).normal(size=atoms.positions.shape)
        if number == 5:
            atoms.info |= {"stopped": True, "stop_outcome": "broken_bond", "stop_reason": "broken_bond: C1-C2"}
        found.append(Candidate(f"walker/candidates/{number}", atoms, offered=True, score=float(number % 2)))
    return found


def choose(kind, potential, given, budget=BUDGET, seed=1):
    return settings("selectors", kind).create().choose(given, Context(potential, seed, budget))


@pytest.mark.parametrize("budget", [1, BUDGET, 100])
def test_a_choice_for_each_within_the_budget(kind, potential, budget):
    given = candidates()
    choices = choose(kind, potential, given, budget)
    assert len(choices) == len(given) and all(isinstance(choice, Choice) for choice in choices)
    assert 0 < sum(choice.taken for choice in choices) <= budget


def test_codes_are_words_and_reasons_sentences(kind, potential):
    """The ledger has a line for each, and programs read the codes."""
    choices = choose(kind, potential, candidates())
    for choice in choices:
        assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?", choice.code), choice.code
        assert choice.reason.strip() and not set("\t\n") & set(choice.reason)
        assert words(choice.code)
    assert not {c.code for c in choices if c.taken} & {c.code for c in choices if not c.taken}


def test_the_same_candidates_and_seed_the_same_choices(kind, potential):
    assert choose(kind, potential, candidates()) == choose(kind, potential, candidates())


def test_candidates_are_left_as_they_are(kind, potential):
    """Who they are and whether they were taken is written down by others."""
    given = candidates()
    choose(kind, potential, given)
    for one, two in zip(given, candidates(), strict=True):
        assert one.atoms == two.atoms and one.atoms.info == two.atoms.info
        assert (one.chosen, one.audit, one.code) == (False, False, "")


def test_without_candidates_there_are_no_choices(kind, potential):
    assert list(choose(kind, potential, [])) == []


def test_what_it_needs_is_given_by_some_trainer(kind):
    given = set().union(*(trainer(one).gives() for one in kinds("trainers")))
    assert SELECTORS.settings(kind).needs <= given


def test_a_budget_may_grow_with_the_generations(kind):
    """One for each, and the last for all that follow."""
    several = settings("selectors", kind, budget=[5, 10])
    assert [several.budget_of(generation) for generation in (1, 2, 3)] == [5, 10, 10]
    assert settings("selectors", kind, budget=7).budget_of(3) == 7
