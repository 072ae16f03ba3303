"""Labels from the real Psi4: agreement with PySCF, failures by type, a process that may die."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from quantum import check, create, molecule, needs, outcome

from oligopoly.errors import UserError
from oligopoly.labelers import psi4
from oligopoly.labelers.outcomes import Outcome

pytestmark = needs("psi4")
SMALL = {"method": "HF", "basis": "sto-3g", "grid": (50, 194), "executable": "psi4"}


@pytest.fixture(scope="module")
def labeler():
    labeler = create("psi4", **SMALL)
    yield labeler
    labeler.close()


def agreement(name, **settings):
    """Differences of Psi4 and PySCF: energy in meV per atom, largest force component in meV/A, charges in e."""
    atoms = molecule(name)
    one = create("psi4", **settings, executable="psi4")
    labels = [labeler.label(atoms) for labeler in (one, create("pyscf", **settings))]
    one.close()
    energy = abs(labels[0].energy - labels[1].energy) / len(atoms) * 1e3
    return (
        energy,
        np.abs(labels[0].forces - labels[1].forces).max() * 1e3,
        np.abs(labels[0].charges - labels[1].charges).max(),
    )


def test_psi4_and_pyscf_agree_without_a_grid():
    energy, force, charge = agreement("methanol", method="HF", basis="def2-SVP", grid=(75, 302))
    assert energy < 1e-4 and force < 0.02 and charge < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ethylene glycol", "butane"])
def test_psi4_and_pyscf_agree(name):
    """Two codes, two grids: the differences are those of facts that were measured before either labeler was written."""
    energy, force, charge = agreement(name, method="wB97X-D3BJ", basis="def2-SVP", grid=(75, 302))
    assert energy < 0.02 and force < 4 and charge < 1e-3


@pytest.mark.slow
def test_psi4_and_pyscf_agree_on_radicals():
    torn = molecule("water")
    torn.positions[1] += 3 * (torn.positions[1] - torn.positions[0])
    torn.info["config_type"] = "decomposed"
    settings = {"method": "HF", "basis": "def2-SVP", "grid": (50, 194)}
    one, other = create("psi4", **settings, executable="psi4"), create("pyscf", **settings)
    for atoms in (torn, torn[[0, 2]]):
        labels = [labeler.label(atoms) for labeler in (one, other)]
        # the open shell of hydroxyl may lie in the plane or across it, which differs by 0.3 meV
        assert labels[0].energy == pytest.approx(labels[1].energy, abs=1e-3)
        np.testing.assert_allclose(labels[0].forces, labels[1].forces, atol=5e-3)
    one.close()


@pytest.mark.slow
def test_it_stays_alive_and_labels_do_not_depend_on_those_before(labeler):
    first = labeler.label(molecule("methanol"))
    process = labeler._server._process.pid
    labeler.label(molecule("water"))
    moved = molecule("methanol")
    moved.positions += np.random.default_rng(0).normal(scale=0.05, size=moved.positions.shape)
    labeler.label(moved)
    again = labeler.label(molecule("methanol"))  # from the orbitals of the moved one
    assert labeler._server._process.pid == process
    assert again.notes["iterations"] < first.notes["iterations"]
    assert again.energy == pytest.approx(first.energy, abs=1e-7)
    np.testing.assert_allclose(again.forces, first.forces, atol=2e-5)


def test_failures_have_their_outcome_and_the_next_one_is_labelled(labeler, monkeypatch):
    water = molecule("water")
    assert outcome(labeler, molecule("methanol cell"))[0] is Outcome.INVALID
    assert outcome(labeler, water[:2])[0] is Outcome.ODD_ELECTRONS
    fused = water.copy()
    fused.positions[1] = fused.positions[0]
    what, why = outcome(labeler, fused)
    assert what is Outcome.INVALID and "too close" in why
    with monkeypatch.context() as patch:
        patch.setattr(psi4, "MAXITER", 2)
        patch.setitem(psi4.SECOND_TRY, "maxiter", 2)
        what, why = outcome(labeler, molecule("methanol"))
        assert what is Outcome.UNCONVERGED and "SCFConvergenceError" in why
    assert labeler.label(water).energy < -2000


@pytest.mark.slow
def test_a_second_try_is_told(labeler, monkeypatch):
    first = labeler.label(molecule("methanol"))
    labeler.label(molecule("water"))
    monkeypatch.setattr(psi4, "MAXITER", 4)
    second = labeler.label(molecule("methanol"))
    assert "scf" not in first.notes and second.notes["scf"].startswith("second try")
    assert second.energy == pytest.approx(first.energy, abs=1e-6)


def test_a_process_that_is_killed_is_told_and_replaced(labeler):
    before = labeler.label(molecule("water")).energy
    os.kill(labeler._server._process.pid, signal.SIGKILL)
    what, why = outcome(labeler, molecule("water"))
    assert what is Outcome.OUT_OF_MEMORY and "killed" in why
    assert labeler.label(molecule("water")).energy == pytest.approx(before, abs=1e-8)
    os.kill(labeler._server._process.pid, signal.SIGSEGV)
    what, why = outcome(labeler, molecule("water"))
    assert what is Outcome.CRASHED and "signal 11" in why


@pytest.mark.slow
def test_nothing_stays_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("PSI_SCRATCH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    labeler = create("psi4", **SMALL)
    labeler.label(molecule("water"))
    process = psutil.Process(labeler._server._process.pid)
    assert list(tmp_path.glob("oligopoly-psi4-*"))
    labeler.close()
    assert not process.is_running() and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_does_not_outlive_its_parent(tmp_path):
    job = "import time; from quantum import create, molecule; "
    job += f"l = create('psi4', **{SMALL}); l.label(molecule('water')); "
    job += "print(l._server._process.pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", job], stdout=subprocess.PIPE, cwd=os.path.dirname(__file__))
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    for _ in range(50):
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        pytest.fail("Psi4 went on")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "wB97X-V"}, ["label.labeler.method", "no analytic gradient of 'wB97X-V'", "wB97X-D3BJ"]),
        pytest.param({"method": "B3LYP-NL"}, ["no analytic gradient"], marks=pytest.mark.slow),
        pytest.param({"method": "B2PLYP-D3BJ"}, ["no analytic gradient"], marks=pytest.mark.slow),
        pytest.param({"method": "MP4"}, ["no analytic gradient"], marks=pytest.mark.slow),
        ({"method": "PBEE"}, ["no method 'PBEE'", "did you mean 'pbe"]),
        ({"basis": "def2-SVPX"}, ["label.labeler.basis", "element C", "did you mean 'def2-svp'"]),
        ({"executable": "psi5"}, ["label.labeler.executable", "no program `psi5`"]),
        ({"executable": "true"}, ["label.labeler.executable", "does not answer as Psi4 does"]),
        pytest.param({"method": "wB97X-D3BJ", "basis": "def2-TZVPD"}, None, marks=pytest.mark.slow),
        pytest.param({"method": "MP2"}, None, marks=pytest.mark.slow),
        pytest.param({"method": "wB97X-D"}, None, marks=pytest.mark.slow),
    ],
)
def test_what_is_known_before_any_job(change, words):
    settings = {"basis": "def2-SVP", "executable": "psi4", "grid": (75, 302), "method": "PBE"} | change
    if words is None:
        return check("psi4", elements={"C", "H", "O"}, **settings)
    with pytest.raises(UserError) as caught:
        check("psi4", elements={"C", "H", "O"}, **settings)
    for word in words:
        assert word in str(caught.value)
