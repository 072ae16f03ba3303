"""A SLURM for all tests of this folder, and checkouts to run `snakemake --profile slurm` in."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .slurm import MARK, Slurm, why_not

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"
# What a checkout is made of; the package is linked, so that what numba has compiled serves all.
COPIED = ("config", "envs", "local", "profiles", "rules", "scripts", "slurm", "Snakefile")

# The executor looks at its jobs every 40 to 180 s, which suits jobs of hours; these take seconds.
SNAKEMAKE = """\
#!{python}
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
sys.exit(main())
"""


@pytest.fixture(scope="session")
def slurm():
    """A running cluster; skips where none can be started."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Slurm() as cluster:
        snakemake = cluster.folder / "bin" / "snakemake"
        snakemake.write_text(SNAKEMAKE.format(python=sys.executable))
        snakemake.chmod(0o755)
        yield cluster
    assert cluster.processes() == []


def make_checkout(folder: Path, **changes) -> Path:
    """A fresh checkout in `folder` whose config/tiny.yaml is the tiny run on butane alone, with MD on GPU nodes.

    `changes` update the top keys of that config.
    """
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    (folder / "workflow").symlink_to(ROOT / "workflow")
    config = yaml.safe_load(TINY.read_text())
    del config["systems"]["hexane"]
    for key, value in ({"cluster": {"sampling": "gpu"}} | changes).items():
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


def start(cluster: Slurm, folder: Path, *arguments: str) -> subprocess.Popen:
    """Start what a user types in the folder `folder`, targets first; what it prints goes to snakemake.out there."""
    with open(folder / "snakemake.out", "a") as out:
        return subprocess.Popen(
            ["snakemake", "--profile", "slurm", *arguments, "--configfile", "config/tiny.yaml"],
            cwd=folder, env=environment(cluster), stdout=out, stderr=out, start_new_session=True,
            # Ctrl-C must reach it also where these tests run in the background, which ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip


def finish(process: subprocess.Popen, folder: Path) -> None:
    """Wait for Snakemake to end well."""
    assert process.wait() == 0, (folder / "snakemake.out").read_text()[-5000:]


def environment(cluster: Slurm) -> dict[str, str]:
    """The cluster's, without what would make a login node look like a job."""
    found = {key: value for key, value in cluster.env.items() if not key.startswith("SLURM_")}
    return found | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", MARK: str(cluster.folder)}
