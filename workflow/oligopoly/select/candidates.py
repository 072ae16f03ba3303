"""Candidates of a generation: the frames that exploration left, each considered once."""

from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from oligopoly import frames as frame_files


@dataclass
class Candidate:
    """A frame that might be labelled.

    `offered`: it passed `gamma_select` (or stopped a run), so it may be selected for training; the
    others are unremarkable frames that only the audit draws from. `reason` is filled by selection.
    """

    name: str
    atoms: Atoms
    offered: bool
    score: float
    chosen: bool = False
    audit: bool = False
    reason: str = ""


def gather(walkers: list[str | Path]) -> list[Candidate]:
    """Candidates and unremarkable frames of the exploration folders `walkers`, duplicates dropped."""
    found: dict[str, Candidate] = {}
    for folder in map(Path, walkers):
        for file, offered in (("candidates.extxyz", True), ("audit.extxyz", False)):
            for number, atoms in enumerate(frame_files.read(folder / file)):
                candidate = Candidate(
                    name=f"{folder.name}/{Path(file).stem}/{number}",
                    atoms=atoms,
                    offered=offered,
                    score=float(atoms.info.get("gamma_max", 0.0)),
                )
                found.setdefault(frame_files.geometry_hash(atoms), candidate)
    return list(found.values())
