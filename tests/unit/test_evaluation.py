"""Potentials that the built-in evaluator cannot run are recognised, and run in LAMMPS where it has ML-PACE."""

import re

import numpy as np
import pytest
from ase import Atoms
from pace import DATA, FRAMES, frame, where

from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError
from oligopoly.potentials.ace import ACEPotential
from oligopoly.potentials.pace import PaceEvaluator, PacePotential, installed
from oligopoly.potentials.registry import bare, open_potential


@pytest.fixture
def non_linear(tmp_path):
    """A reference potential under a square root."""
    text = (DATA / "ch_sbessel_r3.yaml").read_text()
    path = tmp_path / "potential.yaml"
    path.write_text(re.sub(r"parameters: \[1, 1\]", "parameters: [1, 0.5]", text))
    return path


def test_non_linear_potentials_are_recognised(non_linear):
    assert bare(DATA / "ch_sbessel_r3.yaml").kind == bare(DATA / "ch_sbessel_r3.yace").kind == "ace"
    assert bare(non_linear).kind == "pace"
    assert isinstance(open_potential(DATA / "ch_sbessel_r3.yaml"), ACEPotential)
    assert isinstance(open_potential(non_linear), PacePotential)


def test_the_functions_of_a_non_linear_potential_can_be_read(non_linear):
    with pytest.raises(UserError, match="only linear potentials"):
        read_yaml(non_linear)
    linear = read_yaml(DATA / "ch_sbessel_r3.yaml")
    assert read_yaml(non_linear, linear_only=False).functions == linear.functions
    numbers, positions, cell, pbc = where(frame("ch_sbessel_r3", "decane"))
    atoms = Atoms(numbers, positions, cell=cell, pbc=pbc)
    seen = [open_potential(path).descriptors(atoms) for path in (non_linear, DATA / "ch_sbessel_r3.yaml")]
    np.testing.assert_array_equal(*seen)
    counts = {element: len(functions) for element, functions in linear.functions.items()}
    assert seen[0].shape == (len(atoms), sum(counts.values()))
    columns = np.arange(seen[0].shape[1]) < counts["C"]  # its own element's, zero in the other's
    assert not seen[0][np.ix_(numbers == 6, ~columns)].any() and not seen[0][np.ix_(numbers == 1, columns)].any()
    assert seen[0].any(axis=1).all()


def test_it_says_what_it_needs(non_linear):
    if installed():
        pytest.skip("LAMMPS has ML-PACE here")
    numbers, positions, cell, pbc = where(frame("ch_sbessel_r3", "decane"))
    potential = open_potential(non_linear)
    with pytest.raises(UserError, match="LAMMPS with the ML-PACE package"):
        next(potential.predict([Atoms(numbers, positions, cell=cell, pbc=pbc)]))
    with pytest.raises(UserError, match="LAMMPS with the ML-PACE package"):
        potential.engine()
    with pytest.raises(UserError, match="runs linear potentials only, .* explore.engine: pace"):
        potential.engine(choice="built-in")


@pytest.mark.parametrize("potential", ["ch_sbessel_r3", "cho_chebexpcos_r4"])
def test_lammps_agrees_with_the_reference(potential):
    if not installed():
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
