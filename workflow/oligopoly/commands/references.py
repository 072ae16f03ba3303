"""Reference labels in files of the user's own: `REF_` keys, ASE's, or names that are given."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any

from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.errors import UserError

KEYS = {"energy": "REF_energy", "forces": "REF_forces", "stress": "REF_stress"}


def labelled(paths: list[str], options: argparse.Namespace) -> frame_files.Stored:
    """Frames that stay in their files, with references under our names; all have been looked at once."""
    from oligopoly.accuracy import labels

    frames = frame_files.Stored(paths, lambda path, number, atoms: rename(atoms, options))
    for path in paths:
        its = frame_files.Stored([path], frames.prepare)
        if not len(its):
            raise UserError(f"{path}: no frames in this file.")
        check_keys(its, options, path)
        seen = {"energy": False, "forces": False}
        for number, atoms in enumerate(its):
            reference = labels(atoms)
            if reference.energy is None and reference.forces is None:
                raise UserError(
                    f"{path}, frame {number}: neither REF_energy nor REF_forces (nor ASE's energy and forces); "
                    f"there are {_names(atoms)}{_nearest('REF_forces', atoms)} "
                    "(--energy-key and --forces-key take other names)"
                )
            for what in seen:
                seen[what] |= getattr(reference, what) is not None
        for what in (what for what, found in seen.items() if not found):
            hint = _nearest(KEYS[what], its[0])
            print(f"oligopoly: {path}: no frame has a reference {what} ({KEYS[what]}){hint}", file=sys.stderr)
    return frames


def rename(atoms: Atoms, options: argparse.Namespace) -> None:
    """Move references with names given by the user to ours."""
    for what, ours in KEYS.items():
        found = _value(atoms, what, getattr(options, f"{what}_key"))
        if found is not None:
            (atoms.arrays if what == "forces" else atoms.info)[ours] = found


def check_keys(frames: Sequence[Atoms], options: argparse.Namespace, path: str) -> None:
    """Raise UserError for a name given by the user that no frame has."""
    for what in KEYS:
        name = getattr(options, f"{what}_key")
        if name is not None and all(_value(atoms, what, name) is None for atoms in frames):
            names, hint = _names(frames[0]), _nearest(name, frames[0])
            raise UserError(f"{path}: no frame has '{name}' (--{what}-key); there are {names}{hint}")


def _value(atoms: Atoms, what: str, name: str | None):
    """Of a frame what is called `name`, wherever ASE put it; None where there is no such thing."""
    results = atoms.calc.results if atoms.calc is not None else {}
    found: Any = atoms.arrays if what == "forces" else atoms.info
    return found.get(name, results.get(name))


def _nearest(name: str, atoms: Atoms) -> str:
    found = difflib.get_close_matches(name, _names(atoms), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _names(atoms: Atoms) -> list[str]:
    results = atoms.calc.results if atoms.calc is not None else {}
    return sorted({*atoms.info, *atoms.arrays, *results} - {"numbers", "positions"})
