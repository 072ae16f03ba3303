"""Whether an installation of pacemaker works: seen by a fit of one step, since imports have passed where fits fail.

With TensorFlow it takes half a minute. So what has worked is remembered: this environment with these versions.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.trainers.pacemaker_fit import fit
from oligopoly.trainers.pacemaker_programs import HELPER, HOW_TO_INSTALL, Programs, programs, variables

# The first numpy with which tensorpotential's fits end in a TypeError at their first evaluation.
TOO_NEW = 2, 4


def check_installation(environment: str | None = None, backend: str = "tensorpot") -> dict[str, str]:
    """Versions of all packages beside pacemaker, which is known to fit with `backend`, or is tried here.

    Raises UserError that says what is missing or broken and how to install it.
    """
    tools = programs(environment)
    versions = _ask(tools, "versions", backend)
    remembered = _remembered(tools, versions, backend)
    if remembered.exists():
        return versions
    _ask(tools, "check", backend)
    print(f"pacemaker in {tools.python.parent.parent}: trying a fit of one step (once, half a minute)", file=sys.stderr)
    unread = io.StringIO()
    with (
        tempfile.TemporaryDirectory(prefix="pacemaker.") as folder,
        contextlib.redirect_stdout(unread),
        contextlib.redirect_stderr(unread),
    ):
        try:
            fit(
                [_frame()], [], Path(folder) / "potential", environment=environment, backend=backend,
                functions=5, cutoff=4.0, n_max=[5, 2], l_max=[0, 1], iterations=1,
            )  # fmt: skip
        except UserError as error:
            problem = re.sub(rf" in {re.escape(folder)}\S*", "", str(error))
            raise _unusable(tools, f"a fit of one step fails: {problem}", backend, versions) from error
    with contextlib.suppress(OSError):  # a home that cannot be written to: it is tried again
        write_text(remembered, json.dumps(versions, indent=1))
    return versions


def _ask(tools: Programs, step: str, backend: str) -> dict[str, str]:
    """What a step of `with_pyace` finds."""
    try:
        done = subprocess.run([tools.python, HELPER, step], capture_output=True, text=True, env=variables(1))
    except OSError as error:
        raise _unusable(tools, f"{tools.python} cannot be started ({error.strerror})", backend) from error
    lines = done.stdout.strip().splitlines()
    found = json.loads(lines[-1]) if done.returncode == 0 and lines else {}
    if not found or "problem" in found:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _unusable(tools, found.get("problem") or said[-1], backend)
    return found


def _unusable(tools: Programs, problem: str, backend: str, versions: dict[str, str] | None = None) -> UserError:
    """The message; numpy's version is what is wrong as a rule."""
    found = (versions or {}).get("numpy", "")
    number = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    if re.search("No module named '(tensor|tf_)", problem):
        problem += " (trainer.backend: pyace needs no TensorFlow, but is slow)"
    elif backend == "tensorpot" and number >= TOO_NEW:
        problem += f". Its numpy is {found}, and fits in TensorFlow need numpy < {TOO_NEW[0]}.{TOO_NEW[1]}"
    return UserError(
        f"trainer.kind: pacemaker in {tools.python.parent.parent} cannot be used: {problem}. {HOW_TO_INSTALL}"
    )


def _remembered(tools: Programs, versions: dict[str, str], backend: str) -> Path:
    """The file that is there once a fit with this installation worked."""
    made = tools.pacemaker.stat().st_mtime_ns
    content = json.dumps([str(tools.python), made, backend, sorted(versions.items())])
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "oligopoly" / "pacemaker" / f"{name}.json"


def _frame() -> Atoms:
    """A few atoms with labels that mean nothing."""
    rng = np.random.default_rng(0)
    grid = 2.0 * np.array([(x, y, z) for x in range(2) for y in range(2) for z in range(3)])
    atoms = Atoms("C6H6", positions=grid + 0.2 * rng.normal(size=grid.shape))
    atoms.info["REF_energy"] = -1.0
    atoms.arrays["REF_forces"] = rng.normal(size=grid.shape)
    return atoms
