"""What every trainer keeps: the files it promised, the same for the same frames, and potentials that open."""

import json

import numpy as np
import pytest
from ase import Atoms
from labelled import labelled_frames

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.potentials.manifest import read
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import SCALES
from oligopoly.trainers.registry import TRAINERS, train

from .examples import kinds
from .potentials import frames, trainer

TRAIN, TEST = labelled_frames(12), labelled_frames(3, seed=1)
KNOWN = {*SCALES, "posterior", "descriptors", "stress"}
ENGINES = {"built-in", "pace"}
BESIDE = {"manifest.json", "metrics.json", "predictions.npz"}


@pytest.fixture(scope="module", params=kinds("trainers"))
def settings(request):
    found = trainer(request.param)
    try:
        TRAINERS.settings(request.param).model_validate({"kind": request.param}).check()
    except UserError as error:
        pytest.skip(str(error).partition(":")[2].strip() or str(error))
    return found


@pytest.fixture(scope="module")
def made(settings, tmp_path_factory):
    """A folder with a potential."""
    folder = tmp_path_factory.mktemp("made")
    train(settings, TRAIN, TEST, folder, dataset="abc")
    return folder


def promised(settings):
    """Names of the files of a potential."""
    return [*settings.files().values(), *(name for member in settings.members() for name in member.values())]


def contents(folder, settings):
    return {name: (folder / name).read_bytes() for name in promised(settings)}


@pytest.mark.parametrize("kind", kinds("trainers"))
def test_what_the_workflow_asks_before_anything_is_trained(kind):
    """Also of trainers that are not installed: the plan and the forecast need it."""
    settings = trainer(kind)
    names = promised(settings)
    assert names and len(set(names)) == len(names) and not BESIDE & set(names)
    assert all("/" not in name and "{" not in name for name in names)
    assert settings.gives() <= KNOWN
    assert settings.engines() and settings.engines() <= ENGINES
    assert "committee" not in settings.gives() or len(settings.members()) > 1
    few, many = (settings.guess_seconds(components, 1) for components in (1000, 1_000_000))
    assert 0 < few <= many
    assert settings.quick().kind in TRAINERS


def test_it_leaves_what_it_promised(settings, made):
    assert {path.name for path in made.iterdir()} == {*promised(settings), *BESIDE}
    manifest = read(made / "manifest.json")
    assert manifest.files == settings.files() and manifest.members == settings.members()
    assert manifest.species == ["C", "H"] and manifest.dataset == "abc"
    assert TRAINERS.read(manifest.trainer) == settings
    assert {"oligopoly", "numpy"} <= set(manifest.versions)
    assert set(settings.packages) <= set(manifest.versions)


def test_its_potential_opens_and_has_what_it_gives(settings, made):
    potential = open_potential(made / "manifest.json")
    gives = settings.gives()
    assert set(potential.manifest.uncertainty) == gives - {"descriptors", "stress"}
    cell = frames()["cell"]
    assert (potential.descriptors(cell) is not None) == ("descriptors" in gives)
    for kind in SCALES.keys() & gives:
        assert potential.score(cell, kind) is not None


def test_its_errors_are_those_of_its_potential(settings, made):
    """What assess, the report and studies read."""
    metrics = json.loads((made / "metrics.json").read_text())
    assert [metrics[part]["all"]["frames"] for part in ("train", "test")] == [len(TRAIN), len(TEST)]
    potential = open_potential(made / "manifest.json")
    wrong = [
        found.forces - atoms.arrays["REF_forces"] for atoms, found in zip(TEST, potential.predict(TEST), strict=True)
    ]
    assert metrics["test"]["all"]["force_rmse_meV_A"] == pytest.approx(
        1e3 * np.sqrt(np.mean(np.square(wrong))), rel=1e-3
    )
    with np.load(made / "predictions.npz") as arrays:
        for part in ("train", "test"):
            for quantity in ("energy", "force", "pressure"):
                one, two = (arrays[f"{part}_{quantity}_{side}"] for side in ("reference", "predicted"))
                assert one.shape == two.shape
        assert len(arrays["test_force_reference"]) == 3 * sum(map(len, TEST))


def test_it_learns(settings, made):
    """Forces are better than none, on frames that it has seen."""
    assert json.loads((made / "metrics.json").read_text())["train"]["all"]["force_rmse_percent"] < 100


def test_the_same_frames_make_the_same_bytes(settings, made, tmp_path):
    """Also where they stay in their files, as they do in the workflow."""
    frame_files.write(tmp_path / "train.extxyz", TRAIN)
    stored = frame_files.Stored([tmp_path / "train.extxyz"])
    for number, given in enumerate((TRAIN, stored, stored)):
        train(settings, given, TEST, tmp_path / str(number))
    assert contents(tmp_path / "0", settings) == contents(made, settings)
    assert contents(tmp_path / "1", settings) == contents(tmp_path / "2", settings)


def test_the_potential_before_is_taken_up_or_left_alone(settings, made, tmp_path):
    more = TRAIN + labelled_frames(3, seed=5)
    train(settings, more, TEST, tmp_path / "after", before=made / "manifest.json")
    assert {path.name for path in (tmp_path / "after").iterdir()} == {*promised(settings), *BESIDE}
    assert set(settings.files()) <= set(read(tmp_path / "after" / "manifest.json").files)
    if not settings.resumes:
        train(settings, more, TEST, tmp_path / "fresh")
        assert contents(tmp_path / "after", settings) == contents(tmp_path / "fresh", settings)


@pytest.mark.parametrize("wrong", ["no frames", "no labels", "not a number"])
def test_frames_that_it_cannot_learn_from_are_refused(settings, tmp_path, wrong):
    bare = [Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True) for atoms in TRAIN[:3]]
    given = [] if wrong == "no frames" else bare
    for atoms in given:
        if wrong == "not a number":
            atoms.info["REF_energy"], atoms.arrays["REF_forces"] = float("nan"), np.zeros((len(atoms), 3))
    with pytest.raises(UserError):
        train(settings, given, [], tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_nothing_need_be_held_out(settings, tmp_path):
    train(settings, TRAIN, [], tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"]["all"]["frames"] == 0
