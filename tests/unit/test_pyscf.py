"""Labels from PySCF: derivatives of the energy, convergence that it does not tell of, radicals."""

import numpy as np
import pytest
from quantum import check, create, force_error, molecule, outcome

from oligopoly.errors import UserError
from oligopoly.labelers import pyscf
from oligopoly.labelers.outcomes import Outcome

WATER = {"method": "wB97X-D3BJ", "basis": "def2-SVP", "grid": (50, 194)}


@pytest.fixture(scope="module")
def labeler():
    return create("pyscf", **WATER)


def test_forces_are_the_gradient_of_the_energy(labeler):
    assert force_error(labeler, molecule("water"), components=1) < 2e-3  # the grid's: it moves with the atoms


@pytest.mark.slow
@pytest.mark.parametrize("method", ["wB97X-D3BJ", "PBE-D3zero", "HF"])
def test_forces_of_methods_on_a_fine_grid(method):
    labeler = create("pyscf", method=method, basis="def2-SVP", grid=(99, 590))
    assert force_error(labeler, molecule("water"), components=1) < 2e-4


def test_charges_and_notes(labeler):
    label = labeler.label(molecule("water"))
    assert label.stress is None
    assert label.charges.sum() == pytest.approx(0, abs=1e-8) and label.charges[0] < -0.1
    assert label.notes["basis_functions"] == 24 and label.notes["code"].startswith("PySCF 2.")


def test_a_second_try_comes_to_the_same_energy_and_is_told(labeler, monkeypatch):
    water = molecule("water")
    first = labeler.label(water)
    monkeypatch.setattr(pyscf, "CYCLES", 3)
    labeler.close()  # or it starts from the orbitals that it has found
    second = labeler.label(water)
    assert "scf" not in first.notes and "second-order solver after 3 cycles" in second.notes["scf"]
    assert second.energy == pytest.approx(first.energy, abs=1e-6)
    np.testing.assert_allclose(second.forces, first.forces, atol=1e-3)
    monkeypatch.setattr(pyscf, "CYCLES_SECOND_ORDER", 0)
    labeler.close()
    assert outcome(labeler, water)[0] is Outcome.UNCONVERGED


def test_labels_do_not_depend_on_those_before(labeler):
    labeler.close()
    water = molecule("water")
    first = labeler.label(water)
    moved = water.copy()
    moved.positions[1] += 0.1
    labeler.label(moved)
    again = labeler.label(water)  # from the orbitals of the moved one
    assert again.energy == pytest.approx(first.energy, abs=1e-7)
    np.testing.assert_allclose(again.forces, first.forces, atol=2e-4)


def test_radicals_on_purpose_only(labeler):
    hydroxyl = molecule("water")[:2]
    assert outcome(labeler, hydroxyl)[0] is Outcome.ODD_ELECTRONS
    hydroxyl.info["config_type"] = "decomposed"
    assert labeler.label(hydroxyl).notes["unpaired_electrons"] == 1


@pytest.mark.slow
def test_two_radicals_of_one_molecule_are_no_closed_shell(labeler):
    torn = molecule("water")
    torn.positions[1] += 3 * (torn.positions[1] - torn.positions[0])
    torn.info["config_type"] = "decomposed"
    hydroxyl, hydrogen = torn[[0, 2]], torn[[1]]
    parts = sum(labeler.label(part).energy for part in (hydroxyl, hydrogen))
    assert labeler.label(torn).energy == pytest.approx(parts, abs=0.05)


def test_periodic_structures_are_told_apart(labeler):
    what, why = outcome(labeler, molecule("methanol cell"))
    assert what is Outcome.INVALID and "finite structures only" in why


def test_no_memory_is_its_own_outcome(labeler, monkeypatch):
    monkeypatch.setattr(labeler, "basis", "def2-QZVPPD")
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, hard))
    try:
        what, why = outcome(labeler, molecule("butane"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert what is Outcome.OUT_OF_MEMORY, why


@pytest.mark.parametrize(
    ("method", "basis", "words"),
    [
        ("wB97X_W", "def2-SVP", ["no functional 'wB97X_W'", "did you mean 'wb97x"]),
        ("wB97X-D", "def2-SVP", ["lacks the dispersion", "wB97X-D3BJ"]),
        ("PBE", "def2-SVPX", ["label.labeler.basis", "element C", "did you mean 'def2-svp'"]),
        ("B3LYP-D3BJ", "cc-pVDZ", None),
        ("r2SCAN-D3BJ", "def2-TZVPD", None),
    ],
)
def test_what_is_known_before_any_job(method, basis, words):
    if words is None:
        return check("pyscf", method=method, basis=basis, elements={"C", "H", "O"})
    with pytest.raises(UserError) as caught:
        check("pyscf", method=method, basis=basis, elements={"C", "H", "O"})
    for word in words:
        assert word in str(caught.value)


def test_one_level_of_theory_has_one_key():
    spellings = [create("pyscf", **WATER | {"method": m}).settings() for m in ("wB97X-D3BJ", "wb97x-d3(bj)")]
    assert spellings[0] == spellings[1]
    others = [create("pyscf", **WATER | change).settings() for change in (
        {"method": "wB97X-V"}, {"method": "wB97X"}, {"basis": "def2-TZVPD"}, {"grid": (75, 302)}
    )]  # fmt: skip
    assert all(other != spellings[0] for other in others)
