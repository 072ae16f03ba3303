"""Labels from the real CP2K, in a shell that stays alive."""

import os
import signal

import numpy as np
import pytest
from quantum import check, create, force_error, ice, molecule, needs, outcome, stress_error

from oligopoly.errors import UserError
from oligopoly.labelers import cp2k
from oligopoly.labelers.outcomes import Outcome

pytestmark = needs("cp2k_shell")
RYDBERG = 13.605693122994
SETTINGS = {
    "method": "BLYP-D3BJ",
    "basis": "SZV-MOLOPT-SR-GTH",
    "basis_file": "BASIS_MOLOPT",
    "potential_file": "GTH_POTENTIALS",
    "data_folder": None,
    "cutoff": 200 * RYDBERG,
    "vacuum": 2.5,
    "command": "cp2k_shell",
}


@pytest.fixture(scope="module")
def labeler():
    labeler = create("cp2k", **SETTINGS)
    yield labeler
    labeler.close()


def test_it_stays_alive_and_labels_do_not_depend_on_those_before(labeler):
    water = molecule("water")
    first = labeler.label(water)
    shell = labeler._calculator._shell._child.pid
    moved = water.copy()
    moved.positions[1] += 0.05
    labeler.label(moved)
    again = labeler.label(water)
    assert labeler._calculator._shell._child.pid == shell
    assert again.energy == pytest.approx(first.energy, abs=1e-6)
    np.testing.assert_allclose(again.forces, first.forces, atol=1e-3)
    assert first.stress is None and first.notes["code"].startswith("CP2K 20")
    assert outcome(labeler, water[:2])[0] is Outcome.ODD_ELECTRONS


@pytest.mark.slow
def test_failures_are_told_and_the_next_one_is_labelled(labeler, monkeypatch):
    water = molecule("water")
    with monkeypatch.context() as patch:
        patch.setattr(cp2k, "TRIES", (("DIIS", "2PNT", 2, 1), ("CG", "3PNT", 2, 1)))
        labeler.close()
        what, why = outcome(labeler, water)  # CP2K itself only mentions it
        assert what is Outcome.UNCONVERGED and "NOT converged" in why
        patch.setattr(cp2k, "TRIES", (("DIIS", "2PNT", 2, 1), ("CG", "3PNT", 40, 5)))
        assert labeler.label(water).notes["scf"].startswith("second try, CG")
    labeler.label(water)
    os.kill(labeler._calculator._shell._child.pid, signal.SIGKILL)
    moved = water.copy()
    moved.positions[1] += 0.05
    assert outcome(labeler, moved)[0] is Outcome.OUT_OF_MEMORY
    assert labeler.label(moved).energy < -400


@pytest.mark.slow
def test_derivatives():
    labeler = create("cp2k", **SETTINGS | {"basis": "DZVP-MOLOPT-SR-GTH", "cutoff": 300 * RYDBERG})
    cell = ice()
    assert force_error(labeler, cell, components=1) < 0.02
    stress = labeler.label(cell).stress
    assert stress_error(labeler, cell, components=((0, 0),)) < 0.1 * abs(stress[0, 0])
    labeler.close()


@pytest.mark.slow
def test_smoothing_keeps_the_net_force_of_a_cell_small():
    labeler = create("cp2k", **SETTINGS | {"basis": "DZVP-MOLOPT-SR-GTH", "cutoff": 400 * RYDBERG}, threads=2)
    label = labeler.label(molecule("methanol cell"))
    assert np.abs(label.forces.sum(axis=0)).max() < 0.05
    np.testing.assert_allclose(label.stress, label.stress.T, atol=1e-9)
    labeler.close()


@pytest.mark.slow
def test_a_radical(labeler):
    hydroxyl = molecule("water")[:2]
    hydroxyl.info["config_type"] = "decomposed"
    assert labeler.label(hydroxyl).notes["unpaired_electrons"] == 1
    torn = molecule("water")
    torn.positions[1] += 3 * (torn.positions[1] - torn.positions[0])
    torn.info["config_type"] = "decomposed"
    what, why = outcome(labeler, torn)
    assert what is Outcome.INVALID and "more than one radical" in why


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": "cp2k_shel"}, ["label.labeler.command", "no program `cp2k_shel`"]),
        ({"method": "B3LYP"}, ["label.labeler.method", "'B3LYP' is none of BLYP"]),
        ({"basis": "DZVP"}, ["label.labeler.basis", "no DZVP for the element C", "DZVP-MOLOPT-SR-GTH"]),
        ({"basis_file": "MOLOPT"}, ["label.labeler.basis", "no file", "MOLOPT"]),
        ({"data_folder": "/nowhere"}, ["no file /nowhere/BASIS_MOLOPT"]),
        ({}, None),
    ],
)
def test_what_is_known_before_any_job(change, words):
    if words is None:
        return check("cp2k", elements={"C", "H", "O"}, **SETTINGS | change)
    with pytest.raises(UserError) as caught:
        check("cp2k", elements={"C", "H", "O"}, **SETTINGS | change)
    for word in words:
        assert word in str(caught.value)


def test_the_basis_is_part_of_the_key_and_other_entries_of_its_file_are_not(tmp_path, labeler):
    for file in (labeler.basis_file, labeler.potential_file):
        (tmp_path / file.name).write_text(file.read_text())
    there = SETTINGS | {"data_folder": str(tmp_path)}
    assert create("cp2k", **there).settings() == labeler.settings()
    text = (tmp_path / "BASIS_MOLOPT").read_text()
    (tmp_path / "BASIS_MOLOPT").write_text(text.replace("Zn ", "Zz "))
    assert create("cp2k", **there).settings() == labeler.settings()
    at = text.index("SZV-MOLOPT-SR-GTH", text.index(" C  SZV-MOLOPT-SR-GTH")) + 200
    digit = next(k for k in range(at, at + 100) if text[k].isdigit())
    (tmp_path / "BASIS_MOLOPT").write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    assert create("cp2k", **there).settings() != labeler.settings()
