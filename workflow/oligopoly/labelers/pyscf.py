"""Labels from density functionals in Gaussian basis sets (PySCF): finite structures, D3 from s-dftd3."""

import difflib
import re
import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree
from pydantic import Field
from threadpoolctl import ThreadpoolController

from oligopoly.errors import UserError
from oligopoly.labelers import dispersion
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
from oligopoly.settings import Word

ENERGY_CHANGE = 1e-9  # Hartree, at which the SCF is converged
COARSE_GRID, COARSE_ENERGY_CHANGE = (30, 86), 1e-6  # of the cycles before
# Electrons that grid points left out for good may hold together: a tenth of the time, and 3e-9 eV for ethylene glycol.
SMALL_DENSITY = 1e-7
CYCLES = 60  # of DIIS
CYCLES_SECOND_ORDER = 40  # of the second try
DESCENTS = 5  # from saddle points of the energy as a function of the orbitals


class Settings(LabelerSettings):
    """Density functionals in Gaussian basis sets by PySCF; finite."""

    periodic: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("pyscf", "dftd3")
    kind: Literal["pyscf"]
    method: dispersion.Method = Field(
        "wB97X-D3BJ", description="a functional that PySCF knows, or HF; -D3BJ or -D3zero adds dispersion"
    )
    basis: Word = Field("def2-TZVPD", description="or def2-SVP, about 3 times cheaper")
    grid: Grid = (75, 302)

    def guess(self) -> Guess:
        return gaussian(self.basis)

    def check(self, elements: set[str]) -> None:
        check_method(elements=elements, **self.arguments())

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "PySCFLabeler":
        return PySCFLabeler(**self.arguments(), threads=threads)


class PySCFLabeler:
    """Kohn-Sham or Hartree-Fock energies and forces with density fitting; Loewdin charges."""

    def __init__(self, method: str, basis: str, grid: tuple[int, int], *, threads: int = 1):
        import pyscf

        self.method, self.basis, self.grid, self.threads = method, basis, tuple(grid), threads
        self.functional, self.nonlocal_correlation, self.d3 = functional(method)
        self._code = f"PySCF {pyscf.__version__}"
        self._pools = ThreadpoolController()
        self._orbitals: tuple[bytes, np.ndarray] | None = None

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return {
            "kind": "pyscf",
            "method": dispersion.canonical(self.method),
            "xc": self.functional,
            "nonlocal_correlation": self.nonlocal_correlation,
            "dispersion": self.d3,
            "basis": self.basis.lower(),
            "density_fitting": True,
            "grid": list(self.grid),
            "energy_change": ENERGY_CHANGE,
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and charges. Raises LabelFailure with its outcome."""
        from pyscf import lib

        finite(atoms, "PySCF")
        unpaired = unpaired_electrons(atoms)
        try:
            with self._pools.limit(limits=self.threads), lib.with_omp_threads(self.threads):
                return self._compute(atoms, unpaired)
        except MemoryError as error:
            raise LabelFailure(Outcome.OUT_OF_MEMORY, f"PySCF: {error or 'no memory'}") from error
        except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:
            raise LabelFailure(Outcome.CRASHED, f"PySCF: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Forget the orbitals from which the next structure would start."""
        self._orbitals = None

    def _compute(self, atoms: Atoms, unpaired: int) -> Label:
        from pyscf import gto

        mol = gto.M(
            atom=list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)),
            basis=self.basis,
            spin=unpaired,
            verbose=0,
        )
        notes = {"code": self._code, "unpaired_electrons": unpaired, "basis_functions": mol.nao}
        broken, same = decomposed(atoms), atoms.numbers.tobytes()
        field = self._mean_field(mol, broken)
        _converge(field, notes, self._first_density(field, mol, broken, same))
        if broken:
            _leave_saddle_points(field, notes)
        else:
            self._orbitals = (same, field.mo_coeff[:, field.mo_occ > 0])
        energy = field.e_tot * Hartree
        forces = -field.nuc_grad_method().kernel() * Hartree / Bohr
        energy, forces, _ = dispersion.added(atoms, self.d3, energy, forces)
        return Label(float(energy), forces, None, _loewdin(field), notes)

    def _first_density(self, field, mol, unrestricted: bool, same: bytes) -> np.ndarray | None:
        """Density matrix that the SCF starts from: of the structure before, brought near to its own on a coarse grid.

        Nine tenths of an SCF go into a grid whose fineness matters in its last cycles only.
        """
        density = None
        if self._orbitals is not None and self._orbitals[0] == same and not unrestricted:
            orbitals = self._orbitals[1]
            values, vectors = np.linalg.eigh(orbitals.T @ field.get_ovlp() @ orbitals)
            orthonormal = orbitals @ (vectors / np.sqrt(values)) @ vectors.T
            density = 2 * orthonormal @ orthonormal.T
        if self.functional == "hf":
            return density
        coarse = self._mean_field(mol, unrestricted)
        coarse.grids.atom_grid, coarse.conv_tol = COARSE_GRID, COARSE_ENERGY_CHANGE
        coarse.with_df = field.with_df  # the integrals are computed once
        coarse.kernel(dm0=density)
        return coarse.make_rdm1() if coarse.converged else None

    def _mean_field(self, mol, unrestricted: bool):
        from pyscf import dft

        field = (dft.UKS if unrestricted else dft.RKS)(mol, xc=self.functional)
        field.disp = None
        field.nlc = "" if self.nonlocal_correlation else 0  # '': what the functional has
        field = field.density_fit(auxbasis=_fitting_basis(self.basis))
        field.grids.atom_grid = self.grid
        field.small_rho_cutoff = SMALL_DENSITY
        field.conv_tol, field.max_cycle, field.conv_check = ENERGY_CHANGE, CYCLES, False
        return field


def functional(method: str) -> tuple[str, bool, dict | None]:
    """PySCF's name of the functional of `method`, whether it has non-local correlation (VV10), and its D3 parameters.

    UserError: PySCF does not know the functional, or has no gradient of it.
    """
    from pyscf.dft import libxc

    name, d3 = dispersion.split(method)
    fitted = dispersion.fitted(name, d3)
    name = fitted or name
    try:
        libxc.parse_xc(name)
        laplacian = libxc.needs_laplacian(name)
    except (KeyError, ValueError, NotImplementedError):
        prefix = r"^(hyb_)?(lda|gga|mgga)_xc_"
        known = sorted({re.sub(prefix, "", known.lower()) for known in [*libxc.XC_CODES, *libxc.XC_ALIAS]})
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UserError(f"method '{method}': PySCF knows no functional '{name}'{hint}") from None
    bare = name.lower().replace("-", "_")
    if not fitted and bare.endswith(("_d", "_d3")):
        raise UserError(
            f"method '{method}': PySCF's '{name}' lacks the dispersion it was fitted with; write 'wB97X-D3BJ' or "
            "another functional with the suffix -D3BJ"
        )
    if laplacian:
        raise UserError(f"method '{method}': PySCF has no gradient for functionals of the density's Laplacian")
    return name.lower(), bool(libxc.is_nlc(name)) and not fitted, d3


def check_method(*, method: str, basis: str, elements: set[str], **_: Any) -> None:
    """UserError if PySCF does not know the functional, or the basis of one of the elements."""
    from pyscf import gto

    functional(method)
    for element in sorted(elements):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gto.basis.load(basis, element)
        except Exception:
            others = [name for name in _basis_sets() if name != basis.lower()]
            near = difflib.get_close_matches(basis.lower(), others, n=1, cutoff=0.6)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UserError(
                f"label.labeler.basis: PySCF has no basis '{basis}' for the element {element}{hint}"
            ) from None


def _basis_sets() -> list[str]:
    from pyscf.gto.basis import ALIAS

    names = [name.replace("def2", "def2-").replace("ccp", "cc-p").replace("augcc", "aug-cc") for name in ALIAS]
    return [name for name in names if not name.endswith(("fit", "ri"))]


def _fitting_basis(basis: str) -> str | None:
    # None: PySCF takes the one that belongs to the basis, or makes one
    return "def2-universal-jkfit" if basis.lower().startswith("def2") else None


def _converge(field, notes: dict, density: np.ndarray | None = None) -> None:
    """Solve for the orbitals of `field`; LabelFailure if neither way does. A second try is told in `notes`."""
    field.kernel(dm0=density)
    if field.converged:
        return
    # The same equations; a second-order solver only gets to their solution by another way.
    second = field.newton()
    second.max_cycle = CYCLES_SECOND_ORDER
    second.kernel(field.mo_coeff, field.mo_occ)
    if not second.converged:
        ways = f"{CYCLES} cycles of DIIS and {CYCLES_SECOND_ORDER} of the second-order solver"
        raise LabelFailure(Outcome.UNCONVERGED, f"PySCF: not in {ways}")
    notes["scf"] = f"second try, second-order solver after {CYCLES} cycles of DIIS"
    field.mo_coeff, field.mo_occ, field.mo_energy = second.mo_coeff, second.mo_occ, second.mo_energy
    field.e_tot, field.converged = second.e_tot, True


def _leave_saddle_points(field, notes: dict) -> None:
    """Go on to a minimum: two radicals made of one bond start as a closed shell, which is far too high in energy.

    Stability of the SCF solution: Seeger and Pople, J. Chem. Phys. 66 (1977) 3045.
    """
    for number in range(1 + DESCENTS):
        orbitals, _, stable, _ = field.stability(return_status=True)
        if stable:
            return
        if number < DESCENTS:
            notes["descents"] = number + 1
            _converge(field, notes, field.make_rdm1(orbitals, field.mo_occ))
    raise LabelFailure(Outcome.UNCONVERGED, f"PySCF: still a saddle point after {DESCENTS} descents")


def _loewdin(field) -> np.ndarray:
    """Charges (N,) in e from the orthogonalised basis: less moved by diffuse functions than Mulliken's."""
    density = np.asarray(field.make_rdm1())
    density = density.sum(axis=0) if density.ndim == 3 else density
    values, vectors = np.linalg.eigh(field.get_ovlp())
    root = vectors * np.sqrt(values) @ vectors.T
    population = np.einsum("ij,jk,ki->i", root, density, root)
    slices = field.mol.aoslice_by_atom()[:, 2:]
    return field.mol.atom_charges() - np.array([population[start:end].sum() for start, end in slices])
