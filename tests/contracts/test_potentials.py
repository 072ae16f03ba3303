"""What every learned potential keeps: derivatives, symmetries, scores, MD, and files that say what they are."""

import json
import multiprocessing
import shutil

import numpy as np
import pytest
from labelled import box
from scipy.spatial.transform import Rotation

from oligopoly.accuracy import voigt
from oligopoly.errors import UserError
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import NONE, SCALES, Uncertainty

from .examples import kinds, register
from .potentials import frames, make

FRAMES = frames()
STEP = 1e-5  # A


@pytest.fixture(scope="module", params=kinds("potentials"))
def potential(request, tmp_path_factory):
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(params=FRAMES)
def atoms(request):
    return FRAMES[request.param].copy()


def predict(potential, atoms, *kind):
    (found,) = potential.predict([atoms], *kind)
    return found


def scores_of(potential):
    """Kinds of score that it has."""
    return [kind for kind in potential.manifest.uncertainty if kind in SCALES]


def test_forces_are_the_gradient_of_the_energy(potential, atoms):
    forces = predict(potential, atoms).forces
    for i, k in ((0, 0), (3, 1), (6, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[i, k] += sign * STEP
            energies.append(predict(potential, moved).energy)
        assert forces[i, k] == pytest.approx((energies[1] - energies[0]) / (2 * STEP), rel=1e-4, abs=1e-5)


def test_stress_is_the_derivative_by_strain(potential, atoms):
    """Voigt (xx yy zz yz xz xy), by volume, positive where the energy grows with the cell: ASE's sign."""
    found = predict(potential, atoms).stress
    if not atoms.pbc.all():
        assert found is None
        return
    slope = np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * STEP
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ strain.T, scale_atoms=True)
                energies.append(predict(potential, strained).energy)
            slope[a, b] = (energies[0] - energies[1]) / (2 * STEP)
    assert found.shape == (6,)
    np.testing.assert_allclose(slope, slope.T, atol=2e-3)
    np.testing.assert_allclose(found, voigt(slope / atoms.get_volume()), rtol=1e-4, atol=1e-5)


def test_nothing_changes_when_all_moves(potential, atoms):
    """Translations and rotations; forces turn with the atoms."""
    first = predict(potential, atoms)
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    moved = atoms.copy()
    moved.positions += [1.7, -20.3, 4.4]
    turned = atoms.copy()
    turned.set_positions(atoms.positions @ turn.T)
    if atoms.pbc.any():
        turned.set_cell(atoms.cell.array @ turn.T)
    for other, back in ((moved, np.eye(3)), (turned, turn)):
        found = predict(potential, other)
        assert found.energy == pytest.approx(first.energy, abs=1e-8)
        np.testing.assert_allclose(found.forces @ back, first.forces, atol=1e-7)


def test_equal_atoms_and_images_are_the_same(potential, atoms):
    """The order of atoms does not matter, nor which image of an atom is meant."""
    first = predict(potential, atoms)
    order = np.random.default_rng(1).permutation(len(atoms))
    found = predict(potential, atoms[order])
    assert found.energy == pytest.approx(first.energy, abs=1e-8)
    np.testing.assert_allclose(found.forces, first.forces[order], atol=1e-7)
    if atoms.pbc.any():
        wrapped = atoms.copy()
        wrapped.positions += np.random.default_rng(2).integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
        found = predict(potential, wrapped)
        assert found.energy == pytest.approx(first.energy, abs=1e-8)
        np.testing.assert_allclose(found.forces, first.forces, atol=1e-7)


def test_the_same_frame_has_the_same_numbers_whatever_was_asked_before(potential):
    once, again = (list(potential.predict([*FRAMES.values()] * n))[-len(FRAMES) :] for n in (1, 2))
    for one, two in zip(once, again, strict=True):
        assert one.energy == two.energy and (one.forces == two.forces).all()


def test_energies_of_atoms_add_up(potential, atoms):
    found = predict(potential, atoms)
    if found.energies is not None:
        assert found.energies.shape == (len(atoms),) and found.energies.sum() == pytest.approx(found.energy)


def test_scores_are_those_of_its_manifest_and_change_no_force(potential, atoms):
    plain = predict(potential, atoms)
    assert plain.score is None
    for kind in scores_of(potential):
        found = predict(potential, atoms, kind)
        np.testing.assert_allclose(found.forces, plain.forces, atol=1e-10)
        assert found.score.kind == kind and found.score.unit == SCALES[kind].unit
        assert found.score.per_atom.shape == (len(atoms),) and (found.score.per_atom >= 0).all()
        assert found.score.frame == found.score.per_atom.max()
        assert potential.score(atoms, kind).frame == pytest.approx(found.score.frame)


@pytest.mark.parametrize("kind", SCALES)
def test_a_score_that_it_has_not_is_refused(potential, kind):
    if kind in potential.manifest.uncertainty:
        return
    assert potential.score(FRAMES["cell"], kind) is None
    with pytest.raises(UserError, match=SCALES[kind].name):
        predict(potential, FRAMES["cell"], kind)


def test_every_kind_of_uncertainty_can_be_asked_for(potential):
    """Also those that are no score of atoms, such as error bars of the posterior: then there is none."""
    for kind in potential.manifest.uncertainty:
        found = potential.score(FRAMES["cell"], kind)
        assert (found is not None) == (kind in SCALES)


def test_descriptors_see_what_an_atom_sees(potential, atoms):
    """One vector per atom, the same wherever the molecule is and however it is turned."""
    found = potential.descriptors(atoms)
    if found is None:
        return
    assert found.ndim == 2 and len(found) == len(atoms) and np.isfinite(found).all()
    turn = Rotation.from_rotvec([1.0, 0.4, -0.2]).as_matrix()
    turned = atoms.copy()
    turned.set_positions(atoms.positions @ turn.T + [3, 1, -2])
    if atoms.pbc.any():
        turned.set_cell(atoms.cell.array @ turn.T)
    np.testing.assert_allclose(potential.descriptors(turned), found, atol=1e-8)


def asked(potential):
    return [NONE, *(Uncertainty(kind, 5) for kind in scores_of(potential))]


def test_md_has_the_energies_of_predict(potential):
    """In LAMMPS, with each of its scores and without."""
    atoms, _ = box()
    for uncertainty in asked(potential):
        engine = potential.engine(uncertainty)
        assert engine.files() and all(path.exists() for path in engine.files())
        with open_simulation(engine, atoms, Conditions("nvt", 50, 0.2), seed=1) as simulation:
            simulation.ensemble(10)
            simulation.advance(10)
            sample, score = simulation.sample(), simulation.score()
        moved = atoms.copy()
        moved.positions, moved.cell = sample.positions, sample.cell
        fresh = predict(potential, moved, uncertainty.kind)
        assert sample.potential == pytest.approx(fresh.energy, abs=1e-6)
        assert (score is None) == (uncertainty.kind == "none")
        if score is not None:
            np.testing.assert_allclose(score.per_atom, fresh.score.per_atom, rtol=1e-5, atol=1e-8)


def test_an_engine_that_it_has_not_is_refused(potential):
    with pytest.raises(UserError, match="engine 'quantum' is not known: give auto or"):
        potential.engine(choice="quantum")


def test_an_element_that_it_does_not_know_is_refused(potential):
    foreign = FRAMES["molecule"].copy()
    foreign.numbers[0] = 79
    with pytest.raises(UserError, match=rf"{potential.manifest.folder}.*not Au"):
        predict(potential, foreign)


def energies(path, frames):
    """In a process that has opened nothing yet."""
    register()
    return [found.energy for found in open_potential(path).predict(frames)]


@pytest.fixture
def folder(potential, tmp_path):
    """A copy of its files, which a manifest allows."""
    here = potential.manifest.folder
    if not (here / manifests.NAME).exists():
        pytest.skip("a bare file of pacemaker's has no manifest")
    shutil.copytree(here, tmp_path / "copy")
    return tmp_path / "copy"


def test_opened_elsewhere_it_gives_the_same_numbers(potential, folder):
    frames = list(FRAMES.values())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(energies, (folder / manifests.NAME, frames))
    assert found == [one.energy for one in potential.predict(frames)]


def test_its_manifest_is_read_as_it_was_written(potential, folder):
    again = manifests.read(folder / manifests.NAME)
    assert again == potential.manifest.model_copy(update={"folder": folder})
    assert again.species == sorted(again.species) and again.cutoff > 0
    assert {path.name: manifests.sha256(path) for path in again.paths()} == again.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99 is newer"),
        ({"kind": "nonsense"}, "no potential is called 'nonsense'"),
        ({"species": 3}, "not a manifest of a potential"),
        ({"unheard": "of"}, "not a manifest of a potential"),
    ],
)
def test_a_manifest_that_is_wrong_is_told_with_its_name(folder, change, message):
    path = folder / manifests.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message) as caught:
        open_potential(path)
    assert str(path) in str(caught.value)


def test_files_that_are_missing_or_no_manifests_are_told_with_their_names(potential, folder):
    path = folder / manifests.NAME
    for text in ("", "[]", "{", "no json"):
        path.write_text(text)
        with pytest.raises(UserError, match=str(path)):
            open_potential(path)
    path.unlink()
    with pytest.raises(UserError, match=f"{path}: no such file"):
        open_potential(path)
    potential.manifest.write(path)
    for role, name in potential.manifest.files.items():
        away = (folder / name).rename(folder / "away")
        with pytest.raises(UserError, match=f"{folder / name}: no such file"):
            manifests.read(path).path(role)
        if role == "potential":
            with pytest.raises(UserError, match=f"{folder / name}: no such file"):
                list(open_potential(path).predict([FRAMES["cell"]]))
        away.rename(folder / name)
