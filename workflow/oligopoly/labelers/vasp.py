"""Labels from VASP through ASE's input and output: periodic, with stress; D3 from s-dftd3."""

import hashlib
import re
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree.ElementTree import ParseError

import numpy as np
from ase import Atoms
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.labelers import dispersion, programs
from oligopoly.labelers.contract import (
    PLANE_WAVES,
    Element,
    Guess,
    KPoints,
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
FUNCTIONALS = {
    "pbe": {"GGA": "PE"},
    "pbesol": {"GGA": "PS"},
    "revpbe": {"GGA": "RE"},
    "rpbe": {"GGA": "RP"},
    "scan": {"METAGGA": "SCAN"},
    "r2scan": {"METAGGA": "R2SCAN"},
}
FIXED = {
    "PREC": "Accurate",
    "EDIFF": 1e-7,
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "LREAL": ".FALSE.",
    "LASPH": ".TRUE.",
    "ISYM": 0,
    "IBRION": -1,
    "NSW": 0,
    "ISIF": 2,
    "LWAVE": ".FALSE.",
    "LCHARG": ".FALSE.",
}
TRIES = ({"ALGO": "Fast", "NELM": 80}, {"ALGO": "All", "NELM": 250, "TIME": 0.2})


class Settings(LabelerSettings):
    """Plane waves by VASP, which is licensed; periodic (finite structures in a cell)."""

    packages: ClassVar[tuple[str, ...]] = ("dftd3",)
    kind: Literal["vasp"]
    method: dispersion.Method = Field(
        "PBE-D3BJ", description="PBE, PBEsol, revPBE, RPBE, SCAN or r2SCAN, with or without D3"
    )
    potentials: dict[Element, Word] = Field(
        min_length=1, examples=[{"H": "H", "C": "C", "O": "O"}], description="folder of each POTCAR"
    )
    potential_folder: PathText = Field(examples=["~/potpaw_PBE.54"], description="folder of these folders")
    cutoff: Energy = Field("500 eV", description="of the plane waves")
    kpoints: KPoints = (1, 1, 1)
    vacuum: Vacuum = Field("6 A", description="on all sides of a finite structure")
    command: Command = Field("vasp_gam", description="or mpirun -np {threads} vasp_std")

    def guess(self) -> Guess:
        return PLANE_WAVES

    def check(self, elements: set[str]) -> None:
        check_method(elements=elements, **self.arguments())

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "VASPLabeler":
        return VASPLabeler(**self.arguments(), threads=threads)


class VASPLabeler:
    """Energy (the free energy, of which the forces are the gradient), forces and stress."""

    def __init__(
        self,
        method: str,
        potentials: dict[str, str],
        potential_folder: str,
        cutoff: float,
        kpoints: tuple[int, int, int],
        vacuum: float,
        command: str,
        *,
        threads: int = 1,
    ):
        self.method, self.cutoff, self.kpoints, self.vacuum = method, cutoff, tuple(kpoints), vacuum
        self.functional, self.d3 = dispersion.split(method)
        self.command, self.threads = command, threads
        folder = Path(potential_folder).expanduser()
        self.files = {element: folder / name / "POTCAR" for element, name in sorted(potentials.items())}
        self._hashes = {e: hashlib.sha256(path.read_bytes()).hexdigest() for e, path in self.files.items()}

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return {
            "kind": "vasp",
            "method": dispersion.canonical(self.method),
            "dispersion": self.d3,
            "potentials": self._hashes,
            "cutoff_eV": self.cutoff,
            "kpoints": list(self.kpoints),
            "vacuum_A": self.vacuum,
            "incar": FIXED,
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and, of periodic structures, stress. Raises LabelFailure with its outcome."""
        unpaired = unpaired_electrons(atoms)
        if missing := sorted(set(atoms.symbols) - set(self.files)):
            raise LabelFailure(Outcome.INVALID, f"no POTCAR for {', '.join(missing)}")
        cell = in_cell(atoms, self.vacuum)
        set_moments(cell, unpaired)
        for way in TRIES:
            with Scratch("vasp") as folder:
                energy, forces, stress, version = self._run(cell, unpaired, folder, way)
            if energy is not None:
                break
        else:
            ways = " nor ".join(f"in {way['NELM']} steps of ALGO = {way['ALGO']}" for way in TRIES)
            raise LabelFailure(Outcome.UNCONVERGED, f"VASP: not {ways}")
        notes = {"code": f"VASP {version}", "unpaired_electrons": unpaired}
        if way != TRIES[0]:
            notes["scf"] = f"second try, ALGO = {way['ALGO']}"
        stress = stress if atoms.pbc.all() else None
        energy, forces, stress = dispersion.added(atoms, self.d3, energy, forces, stress)
        return Label(float(energy), forces, stress, None, notes)

    def close(self) -> None:
        """Nothing stays open between labels."""

    def write_input(self, atoms: Atoms, unpaired: int, folder: Path, way: dict) -> np.ndarray:
        """POSCAR, POTCAR, KPOINTS and INCAR; returns the order of the atoms there, elements together."""
        order = np.argsort(atoms.numbers, kind="stable")
        ordered = atoms[order]
        from ase.io.vasp import write_vasp

        write_vasp(folder / "POSCAR", ordered, direct=True)
        elements = list(dict.fromkeys(ordered.get_chemical_symbols()))
        (folder / "POTCAR").write_bytes(b"".join(self.files[element].read_bytes() for element in elements))
        grid = " ".join(map(str, self.kpoints))
        (folder / "KPOINTS").write_text(f"oligopoly\n0\nGamma\n{grid}\n0 0 0\n")
        keys = {"ENCUT": self.cutoff, **FUNCTIONALS[self.functional.lower()], **FIXED, **way}
        if decomposed(atoms):
            moments = " ".join(f"{m:.4f}" for m in ordered.get_initial_magnetic_moments())
            keys |= {"ISPIN": 2, "NUPDOWN": unpaired, "MAGMOM": moments}
        (folder / "INCAR").write_text("".join(f"{key} = {value}\n" for key, value in keys.items()))
        return order

    def _run(self, atoms: Atoms, unpaired: int, folder: Path, way: dict):
        order = self.write_input(atoms, unpaired, folder, way)
        command = programs.command_line(self.command, KEY, "VASP", self.threads)
        code, output = programs.run(command, folder, programs.environment(self.command, self.threads))
        return read_output(folder, order, code, output)


def read_output(folder: Path, order: np.ndarray, code: int, output: str):
    """Energy (eV), forces (N, 3) in eV/A, stress (3, 3) in eV/A^3 with ASE's sign, and version of a calculation.

    Atoms come back from `order`. Energy, forces and stress are None where the SCF did not converge; LabelFailure where
    the calculation did not come to its end.
    """
    outcar = folder / "OUTCAR"
    text = outcar.read_text(errors="replace") if outcar.exists() else ""
    if "General timing and accounting" not in text:
        raise LabelFailure(*programs.why(code, f"{text[-programs.TAIL :]}\n{output}", "VASP"))
    version = re.search(r"vasp\.(\d\S*)", text)
    if "EDIFF is reached" not in text:
        return None, None, None, version and version[1]
    import ase.io

    try:
        result = ase.io.read(folder / "vasprun.xml", format="vasp-xml")
        energy, forces = result.get_potential_energy(force_consistent=True), result.get_forces(apply_constraint=False)
        stress = result.get_stress(voigt=False)
    except (ParseError, OSError, RuntimeError, ValueError, IndexError) as error:
        raise LabelFailure(Outcome.CRASHED, f"VASP: its vasprun.xml cannot be read: {error}") from error
    back = np.argsort(order)
    return float(energy), forces[back], stress, version[1] if version else ""


def check_method(
    *, method: str, potentials: dict, potential_folder: str, command: str, elements: set[str], **_: Any
) -> None:
    """UserError if VASP, the POTCAR of an element, or the functional is missing."""
    programs.command_line(command, KEY, "VASP")
    functional = dispersion.split(method)[0]
    if functional.lower() not in FUNCTIONALS:
        known = ", ".join(name.upper() for name in FUNCTIONALS)
        raise UserError(f"label.labeler.method: '{functional}' is none of {known}")
    for element in sorted(elements):
        if element not in potentials:
            raise UserError(f"label.labeler.potentials: none is given for the element {element}")
        key = f"label.labeler.potentials.{element}"
        path = Path(potential_folder).expanduser() / potentials[element] / "POTCAR"
        if not path.is_file():
            raise UserError(f"{key}: there is no file {path}")
        made_for = re.search(r"VRHFIN\s*=\s*([A-Z][a-z]?)", path.read_text(errors="replace"))
        if made_for and made_for[1] != element:
            raise UserError(f"{key}: {path} is for the element {made_for[1]}")
