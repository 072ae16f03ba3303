"""What a learned potential is to the workflow, whatever made it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from ase import Atoms

from oligopoly.accuracy import voigt
from oligopoly.errors import UserError
from oligopoly.md.engine import Engine, Evaluator, Score
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.potentials.manifest import Manifest
from oligopoly.potentials.uncertainty import NONE, SCALES, Kind, Uncertainty


class Prediction(NamedTuple):
    """energy in eV, forces (N, 3) in eV/A, stress (6,) in eV/A^3 (Voigt, ASE's sign) of periodic frames; a score if one
    was asked for; the energies of the atoms (N,) where the potential has such."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None = None
    score: Score | None = None
    energies: np.ndarray | None = None


class Potential(Protocol):
    """A potential that was opened by its manifest (`potentials.registry.open_potential`)."""

    manifest: Manifest

    def predict(self, frames: Iterable[Atoms], uncertainty: Kind = "none", threads: int = 1) -> Iterator[Prediction]:
        """Energy, forces and stress of each frame, and its score of the kind `uncertainty`.

        Raises UserError for elements that it does not know, and for a kind that its manifest does not name.
        """

    def engine(self, uncertainty: Uncertainty = NONE, choice: str = "auto", hardware: Hardware = ONE_CORE) -> Engine:
        """What runs it in MD, with scores if `uncertainty` says so. choice: auto, built-in, or a program's name.

        Raises UserError where that cannot run it, or not on the `hardware`.
        """

    def score(self, atoms: Atoms, kind: str) -> Score | None:
        """How unsure it is of the atoms of a frame, by a kind of `uncertainty.SCALES`; None where it has no such."""

    def descriptors(self, atoms: Atoms) -> np.ndarray | None:
        """The surroundings of each atom as it sees them (N, D); None where it has no such vectors."""


def predictions(evaluator: Evaluator, frames: Iterable[Atoms], scored: bool = False) -> Iterator[Prediction]:
    """What an evaluator says of each frame. Finite or not: a hole in a potential is a result."""
    for atoms in frames:
        found = evaluator.compute(atoms.numbers, atoms.positions, np.asarray(atoms.cell), atoms.pbc, scored=scored)
        stress = voigt(found.virial / atoms.cell.volume) if atoms.pbc.all() else None
        yield Prediction(found.energy, found.forces, stress, found.score, found.energies)


def check_choice(choice: str, engines: Sequence[str]) -> None:
    """Raise UserError for the name of an engine that is not known."""
    if choice not in ("auto", *engines):
        raise UserError(f"engine '{choice}' is not known: give {' or '.join(['auto', *engines])}")


def require(manifest: Manifest, kind: Kind) -> None:
    """Raise UserError if a potential has no score of this kind."""
    if kind != "none" and kind not in manifest.uncertainty:
        has = ", ".join(manifest.uncertainty) or "none at all"
        raise UserError(f"{manifest.folder}: this potential has no {SCALES[kind].name} (its uncertainty: {has})")


def known(manifest: Manifest, frames: Iterable[Atoms]) -> Iterator[Atoms]:
    """The frames, one by one. Raises UserError at the first with elements that a potential does not know."""
    for atoms in frames:
        unknown = sorted(set(atoms.symbols) - set(manifest.species))
        if unknown:
            knows = ", ".join(manifest.species)
            raise UserError(f"{manifest.folder}: this potential knows {knows}, but not {', '.join(unknown)}")
        yield atoms
