"""Exploration: what it keeps, and that whatever happens ends as an outcome in a file."""

import json

import numpy as np
import pytest
from md_systems import LennardJones, argon

from oligopoly import frames
from oligopoly.md.explore import Drawn, Moment, Origin, Thinned, explore
from oligopoly.md.external import ExternalACE
from oligopoly.md.simulation import Conditions, Sample
from oligopoly.md.trajectory import read, read_thermo


def moment(time, gamma):
    zeros = np.zeros((1, 3))
    return Moment(Sample(int(time), time, zeros, np.eye(3), 0, 0, 0, 0), np.array([gamma]))


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


def go(tmp_path, evaluator=None, name="run", **changes):
    atoms, topology = argon()
    engine = ExternalACE(evaluator=evaluator or LennardJones(), active_set="given", gamma_every=5)
    settings = {
        "conditions": Conditions("npt", 90, 2.0, 200.0),
        "duration_fs": 1000.0,
        "gamma_every": 5,
        "gamma_select": 1.0,
        "gamma_break": 50.0,
        "candidates": 10,
        "seed": 5,
        "audit": 6,
        "sample_every_fs": 100.0,
        "origin": Origin("argon", 2, "npt-90K"),
    } | changes
    outcome = explore("", "", atoms, topology, tmp_path / name, engine=engine, **settings)
    stop = json.loads((tmp_path / name / "stop.json").read_text())
    assert stop["outcome"] == outcome.outcome
    return outcome, tmp_path / name, stop


def test_a_calm_run_completes_and_leaves_its_files(tmp_path):
    outcome, folder, stop = go(tmp_path)
    assert outcome.outcome == "completed" and outcome.step == 500
    found = frames.read(folder / "candidates.extxyz")
    audit = frames.read(folder / "audit.extxyz")
    assert 0 < len(found) <= 10 and stop["candidates"] == len(found) and stop["checks"] == 101
    gammas = {}
    with np.load(folder / "gamma.npz") as grades:
        assert len(grades["step"]) == 101
        assert grades["counts"].sum() == 101 * 64
        gammas = dict(zip(grades["step"].astype(int), grades["gamma_max"], strict=True))
    for atoms in found:
        assert atoms.info["gamma_max"] >= 1.0
        assert atoms.info["gamma_max"] == pytest.approx(gammas[atoms.info["step"]])
        assert atoms.arrays["gamma"][atoms.info["gamma_atom"]] == pytest.approx(atoms.info["gamma_max"])
        assert atoms.info["origin_sampler"] == "npt-90K" and atoms.info["origin_generation"] == 2
        grade = LennardJones().compute(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, True)
        assert grade.gamma.max() == pytest.approx(atoms.info["gamma_max"], rel=1e-6)
    for atoms in audit:
        assert atoms.info["gamma_max"] < 1.0
    assert len(read(folder / "trajectory.extxyz")) == 11
    assert len(read_thermo(folder / "thermo.tsv")["step"]) == 101


def test_same_seed_same_files(tmp_path):
    for name in "ab":
        go(tmp_path, name=name)
    for file in ("candidates.extxyz", "audit.extxyz", "thermo.tsv", "stop.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_compression_meets_gamma_break_and_keeps_the_way_there(tmp_path):
    outcome, folder, stop = go(tmp_path, conditions=Conditions("npt", 300, 2.0, 1000.0, 100000.0), gamma_break=4.0)
    assert outcome.outcome == "gamma_break" and outcome.value > 4.0 and len(outcome.atoms) == 1
    found = frames.read(folder / "candidates.extxyz")
    stopped = [atoms for atoms in found if "stop_reason" in atoms.info]
    assert len(stopped) == 5 and stopped[-1].info["step"] == outcome.step
    assert stopped[-1].info["gamma_max"] == pytest.approx(outcome.value)
    assert stopped[-1].info["stop_reason"].startswith("gamma_break: ")
    assert stopped[0].info["stop_reason"].startswith("gamma_break, 40 fs later: ")
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
            result.forces = self.strength * result.forces
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
    outcome, folder, _ = go(tmp_path, evaluator, gamma_break=np.inf)
    assert outcome.outcome in outcomes
    assert outcome.step < 500 and outcome.reason
    stopped = [a for a in frames.read(folder / "candidates.extxyz") if "stop_reason" in a.info]
    assert stopped and all(np.isfinite(a.positions).all() for a in stopped)
    assert (folder / "gamma.npz").exists() and (folder / "trajectory.extxyz").exists()
