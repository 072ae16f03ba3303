"""The verdict: what it asks, what it answers, and that noise does not pass for agreement."""

import json

import numpy as np
import pytest
from ase import Atoms

from oligopoly import assess as module
from oligopoly import frames as frame_files
from oligopoly.ace.fit import basis
from oligopoly.ace.potential import write_yaml
from oligopoly.assess import assess
from oligopoly.config.models import Assess

CRITERIA = Assess().model_dump()


@pytest.fixture
def run(tmp_path):
    """A generation whose potential before was zero everywhere, so an error is the force itself."""
    write_yaml(basis(["C", "H"], 10, 4.0, [12, 5, 3], [0, 5, 4]), tmp_path / "before.yaml")

    def judge(forces, split="test", ends=("completed", "completed"), held_out=5.0, last=9, limits=None, next_labels=0):
        frames = []
        for size in forces:
            atoms = Atoms("CH", positions=[[0, 0, 0], [0, 0, 2.0]], info={"split": split, "REF_energy": 0.0})
            atoms.arrays["REF_forces"] = np.array([[0, 0, size], [0, 0, -size]], float)
            frames.append(atoms)
        frame_files.write(tmp_path / "labels.extxyz", frames)
        metrics = {"test": {"all": {"force_rmse_percent": held_out, "force_rmse_meV_A": 10 * held_out}}}
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
        stops = []
        for number, end in enumerate(ends):
            folder = tmp_path / f"w{number}"
            folder.mkdir(exist_ok=True)
            (folder / "stop.json").write_text(json.dumps({"outcome": end, "reason": f"it {end}"}))
            stops.append(str(folder / "stop.json"))
        verdict = assess(
            tmp_path / "gen_002" / "assess.json", generation=2, last=last, criteria=CRITERIA, limits=limits,
            metrics_file=tmp_path / "metrics.json", potential_file=tmp_path / "before.yaml",
            potential_before=tmp_path / "before.yaml", labelled=[str(tmp_path / "labels.extxyz")],
            stops=stops, liquids={}, temperatures={}, next_labels=next_labels,
        )  # fmt: skip
        assert json.loads((tmp_path / "gen_002" / "assess.json").read_text()) == verdict
        return verdict, {criterion["name"]: criterion for criterion in verdict["criteria"]}

    return judge


def test_all_good_has_converged(run):
    verdict, _ = run([0.1] * 20)
    assert verdict["decision"] == "converged" and verdict["converged"]


def test_the_audit_counts_frames_that_were_wrong_after_all(run):
    verdict, criteria = run([0.1] * 15 + [0.6] * 5)
    audit = verdict["audit"]
    assert (audit["n"], audit["wrong"]) == (20, 5)
    # Clopper-Pearson interval of 5 in 20
    assert audit["low"] == pytest.approx(0.0866, abs=1e-4) and audit["high"] == pytest.approx(0.4910, abs=1e-4)
    assert not criteria["audit of frames not selected"]["passed"]
    assert verdict["decision"] == "go on"


def test_too_small_an_audit_proves_nothing(run):
    _, criteria = run([0.1] * (module.FEW - 1))
    assert not criteria["audit of frames not selected"]["passed"]


def test_fresh_errors_are_those_of_the_potential_before(run):
    verdict, criteria = run([0.3] * 10, split="train")
    # the potential before is zero: its error is all of the force
    assert criteria["force error on newly selected frames"]["value"] == pytest.approx(100)
    assert verdict["fresh_errors"]["force_rmse_meV_A"] == pytest.approx(1000 * 0.3 / np.sqrt(3))


def test_a_run_that_stops_is_told_with_its_reason(run):
    verdict, criteria = run([0.1] * 20, ends=("completed", "broken_bond"))
    stability = criteria["exploration runs that reach their end"]
    assert stability["value"] == 0.5 and not stability["passed"]
    assert "w1: it broken_bond" in stability["sentence"]


def test_a_bad_fit_fails_and_the_last_generation_ends_the_loop(run):
    verdict, criteria = run([0.1] * 20, held_out=20.0, last=2)
    assert not criteria["held-out force error"]["passed"]
    assert verdict["decision"] == "last generation"


@pytest.mark.parametrize(
    ("value", "error", "passed"),
    [(0.01, 0.005, True), (0.05, 0.006, True), (0.06, 0.005, False), (-0.2, 0.03, False), (0.0, 0.06, False)],
)
def test_a_density_that_is_off_or_not_known_fails(value, error, passed):
    criterion = module._shift("x", "frames", {"value": value, "error": error}, CRITERIA)
    assert criterion["passed"] is passed


def test_a_spent_budget_ends_the_loop_and_says_so(run):
    verdict, _ = run([0.1], limits={"labels": 5}, held_out=50.0)
    assert verdict["decision"] == "go on" and verdict["reasons"][-1].startswith("Of the budget 0 of 5 labels are spent")
    verdict, _ = run([0.1], limits={"labels": 5}, held_out=50.0, next_labels=6)
    assert verdict["decision"] == "budget spent"
    assert "6 labels more for another generation do not fit" in verdict["reasons"][-1]
    verdict, _ = run([0.1] * 6, limits={"labels": 5}, next_labels=6)
    assert verdict["decision"] == "converged"
