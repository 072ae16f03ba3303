"""Exploration: what it keeps, and that whatever happens ends as an outcome in a file."""

import json

import numpy as np
import pytest
from md_systems import LennardJones, argon

from oligopoly import frames
from oligopoly.md.external import External
from oligopoly.md.simulation import Conditions, Sample
from oligopoly.md.trajectory import read, read_thermo
from oligopoly.potentials.uncertainty import Committee, Uncertainty, deviation, gamma
from oligopoly.samplers.contract import Origin
from oligopoly.samplers.exploration import explore
from oligopoly.samplers.thinning import Drawn, Moment, Thinned


def moment(time, grade):
    zeros = np.zeros((1, 3))
    return Moment(Sample(int(time), time, zeros, np.eye(3), 0, 0, 0, 0), gamma(np.array([grade])))


def test_thinning_keeps_the_worst_of_equal_windows():
    thinned = Thinned(limit=8, spacing=10.0)
    random = np.random.default_rng(0)
    gammas = random.uniform(1, 2, 1000)
    for k, g in enumerate(gammas):
        thinned.offer(moment(float(k), g))
    assert len(thinned.kept) <= 8
    assert thinned.window == 160.0
    for key, kept in thinned.kept.items():
        assert kept.worst == gammas[key * 160 : (key + 1) * 160].max()


def test_audit_draws_one_frame_per_span_evenly():
    picks = []
    for seed in range(300):
        drawn = Drawn(2, 20.0, seed)
        for k in range(20):
            drawn.offer(moment(float(k), 0.0))
        assert sorted(drawn.kept) == [0, 1]
        picks += [drawn.kept[key].sample.step for key in drawn.kept]
    counts = np.bincount(picks, minlength=20)
    assert counts.sum() == 600 and counts.min() > 10 and counts.max() < 60


def go(tmp_path, evaluator=None, name="run", uncertainty=None, stop=50.0, **changes):
    atoms, topology = argon()
    uncertainty = uncertainty or Uncertainty("gamma", every=5, select=1.0, stop=stop)
    engine = External(lambda: evaluator or LennardJones(), every=0 if uncertainty.kind == "none" else 5)
    settings = {
        "uncertainty": uncertainty,
        "conditions": Conditions("npt", 90, 2.0, 200.0),
        "duration_fs": 1000.0,
        "candidates": 10,
        "seed": 5,
        "audit": 6,
        "sample_every_fs": 100.0,
        "origin": Origin("argon", 2, "npt-90K"),
    } | changes
    outcome = explore(engine, atoms, topology, tmp_path / name, **settings)
    stop = json.loads((tmp_path / name / "stop.json").read_text())
    assert stop["outcome"] == outcome.outcome
    return outcome, tmp_path / name, stop


def test_a_calm_run_completes_and_leaves_its_files(tmp_path):
    outcome, folder, stop = go(tmp_path)
    assert outcome.outcome == "completed" and outcome.step == 500
    found = frames.read(folder / "candidates.extxyz")
    audit = frames.read(folder / "audit.extxyz")
    assert 0 < len(found) <= 10 and stop["candidates"] == len(found) and stop["checks"] == 101
    with np.load(folder / "scores.npz") as scores:
        assert scores["kind"] == "gamma" and stop["score_kind"] == "gamma"
        assert len(scores["step"]) == len(scores["median"]) == len(scores["q95"]) == 101
        assert (scores["median"] <= scores["q95"]).all() and (scores["q95"] <= scores["largest"]).all()
        assert scores["counts"].sum() == 101 * 64 and len(scores["counts"]) == len(scores["bins"]) + 1
        np.testing.assert_allclose(scores["time_fs"], 2.0 * scores["step"])
        assert stop["score_max"] == scores["largest"].max()
        largest = dict(zip(scores["step"].astype(int), scores["largest"], strict=True))
        worst = dict(zip(scores["step"].astype(int), scores["atom"].astype(int), strict=True))
    for atoms in found:
        assert atoms.info["score_kind"] == "gamma"
        assert atoms.info["score_max"] >= 1.0
        assert atoms.info["score_max"] == pytest.approx(largest[atoms.info["step"]])
        assert atoms.info["score_atom"] == worst[atoms.info["step"]]
        assert atoms.arrays["score"][atoms.info["score_atom"]] == pytest.approx(atoms.info["score_max"])
        assert atoms.info["origin_sampler"] == "npt-90K" and atoms.info["origin_generation"] == 2
        fresh = LennardJones().compute(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, True)
        assert fresh.score.per_atom.max() == pytest.approx(atoms.info["score_max"], rel=1e-6)
    for atoms in audit:
        assert atoms.info["score_max"] < 1.0
    assert len(read(folder / "trajectory.extxyz")) == 11
    assert len(read_thermo(folder / "thermo.tsv")["step"]) == 101


def test_same_seed_same_files(tmp_path):
    for name in "ab":
        go(tmp_path, name=name)
    for file in ("candidates.extxyz", "audit.extxyz", "thermo.tsv", "stop.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_compression_meets_gamma_break_and_keeps_the_way_there(tmp_path):
    outcome, folder, stop = go(tmp_path, conditions=Conditions("npt", 300, 2.0, 1000.0, 100000.0), stop=4.0)
    assert outcome.outcome == "gamma_break" and outcome.value > 4.0 and len(outcome.atoms) == 1
    found = frames.read(folder / "candidates.extxyz")
    stopped = [atoms for atoms in found if "stop_reason" in atoms.info]
    assert len(stopped) == 5 and stopped[-1].info["step"] == outcome.step
    assert stopped[-1].info["score_max"] == pytest.approx(outcome.value)
    assert stopped[-1].info["stop_reason"].startswith("gamma_break: ")
    assert stopped[0].info["stop_reason"].startswith("gamma_break, 40 fs later: ")
    assert all(atoms.info["stop_outcome"] == "gamma_break" for atoms in stopped)
    assert [atoms.info["stopped"] for atoms in stopped] == [False] * 4 + [True]
    steps = [atoms.info["step"] for atoms in found]
    assert len(set(steps)) == len(steps)


def test_volume_ratio_is_reached(tmp_path):
    _, folder, _ = go(tmp_path, conditions=Conditions("nvt", 90, 2.0), volume_ratio=0.9, scaling_fs=500.0)
    volumes = read_thermo(folder / "thermo.tsv")["volume_A3"]
    assert volumes[-1] / volumes[0] == pytest.approx(0.9)
    assert volumes[25] / volumes[0] == pytest.approx(((1 + 0.9 ** (1 / 3)) / 2) ** 3, rel=1e-3)
    assert np.ptp(volumes[51:]) == 0


class Attractive(LennardJones):
    """A potential with a hole: atoms fall into each other after some calls."""

    def __init__(self, strength, after=100):
        super().__init__()
        self.strength, self.after = strength, after

    def compute(self, *arguments, **keywords):
        result = super().compute(*arguments, **keywords)
        if self.calls > self.after:
            return result._replace(forces=self.strength * result.forces)
        return result


@pytest.mark.parametrize(
    ("evaluator", "outcomes"),
    [
        (Attractive(-30.0), {"close_contact", "exploded"}),
        (Attractive(-1e9), {"exploded", "non_finite"}),
        (Attractive(float("nan")), {"non_finite"}),
        (Attractive("no number"), {"error"}),
    ],
    ids=["hole", "explosion", "nan", "bug"],
)
def test_bad_potentials_end_in_an_outcome(tmp_path, evaluator, outcomes):
    outcome, folder, _ = go(tmp_path, evaluator, stop=np.inf)
    assert outcome.outcome in outcomes
    assert outcome.step < 500 and outcome.reason
    stopped = [a for a in frames.read(folder / "candidates.extxyz") if "stop_reason" in a.info]
    assert stopped and all(np.isfinite(a.positions).all() for a in stopped)
    assert (folder / "scores.npz").exists() and (folder / "trajectory.extxyz").exists()


def test_without_scores_candidates_are_spread_over_the_run(tmp_path):
    """The first of each window of time, of those that the watch let pass; nobody is asked for a score."""
    outcome, folder, stop = go(tmp_path, Silent(), uncertainty=Uncertainty("none", every=5))
    assert outcome.outcome == "completed" and stop["checks"] == 101
    assert stop["score_kind"] == "none" and stop["score_max"] is None
    found = frames.read(folder / "candidates.extxyz")
    assert [atoms.info["step"] for atoms in found] == [0, 100, 200, 300, 400, 500]
    for atoms in found:
        assert atoms.info["config_type"] == "explored" and atoms.info["origin_sampler"] == "npt-90K"
        assert not {key for key in (*atoms.info, *atoms.arrays) if key.startswith(("score", "gamma", "stop"))}
    assert frames.read(folder / "audit.extxyz") == []  # everything was offered
    with np.load(folder / "scores.npz") as scores:
        assert scores["kind"] == "none" and len(scores["step"]) == 0 and scores["counts"].sum() == 0


class Silent(LennardJones):
    """Has no scores."""

    def compute(self, *arguments, scored=False):
        assert not scored
        return super().compute(*arguments)


def test_without_scores_the_watch_guards(tmp_path):
    outcome, folder, _ = go(tmp_path, Attractive(-30.0), uncertainty=Uncertainty("none", every=5))
    assert outcome.outcome in {"close_contact", "exploded"} and outcome.step < 500
    stopped = [atoms for atoms in frames.read(folder / "candidates.extxyz") if atoms.info.get("stop_outcome")]
    assert 1 <= len(stopped) <= 5 and {atoms.info["stop_outcome"] for atoms in stopped} == {outcome.outcome}
    assert all(atoms.info["config_type"] == "stopped" and "score_max" not in atoms.info for atoms in stopped)


def test_an_engine_that_owes_a_score_ends_in_an_outcome(tmp_path):
    class Scoreless(LennardJones):
        def compute(self, *arguments, scored=False):
            return super().compute(*arguments)

    outcome, _, _ = go(tmp_path, Scoreless())
    assert outcome.outcome == "error" and "no extrapolation grade" in outcome.reason


def test_deviation_of_a_committee_by_hand():
    """Half the difference of two; of four, one of which differs by 2, sqrt(3/4); the frame's is the largest."""
    two = deviation([np.array([[3.0, 4, 0], [1, 1, 1], [0, 0, 0]]), np.array([[-3.0, -4, 0], [1, 1, 1], [0, 0, 2]])])
    np.testing.assert_allclose(two.per_atom, [5.0, 0.0, 1.0])
    assert (two.kind, two.name, two.unit) == ("committee", "committee deviation", "eV/A")
    assert two.atom == 0 and two.frame == 5.0
    four = np.zeros((4, 2, 3))
    four[3, 1, 0] = 2.0
    np.testing.assert_allclose(deviation(four).per_atom, [0.0, np.sqrt(0.75)])


class Scaled(LennardJones):
    """Lennard-Jones with all forces times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def compute(self, *arguments, scored=False):
        result = super().compute(*arguments)
        return result._replace(forces=self.factor * result.forces)


def test_members_are_asked_only_for_a_score():
    """Energy, forces and virial are those of the potential itself, which no member changes."""
    atoms, _ = argon()
    arguments = atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc
    own, members = LennardJones(), [Scaled(0.9), Scaled(1.1)]
    committee = Committee(own, members)
    plain = committee.compute(*arguments)
    assert plain.score is None and [own.calls, *(member.calls for member in members)] == [1, 0, 0]
    scored = committee.compute(*arguments, scored=True)
    assert [own.calls, *(member.calls for member in members)] == [2, 1, 1]
    expected = LennardJones().compute(*arguments)
    for result in (plain, scored):
        assert result.energy == expected.energy
        np.testing.assert_array_equal(result.forces, expected.forces)
        np.testing.assert_array_equal(result.virial, expected.virial)
    np.testing.assert_allclose(scored.score.per_atom, 0.1 * np.linalg.norm(expected.forces, axis=1))


def test_compression_meets_a_committee_that_disagrees(tmp_path):
    """Their forces differ by a tenth, so the run stops where a force is ten times the threshold."""
    evaluator = Committee(LennardJones(), [Scaled(0.9), Scaled(1.1)])
    uncertainty = Uncertainty("committee", every=5, select=0.02, stop=0.08)
    conditions = Conditions("npt", 300, 2.0, 1000.0, 100000.0)
    outcome, folder, stop = go(tmp_path, evaluator, conditions=conditions, uncertainty=uncertainty)
    assert outcome.outcome == "committee_break" and outcome.value > 0.08 and len(outcome.atoms) == 1
    assert "the committee deviation of Ar" in outcome.reason and "above 0.08 eV/A" in outcome.reason
    assert evaluator.evaluator.calls > 2 * evaluator.members[0].calls == 2 * stop["checks"]
    found = frames.read(folder / "candidates.extxyz")
    assert {atoms.info["score_kind"] for atoms in found} == {"committee"}
    last = found[-1]
    assert last.info["stopped"] and last.info["stop_outcome"] == "committee_break"
    assert last.info["score_max"] == pytest.approx(outcome.value) and last.info["score_atom"] == outcome.atoms[0]
    forces = LennardJones().compute(last.numbers, last.positions, last.cell.array, last.pbc).forces
    np.testing.assert_allclose(last.arrays["score"], 0.1 * np.linalg.norm(forces, axis=1), rtol=1e-5)
    assert all(atoms.info["score_max"] >= 0.02 for atoms in found if atoms.info["config_type"] == "explored")
    with np.load(folder / "scores.npz") as scores:
        assert scores["kind"] == stop["score_kind"] == "committee" and len(scores["step"]) == stop["checks"]
