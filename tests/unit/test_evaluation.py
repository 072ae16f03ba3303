"""Potentials that the built-in evaluator cannot run are recognised, and run in LAMMPS where it has ML-PACE."""

import re

import numpy as np
import pytest
from pace import DATA, FRAMES, frame, where

from oligopoly.ace.evaluator import Evaluator
from oligopoly.ace.potential import is_linear, read_yaml
from oligopoly.errors import UserError
from oligopoly.evaluation import PaceEvaluator, evaluator
from oligopoly.trainers import _lammps_has_pace


@pytest.fixture
def non_linear(tmp_path):
    """A reference potential under a square root."""
    text = (DATA / "ch_sbessel_r3.yaml").read_text()
    path = tmp_path / "potential.yaml"
    path.write_text(re.sub(r"parameters: \[1, 1\]", "parameters: [1, 0.5]", text))
    return path


def test_non_linear_potentials_are_recognised(non_linear):
    assert is_linear(DATA / "ch_sbessel_r3.yaml") and is_linear(DATA / "ch_sbessel_r3.yace")
    assert not is_linear(non_linear)
    assert isinstance(evaluator(DATA / "ch_sbessel_r3.yaml"), Evaluator)
    assert isinstance(evaluator(non_linear), PaceEvaluator)


def test_the_functions_of_a_non_linear_potential_can_be_read(non_linear):
    with pytest.raises(UserError, match="only linear potentials"):
        read_yaml(non_linear)
    linear = read_yaml(DATA / "ch_sbessel_r3.yaml")
    assert read_yaml(non_linear, linear_only=False).functions == linear.functions


def test_it_says_what_it_needs(non_linear):
    if _lammps_has_pace():
        pytest.skip("LAMMPS has ML-PACE here")
    f = frame("ch_sbessel_r3", "decane")
    with pytest.raises(UserError, match="LAMMPS with the ML-PACE package"):
        evaluator(non_linear).compute(*where(f))


@pytest.mark.parametrize("potential", ["ch_sbessel_r3", "cho_chebexpcos_r4"])
def test_lammps_agrees_with_the_reference(potential):
    if not _lammps_has_pace():
        pytest.skip("this LAMMPS lacks ML-PACE")
    engine = PaceEvaluator(DATA / f"{potential}.yaml")
    for name in FRAMES[potential] * 2:
        f = frame(potential, name)
        found = engine.compute(*where(f))
        assert found.energy == pytest.approx(float(f["energy"]), abs=1e-8)
        np.testing.assert_allclose(found.forces, f["forces"], atol=1e-8)
        if "stress_voigt" in f:
            v = found.virial / np.linalg.det(f["cell"])
            np.testing.assert_allclose(
                v[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], f["stress_voigt"], rtol=1e-5, atol=1e-9
            )
