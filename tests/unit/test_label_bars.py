"""What one would trust with a million core-hours: real labels (GFN2-xTB), real kills, real jobs side by side."""

import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from label_structures import flown_apart, fused, glycol, lost, one_hydrogen_less, unconverging, xtb_labeler

from oligopoly import frames as frame_files
from oligopoly.commands.main import main
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.registry import create
from oligopoly.labelling.cost import Costs
from oligopoly.labelling.run import label_chunk
from oligopoly.labelling.store import Store

MARK = "OLIGOPOLY_TEST_LABELS"  # in the environment of jobs: the folder of the test
THEORY = {"kind": "xtb", "method": "GFN2-xTB"}


def outcomes(path):
    with open(path) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def arguments(tmp_path, name="out", store="store"):
    return [
        "label", str(tmp_path / "in.extxyz"), "--labeler", "xtb", "--store", str(tmp_path / store),
        "-o", str(tmp_path / f"{name}.extxyz"),
    ]  # fmt: skip


def start(tmp_path, name="out", **options):
    return subprocess.Popen(
        [sys.executable, "-m", "oligopoly.commands.main", *arguments(tmp_path, name)],
        env=os.environ | {"OMP_NUM_THREADS": "1", MARK: str(tmp_path)}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True, **options,
    )  # fmt: skip


def workers(tmp_path):
    """Those that are left of the jobs that `start` has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(MARK) == str(tmp_path):
                found.append(process)
    return found


def test_a_chunk_of_good_and_bad_ends_with_the_right_outcome_for_each(tmp_path):
    bad = [
        *((Outcome.OVERLAP, fused(k)) for k in range(3)),
        *((Outcome.ODD_ELECTRONS, one_hydrogen_less(k)) for k in range(2)),
        *((Outcome.UNCONVERGED, unconverging(k)) for k in range(2)),
        *((Outcome.FRAGMENTED, flown_apart(k)) for k in range(2)),
        (Outcome.INVALID, lost(0)),
    ]
    chunk = [(Outcome.LABELLED, glycol(k, 1 + k % 2)) for k in range(30)] + bad
    random.Random(1).shuffle(chunk)
    frames = [atoms for _, atoms in chunk]
    verdicts = label_chunk(
        frames, {"s": xtb_labeler}, Store(tmp_path / "store"), tmp_path / "out.extxyz", tmp_path / "outcomes.tsv",
        min_distance=0.5, max_bond=1.5, max_force=50.0, max_net_force=0.05, costs=Costs(tmp_path / "store", THEORY),
        last_attempt=False,
    )  # fmt: skip
    assert [v.outcome for v in verdicts] == [outcome for outcome, _ in chunk]
    assert all(v.reason for v in verdicts if v.outcome is not Outcome.LABELLED)
    labelled = frame_files.read(tmp_path / "out.extxyz")
    expected = [atoms for outcome, atoms in chunk if outcome is Outcome.LABELLED]
    assert len(labelled) == 30
    labeler = create(THEORY)
    for atoms, given in list(zip(labelled, expected, strict=True))[::7]:
        np.testing.assert_allclose(atoms.arrays["REF_forces"], labeler.label(given).forces, atol=1e-5)


def test_the_command_line_labels_and_says_what_became_of_each(tmp_path, capsys):
    frame_files.write(tmp_path / "in.extxyz", [glycol(0), fused(1), glycol(2), flown_apart(3), one_hydrogen_less(4)])
    assert main(arguments(tmp_path)) == 3
    said = capsys.readouterr()
    assert "2 of 5 frames with labels" in said.out
    assert "2 labelled, 1 geometry overlap, 1 fragmented, 1 odd electrons" in said.err
    assert [row["outcome"] for row in outcomes(tmp_path / "out.outcomes.tsv")] == [
        "labelled", "geometry overlap", "labelled", "fragmented", "odd electrons",
    ]  # fmt: skip
    one, two = frame_files.read(tmp_path / "out.extxyz")
    assert one.info["REF_method"].startswith("xtb GFN2-xTB (") and abs(one.arrays["REF_charges"].sum()) < 1e-6
    assert main(arguments(tmp_path)) == 3
    assert sum(int(row["reused"]) for row in outcomes(tmp_path / "out.outcomes.tsv")) == 2


def test_mistakes_of_the_user_are_told_in_a_sentence(tmp_path, capsys):
    frame_files.write(tmp_path / "in.extxyz", [glycol(0)])
    (tmp_path / "s.yaml").write_text("method: GFN3-xTB\n")
    assert main([*arguments(tmp_path), "--settings", str(tmp_path / "s.yaml")]) == 1
    error = capsys.readouterr().err
    assert "labeler.method" in error and "GFN2-xTB" in error
    (tmp_path / "s.yaml").write_text("metod: GFN2-xTB\n")
    assert main([*arguments(tmp_path), "--settings", str(tmp_path / "s.yaml")]) == 1
    assert "did you mean 'method'?" in capsys.readouterr().err


def test_labels_go_out_of_the_store_and_into_another(tmp_path, capsys):
    frame_files.write(tmp_path / "in.extxyz", [glycol(k) for k in range(3)])
    assert main(arguments(tmp_path)) == 0
    everything = tmp_path / "all.extxyz"
    assert main(["export-labels", str(tmp_path / "store"), "-o", str(everything)]) == 0
    exported = {atoms.info["REF_energy"] for atoms in frame_files.read(everything)}
    labelled = frame_files.read(tmp_path / "out.extxyz")
    assert exported == {atoms.info["REF_energy"] for atoms in labelled}

    bring = ["import-labels", str(everything), "--labeler", "xtb", "--store", str(tmp_path / "other")]
    assert main(bring) == 0 and main(bring) == 0
    assert "0 new labels of xtb GFN2-xTB" in capsys.readouterr().out
    assert main(arguments(tmp_path, "again", "other")) == 0
    assert all(row["reused"] == "1" for row in outcomes(tmp_path / "again.outcomes.tsv"))
    for one, two in zip(frame_files.read(tmp_path / "again.extxyz"), labelled, strict=True):
        np.testing.assert_allclose(one.arrays["REF_forces"], two.arrays["REF_forces"], atol=1e-7)

    assert main(["export-labels", str(tmp_path / "store"), "--method", "GFN2"]) == 1
    assert "but of 'xtb GFN2-xTB (" in capsys.readouterr().err


def test_two_jobs_at_once_end_with_the_same_labels(tmp_path):
    frame_files.write(tmp_path / "in.extxyz", [glycol(k, 2) for k in range(12)])
    jobs = [start(tmp_path, name) for name in ("one", "two")]
    for job in jobs:
        said, _ = job.communicate(timeout=300)
        assert job.returncode == 0, said
    one, two = (frame_files.read(tmp_path / f"{name}.extxyz") for name in ("one", "two"))
    assert len(one) == len(two) == 12
    for a, b in zip(one, two, strict=True):
        assert a.info["REF_energy"] == pytest.approx(b.info["REF_energy"], abs=1e-6)
    assert len(list((tmp_path / "store").glob("???/[!.]*.json"))) == 12
    assert not list((tmp_path / "store").rglob("*.torn"))


def test_a_record_cut_in_half_is_made_again(tmp_path):
    frame_files.write(tmp_path / "in.extxyz", [glycol(k) for k in range(4)])
    assert main(arguments(tmp_path)) == 0
    wanted = (tmp_path / "out.extxyz").read_text()
    path = Store(tmp_path / "store").path(outcomes(tmp_path / "out.outcomes.tsv")[1]["key"])
    os.truncate(path, path.stat().st_size // 2)
    assert main(arguments(tmp_path)) == 0
    assert [row["reused"] for row in outcomes(tmp_path / "out.outcomes.tsv")] == ["1", "0", "1", "1"]
    again = frame_files.read(tmp_path / "out.extxyz")
    (tmp_path / "wanted.extxyz").write_text(wanted)
    for one, two in zip(again, frame_files.read(tmp_path / "wanted.extxyz"), strict=True):
        np.testing.assert_allclose(one.arrays["REF_forces"], two.arrays["REF_forces"], atol=1e-5)


def records(tmp_path):
    """When each record was written, by its file."""
    return {path: path.stat().st_mtime_ns for path in (tmp_path / "store").glob("???/[!.]*.json")}


# More than the kills are: within 0.05 s a fast machine labels a second one.
STRUCTURES = 80


def killed_again_and_again(tmp_path, kills, structures=STRUCTURES, copies=6):
    """Kill -9 a label job `kills` times, then let it end.

    A third of the kills fall anywhere before the first label, the others within the structure after it or about there.
    Returns how many labels there were after each attempt, and the records that a later one wrote again.
    """
    frame_files.write(tmp_path / "in.extxyz", [glycol(1000, copies)])
    begin = time.monotonic()
    start(tmp_path, "first").communicate()
    alive = time.monotonic() - begin  # how long it takes to get the first label, on this machine today
    frame_files.write(tmp_path / "in.extxyz", [glycol(k, copies) for k in range(structures)])
    draw, stamps, rewritten, progress = random.Random(7), records(tmp_path), [], []
    for number in range(kills):
        job = start(tmp_path)
        if number % 3 == 0:
            time.sleep(draw.uniform(0.0, alive))
        else:
            while job.poll() is None and len(records(tmp_path)) == len(stamps):
                time.sleep(0.002)
            time.sleep(draw.uniform(0.0, 0.05))
        assert job.poll() is None, f"all was labelled before kill {number + 1}: more STRUCTURES"
        (os.kill if number % 2 else os.killpg)(job.pid, signal.SIGKILL)
        job.communicate()
        found = records(tmp_path)
        rewritten += [path for path, stamp in stamps.items() if found.get(path) != stamp]
        stamps = found
        progress.append(len(found) - 1)
    job = start(tmp_path)
    said, _ = job.communicate()
    assert job.returncode == 0, said
    found = records(tmp_path)
    rewritten += [path for path, stamp in stamps.items() if found.get(path) != stamp]
    return progress, rewritten


@pytest.mark.slow
def test_killed_fifty_times_nothing_is_lost_or_done_twice(tmp_path):
    progress, rewritten = killed_again_and_again(tmp_path, 50)
    assert rewritten == []
    rows = outcomes(tmp_path / "out.outcomes.tsv")
    assert len(rows) == STRUCTURES and {row["outcome"] for row in rows} == {"labelled"}
    assert {row["attempts"] for row in rows} == {"1"}
    assert len(frame_files.read(tmp_path / "out.extxyz")) == STRUCTURES
    assert len(set(progress)) > 10, progress  # the kills met the work
    time.sleep(2.0)
    assert workers(tmp_path) == []
