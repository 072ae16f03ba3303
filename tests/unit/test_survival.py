"""Locks of the dead are removed, locks of the living are not."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from oligopoly.operations.survival import claim, end_jobs, living, release, take_over

DEAD = 2**22 - 3


@pytest.fixture
def locked(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").write_text("results/demo/a\nresults/demo/b\n")
    return tmp_path


def owner(folder, **changes):
    record = {"host": os.uname().nodename, "pid": DEAD, "started": 1.0, "run": "demo", "slurm_name": None} | changes
    (folder / "owners").mkdir(exist_ok=True)
    (folder / "owners" / f"{record['host']}-{record['pid']}.json").write_text(json.dumps(record))


def test_the_lock_of_a_dead_process_is_removed(locked, capsys):
    owner(locked)
    (gone,) = take_over(locked, "demo")
    assert gone["pid"] == DEAD
    assert not list((locked / "locks").iterdir())
    assert "which was killed" in capsys.readouterr().err
    assert [record["pid"] for record in living(locked, "demo")] == [os.getpid()]


def test_the_lock_on_another_run_stays(locked):
    owner(locked, run="other")
    assert take_over(locked, "other")
    assert list((locked / "locks").iterdir())


def test_a_reused_pid_is_not_mistaken_for_the_owner(locked):
    owner(locked, pid=os.getpid(), started=psutil.Process().create_time() - 1000)
    take_over(locked, "demo")
    assert not list((locked / "locks").iterdir())


def test_the_lock_of_a_living_process_stays(locked):
    owner(locked)  # one that was killed, beside
    owner(locked, pid=os.getppid(), started=psutil.Process(os.getppid()).create_time())
    take_over(locked, "demo")
    assert list((locked / "locks").iterdir())


@pytest.mark.parametrize("record", [None, {"host": "elsewhere"}])
def test_the_lock_of_an_owner_that_cannot_be_asked_stays(locked, record):
    if record:
        owner(locked, **record)
    assert take_over(locked, "demo") == []
    assert list((locked / "locks").iterdir())


def test_one_on_another_host_whose_lock_was_removed_is_gone(tmp_path):
    owner(tmp_path, host="elsewhere")
    assert len(take_over(tmp_path, "demo")) == 1


def test_a_process_that_ended_well_leaves_nothing(tmp_path):
    claim(tmp_path, "demo", "name")
    assert living(tmp_path, "demo")[0]["slurm_name"] == "name"
    release(tmp_path)
    assert living(tmp_path, "demo") == [] == list((tmp_path / "owners").iterdir())


def test_jobs_of_the_dead_are_cancelled_and_waited_for(tmp_path, monkeypatch):
    """With commands that behave like SLURM's: a cancelled job stays in the queue for a while."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "squeue").write_text(
        f"#!/bin/sh\ncat {tmp_path}/queue; mv {tmp_path}/next {tmp_path}/queue 2>/dev/null\n"
    )
    (commands / "scancel").write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/cancelled\n")
    for command in commands.iterdir():
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    (tmp_path / "queue").write_text("17\n")
    (tmp_path / "next").write_text("")
    owner(tmp_path, slurm_name="uuid")
    assert end_jobs(take_over(tmp_path, "demo"))
    assert (tmp_path / "cancelled").read_text() == "--name=uuid\n"
    assert [record["pid"] for record in living(tmp_path, "demo")] == [os.getpid()]


@pytest.mark.parametrize(
    ("name", "starts"), [("snakemake", 2), ("snakemake/__main__.py", 2), ("snakemake/my_script.py", 1)]
)
def test_what_planned_too_early_starts_again(tmp_path, name, starts):
    """Unlocked, with the same arguments and without what it wrote down; a script of the user's own goes on."""
    script = tmp_path / "bin" / name
    script.parent.mkdir(parents=True)
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from oligopoly.operations import survival\n"
        "class persistence:\n"
        "    path = Path('.')\n"
        "    unlock = staticmethod(lambda: Path('lock').unlink())\n"
        "with open('seen', 'a') as file:\n"
        "    file.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if Path('lock').exists():\n"
        "    survival.claim('.', 'demo')\n"
        "    survival.start_again(persistence)\n"
    )
    (tmp_path / "lock").touch()
    subprocess.run([sys.executable, script, "--cores", "2"], cwd=tmp_path, check=True)
    assert (tmp_path / "seen").read_text() == "--cores 2\n" * starts
    assert (tmp_path / "lock").exists() == any((tmp_path / "owners").iterdir()) == (starts == 1)


def test_a_job_ends_with_its_snakemake(tmp_path):
    """Snakemake starts bash, bash starts the job; here Python plays Snakemake."""
    job = tmp_path / "job.py"
    job.write_text(
        "import pathlib, sys, time\n"
        "from oligopoly.operations.survival import end_with_snakemake\n"
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
