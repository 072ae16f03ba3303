"""Labels out of the store and into it: the user's own, and what they have already need not be computed again."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from oligopoly.files import atomic
from oligopoly.intake.references import FLAW, NO_NAMES, Keys, labelled
from oligopoly.labelers.contract import Label
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling import checks
from oligopoly.labelling.contradictions import difference
from oligopoly.labelling.run import attach
from oligopoly.labelling.store import Record, Store
from oligopoly.labelling.theory import name_of

BATCH = 500


def export(store: Store, path: str | Path, methods: set[str] | None = None) -> Counter[str]:
    """Write every label in the store as extended XYZ; how many of each level of theory.

    methods: short names of the levels of theory to export (default: all; each frame says its own in `REF_method`).
    """
    counts: Counter[str] = Counter()
    with atomic(path) as temporary:
        frames = []
        for record in store.records():
            method = name_of(record.settings)
            if record.label is None or (methods is not None and method not in methods):
                continue
            counts[method] += 1
            frames.append(attach(record.atoms, record.label, method))
            if len(frames) == BATCH:
                ase.io.write(temporary, frames, format="extxyz", append=True)
                frames = []
        if frames:
            ase.io.write(temporary, frames, format="extxyz", append=True)
    return counts


@dataclass
class Imported:
    """What became of the frames of some files: counts, and a sentence for each that was left out or contradicts."""

    new: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def bring_in(
    files: Sequence[str | Path], settings: dict[str, Any], store: Store, asked: Keys = NO_NAMES, trusted: bool = False
) -> Imported:
    """Put labels from `files` into the store at the level of theory `settings`.

    files, asked, trusted: as `intake.references.labelled` has them. Nobody can see by the numbers whether they are of
    that level of theory; that is for the user to know. But a label that is there is compared (`contradictions`), and
    stays as it is.

    Raises UserError: a file cannot be read, or its labels are not in eV, eV/A, eV/A^3.
    """
    found = Imported()
    for file in files:
        for number, atoms in enumerate(labelled([str(file)], asked, needed=False, trusted=trusted, lenient=True)):
            label = _label(atoms)
            flaw = atoms.info.get(FLAW, "no energy or no forces") if label is None else _flaw(atoms, label)
            said = atoms.info.get("REF_method", name_of(settings))
            if not flaw and said != name_of(settings) and not trusted:
                flaw = f"is a label of '{said}', not of '{name_of(settings)}' (--trust takes it as it is)"
            if label is None or flaw:
                found.refused.append(f"{file}, frame {number}: {flaw}")
                continue
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            if "config_type" in atoms.info:
                bare.info["config_type"] = atoms.info["config_type"]
            there = store.get(bare, settings)
            if there is not None and there.label is not None:
                other = difference(there.label, label)
                if other:
                    origin = there.facts.get("imported_from", "computed here")
                    found.contradictions.append(f"{file}, frame {number}: {other}; the first is {origin} and stays")
                else:
                    found.known += 1
                continue
            facts = {
                "seconds": 0.0,
                "attempts": 0,
                "imported_from": f"{Path(file).resolve()}, frame {number}",
                "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            }
            store.put(Record(bare, settings, Outcome.LABELLED, "", label, facts))
            found.new += 1
    return found


def _label(atoms: Atoms) -> Label | None:
    energy, forces = atoms.info.get("REF_energy"), atoms.arrays.get("REF_forces")
    if energy is None or forces is None:
        return None
    stress = atoms.info.get("REF_stress") if atoms.pbc.all() else None
    charges = atoms.arrays.get("REF_charges", atoms.arrays.get("charges"))
    return Label(energy, forces, stress, charges)


def _flaw(atoms: Atoms, label: Label) -> str | None:
    flaw = checks.geometry(atoms, 0.0) or checks.label(label, math.inf, math.inf)
    return flaw and flaw[1]
