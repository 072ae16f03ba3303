"""The whole loop, run for real: complete, repeatable, and not afraid of being killed."""

import csv
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import zipfile

import pytest

from oligopoly import frames as frame_files

from .conftest import ROOT, command, environment, snakemake

pytestmark = pytest.mark.slow

# What a run is for; logs, timings and dates may differ between two runs.
RESULTS = (
    "gen_*/selection/*", "gen_*/labels/*.extxyz", "gen_*/dataset/*", "gen_*/potential/potential.*",
    "gen_*/potential/factor.npz", "gen_*/assess.json", "gen_*/explore/*/candidates.extxyz", "final/potential.*",
    "properties/*.json", "produce/*/*/*/*/trajectory.extxyz", "produce/*/*/*/status.json", "systems/*/*.data",
)  # fmt: skip


def digests(folder):
    run = folder / "results" / "tiny"
    files = sorted(path for pattern in RESULTS for path in run.glob(pattern))
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_stage_leaves_what_the_design_promises(finished):
    run = finished / "results" / "tiny"
    for name in (
        "systems/butane/built.data", "systems/butane/equilibrated.data", "systems/butane/system.json",
        "systems/butane/reference/liquid/thermo.tsv", "gen_000/pool/butane.extxyz",
        "gen_000/labels/outcomes.tsv", "gen_001/explore/butane.npt/stop.json",
        "gen_001/selection/ledger.tsv", "gen_001/potential/potential.yace",
        "gen_001/potential/potential.asi", "gen_001/potential/manifest.json", "final/manifest.json",
        "final/potential.yaml", "final/provenance.json", "produce/hexane/learned/1/nvt/trajectory.extxyz",
        "properties/hexane.json", "report/index.html",
    ):  # fmt: skip
        assert (run / name).stat().st_size > 0, name


def test_a_generation_builds_the_rows_of_its_new_frames_only(finished):
    run = finished / "results" / "tiny"
    before, now = (len(frame_files.read(run / g / "dataset" / "train.extxyz")) for g in ("gen_000", "gen_001"))
    told = (run / "logs" / "fit" / "001.log").read_text()
    assert f"{now - before} new frames on top of the {before}" in told
    metrics = json.loads((run / "gen_001" / "potential" / "metrics.json").read_text())
    assert metrics["frames_of_the_fit_before"] == before


def test_labels_are_those_of_the_structures_selected(finished):
    run = finished / "results" / "tiny"
    for generation in ("gen_000", "gen_001"):
        chosen = sum(len(frame_files.read(p)) for p in (run / generation / "selection").glob("?.extxyz"))
        with open(run / generation / "labels" / "outcomes.tsv") as file:
            outcomes = list(csv.DictReader(file, delimiter="\t"))
        labelled = sum(len(frame_files.read(p)) for p in (run / generation / "labels").glob("?.extxyz"))
        assert len(outcomes) == chosen
        assert labelled == sum(row["outcome"] == "labelled" for row in outcomes) > 0


def test_the_dataset_grows_and_keeps_test_frames_out_of_training(finished):
    run = finished / "results" / "tiny"
    before = frame_files.read(run / "gen_000/dataset/train.extxyz")
    after = frame_files.read(run / "gen_001/dataset/train.extxyz")
    test = frame_files.read(run / "gen_001/dataset/test.extxyz")
    assert len(after) > len(before)
    trained = {frame_files.geometry_hash(atoms) for atoms in after}
    assert not trained & {frame_files.geometry_hash(atoms) for atoms in test}


def test_the_verdict_has_reasons(finished):
    verdict = json.loads((finished / "results/tiny/gen_001/assess.json").read_text())
    assert verdict["decision"] in ("converged", "last generation")
    names = {criterion["name"] for criterion in verdict["criteria"]}
    assert {"held-out force error", "audit of frames not selected"} <= names
    assert len(verdict["reasons"]) >= len(verdict["criteria"]) == 5


def test_the_report_is_self_contained(finished):
    html = (finished / "results/tiny/report/index.html").read_text()
    assert "data:image/" in html
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", html)
    for word in ("eV", "meV/A", "density", "provenance", "hexane"):
        assert word.lower() in html.lower(), word


def test_a_second_plan_is_empty_also_after_touching_a_script(finished):
    script = ROOT / "scripts" / "label.py"
    stamp = script.stat()
    try:
        os.utime(script)
        done = snakemake(finished, "-n")
    finally:
        os.utime(script, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "Nothing to be done" in done.stdout + done.stderr


def test_snakemakes_own_report_has_the_page(finished):
    """`snakemake --report`, with the results, the runtimes and what they were made by."""
    done = snakemake(finished, "--report", "report.zip")
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(finished / "report.zip") as archive:
        pages = [name for name in archive.namelist() if "/raw/" in name and name.endswith("/index.html")]
        assert len(pages) == 1
        assert archive.read(pages[0]) == (finished / "results/tiny/report/index.html").read_bytes()


def test_forced_labels_come_from_the_store(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    target = "results/tiny/gen_000/labels/0.extxyz"
    wanted = (folder / target).read_bytes()
    done = snakemake(folder, "--force", target)
    assert done.returncode == 0, done.stderr[-3000:]
    with open(folder / "results/tiny/gen_000/labels/0.outcomes.tsv") as file:
        assert all(row["reused"] == "1" for row in csv.DictReader(file, delimiter="\t"))
    assert (folder / target).read_bytes() == wanted


def killed_run(folder, seed, kills):
    """Start the workflow, kill -9 it at random moments `kills` times, then let it finish.

    Every other time only Snakemake itself is killed, and its jobs are left to notice. Each start is
    the same plain command. Returns the records that a later attempt wrote again, which would be
    labels computed twice.
    """
    draw = random.Random(seed)
    store, rewritten, stamps = folder / "results" / "store", [], {}
    for attempt in range(kills + 1):
        with open(folder / f"attempt-{attempt}.log", "w") as log:
            process = subprocess.Popen(
                command(folder), env=environment(), start_new_session=True, stdout=log, stderr=log
            )
            try:
                process.wait(timeout=None if attempt == kills else draw.uniform(4, 25))
            except subprocess.TimeoutExpired:
                (os.kill if attempt % 2 else os.killpg)(process.pid, signal.SIGKILL)
                process.wait()
        found = {path: path.stat().st_mtime_ns for path in store.glob("???/*.json")}
        rewritten += [path for path, stamp in stamps.items() if found.get(path) != stamp]
        stamps = found
    assert process.returncode == 0, (folder / f"attempt-{kills}.log").read_text()[-3000:]
    return rewritten


def test_killed_again_and_again_it_ends_with_the_same_results(finished, tmp_path):
    assert killed_run(tmp_path, seed=1, kills=8) == []
    assert digests(tmp_path) == digests(finished)


def test_two_runs_at_once_are_refused(tmp_path):
    first = subprocess.Popen(command(tmp_path), env=environment(), start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        while not list((tmp_path / ".snakemake" / "locks").glob("*")):
            assert first.poll() is None
            time.sleep(0.2)
        second = snakemake(tmp_path)
        assert second.returncode != 0 and "lock" in second.stderr.lower()
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
