"""Labels from Psi4, in a process of its own that stays alive from one structure to the next; D3 from s-dftd3."""

import difflib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.labelers import dispersion, programs
from oligopoly.labelers.contract import (
    Grid,
    Guess,
    Label,
    LabelerSettings,
    LabelFailure,
    decomposed,
    finite,
    gaussian,
    unpaired_electrons,
)
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.scratch import Scratch
from oligopoly.processes import dies_with_parent
from oligopoly.settings import PathText, Word

SERVER = Path(__file__).with_name("psi4_server.py")
KEY = "label.labeler.executable"
# Thresholds of the published polyethylene-glycol labels where they matter for forces; energies in Hartree.
OPTIONS = {
    "scf_type": "df",
    "mp2_type": "df",
    "freeze_core": False,
    "e_convergence": 1e-9,
    "d_convergence": 1e-7,
    "ints_tolerance": 1e-10,
    "dft_basis_tolerance": 1e-10,
    "s_tolerance": 1e-6,
}
# Of the cycles before those on the grid of the settings.
COARSE = {"dft_radial_points": 30, "dft_spherical_points": 86, "e_convergence": 1e-6, "d_convergence": 1e-5}
MAXITER = 60
SECOND_TRY = {"soscf": True, "soscf_start_convergence": 1e-2, "maxiter": 150, "damping_percentage": 20}


class Settings(LabelerSettings):
    """Density functionals, Hartree-Fock and MP2 in Gaussian basis sets by Psi4; finite."""

    periodic: ClassVar[bool] = False
    conda: ClassVar[str] = "psi4"
    packages: ClassVar[tuple[str, ...]] = ("dftd3",)
    kind: Literal["psi4"]
    method: dispersion.Method = Field(
        "wB97X-D3BJ", description="any with an analytic gradient: functionals without VV10, HF, MP2"
    )
    basis: Word = Field("def2-TZVPD", description="basis set that Psi4 knows")
    grid: Grid = (75, 302)
    executable: PathText = Field("psi4", description="or the program's path, e.g. ~/miniforge3/envs/psi4/bin/psi4")

    def guess(self) -> Guess:
        return gaussian(self.basis)

    def check(self, elements: set[str]) -> None:
        check_method(elements=elements, **self.arguments())

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "Psi4Labeler":
        return Psi4Labeler(**self.arguments(), threads=threads)


class Psi4Labeler:
    """Any method of Psi4 with an analytic gradient; Loewdin charges where there is one density."""

    def __init__(self, method: str, basis: str, grid: tuple[int, int], executable: str, *, threads: int = 1):
        self.method, self.basis, self.grid, self.threads = method, basis, tuple(grid), threads
        self.executable = executable
        self.functional, self.d3 = functional(method)
        self._server: Server | None = None

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return {
            "kind": "psi4",
            "method": dispersion.canonical(self.method),
            "dispersion": self.d3,
            "basis": self.basis.lower(),
            "grid": list(self.grid),
            **OPTIONS,
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and charges. Raises LabelFailure with its outcome."""
        finite(atoms, "Psi4")
        unpaired = unpaired_electrons(atoms)
        if self._server is None:
            self._server = Server(self.executable)
        answer = self._server.ask(
            {
                "do": "gradient",
                "functional": self.functional,
                "basis": self.basis,
                "symbols": atoms.get_chemical_symbols(),
                "positions": atoms.positions.tolist(),
                "unpaired": unpaired,
                "unrestricted": decomposed(atoms),
                "options": {
                    **OPTIONS,
                    "maxiter": MAXITER,
                    "dft_radial_points": self.grid[0],
                    "dft_spherical_points": self.grid[1],
                },
                "coarse": COARSE,
                "second_try": SECOND_TRY,
                "threads": self.threads,
            }
        )
        if "error" in answer:
            raise LabelFailure(*_why(answer))
        energy = answer["energy"] * Hartree
        forces = -np.array(answer["gradient"]) * Hartree / Bohr
        energy, forces, _ = dispersion.added(atoms, self.d3, energy, forces)
        notes = {"code": f"Psi4 {self._server.version}", "unpaired_electrons": unpaired}
        notes |= {name: answer[name] for name in ("basis_functions", "iterations") if name in answer}
        if answer.get("second_try"):
            notes["scf"] = f"second try, damped and of second order after {MAXITER} iterations"
        charges = np.array(answer["charges"]) if "charges" in answer else None
        return Label(energy, forces, None, charges, notes)

    def close(self) -> None:
        """End Psi4; the next label starts another one."""
        if self._server is not None:
            self._server.end()
            self._server = None


class Server:
    """A running `psi4_server.py`; it starts again by itself after a crash."""

    def __init__(self, executable: str, key: str = KEY):
        self.command, self.environment = _python_of(executable, key)
        self._process: subprocess.Popen | None = None
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - as long as the process
        self.version = self.ask({"do": "version"})["version"]

    def ask(self, request: dict) -> dict:
        """The server's answer; LabelFailure if it dies before it gives one."""
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None  # both are pipes
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        code = process.wait()
        self._process = None
        self._scratch.remove()
        self._log.seek(0)
        raise LabelFailure(*programs.why(code, self._log.read(), "Psi4"))

    def end(self) -> None:
        """Let it finish, and remove its scratch files."""
        process = self._process
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
            self._process = None
            self._scratch.remove()

    def _start(self) -> subprocess.Popen:
        self._scratch = Scratch("psi4", os.environ.get("PSI_SCRATCH"))
        self._log.seek(0)
        self._log.truncate()
        self._process = subprocess.Popen(
            [*self.command, str(SERVER), str(self._scratch.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=self.environment,
            preexec_fn=dies_with_parent,
        )
        return self._process


def functional(method: str) -> tuple[str | dict, dict | None]:
    """What Psi4 is asked for and the D3 parameters that are added to it; UserError for an unknown D3."""
    name, d3 = dispersion.split(method)
    fitted = dispersion.fitted(name, d3)
    if not fitted:
        return name, d3
    # A dispersion of zero keeps Psi4 from adding the VV10 that Libxc says belongs to the functional.
    none: dict[str, Any] = {"type": "chg", "params": {"s6": 0.0}, "nlc": False}
    return {"name": f"{name}_d3", "xc_functionals": {fitted: {}}, "dispersion": none}, d3


def check_method(*, method: str, basis: str, executable: str, elements: set[str], **_: Any) -> None:
    """UserError if there is no Psi4, or it has no analytic gradient of the method, or no basis for an element."""
    wanted = functional(method)[0]
    try:
        server = Server(executable)
    except LabelFailure as failure:
        raise UserError(f"{KEY}: `{executable}` does not run: {failure}") from None
    answer = server.ask({"do": "check", "functional": wanted, "basis": basis, "elements": sorted(elements)})
    server.end()
    if "error" not in answer:
        return
    if answer["error"] != "Refusal":
        raise UserError(f"label.labeler: Psi4 cannot be asked for {method}/{basis}: {answer['message']}")
    refusal = json.loads(answer["message"])
    if refusal.get("no_gradient"):
        raise UserError(
            f"label.labeler.method: Psi4 {server.version} has no analytic gradient of '{method}' (nor of other methods "
            "with the non-local correlation VV10, or double hybrids) and would displace every atom six times; "
            "wB97X-D3BJ, B3LYP-D3BJ, PBE-D3BJ, wB97X-D and MP2 have one"
        )
    key, given = ("basis", basis) if "basis" in refusal else ("method", method)
    near = difflib.get_close_matches(refusal[key].lower(), refusal["known"], n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    what = f"basis '{given}' for the element {refusal['element']}" if key == "basis" else f"method '{given}'"
    raise UserError(f"label.labeler.{key}: Psi4 {server.version} has no {what}{hint}")


def _python_of(executable: str, key: str) -> tuple[list[str], dict[str, str]]:
    """Command of the Python that Psi4 runs in, and the environment in which it finds the package."""
    program = programs.find(executable, key, "Psi4")
    asked = subprocess.run([program, "--psiapi-path"], capture_output=True, text=True, cwd=tempfile.gettempdir())
    paths = dict(re.findall(r"export (PATH|PYTHONPATH)=([^:\n]+)", asked.stdout))
    if set(paths) != {"PATH", "PYTHONPATH"}:
        said = (asked.stderr or asked.stdout).strip()[-300:]
        raise UserError(f"{key}: `{program} --psiapi-path` does not answer as Psi4 does: {said}")
    here = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PSIPATH"))
    }
    # Threads are Psi4's own; those of its BLAS would compete with them, and waiting ones would burn what they wait for.
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return [f"{paths['PATH']}/python3"], {**here, "PYTHONPATH": paths["PYTHONPATH"], **quiet}


def _why(answer: dict) -> tuple[Outcome, str]:
    reason = f"Psi4: {answer['error']}: {' '.join(answer['message'].split())}"
    if answer["error"] in ("SCFConvergenceError", "ConvergenceError"):
        return Outcome.UNCONVERGED, f"{reason}; nor damped and of second order"
    text = (answer["message"] + answer["tail"]).lower()
    if answer["error"] == "MemoryError" or any(words in text for words in programs.NO_MEMORY):
        return Outcome.OUT_OF_MEMORY, reason
    if answer["error"] == "ValidationError":
        return Outcome.INVALID, reason
    return Outcome.CRASHED, f"{reason} ... {answer['tail'].strip()}"
