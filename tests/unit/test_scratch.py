"""Scratch folders: nothing of a killed job stays on the machine's disk."""

import subprocess
import sys

from oligopoly.labelers.scratch import Scratch

OWNER = """
import sys
from oligopoly.labelers.scratch import Scratch
scratch = Scratch("code", sys.argv[1])
(scratch.path / "integrals").mkdir()
(scratch.path / "integrals" / "big").write_bytes(bytes(1000))
print(scratch.path, flush=True)
sys.stdin.read()
"""


def owner(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def test_what_killed_jobs_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "oligopoly-results").mkdir()  # the user's own
    killed, left = owner(tmp_path)
    alive, kept = owner(tmp_path)
    try:
        killed.kill()
        killed.wait()
        with Scratch("code", tmp_path) as mine:
            names = {str(path) for path in tmp_path.iterdir()}
            assert names == {kept, str(mine), str(tmp_path / "oligopoly-results")} and left not in names
        assert not mine.exists()
    finally:
        alive.kill()
        alive.communicate()
        killed.communicate()


def test_folders_of_other_machines_stay(tmp_path, monkeypatch):
    """There the owner may live although its lock can be had here."""
    killed, left = owner(tmp_path)
    killed.kill()
    killed.communicate()
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another")
        Scratch("code", tmp_path).remove()
    assert [str(path) for path in tmp_path.iterdir()] == [left]
    Scratch("code", tmp_path).remove()
    assert list(tmp_path.iterdir()) == []
