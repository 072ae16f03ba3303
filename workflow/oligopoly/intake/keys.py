"""The field's names for reference energies, forces and stress, and which of them a file uses.

A name is read where its meaning is sure: `REF_energy`, `energy`, `dft_energy`, `Energy`, `total_energy`; forces alike,
also `force`; stress alike; virials (`virial`, `REF_virials`, `dft_virial`), which are minus the stress times the volume
in MACE, QUIP, GPUMD, DeePMD and dpdata, positive under compression. What ends otherwise (`ACE_energy`, `gap_force`,
`energy_per_atom`) is some other quantity: it is named in the census and not used.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from oligopoly.errors import UserError

MOST = 20  # names in a sentence
OURS = {"energy": "REF_energy", "forces": "REF_forces", "stress": "REF_stress"}
_WORDS = {
    "energy": r"(total_?|potential_?|tot_?)?energy",
    "forces": r"forces?",
    "stress": r"stress",
    "virial": r"virials?",
}
_SURE = {
    what: re.compile(rf"((ref|reference|target|dft|qm|true)_?)?{word}", re.IGNORECASE) for what, word in _WORDS.items()
}
_GRADIENT = re.compile(r"\w*grad(ient)?s?", re.IGNORECASE)
# No labels: what a frame says of itself.
_NO_KEYS = {"numbers", "positions", "config_type", "momenta", "initial_magmoms", "initial_charges", "tags", "masses"}


class Used(NamedTuple):
    """Names of the keys that hold the labels; None where there are none."""

    energy: str | None
    forces: str | None
    stress: str | None
    virial: str | None


def there(atoms: Atoms) -> dict[str, Any]:
    """All that a frame says, by name, wherever ASE put it."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    return {**results, **atoms.info, **atoms.arrays}


def names(atoms: Atoms) -> list[str]:
    """Keys of a frame that may be labels, or other quantities; not the words of a comment that is prose."""
    return sorted(name for name in there(atoms).keys() - _NO_KEYS if re.match(r"[^\W\d]", name))


def choose(seen: Mapping[str, int], asked: Mapping[str, str | None]) -> Used:
    """Which of the names `seen` (with the number of frames that have them) hold the labels.

    asked: by quantity, a name given by the user. Otherwise ours, then ASE's, then the only other one that is sure.
    Raises UserError for a name that is not there, and for several that could be meant.
    """
    found: dict[str, str | None] = {}
    for what, pattern in _SURE.items():
        name = asked.get(what)
        if name is not None:
            if name not in seen:
                raise UserError(f"no frame has '{name}' (--{what}-key); there are {listed(seen)}{near(name, seen)}")
            found[what] = name
            continue
        sure = [key for key in seen if pattern.fullmatch(key)]
        first = [key for key in (OURS.get(what), what) if key in sure]
        rest = [key for key in sure if key not in first]
        if not first and len(rest) > 1:
            raise UserError(f"holds {listed(rest)}: which is the {what}? Say it with --{what}-key")
        found[what] = next(iter(first or rest), None)
    if asked.get("stress"):
        found["virial"] = None
    # forces are its gradient where occupations are smeared, and it is the energy where they are not
    free = "free_energy" in seen and not asked.get("energy")
    if free and (found["energy"] is None or (found["energy"] == "energy" and seen["free_energy"] == seen["energy"])):
        found["energy"] = "free_energy"
    return Used(**found)


def move(atoms: Atoms, used: Used) -> None:
    """Put a frame's labels under our names, and nothing into its calculator.

    Raises UserError for a label that is no number, not finite, or of another shape, for labels under another name than
    in the frames before, and for a stress and a virial that contradict each other.
    """
    said = there(atoms)
    _no_other_source(said, used)
    values = {what: said[name] for what, name in used._asdict().items() if name is not None and name in said}
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    atoms.calc = None
    for name, value in results.items():
        if name not in used and not any(pattern.fullmatch(name) for pattern in _SURE.values()):
            (atoms.arrays if np.ndim(value) and len(value) == len(atoms) else atoms.info)[name] = value
    for what, name in used._asdict().items():
        if name is not None and name != OURS.get(what):
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
    if "energy" in values:
        atoms.info[OURS["energy"]] = float(_numbers(used.energy, values["energy"], (), "one number"))
    if "forces" in values:
        atoms.arrays[OURS["forces"]] = _numbers(used.forces, values["forces"], (len(atoms), 3), "three for each atom")
    stress = _matrix(used.stress, values["stress"]) if "stress" in values else None
    if "virial" in values and atoms.pbc.all():
        from_virial = -_matrix(used.virial, values["virial"]) / atoms.get_volume()
        if stress is None:
            stress = from_virial
        elif not np.allclose(stress, from_virial, rtol=1e-3, atol=1e-6):
            raise UserError(
                f"{used.stress} and {used.virial} contradict each other: {_first(stress)} and minus virial / volume = "
                f"{_first(from_virial)} eV/A^3{_ratio(from_virial, stress)}"
            )
    atoms.info.pop(OURS["stress"], None)
    if stress is not None and atoms.pbc.all():
        atoms.info[OURS["stress"]] = stress


def labels(found: Iterable[str], asked: Mapping[str, str | None] | None = None) -> list[str]:
    """Of some keys those that are taken for energies and forces."""
    named = {name for name in (asked or {}).values() if name}
    return [
        name
        for name in found
        if name in named or name == "free_energy" or any(_SURE[what].fullmatch(name) for what in ("energy", "forces"))
    ]


def unused(seen: Iterable[str], used: Used) -> list[str]:
    """Names of what a file holds beside its labels."""
    return sorted(set(seen) - set(used) - _NO_KEYS)


def remark(name: str) -> str:
    """What to say of a key that is not used, where it looks like a label."""
    if _GRADIENT.fullmatch(name):
        return f"{name} (minus the forces? then write forces)"
    return name


def _no_other_source(said: Mapping[str, Any], used: Used) -> None:
    for what, name in used._asdict().items():
        if name is None or name in said or what == "virial":
            continue
        other = next((key for key in said if _SURE[what].fullmatch(key)), None)
        if other is not None:
            raise UserError(
                f"has its {what} in '{other}', other frames in '{name}': are these two levels of theory? If all are to "
                f"be read from one of the two: --{what}-key {other} or --{what}-key {name}"
            )


def _numbers(name: str | None, value: Any, shape: tuple[int, ...], meant: str) -> np.ndarray:
    if np.asarray(value).dtype == bool:
        raise UserError(f"{name}: given {str(value)[:60]!r}: is no number (is there a = before it?)")
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        hint = " (a unit has no place there)" if re.match(r"[-+.]?\d", str(value)) else ""
        raise UserError(f"{name}: given {str(value)[:60]!r}: is no number{hint}") from None
    if found.shape != shape and found.size == int(np.prod(shape)) and found.size == 1:
        found = found.reshape(shape)
    if found.shape != shape:
        raise UserError(f"{name}: has {found.size} values: needs {meant}")
    if not np.isfinite(found).all():
        raise UserError(f"{name}: is not finite")
    return found


def _matrix(name: str | None, value: Any) -> np.ndarray:
    given = np.asarray(value)
    found = given.astype(float) if given.dtype.kind in "fiu" else None
    if found is None or found.size not in (6, 9):
        raise UserError(f"{name}: given {str(value)[:60]!r}: needs 9 numbers, or the 6 of xx yy zz yz xz xy")
    if not np.isfinite(found).all():
        raise UserError(f"{name}: is not finite")
    if found.size == 6:
        return voigt_6_to_full_3x3_stress(found.ravel())
    matrix = found.reshape(3, 3)
    if not np.allclose(matrix, matrix.T, rtol=1e-3, atol=1e-3 * np.abs(matrix).max()):
        raise UserError(f"{name}: is not symmetric: {found.ravel().tolist()}")
    return 0.5 * (matrix + matrix.T)


def _first(matrix: np.ndarray) -> str:
    return f"xx {matrix[0, 0]:.5g}"


def _ratio(right: np.ndarray, given: np.ndarray) -> str:
    ratio = float((right * given).sum() / max((right * right).sum(), 1e-30))
    return " (the sign is another)" if np.isclose(ratio, -1, rtol=0.01) else f" ({ratio:.5g} times as large)"


def listed(found: Iterable[str]) -> str:
    """Keys in a sentence."""
    names = sorted(found)
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return (", ".join(names[:MOST]) + more) or "no keys at all"


def near(name: str, found: Iterable[str]) -> str:
    """A question that names the nearest, or nothing."""
    close = difflib.get_close_matches(name, list(found), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
