"""Failure drills: something breaks while labels are computed, and the same command finishes with the same result.

Each drill runs `snakemake --profile slurm` up to the first dataset, with labels by GFN2-xTB that take long enough to be
interrupted. What it leaves is compared with an undisturbed run: every file of the labels and the dataset, and the names
of the records in the store. No two SLURM jobs for one chunk may overlap in time, and no record may be written twice:
so no label is computed twice. `make drills` runs them all; two are part of `make test`.
"""

import contextlib
import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from .conftest import environment, make_checkout, start
from .slurm import Slurm, wait_for

pytestmark = pytest.mark.slow

TARGET = "results/tiny/gen_000/dataset/train.extxyz"
RESULTS = ("gen_000/dataset/t*.extxyz", "gen_000/labels/?.extxyz")
# So many labels are done when something breaks: the jobs are at work, and far from their end.
BEGUN = 12


class Run:
    """A checkout whose structures of generation 0 wait for their labels."""

    def __init__(self, slurm: Slurm, folder: Path, prepared: Path):
        self.slurm, self.folder = slurm, folder
        shutil.copytree(prepared, folder, symlinks=True)
        self.rewritten: list[Path] = []
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def start(self, *options: str) -> subprocess.Popen:
        return start(self.slurm, self.folder, TARGET, *options)

    def finish(self, process: subprocess.Popen | None = None) -> None:
        """Wait for `process`, or run the same command once more; it must end well."""
        process = process or self.start()
        assert process.wait(600) == 0, (self.folder / "snakemake.out").read_text()[-5000:]
        self._stop.set()
        self._watch.join()

    def records(self) -> list[Path]:
        return sorted((self.folder / "results" / "store").glob("???/[!.]*.json"))

    def until_at_work(self) -> dict[str, str]:
        """Wait until both chunks have labels; the SLURM jobs of the chunks with the nodes they run on."""
        wait_for(lambda: len(self.records()) >= BEGUN and len(self.labelling()) == 2, "labels are computed", 240)
        return self.labelling()

    def labelling(self) -> dict[str, str]:
        lines = self.slurm.run("squeue", "-h", "-t", "R", "-o", "%i %N %Z %k", check=False).splitlines()
        rows = [line.split(maxsplit=3) for line in lines]
        return {
            job: node for job, node, where, comment in rows if where == str(self.folder) and "rule_label" in comment
        }

    def jobs(self) -> list[dict[str, str]]:
        return self.slurm.jobs(self.folder)

    def _look(self) -> None:
        stamps: dict[Path, int] = {}
        while not self._stop.wait(0.3):
            for path in self.records():
                stamp = path.stat().st_mtime_ns
                if stamps.setdefault(path, stamp) != stamp:
                    self.rewritten.append(path)

    def overlapping(self) -> list[tuple[dict, dict]]:
        """Pairs of jobs that did the same work at the same time."""
        found, jobs = [], [job for job in self.jobs() if job["Start"] not in ("Unknown", "None")]
        for i, one in enumerate(jobs):
            for other in jobs[i + 1 :]:
                first, second = sorted((one, other), key=lambda job: job["Start"])
                if one["Comment"] == other["Comment"] and second["Start"] < first["End"]:
                    found.append((first, second))
        return found

    def digests(self) -> dict[str, str]:
        base = self.folder / "results" / "tiny"
        files = sorted(path for pattern in RESULTS for path in base.glob(pattern))
        return {str(path.relative_to(base)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def outcomes(self) -> list[dict[str, str]]:
        with open(self.folder / "results/tiny/gen_000/labels/outcomes.tsv") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    def said(self) -> str:
        return (self.folder / "snakemake.out").read_text()


@pytest.fixture(scope="session")
def prepared(slurm, tmp_path_factory) -> Path:
    """The checkout up to the choice of structures, made on this machine."""
    folder = tmp_path_factory.mktemp("drills") / "prepared"
    make_checkout(
        folder,
        label={"labeler": {"kind": "xtb"}, "chunks": 2, "structures": "clusters"},
        # Each cluster from a frame of its own, so that no two structures are the same.
        reference={"sample_every": "10 fs"},
        pool={"clusters": {"sizes": [1, 2], "count": 200}, "frames_per_state": 0, "contacts": {"pairs": 0}},
        cluster={"sampling": "cpu"},
    )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "local", "--configfile", "config/tiny.yaml", "--",
         "results/tiny/gen_000/selection/ledger.tsv"],
        cwd=folder, env=environment(slurm), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="session")
def undisturbed(slurm, prepared) -> Run:
    """The same, with nothing going wrong."""
    run = Run(slurm, prepared.parent / "undisturbed", prepared)
    run.finish(run.start())
    assert all(row["outcome"] == "labelled" for row in run.outcomes())
    assert len(run.records()) == len(run.outcomes()) > 150
    return run


@pytest.fixture
def run(slurm, prepared, undisturbed, tmp_path):
    """A run to disturb; afterwards it must have finished as if nothing had happened."""
    slurm.wait_for_nodes()
    run = Run(slurm, tmp_path / "run", prepared)
    yield run
    assert run.digests() == undisturbed.digests()
    assert [path.name for path in run.records()] == [path.name for path in undisturbed.records()]
    assert run.rewritten == []
    assert run.overlapping() == []
    assert run.labelling() == {}


def states(run: Run) -> set[str]:
    return {job["State"].split()[0] for job in run.jobs()}


def test_snakemake_killed_with_9(run):
    process = run.start()
    run.until_at_work()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(run.labelling()) == 2, "SLURM jobs outlive the Snakemake that submitted them"
    run.finish()
    assert "Cancelling the SLURM jobs of Snakemake" in run.said()
    assert any(row["reused"] == "1" for row in run.outcomes())


def test_a_job_cancelled_from_outside(run):
    process = run.start()
    job = next(iter(run.until_at_work()))
    run.slurm.run("scancel", job)
    run.finish(process)
    assert "CANCELLED" in states(run)


@pytest.mark.drill
def test_snakemake_stopped_with_ctrl_c(run):
    process = run.start()
    run.until_at_work()
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0
    wait_for(lambda: run.labelling() == {}, "Snakemake takes its jobs out of the queue", 60)
    run.finish()


@pytest.mark.drill
def test_a_node_dies(run):
    process = run.start()
    node = next(iter(run.until_at_work().values()))
    try:
        run.slurm.kill_node(node)
        run.finish(process)
    finally:
        run.slurm.start_node(node)
        run.slurm.wait_for_nodes()
    assert "NODE_FAIL" in states(run)


@pytest.mark.drill
def test_a_job_out_of_time(run):
    process = run.start()
    job = next(iter(run.until_at_work()))
    # The scheduler's end of the job, which the job does not know; its own limit it would keep.
    run.slurm.run("scontrol", "update", f"JobId={job}", "EndTime=now+3")
    run.finish(process)
    assert "TIMEOUT" in states(run)


@pytest.mark.drill
def test_a_job_over_its_memory(run):
    # What starting takes is more than that; the second attempt has twice as much, the third three times.
    run.finish(run.start("--set-resources", "label:mem_mb=350 * attempt"))
    failed = [job for job in run.jobs() if "rule_label" in job["Comment"] and job["State"] != "COMPLETED"]
    assert failed, run.jobs()


@pytest.mark.drill
def test_the_controller_restarts(run):
    process = run.start()
    run.until_at_work()
    run.slurm.stop_controller()
    time.sleep(15)
    run.slurm.start_controller()
    run.finish(process)
    assert states(run) == {"COMPLETED"}


@pytest.mark.drill
def test_a_node_with_a_full_disk(run):
    """SLURM cannot write the jobs' scripts on it."""
    spool = run.slurm.folder / "spool" / "c1"
    run.slurm.stop_node("c1")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", str(spool)], check=True)
    try:
        run.slurm.start_node("c1")
        run.slurm.wait_for_nodes()
        with open(spool / "ballast", "wb") as ballast, contextlib.suppress(OSError):
            ballast.write(bytes(10**6))
        process = run.start()
        run.finish(process)
    finally:
        run.slurm.stop_node("c1")
        subprocess.run(["umount", str(spool)], check=True)
        run.slurm.start_node("c1")
        run.slurm.run("scontrol", "update", "NodeName=c1", "State=RESUME", check=False)
        run.slurm.wait_for_nodes()


@pytest.mark.drill
def test_a_file_appears_late(run):
    """What one node has written, the others see 15 seconds later."""
    labels, hidden = run.folder / "results/tiny/gen_000/labels", run.folder / "hidden"
    hidden.mkdir()
    process = run.start()
    wait_for(lambda: (labels / "0.extxyz").exists(), "a chunk is labelled", 300, every=0.01)
    for name in ("0.extxyz", "0.outcomes.tsv"):
        wait_for((labels / name).exists, "its other file", every=0.01)
        (labels / name).rename(hidden / name)
    time.sleep(15)
    assert process.poll() is None
    for path in hidden.iterdir():
        path.rename(labels / path.name)
    run.finish(process)
