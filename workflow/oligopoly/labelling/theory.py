"""Levels of theory: their short names, and that they are not mixed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ase import Atoms

from oligopoly.errors import UserError

# Of one force field, each system has parameters of its own; they are one level of theory all the same.
OF_A_SYSTEM = ("parameters",)


def name_of(settings: Mapping[str, Any]) -> str:
    """Short name of a labeler's `settings`: kind, method, basis, and a hash that tells all else.

    Such as "xtb GFN2-xTB (1f3a9c02)".
    """
    level = {name: value for name, value in settings.items() if name not in OF_A_SYSTEM}
    digest = hashlib.sha256(json.dumps(level, sort_keys=True).encode()).hexdigest()[:8]
    words = [level["kind"], *(str(level[n]) for n in ("method", "functional", "basis") if level.get(n))]
    return f"{' '.join(words)} ({digest})"


def only_one(frames: Iterable[Atoms], source: str) -> None:
    """Raise UserError, naming both, if the labels of `frames` (`REF_method`) are of two levels of theory.

    Energies of two methods differ by more than any potential could learn. Frames that do not say are let through.
    """
    first = None
    for atoms in frames:
        method = atoms.info.get("REF_method")
        if method is None:
            continue
        first = first or method
        if method != first:
            raise UserError(
                f"{source}: holds labels of two levels of theory, '{first}' and '{method}', which cannot be learned "
                "together; give the run with the other labeler another name (`run:`), so that it starts anew"
            )
