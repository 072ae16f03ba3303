"""Labels from tblite: derivatives of the energy, and failures that it keeps quiet about."""

import numpy as np
import pytest
from quantum import create, force_error, molecule, outcome, stress_error

from oligopoly.labelers import xtb
from oligopoly.labelers.outcomes import Outcome


@pytest.fixture(params=["GFN2-xTB", "GFN1-xTB"])
def labeler(request):
    return create("xtb", method=request.param)


@pytest.mark.parametrize("name", ["ethylene glycol", "butane", "methanol cell"])
def test_forces_are_the_gradient_of_the_energy(labeler, name):
    if name == "methanol cell" and labeler.method == "GFN2-xTB":
        pytest.skip("in the slow test")
    assert force_error(labeler, molecule(name), components=4) < 2e-5


def test_stress_is_the_derivative_by_strain():
    assert stress_error(create("xtb", method="GFN1-xTB"), molecule("methanol cell")) < 2e-6


@pytest.mark.slow
def test_a_cell_in_GFN2():
    labeler, cell = create("xtb", method="GFN2-xTB"), molecule("methanol cell")
    assert force_error(labeler, cell, components=3) < 2e-5
    assert stress_error(labeler, cell, components=((0, 0), (1, 2))) < 2e-6


def test_known_energy():
    """Water of the xtb program's own documentation: -5.070544 Hartree at the GFN2-xTB minimum."""
    label = create("xtb", method="GFN2-xTB").label(molecule("water"))
    assert -5.070545 < label.energy / 27.211386245988 < -5.06
    assert label.charges.sum() == pytest.approx(0, abs=1e-6) and label.charges[0] < -0.4
    assert label.stress is None and label.notes["code"].startswith("tblite 0.")


def test_a_cell_has_a_stress_and_no_net_force(labeler):
    label = labeler.label(molecule("methanol cell"))
    np.testing.assert_allclose(label.stress, label.stress.T, atol=1e-10)
    assert np.abs(label.forces.sum(axis=0)).max() < 1e-6


def test_labels_do_not_depend_on_those_before(labeler):
    first = labeler.label(molecule("butane"))
    labeler.label(molecule("ethylene glycol"))
    assert labeler.label(molecule("butane")).energy == first.energy


def test_a_lost_atom_is_odd_electrons_unless_it_was_meant(labeler):
    radical = molecule("methanol")
    del radical[[atom.index for atom in radical if atom.symbol == "H"][0]]
    what, why = outcome(labeler, radical)
    assert what is Outcome.ODD_ELECTRONS and "17 electrons" in why
    radical.info["config_type"] = "decomposed"
    assert labeler.label(radical).notes["unpaired_electrons"] == 1


def test_a_second_try_changes_nothing_but_the_record(labeler, monkeypatch):
    glycol = molecule("ethylene glycol")
    first = labeler.label(glycol)
    monkeypatch.setattr(xtb, "TRIES", ((3, 0.4), (1000, 0.1)))
    second = labeler.label(glycol)
    assert "scf" not in first.notes and second.notes["scf"].startswith("second try")
    assert second.energy == pytest.approx(first.energy, abs=2e-6)
    monkeypatch.setattr(xtb, "TRIES", ((3, 0.4), (4, 0.1)))
    what, why = outcome(labeler, glycol)
    assert what is Outcome.UNCONVERGED and "not within 4 iterations" in why


def test_failures_leave_the_labeler_usable(labeler):
    water = molecule("water")
    before = labeler.label(water).energy
    fused = water.copy()
    fused.positions[1] = fused.positions[0]
    assert outcome(labeler, fused)[0] in (Outcome.INVALID, Outcome.CRASHED)
    slab = water.copy()
    slab.set_cell(np.eye(3) * 8)
    slab.pbc = [True, True, False]
    assert outcome(labeler, slab)[0] is Outcome.INVALID
    assert labeler.label(water).energy == before
