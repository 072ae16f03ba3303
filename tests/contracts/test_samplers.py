"""What every sampler keeps: its files, and an outcome for whatever happens on the way."""

import json

import numpy as np
import pytest
from labelled import box
from md_systems import LennardJones, argon

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.md.external import External
from oligopoly.md.hardware import ONE_CORE
from oligopoly.md.simulation import Conditions
from oligopoly.potentials.contract import predictions
from oligopoly.potentials.uncertainty import NONE, Uncertainty, gamma
from oligopoly.samplers.contract import Context, Origin

from .examples import kinds, settings

FILES = {"candidates.extxyz", "audit.extxyz", "stop.json", "scores.npz", "thermo.tsv", "trajectory.extxyz"}
GAMMA = Uncertainty("gamma", 5, select=1.0, stop=50.0)


class Potential:
    """Argon, until something goes wrong at a call: `how(result)` makes what is said then."""

    def __init__(self, how=None, call=30):
        self.evaluator = Evaluator(how, call)

    def predict(self, frames, uncertainty="none", threads=1):
        return predictions(self.evaluator, frames, uncertainty != "none")

    def score(self, atoms, kind):
        return next(self.predict([atoms], kind)).score

    def engine(self, uncertainty=NONE, choice="auto", hardware=ONE_CORE):
        return External(lambda: self.evaluator, every=0 if uncertainty.kind == "none" else 5)


class Evaluator(LennardJones):
    def __init__(self, how, call):
        super().__init__()
        self.how, self.call = how, call

    def compute(self, *args, **kwargs):
        found = super().compute(*args, **kwargs)
        return self.how(found) if self.how and self.calls >= self.call else found


def raises(found):
    raise ZeroDivisionError("the sky fell")


def no_energy(found):
    return found._replace(energy=float("nan"))


def no_score(found):
    return found if found.score is None else found._replace(score=gamma(np.full(len(found.forces), np.nan)))


def explodes(found):
    return found._replace(forces=found.forces + 1e6 * np.sign(found.forces))


def no_force(found):
    return found._replace(forces=np.full_like(found.forces, np.inf))


def knows_nothing(found):
    return found if found.score is None else found._replace(score=gamma(np.full(len(found.forces), 99.0)))


# What every sampler meets, and what those alone that move atoms.
FAILURES = {raises: "error", no_energy: "non_finite", no_score: "non_finite"}
OF_MD = {explodes: "exploded", no_force: "non_finite", knows_nothing: "gamma_break"}
MOVES = {kind for kind in kinds("samplers") if settings("samplers", kind).md_steps(1.0)}


@pytest.fixture(params=kinds("samplers"))
def kind(request):
    return request.param


def sample(kind, folder, potential, uncertainty=GAMMA, start=None, seed=4):
    atoms, topology = argon()
    conditions = Conditions("npt", 90.0, 2.0, 200.0)
    context = Context(potential, uncertainty, topology, conditions, 10, Origin("argon", 2, "cold"), seed)
    return settings("samplers", kind).create().sample(start or atoms, context, folder)


@pytest.mark.parametrize("uncertainty", [GAMMA, NONE], ids=["gamma", "none"])
def test_it_leaves_its_files_and_says_how_it_ended(kind, tmp_path, uncertainty):
    outcome = sample(kind, tmp_path, Potential(), uncertainty)
    assert outcome.outcome == "completed"
    assert {path.name for path in tmp_path.iterdir()} == FILES
    stop = json.loads((tmp_path / "stop.json").read_text())
    assert {key: stop[key] for key in outcome.to_dict()} == outcome.to_dict()
    assert stop["score_kind"] == uncertainty.kind and stop["planned_fs"] >= 0
    found = frame_files.read(tmp_path / "candidates.extxyz")
    assert len(found) <= 10 and stop["candidates"] == len(found) and (found or uncertainty is GAMMA)
    for atoms in [*found, *frame_files.read(tmp_path / "audit.extxyz")]:
        info = atoms.info
        assert (info["origin_system"], info["origin_generation"], info["origin_sampler"]) == ("argon", 2, "cold")
        assert info["config_type"] and ("score_max" in info) == (uncertainty.kind != "none")
    assert frame_files.read(tmp_path / "trajectory.extxyz")
    assert (tmp_path / "thermo.tsv").read_text().startswith("step\ttime_ps")
    with np.load(tmp_path / "scores.npz") as scores:
        assert str(scores["kind"]) == uncertainty.kind and len(scores["largest"]) == len(scores["step"])


def ends(kind, folder, how, call, outcome):
    """Candidates of a run that something happened to."""
    found = sample(kind, folder, Potential(how, call))
    assert found.outcome == outcome and found.reason
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "stop.json").read_text())["outcome"] == outcome
    frames = frame_files.read(folder / "candidates.extxyz")
    assert all(np.isfinite(atoms.positions).all() for atoms in frames)
    return frames


@pytest.mark.parametrize("how", FAILURES, ids=lambda how: how.__name__)
@pytest.mark.parametrize("call", [1, 4], ids=["at once", "later"])
def test_whatever_happens_is_an_outcome(kind, tmp_path, how, call):
    ends(kind, tmp_path, how, call, FAILURES[how])


@pytest.mark.parametrize("how", [*FAILURES, *OF_MD], ids=lambda how: how.__name__)
@pytest.mark.parametrize("kind", MOVES)
def test_the_way_into_trouble_is_worth_a_label(kind, tmp_path, how):
    outcome = (FAILURES | OF_MD)[how]
    last = ends(kind, tmp_path, how, 30, outcome)
    assert last and last[-1].info["stop_outcome"] == outcome and last[-1].info["config_type"] == "stopped"


def test_the_same_seed_makes_the_same_files(kind, tmp_path):
    for name in "ab":
        sample(kind, tmp_path / name, Potential())
    sample(kind, tmp_path / "c", Potential(), seed=5)
    for file in FILES - {"scores.npz"}:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / "trajectory.extxyz").read_bytes() != (tmp_path / "c" / "trajectory.extxyz").read_bytes()


def test_a_start_of_another_system_is_refused(kind, tmp_path):
    with pytest.raises(UserError, match="not of the system"):
        sample(kind, tmp_path, Potential(), start=box()[0])
