"""Labels from Quantum ESPRESSO's pw.x through ASE's input and output: periodic, with stress; D3 from s-dftd3."""

import hashlib
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from ase import Atoms
from ase.units import Rydberg
from pydantic import Field, model_validator

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
# Functionals by the words with which pseudopotential files name them (exchange, correlation, gradient corrections).
FUNCTIONALS = {
    "pbe": ("SLA PW PBX PBC", "SLA PW PBE PBE", "PBE"),
    "blyp": ("SLA LYP B88 BLYP", "BLYP"),
    "pbesol": ("SLA PW PSX PSC", "PBESOL"),
    "revpbe": ("SLA PW REVX PBC", "SLA PW RPB PBC", "REVPBE"),
    "tpss": ("SLA PW TPSS TPSS", "TPSS"),
    "lda": ("SLA PZ NOGX NOGC", "PZ", "LDA"),
}
CONVERGENCE = 1e-9  # Ry, of the energy per structure
# Of structures of fragments, Ry: open shells are often degenerate, do not converge with whole occupations, and no
# further than the noise of the gradient corrections in vacuum.
SMEARING, CONVERGENCE_OPEN = 0.005, 1e-7
# Cycles and share of the new density in the mixing; the second try is slower and steadier.
TRIES = ((80, 0.7, 8), (250, 0.2, 12))


class Settings(LabelerSettings):
    """Plane waves by Quantum ESPRESSO; periodic (finite structures in a cell)."""

    conda: ClassVar[str] = "espresso"
    packages: ClassVar[tuple[str, ...]] = ("dftd3",)
    kind: Literal["espresso"]
    method: dispersion.Method = Field(
        "PBE-D3BJ", description="the functional of the pseudopotentials, with or without D3"
    )
    pseudopotentials: dict[Element, Word] = Field(
        min_length=1,
        examples=[{"H": "H.pbe-kjpaw.UPF", "C": "C.pbe-n-kjpaw_psl.0.1.UPF", "O": "O.pbe-kjpaw.UPF"}],
        description="files by element, all made for this functional",
    )
    pseudopotential_folder: PathText = Field(
        examples=["/usr/share/espresso/pseudo"], description="folder of these files"
    )
    wavefunction_cutoff: Energy = Field("50 Ry", description="of the plane waves")
    density_cutoff: Energy = Field("400 Ry", description="8 times that of the wave functions, norm-conserving 4 times")
    kpoints: KPoints = (1, 1, 1)
    vacuum: Vacuum = Field("6 A", description="on all sides of a finite structure")
    command: Command = Field("pw.x", description="or mpirun -np {threads} pw.x")

    @model_validator(mode="after")
    def _density_needs_more(self):
        if self.density_cutoff < 4 * self.wavefunction_cutoff:
            raise ValueError(
                f"density_cutoff: given {self.density_cutoff:.0f} eV: is less than 4 times wavefunction_cutoff "
                f"({self.wavefunction_cutoff:.0f} eV): give 4 to 12 times as much"
            )
        return self

    def guess(self) -> Guess:
        return PLANE_WAVES

    def check(self, elements: set[str]) -> None:
        check_method(elements=elements, **self.arguments())

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "EspressoLabeler":
        return EspressoLabeler(**self.arguments(), threads=threads)


class EspressoLabeler:
    """Energy, forces and stress by the functional for which the pseudopotentials were made."""

    def __init__(
        self,
        method: str,
        pseudopotentials: dict[str, str],
        pseudopotential_folder: str,
        wavefunction_cutoff: float,
        density_cutoff: float,
        kpoints: tuple[int, int, int],
        vacuum: float,
        command: str,
        *,
        threads: int = 1,
    ):
        self.method, self.d3 = method, dispersion.split(method)[1]
        self.files = {e: Path(pseudopotential_folder).expanduser() / f for e, f in pseudopotentials.items()}
        self.cutoffs = (wavefunction_cutoff, density_cutoff)
        self.kpoints, self.vacuum, self.command, self.threads = tuple(kpoints), vacuum, command, threads
        self._hashes = {e: hashlib.sha256(path.read_bytes()).hexdigest() for e, path in sorted(self.files.items())}

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return {
            "kind": "espresso",
            "method": dispersion.canonical(self.method),
            "dispersion": self.d3,
            "pseudopotentials": self._hashes,
            "wavefunction_cutoff_eV": self.cutoffs[0],
            "density_cutoff_eV": self.cutoffs[1],
            "kpoints": list(self.kpoints),
            "vacuum_A": self.vacuum,
            "convergence_Ry": CONVERGENCE,
            "fragments_Ry": [SMEARING, CONVERGENCE_OPEN],
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and, of periodic structures, stress. Raises LabelFailure with its outcome."""
        unpaired = unpaired_electrons(atoms)
        if missing := sorted(set(atoms.symbols) - set(self.files)):
            raise LabelFailure(Outcome.INVALID, f"no pseudopotential for {', '.join(missing)}")
        cell = in_cell(atoms, self.vacuum)
        set_moments(cell, unpaired)
        for settings in TRIES:
            with Scratch("espresso") as folder:
                result, output = self._run(cell, unpaired, folder, *settings)
            if result is not None:
                break
        else:
            ways = " nor ".join(f"in {cycles} cycles at mixing {beta:g}" for cycles, beta, _ in TRIES)
            raise LabelFailure(Outcome.UNCONVERGED, f"Quantum ESPRESSO: not {ways}")
        version = re.search(r"Program PWSCF v\.?(\S+)", output)
        notes = {"code": f"Quantum ESPRESSO {version[1] if version else ''}".strip(), "unpaired_electrons": unpaired}
        if settings != TRIES[0]:
            notes["scf"] = f"second try, {settings[0]} cycles and mixing {settings[1]:g}"
        energy, forces = result.get_potential_energy(), result.get_forces()
        stress = result.get_stress(voigt=False) if atoms.pbc.all() else None
        energy, forces, stress = dispersion.added(atoms, self.d3, energy, forces, stress)
        return Label(float(energy), forces, stress, None, notes)

    def close(self) -> None:
        """Nothing stays open between labels."""

    def _run(self, atoms: Atoms, unpaired: int, folder: Path, cycles: int, mixing: float, memory: int):
        """What pw.x found, None where it did not converge; and all that it said."""
        from ase.io.espresso import read_espresso_out, write_espresso_in

        with open(folder / "pw.in", "w") as file:
            write_espresso_in(
                file, atoms, input_data=self._input(atoms, unpaired, cycles, mixing, memory),
                pseudopotentials={element: path.name for element, path in self.files.items()},
                kpts=None if self.kpoints == (1, 1, 1) else self.kpoints,
            )  # fmt: skip
        command = programs.command_line(self.command, KEY, "Quantum ESPRESSO", self.threads)
        code, output = programs.run(
            [*command, "-in", "pw.in"], folder, programs.environment(self.command, self.threads)
        )
        if "convergence NOT achieved" in output:
            return None, output  # and yet it may say JOB DONE
        if code != 0 or "convergence has been achieved" not in output:
            error = re.search(r"%{20,}\n(.*?)\n\s*%{20,}", output, re.S)
            raise LabelFailure(*programs.why(code, error[1] if error else output, "Quantum ESPRESSO"))
        (folder / "pw.out").write_text(output)
        with open(folder / "pw.out") as file:
            return list(read_espresso_out(file, index=slice(None)))[-1], output

    def _input(self, atoms: Atoms, unpaired: int, cycles: int, mixing: float, memory: int) -> dict[str, dict]:
        (folder,) = {str(path.parent) for path in self.files.values()}
        system: dict[str, Any] = {
            "ecutwfc": self.cutoffs[0] / Rydberg,
            "ecutrho": self.cutoffs[1] / Rydberg,
            "nosym": True,
        }
        if decomposed(atoms):
            system |= {"nspin": 2, "tot_magnetization": unpaired}
            system |= {"occupations": "smearing", "smearing": "m-v", "degauss": SMEARING}
        return {
            "control": {
                "calculation": "scf",
                "tprnfor": True,
                "tstress": True,
                "disk_io": "none",
                "outdir": "./out",
                "pseudo_dir": folder,
            },
            "system": system,
            "electrons": {
                "conv_thr": CONVERGENCE_OPEN if decomposed(atoms) else CONVERGENCE,
                "electron_maxstep": cycles,
                "mixing_beta": mixing,
                "mixing_ndim": memory,
            },
        }


def check_method(
    *, method: str, pseudopotentials: dict, pseudopotential_folder: str, command: str, elements: set[str], **_: Any
) -> None:
    """UserError if pw.x or a pseudopotential is missing, or one was made for another functional or element."""
    programs.command_line(command, KEY, "Quantum ESPRESSO")
    functional = dispersion.split(method)[0]
    words = FUNCTIONALS.get(functional.lower())
    if words is None:
        raise UserError(
            f"label.labeler.method: '{functional}' is not among the functionals that are known by their "
            f"pseudopotentials: {', '.join(name.upper() for name in FUNCTIONALS)}"
        )
    folder = Path(pseudopotential_folder).expanduser()
    for element in sorted(elements):
        if element not in pseudopotentials:
            raise UserError(f"label.labeler.pseudopotentials: none is given for the element {element}")
        path = folder / pseudopotentials[element]
        key = f"label.labeler.pseudopotentials.{element}"
        if not path.is_file():
            near = sorted(p.name for p in folder.glob(f"{element}[._-]*")) if folder.is_dir() else []
            hint = f"; for this element there: {', '.join(near)}" if near else ""
            raise UserError(f"{key}: there is no file {path}{hint}")
        symbol, made_for = _header(path)
        if symbol and symbol != element:
            raise UserError(f"{key}: {path.name} is for the element {symbol}")
        if made_for not in words:
            raise UserError(
                f"{key}: {path.name} was made for the functional '{made_for}', and the method is {method}: one "
                "functional for all"
            )


def _header(path: Path) -> tuple[str, str]:
    """Element and functional that a UPF file says it is for."""
    text = path.read_text(errors="replace")
    tag = re.search(r"<PP_HEADER(.*?)(/>|</PP_HEADER>)", text, re.S)
    header = tag[1] if tag else ""
    named = {key: value for key, _, value in re.findall(r"(\w+)=(['\"])(.*?)\2", header, re.S)}
    if "functional" in named:  # version 2
        functional, symbol = named["functional"], named.get("element", "")
    else:
        line = re.search(r"^(.*)Exchange-Correlation functional", header, re.M)
        element = re.search(r"^\s*(\w+)\s+Element", header, re.M)
        functional, symbol = " ".join(line[1].split()[:4]) if line else "", element[1] if element else ""
    return symbol.strip(), " ".join(functional.split()).upper()
