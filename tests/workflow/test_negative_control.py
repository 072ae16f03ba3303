"""One density and no stress: good forces, a wrong liquid, and a verdict that notices."""

import importlib.util
from pathlib import Path

import pytest

from oligopoly.ace.fit import Weights

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "negative_control.py"


@pytest.mark.slow
def test_a_potential_with_good_forces_and_a_wrong_density_is_caught(tmp_path):
    spec = importlib.util.spec_from_file_location("negative_control", SCRIPT)
    control = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(control)
    volume = control.liquid(tmp_path / "reference", duration_fs=30e3)
    train = control.frames(tmp_path / "one", control.ONE_DENSITY, volume, count=48)
    judged = control.judge(tmp_path / "one", train, Weights(volume=None), tmp_path / "reference")
    forces, density = judged["verdict"]["criteria"]
    assert forces["passed"] and forces["value"] < 8, "the forces must look good for this to be a control"
    assert not density["passed"] and density["value"] < -2 * density["error"]
    assert judged["verdict"]["decision"] == "go on"
    made = control.produce(tmp_path / "one", tmp_path / "reference", duration_fs=20e3)
    assert made["deviation_percent"] < -15, made
