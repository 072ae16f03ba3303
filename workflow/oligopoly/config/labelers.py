"""The reference methods that label structures: one model per `kind`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from oligopoly.config.quantities import Energy, Length
from oligopoly.config.settings import Settings


def _has_dispersion_parameters(method: str) -> str:
    from oligopoly.label.dispersion import split

    split(method)
    return method


Method = Annotated[str, Field(min_length=1), AfterValidator(_has_dispersion_parameters)]
Grid = Annotated[
    tuple[Annotated[int, Field(ge=20)], Annotated[int, Field(ge=50)]],
    Field(description="radial and angular points per atom of the integration grid, e.g. [75, 302] or [99, 590]"),
]


Element = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
KPoints = Annotated[
    tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]],
    Field(description="Monkhorst-Pack grid; one point is enough in a cell of 10 A"),
]


class Classical(Settings):
    """Labels from the classical force field itself: exact, cheap, for tests and demonstrations."""

    kind: Literal["classical"] = "classical"


class XTB(Settings):
    """Extended tight binding by tblite: finite and periodic structures in seconds."""

    kind: Literal["xtb"]
    method: Literal["GFN2-xTB", "GFN1-xTB"] = Field("GFN2-xTB", description="GFN1-xTB is faster in periodic cells")


class PySCF(Settings):
    """Density functionals in Gaussian basis sets by PySCF: finite structures."""

    kind: Literal["pyscf"]
    method: Method = Field(
        "wB97X-D3BJ", description="functional as PySCF knows it, HF, or with D3: PBE-D3BJ, B3LYP-D3zero"
    )
    basis: str = Field("def2-TZVPD", min_length=1, description="basis set, as PySCF knows it")
    grid: Grid = (75, 302)


class Psi4(Settings):
    """Density functionals, Hartree-Fock and MP2 in Gaussian basis sets by Psi4: finite structures."""

    kind: Literal["psi4"]
    method: Method = Field("wB97X-D3BJ", description="with an analytic gradient in Psi4; D3 as of pyscf")
    basis: str = Field("def2-TZVPD", min_length=1, description="basis set, as Psi4 knows it")
    grid: Grid = (75, 302)
    executable: str = Field("psi4", min_length=1, description="the program, or its path in another environment")


class Espresso(Settings):
    """Plane waves by Quantum ESPRESSO (pw.x): periodic structures, with stress."""

    kind: Literal["espresso"]
    method: Method = Field("PBE-D3BJ", description="functional of the pseudopotentials, with or without D3")
    pseudopotentials: dict[Element, str] = Field(
        description="UPF file by element; all made for the method's functional"
    )
    pseudopotential_folder: str = Field(min_length=1, description="folder of these files")
    wavefunction_cutoff: Energy = Field("50 Ry", description="ecutwfc")
    density_cutoff: Energy = Field("400 Ry", description="ecutrho: 8 times ecutwfc, norm-conserving 4 times")
    kpoints: KPoints = (1, 1, 1)
    vacuum: Length = Field("6 A", description="on all sides of a finite structure")
    command: str = Field(
        "pw.x", min_length=1, description="such as `mpirun -np {threads} pw.x`; `{threads}` is what the job gives it"
    )


class CP2K(Settings):
    """Gaussians and plane waves by CP2K (cp2k_shell): periodic and finite structures."""

    kind: Literal["cp2k"]
    method: Method = Field("BLYP-D3BJ", description="functional that has GTH pseudopotentials, with or without D3")
    basis: str = Field("DZVP-MOLOPT-SR-GTH", min_length=1, description="basis set in `basis_file`")
    basis_file: str = Field("BASIS_MOLOPT", min_length=1, description="file in CP2K's folder of data")
    potential_file: str = Field("GTH_POTENTIALS", min_length=1, description="file in CP2K's folder of data")
    data_folder: str | None = Field(None, min_length=1, description="default: $CP2K_DATA_DIR, or beside the program")
    cutoff: Energy = Field("400 Ry", description="of the plane waves")
    vacuum: Length = Field("5 A", description="on all sides of a finite structure")
    command: str = Field(
        "cp2k_shell", min_length=1, description="such as `mpirun -np {threads} cp2k_shell`; or OpenMP threads without"
    )


class VASP(Settings):
    """Plane waves by VASP, which is licensed: periodic structures, with stress."""

    kind: Literal["vasp"]
    method: Method = Field("PBE-D3BJ", description="PBE, PBEsol, revPBE, RPBE, SCAN or r2SCAN, with or without D3")
    potentials: dict[Element, str] = Field(description="folder of the POTCAR by element, such as C, O_s")
    potential_folder: str = Field(min_length=1, description="folder of these, such as .../potpaw_PBE.54")
    cutoff: Energy = Field("500 eV", description="ENCUT")
    kpoints: KPoints = (1, 1, 1)
    vacuum: Length = Field("6 A", description="on all sides of a finite structure")
    command: str = Field("vasp_gam", min_length=1, description="such as `mpirun -np {threads} vasp_std`")


def _kind(labeler: Any) -> Any:
    """The kind of labeler, the force field where none is given."""
    return labeler.get("kind", "classical") if isinstance(labeler, dict) else getattr(labeler, "kind", None)


Labeler = Annotated[
    Annotated[Classical, Tag("classical")]
    | Annotated[XTB, Tag("xtb")]
    | Annotated[PySCF, Tag("pyscf")]
    | Annotated[Psi4, Tag("psi4")]
    | Annotated[Espresso, Tag("espresso")]
    | Annotated[CP2K, Tag("cp2k")]
    | Annotated[VASP, Tag("vasp")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="Input should be {expected}",
        custom_error_context={"expected": "'classical', 'xtb', 'pyscf', 'psi4', 'espresso', 'cp2k' or 'vasp'"},
    ),
]
