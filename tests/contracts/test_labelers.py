"""What every reference method keeps: derivatives, keys, and a failure with its outcome for whatever cannot be done."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from quantum import force_error, ice, molecule, stress_error

from oligopoly.errors import UserError
from oligopoly.labelers.contract import LabelFailure
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.registry import LABELERS
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

from .examples import kinds, settings

HEXANE = Path(__file__).parents[1] / "data" / "hexane"
FILES = {"data": str(HEXANE / "equilibrated.data"), "system": str(HEXANE / "system.json")}
RYDBERG = 13.605693122994
# Settings, in base units, where the defaults would take long here: a level of theory that only has to be one.
CHEAP = {
    "xtb": {"method": "GFN1-xTB"},
    "pyscf": {"method": "HF", "basis": "sto-3g", "grid": (50, 194)},
    "psi4": {"method": "HF", "basis": "sto-3g", "grid": (50, 194)},
    "espresso": {
        "pseudopotentials": {"H": "H.pbe-kjpaw.UPF", "C": "C.pbe-n-kjpaw_psl.0.1.UPF", "O": "O.pbe-kjpaw.UPF"},
        "pseudopotential_folder": "/usr/share/espresso/pseudo",
        "wavefunction_cutoff": 25 * RYDBERG,
        "density_cutoff": 150 * RYDBERG,
        "vacuum": 2.5,
    },
    "cp2k": {"method": "BLYP-D3BJ", "basis": "SZV-MOLOPT-SR-GTH", "cutoff": 200 * RYDBERG, "vacuum": 2.5},
    "ase": {"arguments": {"epsilon": 0.01, "sigma": 1.5, "rc": 6.0, "smooth": True}},
}
# Programs that take seconds for a label; their derivatives are in tests/unit, at settings that are good enough.
SLOW = {"psi4", "espresso", "cp2k"}


def block(kind):
    return settings("labelers", kind).model_dump() | CHEAP.get(kind, {})


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.slow if kind in SLOW else ()) for kind in kinds("labelers")],
)
def kind(request):
    try:
        LABELERS.read(block(request.param)).check({"C", "H", "O"})
    except UserError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(scope="module")
def labeler(kind):
    made = LABELERS.read(block(kind)).create(**FILES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def finite(kind):
    """A molecule that it can label."""
    if kind != "classical":
        return molecule("water")
    box = read_box(FILES["data"], Topology.read(FILES["system"]))
    one = box[: Topology.read(FILES["system"]).atoms_per_chain]
    one.pbc = False
    one.cell = None
    return one


@pytest.fixture(scope="module")
def periodic(kind):
    """A cell that it can label."""
    if not LABELERS.settings(kind).periodic:
        pytest.skip("labels molecules in vacuum")
    if kind == "classical":
        return read_box(FILES["data"], Topology.read(FILES["system"]))
    return ice() if kind in SLOW else molecule("methanol cell")


@pytest.mark.parametrize("kind", kinds("labelers"))
def test_what_the_forecast_asks_before_there_are_timings(kind):
    """Also of programs that are not installed."""
    guess = settings("labelers", kind).guess()
    assert guess.seconds > 0 and guess.megabytes > 0 and guess.base_megabytes >= 0
    assert 0.5 <= guess.exponent <= 4 and 0.5 <= guess.memory_exponent <= 4


def test_a_label_of_a_molecule(labeler, finite):
    label = labeler.label(finite)
    assert np.isfinite(label.energy) and isinstance(label.energy, float)
    assert np.shape(label.forces) == (len(finite), 3) and np.isfinite(label.forces).all()
    assert np.abs(np.sum(label.forces, axis=0)).max() < 0.1, "atoms that push themselves"
    assert label.stress is None
    if label.charges is not None:
        assert np.shape(label.charges) == (len(finite),) and abs(np.sum(label.charges)) < 1e-4
    assert json.loads(json.dumps(label.notes)) == label.notes


@pytest.fixture
def quick(kind):
    if kind in SLOW:
        pytest.skip(f"in tests/unit/test_{kind}.py")


@pytest.mark.usefixtures("quick")
def test_forces_are_the_gradient_of_the_energy(labeler, finite):
    assert force_error(labeler, finite, components=2) < 1e-4


@pytest.mark.usefixtures("quick")
def test_forces_and_stress_of_a_cell_are_derivatives(labeler, periodic):
    label = labeler.label(periodic)
    assert np.shape(label.stress) == (3, 3)
    np.testing.assert_allclose(label.stress, np.transpose(label.stress), atol=1e-6)
    assert force_error(labeler, periodic, components=1) < 1e-4
    assert stress_error(labeler, periodic, components=((0, 0), (1, 2))) < 1e-5


def test_labels_do_not_depend_on_those_before(labeler, finite):
    first = labeler.label(finite)
    moved = finite.copy()
    moved.positions[1] += 0.05
    labeler.label(moved)
    again = labeler.label(finite)
    assert again.energy == pytest.approx(first.energy, abs=1e-5)
    np.testing.assert_allclose(again.forces, first.forces, atol=1e-3)


def test_after_close_it_may_be_used_again(labeler, finite):
    first = labeler.label(finite)
    labeler.close()
    labeler.close()
    assert labeler.label(finite).energy == pytest.approx(first.energy, abs=1e-5)


def test_its_settings_are_half_of_a_key(kind, labeler):
    """Plain data, the same for every instance, and no matter how many threads it has."""
    found = labeler.settings()
    assert json.loads(json.dumps(found)) == found and found["kind"] == kind
    other = LABELERS.read(block(kind)).create(threads=2, **FILES)
    assert json.dumps(other.settings(), sort_keys=True) == json.dumps(found, sort_keys=True)
    other.close()


def odd(atoms):
    """An atom is lost."""
    return atoms[1:] if atoms.numbers[0] % 2 else atoms[:-1]


def fused(atoms):
    atoms.positions[1] = atoms.positions[0]
    return atoms


def lost(atoms):
    atoms.positions[0, 1] = np.nan
    return atoms


def slab(atoms):
    atoms.set_cell(np.eye(3) * 12)
    atoms.pbc = [True, True, False]
    return atoms


def empty(atoms):
    return Atoms()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of programs that meet what is not a number
@pytest.mark.parametrize("wrong", [odd, fused, lost, slab, empty], ids=lambda wrong: wrong.__name__)
def test_what_it_cannot_do_is_a_failure_with_an_outcome_and_the_next_is_labelled(labeler, finite, wrong):
    first = labeler.label(finite)
    structure = wrong(finite.copy())
    with pytest.raises(LabelFailure) as caught:
        labeler.label(structure)
    assert isinstance(caught.value.outcome, Outcome)
    assert caught.value.outcome not in (Outcome.LABELLED, Outcome.DEFERRED) and str(caught.value)
    assert labeler.label(finite).energy == pytest.approx(first.energy, abs=1e-5)


def test_an_odd_number_of_electrons_is_told_as_such(kind, labeler, finite):
    if kind == "classical":
        pytest.skip("a force field has no electrons")
    with pytest.raises(LabelFailure) as caught:
        labeler.label(odd(finite.copy()))
    assert caught.value.outcome is Outcome.ODD_ELECTRONS


def test_a_cell_is_refused_by_what_labels_molecules_alone(kind, labeler):
    if not LABELERS.settings(kind).periodic:
        with pytest.raises(LabelFailure) as caught:
            labeler.label(molecule("methanol cell"))
        assert caught.value.outcome is Outcome.INVALID
