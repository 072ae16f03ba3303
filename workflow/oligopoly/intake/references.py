"""Labelled frames of the user's own, ready to learn from: read whole, counted, under our keys, units looked at."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from operator import add

from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.extxyz import apart, finite
from oligopoly.frames import Stored
from oligopoly.intake import keys, sanity
from oligopoly.intake.census import Census
from oligopoly.intake.findings import Finding
from oligopoly.intake.formats import open_frames, prepared
from oligopoly.intake.keys import OURS, Used

Keys = Mapping[str, str | None]
FLAW = "flaw"
NO_NAMES: Keys = {}  # given by the user


def labelled(
    paths: Sequence[str], asked: Keys, *, needed: bool = True, trusted: bool = False, lenient: bool = False
) -> Sequence[Atoms]:
    """Frames of all files with `REF_` labels; what was read is printed, and what is missing told.

    asked: names that the user gave to energy, forces, stress. needed: each frame must have an energy or forces.
    trusted: units are not looked at. lenient: a frame that cannot be used loses its labels and says why in
    `info[FLAW]`. Raises UserError for a file or a frame that cannot be used, and for labels that
    are surely not in eV, eV/A and eV/A^3 or not of one level of theory.
    """
    parts = [_file(path, asked, needed, lenient) for path in paths]
    if not trusted:
        for path, part in zip(paths, parts, strict=True):
            _doubt(path, sanity.look(part))
        if len(parts) > 1:
            _doubt(", ".join(paths), sanity.look([atoms for part in parts for atoms in sanity.some(part)]))
    if all(isinstance(part, Stored) for part in parts):
        return reduce(add, parts)
    return [atoms for part in parts for atoms in part]


def unlabelled(path: str) -> list[Atoms]:
    """Structures to be labelled: counted, and without what the file says of their energies and forces."""
    census = Census(path)
    found = []
    for atoms in open_frames(path):
        census.add(atoms)
        for name in keys.labels(keys.names(atoms)):
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
        atoms.calc = None
        found.append(atoms)
    print(*census.lines(None), sep="\n")
    for name in ("charge", "total_charge", "spin", "multiplicity"):
        if values := sorted({str(atoms.info[name]) for atoms in found if name in atoms.info}):
            said = (
                f"frames say {name} {', '.join(values[:5])}, which is not used: the labeler's settings say it for all"
            )
            print(f"oligopoly: {path}: {said}", file=sys.stderr)
    return found


def _file(path: str, asked: Keys, needed: bool, lenient: bool) -> Sequence[Atoms]:
    census, bare, frames = Census(path), [], open_frames(path)
    for number, atoms in enumerate(frames):
        census.add(atoms)
        if needed and not keys.labels(keys.names(atoms), asked):
            bare.append(number)
    try:
        used = keys.choose(census.keys, asked)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if bare:
        more = f" (and {len(bare) - 1} more)" if len(bare) > 1 else ""
        raise UserError(
            f"{path}, frame {bare[0]}{more}: has neither REF_energy nor REF_forces, nor another name of theirs; there "
            f"are {keys.listed(census.keys)}{keys.near('REF_forces', census.keys)} (--energy-key and --forces-key take "
            "other names)"
        )
    print(*census.lines(used), sep="\n")
    for sentence in census.missing(used) if used.energy or used.forces else ():
        print(f"oligopoly: {path}: {sentence}", file=sys.stderr)
    return prepared(path, frames, partial(_prepare, used, lenient))


def _prepare(used: Used, lenient: bool, path: str, number: int, atoms: Atoms) -> None:
    try:
        finite(atoms)
        apart(atoms)
        keys.move(atoms, used)
    except UserError as error:
        if not lenient:
            raise
        atoms.calc = None
        atoms.info = {FLAW: str(error)}
        for name in OURS.values():
            atoms.arrays.pop(name, None)


def _doubt(where: str, findings: list[Finding]) -> None:
    for finding in findings:
        if finding.sure:
            raise UserError(f"{where}: {finding.text} (--trust takes them as they are)")
        print(f"oligopoly: {where}: {finding.text}", file=sys.stderr)
