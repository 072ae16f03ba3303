"""A new part is a file and a line of a registry: rules, config, messages and the report follow."""

import json
import re
import shutil

import pytest
import yaml

from oligopoly import frames as frame_files
from oligopoly.properties.registry import PROPERTIES

from .checkout import Checkout
from .conftest import TINY
from .test_plan import jobs

# Example, registry, kind, and the module that it becomes.
HARMONIC = (
    ("harmonic", "trainers", "harmonic", "trainers.harmonic"),
    ("harmonic", "potentials", "harmonic", "trainers.harmonic"),
)
OTHERS = (
    ("labeler", "labelers", "ase", "labelers.ase_calculator"),
    ("selector", "selectors", "farthest_points", "selectors.farthest_points"),
    ("property", "properties", "pressure", "properties.pressure"),
    ("forcefield", "forcefields", "gaff2_scaled", "forcefields.scaled"),
    ("study", "studies", "cost", "studies.cost"),
)
LENNARD_JONES = {
    "kind": "ase",
    "calculator": "ase.calculators.lj.LennardJones",
    "arguments": {"epsilon": 0.005, "sigma": 1.0, "rc": 4.0, "smooth": True},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """This checkout and the examples of all parts."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    for example in HARMONIC + OTHERS:
        made.add(*example)
    return made


def config(folder, **changes):
    """The tiny config with other blocks."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | changes))
    return path


def copied(finished, folder, *without):
    """Results of the tiny run, besides some."""
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns(*without))
    return folder


@pytest.fixture(scope="module")
def learned(finished, checkout, tmp_path_factory):
    """The loop with the harmonic trainer, run to its end from the pool and the labels of generation 0 on."""
    folder = copied(finished, tmp_path_factory.mktemp("harmonic") / "run",
                    "gen_001", "potential", "assess.json", "final", "learned", "properties", "report")  # fmt: skip
    explore = {key: value for key, value in yaml.safe_load(TINY.read_text())["explore"].items() if key != "uncertainty"}
    select = {"kind": "random", "budget": 6, "audit": 6}
    path = config(folder, trainer={"kind": "harmonic"}, select=select, explore=explore)
    done = checkout.snakemake(config=path, folder=folder)
    assert done.returncode == 0, done.stderr[-5000:]
    planned = jobs(done.stdout + done.stderr)
    assert planned["fit"] == planned["assess"] == 2 and planned["explore"] == 2 and planned["contact_scan"] == 1
    return folder


def tell(checkout, folder, *words):
    """What `snakemake status` and the like say in a run folder."""
    return checkout.run("-m", "snakemake", *words, "-s", str(checkout.folder / "Snakefile"), "--profile",
                        str(checkout.folder / "local"), "--configfile", "config.yaml", folder=folder)  # fmt: skip


@pytest.mark.slow
def test_a_trainer_of_ones_own_goes_through_the_loop(learned):
    """It has no uncertainty: exploration is guarded by geometry, and all its frames are offered."""
    run = learned / "results/tiny"
    for folder in ("gen_000/potential", "gen_001/potential"):
        names = {path.name for path in (run / folder).iterdir()}
        assert names == {"harmonic.json", "manifest.json", "metrics.json", "predictions.npz"}
    stops = [json.loads(path.read_text()) for path in run.glob("gen_001/explore/*/stop.json")]
    assert [(stop["outcome"], stop["score_kind"]) for stop in stops] == [("completed", "none")] * 2
    taken = [atoms for path in run.glob("gen_001/labels/?.extxyz") for atoms in frame_files.read(path)]
    assert len(taken) == 12 and sum(atoms.info["split"] == "train" for atoms in taken) == 6
    for path in run.glob("produce/*/learned/1/status.json"):
        assert {end["outcome"] for end in json.loads(path.read_text()).values()} == {"completed"}
    found = json.loads((run / "properties/hexane.json").read_text())
    assert found["compared"] and "comparison" in found["properties"]["density"]
    assert (run / "final/harmonic.json").read_bytes() == (run / "gen_001/potential/harmonic.json").read_bytes()
    assert json.loads((run / "final/manifest.json").read_text())["trainer"]["kind"] == "harmonic"


@pytest.mark.slow
def test_its_report_speaks_of_no_other_potential(learned):
    page = (learned / "results/tiny/report/index.html").read_text()
    words = re.sub(r"<(style|pre).*?</\1>|<[^>]+>", " ", page, flags=re.S)
    assert "trainer harmonic" in words and "drawn at random" in words
    assert not re.search(r"\bACE\b|γ|\bgamma\b|extrapolation grade|active set", words)


@pytest.mark.slow
def test_its_run_can_be_asked_about(checkout, learned):
    assert "Nothing to be done" in tell(checkout, learned, "-n").stdout
    said = tell(checkout, learned, "status").stdout
    assert "Run tiny: finished" in said and "last generation" in said
    for file in ("final/harmonic.json", "gen_001/potential/harmonic.json"):
        said = tell(checkout, learned, "explain", file).stdout
        assert "Trained on" in said and "it is up to date" in said
    said = tell(checkout, learned, "explain", "gen_001/selection/ledger.tsv").stdout
    assert "6 taken: drawn at random" in said and "6 taken: random audit" in said


@pytest.mark.slow
def test_its_potential_is_evaluated_on_frames_of_ones_own(checkout, learned):
    done = checkout.run("-m", "oligopoly.commands.main", "evaluate", "results/tiny/final/manifest.json",
                        "results/tiny/gen_001/dataset/test.extxyz", "-o", "out.extxyz", folder=learned)  # fmt: skip
    assert done.returncode == 0 and "HARMONIC_forces" in done.stdout, done.stderr
    for atoms in frame_files.read(learned / "out.extxyz"):
        assert atoms.arrays["HARMONIC_forces"].shape == atoms.positions.shape


@pytest.mark.slow
def test_the_forecast_and_the_nodes_know_it(checkout, learned):
    done = tell(checkout, learned, "preflight")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (learned / "results/tiny/preflight/report.txt").read_text()
    assert "tiny MD with a learned potential" in said and "Ready" in said


def test_parts_that_do_not_fit_are_told_with_both_keys(checkout, tmp_path):
    """The harmonic trainer gives no descriptors, and no uncertainty."""
    path = config(tmp_path, trainer={"kind": "harmonic"}, select={"kind": "farthest_points"})
    done = checkout.snakemake("-n", config=path, folder=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "select.kind: farthest_points needs descriptors, which trainer.kind: harmonic does not give" in said
    explore = yaml.safe_load(TINY.read_text())["explore"] | {"uncertainty": {"kind": "gamma"}}
    path = config(tmp_path, trainer={"kind": "harmonic"}, select={"kind": "random"}, explore=explore)
    done = checkout.snakemake("-n", config=path, folder=tmp_path)
    assert "trainer.kind: harmonic does not give" in done.stdout + done.stderr


def test_all_at_once_are_planned(checkout, tmp_path):
    """Every part is an example: labeler, force field, selector, property and study."""
    path = config(
        tmp_path, label={"labeler": LENNARD_JONES}, select={"kind": "farthest_points", "budget": 6},
        force_field={"kind": "gaff2_scaled", "scale": 0.5}, properties={"pressure": {"tolerance_bar": 300}},
        study={"kind": "cost", "vary": {"loop.seed": [1, 2]}},
    )  # fmt: skip
    done = checkout.snakemake("-n", config=path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["study"] == 1 and planned["select"] == 2 and planned["collect"] == 3


def test_what_is_wrong_in_their_settings_is_told_as_ever(checkout, tmp_path):
    path = config(tmp_path, force_field={"kind": "gaff2_scaled", "scale": 2}, select={"kind": "farthest_pints"})
    done = checkout.snakemake("-n", config=path, folder=tmp_path)
    said = done.stdout + done.stderr
    assert "force_field.scale: given 2: must be a number from 0 to 1" in said
    assert "did you mean 'farthest_points'?" in said


@pytest.mark.slow
def test_a_force_field_makes_a_box(checkout, tmp_path):
    path = config(tmp_path, force_field={"kind": "gaff2_scaled", "scale": 0.0})
    done = checkout.snakemake("--", "results/tiny/systems/butane/built.data", config=path, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "results/tiny/systems/butane/built.data").read_text()
    assert "GAFF2, Gasteiger times 0" in text.splitlines()[0]
    block = json.loads((tmp_path / "results/tiny/systems/butane/system.json").read_text())["force_field"]
    assert block == {"kind": "gaff2_scaled", "scale": 0.0}


@pytest.mark.slow
def test_a_labeler_labels(checkout, finished, tmp_path):
    """The pool of a run that there is, with another method: MD and selection stay as they are."""
    folder = copied(finished, tmp_path / "run", "gen_001", "final", "produce", "properties", "report")
    path = config(folder, label={"labeler": LENNARD_JONES, "max_force": "1000 eV/A"})
    done = checkout.snakemake("--", "results/tiny/gen_000/labels/0.extxyz", config=path, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "build" not in jobs(done.stdout + done.stderr)
    labelled = frame_files.read(folder / "results/tiny/gen_000/labels/0.extxyz")
    assert labelled and all("ase" in atoms.info["REF_method"] for atoms in labelled)


@pytest.mark.slow
def test_a_property_is_measured_and_shown(checkout, finished, tmp_path):
    """Of a run that there is, and alone: nothing is run again besides the measurement and the report."""
    folder = copied(finished, tmp_path / "run", "never")
    alone = config(folder, properties=dict.fromkeys(PROPERTIES) | {"pressure": {}})
    done = checkout.snakemake(config=alone, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert jobs(done.stdout + done.stderr).keys() == {"properties", "provenance", "report", "all", "total"}
    found = json.loads((folder / "results/tiny/properties/butane.json").read_text())
    assert "value" in found["properties"]["pressure"]["learned"] and len(found["properties"]) == 1
    assert [check["code"] for check in found["checks"]] == ["pressure"]
    assert "Pressure at constant volume" in (folder / "results/tiny/report/index.html").read_text()
