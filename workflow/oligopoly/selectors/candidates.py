"""Candidates of a generation: the frames that exploration left, each considered once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from oligopoly import frames as frame_files


@dataclass
class Candidate:
    """A frame that might be labelled.

    `offered`: it passed the threshold of exploration (or stopped a run), so it may be selected for training; the
    others are unremarkable frames that only the audit draws from. `code` and `reason` are filled by selection.
    """

    name: str
    atoms: Atoms
    offered: bool
    score: float
    chosen: bool = False
    audit: bool = False
    code: str = ""
    reason: str = ""

    @property
    def stopped(self) -> bool:
        """Is it the moment that stopped a run?"""
        return bool(self.atoms.info.get("stopped", False))

    @property
    def stop_code(self) -> str:
        """What stopped the run that it comes from, such as `stopped.broken_bond`; empty of others."""
        outcome = self.atoms.info.get("stop_outcome")
        return f"stopped.{outcome}" if outcome else ""


def gather(walkers: Sequence[str | Path]) -> list[Candidate]:
    """Candidates and unremarkable frames of the exploration folders `walkers`, duplicates dropped."""
    found: dict[str, Candidate] = {}
    for folder in map(Path, walkers):
        for file, offered in (("candidates.extxyz", True), ("audit.extxyz", False)):
            for number, atoms in enumerate(frame_files.read(folder / file)):
                candidate = Candidate(
                    name=f"{folder.name}/{Path(file).stem}/{number}",
                    atoms=atoms,
                    offered=offered,
                    score=float(atoms.info.get("score_max", atoms.info.get("gamma_max")) or 0.0),
                )
                found.setdefault(frame_files.geometry_hash(atoms), candidate)
    return list(found.values())
