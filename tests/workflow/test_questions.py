"""`snakemake status` and `snakemake explain`: words that are answered at once, also while a run holds the lock."""

import csv
import subprocess
import sys

import pytest

from .conftest import ROOT, TINY, environment


def ask(folder, *words):
    """What a user types, word first (Snakemake takes words after --configfile for more config files)."""
    command = [sys.executable, "-m", "snakemake", *words, "-s", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--profile", str(ROOT / "local"), "--configfile", str(TINY)]
    return subprocess.run(command, capture_output=True, text=True, env=environment())


def test_before_anything_ran(tmp_path):
    done = ask(tmp_path, "status")
    assert done.returncode == 0 and "results/tiny: nothing has run yet" in done.stdout
    done = ask(tmp_path, "explain", "results/tiny/nonsense")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "'results/tiny/nonsense' is no file that a rule of this run makes" in done.stderr
    assert not list(tmp_path.rglob("*.lock")) and not list(tmp_path.rglob("owners/*"))


def test_explain_says_why_a_file_would_be_made(tmp_path):
    done = ask(tmp_path, "explain", "gen_000/pool/butane.extxyz")
    assert done.returncode == 0, done.stderr
    assert "is not there yet. It is made by: pool butane." in done.stdout
    assert "Snakemake would run: Choosing frames, clusters and contacts of butane" in done.stdout
    assert "4 jobs come before it" in done.stdout and "Missing output files: results/tiny/systems" in done.stdout


@pytest.mark.slow
def test_status_of_a_finished_run(finished):
    said = ask(finished, "status").stdout
    assert "Run tiny: finished, results/tiny/report/index.html" in said
    assert "no Snakemake is at work on it" in said
    row = next(line.split() for line in said.splitlines() if line.startswith("000"))
    rows = [
        len(path.read_text().splitlines()) - 1 for path in finished.glob("results/tiny/gen_000/labels/?.outcomes.tsv")
    ]
    assert int(row[1]) + int(row[2]) == sum(rows) and row[3] == "0"
    assert "Spent: " in said and "core-hours" in said


@pytest.mark.slow
def test_explain_a_frame_a_chunk_a_potential_and_a_change(finished):
    with open(finished / "results/tiny/gen_001/selection/ledger.tsv") as file:
        taken = next(row for row in csv.DictReader(file, delimiter="\t") if row["chosen"] == "1")
    said = ask(finished, "explain", f"gen_001/{taken['candidate']}").stdout
    assert "taken" in said and taken["reason"][1:] in said and "Label of butane/gen_001" in said
    said = ask(finished, "explain", "results/tiny/gen_000/labels/0.extxyz").stdout
    assert "structures: " in said and "labelled" in said and "it is up to date" in said
    said = ask(finished, "explain", "--config", "target=final/potential.yace").stdout
    assert "Trained on results/tiny/gen_001/dataset/train.extxyz" in said and "sha256" in said
    said = ask(finished, "explain", "gen_001/assess.json", "--config", "select={budget: 7}").stdout
    assert "budget: 6 -> 7" in said
