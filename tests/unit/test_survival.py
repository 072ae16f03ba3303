"""Locks of the dead are removed, locks of the living are not."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from oligopoly.survival import claim, take_over


@pytest.fixture
def locked(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    return tmp_path


def owner(folder, **changes):
    record = {"host": os.uname().nodename, "pid": 2**22 - 3, "started": 1.0} | changes
    (folder / "owner.json").write_text(json.dumps(record))


def test_the_lock_of_a_dead_process_is_removed(locked, capsys):
    owner(locked)
    take_over(locked)
    assert not list((locked / "locks").iterdir())
    assert "which was killed" in capsys.readouterr().err
    assert json.loads((locked / "owner.json").read_text())["pid"] == os.getpid()


def test_a_reused_pid_is_not_mistaken_for_the_owner(locked):
    owner(locked, pid=os.getpid(), started=psutil.Process().create_time() - 1000)
    take_over(locked)
    assert not list((locked / "locks").iterdir())


def test_the_lock_of_a_living_process_stays(locked):
    claim(locked)
    take_over(locked)
    assert list((locked / "locks").iterdir())


@pytest.mark.parametrize("record", [None, {"host": "elsewhere"}])
def test_the_lock_of_an_owner_that_cannot_be_asked_stays(locked, record):
    if record:
        owner(locked, **record)
    take_over(locked)
    assert list((locked / "locks").iterdir())


def test_a_job_ends_with_its_snakemake(tmp_path):
    """Snakemake starts bash, bash starts the job; here Python plays Snakemake."""
    job = tmp_path / "job.py"
    job.write_text(
        "import pathlib, sys, time\n"
        "from oligopoly.survival import end_with_snakemake\n"
        "end_with_snakemake()\n"
        f"import os; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    shell = ["bash", "-c", f"true; {sys.executable} {job}; true"]
    above = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({shell!r})"])
    for _ in range(200):
        time.sleep(0.1)
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
    pid = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(pid)
    above.kill()
    above.wait()
    for _ in range(50):
        time.sleep(0.1)
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
    pytest.fail("the job outlived the process above its shell")
