"""Dispersion corrections D3, added to whatever electronic-structure code computes the functional.

One implementation (s-dftd3) for all codes: the same method has the same correction everywhere, and no code has to be
built with one. Grimme et al., J. Chem. Phys. 132 (2010) 154104; damping to finite values: J. Comput. Chem. 32 (2011)
1456.
"""

import difflib
import re
import tomllib
from functools import cache
from importlib import resources
from typing import Annotated

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree
from pydantic import AfterValidator

from oligopoly.errors import UserError
from oligopoly.labelers.contract import LabelFailure
from oligopoly.labelers.outcomes import Outcome
from oligopoly.settings import Word

# Functionals that were fitted for D3 and are not the one of the bare name, as Libxc calls them: Najibi and Goerigk,
# JCTC 14 (2018) 5725 (wB97X-V and others without their VV10), Lin et al., JCTC 9 (2013) 263 (wB97X-D3).
FITTED = {
    ("wb97x", "bj"): "HYB_GGA_XC_WB97X_V",
    ("wb97m", "bj"): "HYB_MGGA_XC_WB97M_V",
    ("b97m", "bj"): "MGGA_XC_B97M_V",
    ("wb97x", "zero"): "HYB_GGA_XC_WB97X_D3",
}
DAMPING = {"d3bj": "bj", "d3(bj)": "bj", "d3zero": "zero", "d3(0)": "zero"}


def split(method: str) -> tuple[str, dict[str, float | str] | None]:
    """Functional and D3 parameters of a method such as `wB97X-D3BJ` or `PBE-D3(BJ)`; no parameters without a suffix.

    The parameters are those that s-dftd3 has for the functional, two-body only (s9 = 0) as in the codes. UserError:
    they do not exist, or the suffix does not say which damping.
    """
    functional, _, suffix = method.rpartition("-")
    if not functional or not re.fullmatch(r"d[34].*", suffix.lower()):
        return method, None
    damping = DAMPING.get(suffix.lower())
    if damping is None:
        raise UserError(
            f"method '{method}': '{suffix}' is no dispersion correction that is known; write "
            f"'{functional}-D3BJ' (Becke-Johnson damping) or '{functional}-D3zero' (the original one)"
        )
    known = _parameters()
    name = re.sub(r"[-_ ]", "", functional.lower())
    if damping not in known.get(name, {}):
        near = difflib.get_close_matches(name, [n for n, sets in known.items() if damping in sets], n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UserError(f"method '{method}': D3 has no parameters for the functional '{functional}'{hint}")
    return functional, {"damping": damping, "s6": 1.0, **known[name][damping], "s9": 0.0}


def _has_parameters(method: str) -> str:
    split(method)
    return method


# A method in the config: its dispersion correction must have parameters.
Method = Annotated[Word, AfterValidator(_has_parameters)]


def fitted(functional: str, parameters: dict | None) -> str | None:
    """Libxc's name of what `functional` means with these D3 parameters, where that is another functional."""
    return FITTED.get((functional.lower(), parameters["damping"])) if parameters else None


def canonical(method: str) -> str:
    """One spelling of `method`: PBE-D3(BJ) and pbe-d3bj are pbe-d3bj."""
    functional, _, suffix = method.lower().rpartition("-")
    return f"{functional}-d3{DAMPING[suffix]}" if suffix in DAMPING else method.lower()


def added(
    atoms: Atoms, parameters: dict | None, energy: float, forces: np.ndarray, stress: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Energy, forces and stress (None stays None) of a functional with its D3 correction, see `correction`.

    `parameters` are those of `split`; None adds nothing.
    """
    if parameters is None:
        return energy, forces, stress
    energy_d3, forces_d3, stress_d3 = correction(atoms, parameters)
    return energy + energy_d3, forces + forces_d3, None if stress is None else stress + stress_d3


def correction(atoms: Atoms, parameters: dict) -> tuple[float, np.ndarray, np.ndarray | None]:
    """D3 energy (eV), forces (N, 3) in eV/A and, of a periodic structure, stress (3, 3) in eV/A^3 with ASE's sign.

    LabelFailure: atoms within each other, of which some codes say nothing.
    """
    from dftd3.interface import DispersionModel, RationalDampingParam, ZeroDampingParam

    values = {key: value for key, value in parameters.items() if key != "damping"}
    kind = RationalDampingParam if parameters["damping"] == "bj" else ZeroDampingParam
    periodic = bool(atoms.pbc.any())
    cell = {"lattice": atoms.cell.array / Bohr, "periodic": np.array(atoms.pbc)} if periodic else {}
    try:
        model = DispersionModel(atoms.numbers, atoms.positions / Bohr, **cell)
    except RuntimeError as error:
        raise LabelFailure(Outcome.OVERLAP, f"s-dftd3: {error}") from error
    result = model.get_dispersion(kind(**values), grad=True)
    stress = result["virial"] * Hartree / atoms.get_volume() if periodic else None
    return float(result["energy"]) * Hartree, -result["gradient"] * Hartree / Bohr, stress


@cache
def _parameters() -> dict[str, dict[str, dict[str, float]]]:
    # dftd3.parameters reads the same file, but only with a TOML parser of its own choice installed
    table = tomllib.loads((resources.files("dftd3") / "parameters.toml").read_text())["parameter"]
    return {
        name: {
            damping: {key: value for key, value in values.items() if isinstance(value, float)}
            for damping, values in sets.get("d3", {}).items()
        }
        for name, sets in table.items()
    }
