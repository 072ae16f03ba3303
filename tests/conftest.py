"""How the tests are shared out, and what they share: those of a file stay together, as do all that use the SLURM."""

import fcntl
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLURM = HERE / "cluster"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """For `pytest --dist loadgroup`, which reads the marks in a hook of the same name."""
    for item in items:
        group = "SLURM" if SLURM in item.path.parents else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory, worker_id):
    """What Numba compiles, half a minute in a new checkout, is made by one worker for all and for their jobs."""
    if worker_id == "master":
        return
    from oligopoly.commands.main import main

    folder = tmp_path_factory.getbasetemp().parent / "compiled"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            frames = HERE / "data" / "earlier_run" / "gen_001" / "dataset" / "train.extxyz"
            assert main(["fit", str(frames), "--functions", "20", "-o", str(folder / "potential")]) == 0


def pytest_collection_finish(session):
    """pytest 9.2 keeps node ids where xdist 3.8 does not put its groups: it would share out tests one by one, and SLURM
    would be started twice."""
    if session.config.getoption("loadgroup", False) and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError(
            "pytest-xdist makes no groups with this pytest: install the versions of envs/requirements.txt"
        )
