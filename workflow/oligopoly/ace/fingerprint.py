"""Which files belong to one fit.

A fit leaves a potential (`.yaml`, `.yace`), its active set (`.asi`) and the factor of its rows (`.factor.npz`).
Extrapolation grades depend on the basis and on the frames of the fit, error bars on its coefficients too; both say
something wrong, and nothing fails, when they are asked of another fit with as many functions. So the companions
carry the fingerprint of the potential that they were written with, made of its content: it stays when a file is written
anew, and changes with any coefficient.
"""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from oligopoly.errors import UserError

if TYPE_CHECKING:
    from oligopoly.ace.potential import Potential


def of(potential: "Potential") -> str:
    """Of elements, radial bases, functions, coefficients and E0: 16 hex digits."""
    bonds = {}
    for (a, b), bond in potential.bonds.items():
        said = {name: np.asarray(value).tolist() for name, value in vars(bond).items()}
        bonds[f"{min(a, b)} {max(a, b)}"] = {name: _floats(value) for name, value in said.items()}
    functions = sorted([f.elements, f.n, f.l, f.lint, _float(f.c)] for its in potential.functions.values() for f in its)
    energies = {element: _float(potential.E0.get(element, 0.0)) for element in potential.elements}
    text = json.dumps([sorted(potential.elements), bonds, functions, energies], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(potential: "Potential", fit: str | None, companion: object, what: str) -> None:
    """Raise UserError if a companion says that it was written with another potential. One that does not say (written by
    pacemaker, or before this) passes."""
    own = of(potential)
    if fit is not None and fit != own:
        raise UserError(
            f"{companion}: was written with another fit ({fit}) than this potential ({own}): its {what} would "
            "mean nothing; give the one that was written with it (or the potential was changed since)"
        )


def unchanged(potential: "Potential", where: str) -> None:
    """Raise UserError if a potential is not what its file says that it was when it was written."""
    said = potential.metadata.get("fit")
    if said is not None and said != of(potential):
        raise UserError(
            f"{where}: was changed or cut since it was written: its content is {of(potential)}, and it says {said}; "
            "if the change is meant, take the line `fit` out of its metadata"
        )


def _floats(value):
    if isinstance(value, list):
        return [_floats(part) for part in value]
    return _float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _float(value: float) -> float:
    return float(value) + 0.0  # a minus before zero is lost in a file
