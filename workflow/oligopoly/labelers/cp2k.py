"""Labels from CP2K through ASE: a cp2k_shell that stays alive, each SCF from the orbitals before; D3 from s-dftd3."""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.labelers import dispersion, programs
from oligopoly.labelers.contract import (
    PLANE_WAVES,
    Guess,
    Label,
    LabelerSettings,
    LabelFailure,
    decomposed,
    unpaired_electrons,
)
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.periodic import in_cell, set_moments
from oligopoly.labelers.scratch import Scratch
from oligopoly.quantities import Energy, Vacuum
from oligopoly.settings import Command, PathText, Word

KEY = "label.labeler.command"
# Functionals of which CP2K has a shorthand and Goedecker-Teter-Hutter pseudopotentials.
FUNCTIONALS = ("BLYP", "PBE", "BP", "OLYP", "HCTH120", "PADE")
# Elements whose basis and potential are part of a label's key; whether a file has others besides changes no label.
ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")
CONVERGENCE = 1e-7  # of the orbital gradient
# Minimiser of the orbital transformation, its line search, steps and rounds of them, of the first and second try.
TRIES = (("DIIS", "2PNT", 40, 5), ("CG", "3PNT", 40, 25))

# Smoothing of the exchange-correlation grid: without, forces of GTH pseudopotentials at usual cutoffs sum up to
# 0.2-0.5 eV/A.
INPUT = """
&FORCE_EVAL
  &DFT
    &MGRID
      NGRIDS 5
      REL_CUTOFF [Ry] 60
    &END MGRID
    &QS
      EPS_DEFAULT 1.0E-12
    &END QS
    &POISSON
      {poisson}
    &END POISSON
    &SCF
      SCF_GUESS ATOMIC
      MAX_SCF {steps}
      EPS_SCF {convergence:.1e}
      &OT
        MINIMIZER {minimizer}
        LINESEARCH {linesearch}
        PRECONDITIONER FULL_ALL
      &END OT
      &OUTER_SCF
        MAX_SCF {rounds}
        EPS_SCF {convergence:.1e}
      &END OUTER_SCF
    &END SCF
    &XC
      &XC_FUNCTIONAL {functional}
      &END XC_FUNCTIONAL
      &XC_GRID
        XC_SMOOTH_RHO NN50
        XC_DERIV NN50_SMOOTH
      &END XC_GRID
    &END XC
  &END DFT
&END FORCE_EVAL
"""


class Settings(LabelerSettings):
    """Mixed Gaussians and plane waves by CP2K's cp2k_shell; periodic and finite."""

    conda: ClassVar[str] = "cp2k"
    packages: ClassVar[tuple[str, ...]] = ("dftd3",)
    kind: Literal["cp2k"]
    method: dispersion.Method = Field(
        "BLYP-D3BJ", description="a functional that has GTH pseudopotentials, with or without D3"
    )
    basis: Word = Field("DZVP-MOLOPT-SR-GTH", description="one of those in basis_file")
    basis_file: Word = Field("BASIS_MOLOPT", description="file in CP2K's folder of data")
    potential_file: Word = Field("GTH_POTENTIALS", description="file in CP2K's folder of data")
    data_folder: PathText | None = Field(
        None, description="of these files; null: CP2K_DATA_DIR, or the one beside the program"
    )
    cutoff: Energy = Field("400 Ry", description="of the plane waves")
    vacuum: Vacuum = Field("5 A", description="on all sides of a finite structure")
    command: Command = Field("cp2k_shell", description="or mpirun -np {threads} cp2k_shell")

    def guess(self) -> Guess:
        return PLANE_WAVES

    def check(self, elements: set[str]) -> None:
        check_method(elements=elements, **self.arguments())

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "CP2KLabeler":
        return CP2KLabeler(**self.arguments(), threads=threads)


class CP2KLabeler:
    """Energy, forces and, of periodic structures, stress, in Gaussians and plane waves (Quickstep)."""

    def __init__(
        self,
        method: str,
        basis: str,
        basis_file: str,
        potential_file: str,
        data_folder: str | None,
        cutoff: float,
        vacuum: float,
        command: str,
        *,
        threads: int = 1,
    ):
        self.method, self.basis, self.cutoff, self.vacuum = method, basis, cutoff, vacuum
        self.functional, self.d3 = dispersion.split(method)
        self.command, self.threads = command, threads
        program = programs.command_line(command, KEY, "CP2K", threads)
        folder = _data(data_folder, program)
        self.basis_file, self.potential_file = folder / basis_file, folder / potential_file
        self._calculator: Any = None
        self._scratch: Scratch | None = None
        self._read = 0

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        tables = ((self.basis_file, self.basis), (self.potential_file, _potential(self.functional)))
        parameters = "\n".join(_entry(file, element, name) or "" for file, name in tables for element in ELEMENTS)
        return {
            "kind": "cp2k",
            "method": dispersion.canonical(self.method),
            "dispersion": self.d3,
            "basis": self.basis,
            "parameters": hashlib.sha256(parameters.encode()).hexdigest(),
            "cutoff_eV": self.cutoff,
            "vacuum_A": self.vacuum,
            "convergence": CONVERGENCE,
            "xc_grid": "NN50",
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and, of periodic structures, stress. Raises LabelFailure with its outcome."""
        unpaired = unpaired_electrons(atoms)
        cell = in_cell(atoms, self.vacuum, cubic=True)
        set_moments(cell, unpaired)
        if np.ptp(cell.get_initial_magnetic_moments()) > 0 and cell.get_initial_magnetic_moments().min() < 0:
            raise LabelFailure(Outcome.INVALID, "more than one radical: CP2K is set up for one at most")
        cell.set_initial_magnetic_moments(None)
        cell.pbc = atoms.pbc
        for number in range(len(TRIES)):
            energy, forces, stress, said = self._compute(cell, unpaired, number)
            if "NOT converged" not in said:
                break
            self.close()  # the next try, and the next structure, begin anew
        else:
            raise LabelFailure(Outcome.UNCONVERGED, "CP2K: SCF run NOT converged, " + _ways())
        notes = {"code": self._version, "unpaired_electrons": unpaired}
        if number:
            self.close()
            notes["scf"] = f"second try, {TRIES[number][0]} with line search {TRIES[number][1]}"
        stress = stress if atoms.pbc.all() else None
        energy, forces, stress = dispersion.added(atoms, self.d3, energy, forces, stress)
        return Label(float(energy), forces, stress, None, notes)

    def close(self) -> None:
        """End CP2K; the next label starts another one."""
        if self._calculator is not None:
            with warnings.catch_warnings(), contextlib.suppress(Exception):
                warnings.simplefilter("ignore")
                self._calculator.close()
            self._calculator = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def _compute(self, atoms: Atoms, unpaired: int, number: int):
        """Energy, forces, stress (3, 3) and what CP2K wrote of this structure."""
        kind = (bool(atoms.pbc.all()), decomposed(atoms), unpaired, number)
        if self._calculator is None or self._kind != kind:
            self.close()
            self._start(*kind)
        calculator = self._calculator
        try:
            # Not through `atoms.calc`, which would wrap any property that fails into another error.
            calculator.calculate(atoms, ["energy", "forces", "stress"], self._changes(atoms))
            results = calculator.results
            stress = np.array(results["stress"])[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
            return results["energy"], results["forces"], stress, self._said()
        except (AssertionError, BrokenPipeError, ValueError, OSError, RuntimeError) as error:
            said = self._said()
            code = self._end_of_shell()
            self.close()
            if "NOT converged" in said:  # newer versions end there
                return None, None, None, said
            raise LabelFailure(*programs.why(code, _message(said) or f"{error}", "CP2K")) from error

    def _changes(self, atoms: Atoms) -> list[str]:
        from ase.calculators.calculator import all_changes, compare_atoms

        before = self._calculator.atoms
        return list(all_changes) if before is None else compare_atoms(before, atoms, tol=0)

    def _start(self, periodic: bool, unrestricted: bool, unpaired: int, number: int) -> None:
        from ase.calculators.cp2k import CP2K

        self._scratch = Scratch("cp2k")
        self._kind, self._read = (periodic, unrestricted, unpaired, number), 0
        minimizer, linesearch, steps, rounds = TRIES[number]
        words = programs.command_line(self.command, KEY, "CP2K", self.threads)
        self._version = _version(words)
        variables = programs.environment(self.command, self.threads)
        changed = {name: value for name, value in variables.items() if os.environ.get(name) != value}
        dies = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = " ".join(
            [*(f"{n}={shlex.quote(v)}" for n, v in changed.items()), "exec", shlex.join([*dies, *words])]
        )
        try:
            self._calculator = CP2K(
                label=f"{self._scratch.path}/cp2k",
                command=command,
                xc=None,
                basis_set=self.basis,
                basis_set_file=str(self.basis_file),
                pseudo_potential=_potential(self.functional),
                potential_file=str(self.potential_file),
                cutoff=self.cutoff,
                max_scf=None,
                uks=unrestricted,
                multiplicity=unpaired + 1 if unrestricted else None,
                poisson_solver=None,
                stress_tensor=periodic,
                print_level="LOW",
                inp=INPUT.format(
                    functional=self.functional.upper(), convergence=CONVERGENCE, steps=steps, rounds=rounds,
                    minimizer=minimizer, linesearch=linesearch,
                    poisson="PERIODIC XYZ" if periodic else "PERIODIC NONE\n      PSOLVER WAVELET",
                ),
            )  # fmt: skip
        except (AssertionError, RuntimeError) as error:
            self.close()
            raise LabelFailure(Outcome.CRASHED, f"CP2K does not start: {error}") from error

    def _said(self) -> str:
        """What CP2K has written since this was asked last."""
        path = self._scratch.path / "cp2k.out" if self._scratch else None
        if path is None or not path.exists():
            return ""
        with open(path, errors="replace") as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        return text

    def _end_of_shell(self) -> int | None:
        child = getattr(self._calculator._shell, "_child", None)
        if child is None:
            return None
        try:
            return child.wait(5)
        except subprocess.TimeoutExpired:
            return None


def check_method(
    *, method: str, basis: str, basis_file: str, potential_file: str, data_folder: str | None, command: str,
    elements: set[str], **_: Any,
) -> None:  # fmt: skip
    """UserError if cp2k_shell is missing, or its data have no basis or potential for an element."""
    folder = _data(data_folder, programs.command_line(command, KEY, "CP2K"))
    functional = dispersion.split(method)[0]
    if functional.upper() not in FUNCTIONALS:
        raise UserError(f"label.labeler.method: '{functional}' is none of {', '.join(FUNCTIONALS)}")
    for key, file, name in (
        ("basis", basis_file, basis),
        ("potential_file", potential_file, _potential(functional)),
    ):
        path = folder / file
        if not path.is_file():
            raise UserError(f"label.labeler.{key}: there is no file {path}")
        for element in sorted(elements):
            if _entry(path, element, name) is None:
                known = re.findall(rf"^\s*{element}\s+(\S+)", path.read_text(errors="replace"), re.M)
                hint = f"; there are {', '.join(sorted(set(known)))}" if known else ""
                raise UserError(f"label.labeler.{key}: {path} has no {name} for the element {element}{hint}")


def _potential(functional: str) -> str:
    return f"GTH-{functional.upper()}"


def _data(folder: str | None, program: list[str]) -> Path:
    """CP2K's folder of data: what is given, $CP2K_DATA_DIR, or the one beside the program."""
    given = folder or os.environ.get("CP2K_DATA_DIR")
    if given:
        return Path(given).expanduser()
    shells = [shutil.which(word) for word in program if "cp2k" in Path(word).name]
    beside = [Path(shell).resolve().parents[1] / "share" / "cp2k" for shell in shells if shell]
    for place in [p for share in beside for p in (share / "data", share)]:
        if (place / "GTH_POTENTIALS").is_file():
            return place
    raise UserError(
        "label.labeler.data_folder: CP2K's data (GTH_POTENTIALS, BASIS_MOLOPT, ...) are not beside the program; give "
        "their folder, or set CP2K_DATA_DIR"
    )


def _entry(path: Path, element: str, name: str) -> str | None:
    """Lines of a basis or potential in one of CP2K's files; None if it has none."""
    lines = path.read_text(errors="replace").splitlines()
    start = next(
        (k for k, line in enumerate(lines) if line.split()[:1] == [element] and name in line.split()[1:]), None
    )
    if start is None:
        return None
    body = []
    for line in lines[start + 1 :]:
        if line.strip().startswith("#") or re.match(r"\s*[A-Z][a-z]?\s+\S*[A-Za-z]", line):
            break
        body.append(" ".join(line.split()))
    return "\n".join([f"{element} {name}", *filter(None, body)])


def _version(words: list[str]) -> str:
    said = subprocess.run([words[-1], "--version"], capture_output=True, text=True).stdout
    found = re.search(r"CP2K version (\S+)", said)
    return f"CP2K {found[1]}" if found else "CP2K"


def _message(said: str) -> str:
    """The text in CP2K's box of asterisks around [ABORT], if there is one."""
    at = said.find("[ABORT]")
    if at < 0:
        return said
    box = said[max(0, said.rfind("\n\n", 0, at)) : at + 1500]
    return " ".join(re.sub(r"[*|\\/_]{1,}", " ", box).split())


def _ways() -> str:
    return " nor ".join(f"in {steps * rounds} steps of {minimizer}" for minimizer, _, steps, rounds in TRIES)
