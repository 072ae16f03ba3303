"""Label jobs in the real workflow: what one attempt leaves, the next gets; the last goes on without it."""

import csv
import json
import shutil
import subprocess

import pytest
import yaml

from oligopoly import frames as frame_files

from .conftest import TINY, command, environment, snakemake

pytestmark = pytest.mark.slow

TARGET = "results/tiny/gen_000/labels/0.extxyz"


def outcomes(folder):
    with open(folder / "results/tiny/gen_000/labels/0.outcomes.tsv") as file:
        return [row["outcome"] for row in csv.DictReader(file, delimiter="\t")]


def test_what_a_job_leaves_is_tried_again_and_in_the_end_left_out(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    labels = frame_files.read(folder / TARGET)
    for path in sorted((folder / "results/store").glob("???/*.json"))[::2]:
        path.unlink()
    # A batch system whose time is up before anything can be labelled.
    over = environment() | {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "1"}
    done = subprocess.run(command(folder, "--force", TARGET), capture_output=True, text=True, env=over)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("Trying to restart job") == 2
    assert "are left for the next attempt, which gets more time and memory" in done.stderr
    found = outcomes(folder)
    assert len(found) == len(labels) and set(found) == {"labelled", "deferred"}
    assert len(frame_files.read(folder / TARGET)) == found.count("labelled")

    done = snakemake(folder, "--force", TARGET)
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(outcomes(folder)) == {"labelled"}
    again = frame_files.read(folder / TARGET)
    assert [a.info["candidate"] for a in again] == [a.info["candidate"] for a in labels]
    for one, two in zip(again, labels, strict=True):
        assert abs(one.info["REF_energy"] - two.info["REF_energy"]) < 1e-6


def test_all_labels_of_a_run_come_out_with_one_target(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    done = snakemake(folder, "--", "results/tiny/labels.extxyz")
    assert done.returncode == 0, done.stderr[-3000:]
    exported = {frame_files.geometry_hash(atoms) for atoms in frame_files.read(folder / "results/tiny/labels.extxyz")}
    learned = frame_files.read(folder / "results/tiny/gen_001/dataset/train.extxyz")
    assert {frame_files.geometry_hash(atoms) for atoms in learned} <= exported


def test_the_loop_with_a_method_that_runs_no_md(tmp_path):
    """Ethylene glycol with GFN2-xTB: clusters are labelled, and the report shows the potential's own liquid."""
    config = yaml.safe_load(TINY.read_text())
    glycol = {"repeat_unit": "*CCO*", "end_groups": ["*O", "*[H]"], "degree_of_polymerisation": 1, "chains": 10}
    config |= {
        "run": "glycol",
        "systems": {"glycol": {"role": "train", **glycol}},
        "label": {"labeler": {"kind": "xtb"}, "structures": "clusters", "molecules": 3, "chunks": 1},
    }
    config["pool"] |= {"clusters": {"sizes": [1, 2, 3], "count": 20}}
    config["explore"] |= {"walkers": {"npt": {"duration": "0.05 ps"}}, "timestep": "0.5 fs"}
    config["produce"] |= {
        "runs": {name: run | {"duration": "0.1 ps"} for name, run in config["produce"]["runs"].items()},
        "settle": "0.02 ps",
        "sample_every": "2 fs",
        "timestep": "0.5 fs",
    }
    path = tmp_path / "glycol.yaml"
    path.write_text(yaml.safe_dump(config))
    done = snakemake(tmp_path, config=path)
    assert done.returncode == 0, done.stderr[-5000:]
    run = tmp_path / "results" / "glycol"
    for generation in ("gen_000", "gen_001"):
        labelled = [a for p in (run / generation / "labels").glob("?.extxyz") for a in frame_files.read(p)]
        assert labelled and not any(atoms.pbc.any() for atoms in labelled)
        assert {atoms.info["REF_method"].split(" (")[0] for atoms in labelled} == {"xtb GFN2-xTB"}
    assert not (run / "produce" / "glycol" / "reference").exists()
    scan = json.loads((run / "final" / "contact_scan.glycol.json").read_text())
    assert all(len(pair["reference_eV"]) == len(pair["distances"]) for pair in scan["pairs"])
    properties = json.loads((run / "properties" / "glycol.json").read_text())
    assert properties["compared"] is False and "reference" not in properties["properties"]["density"]
    assert "xTB" in (run / "report" / "index.html").read_text()
