"""The label store: nothing is ever computed twice, nothing once computed is lost.

One file per structure and level of theory, written to a temporary name and renamed, so any number of jobs on any
number of nodes may share a store without locks or a server. A label that is there is not written over; the worst that
two jobs can do is to compute the same one, and one of the two equal records stays. Failures lie beside, in a file of
their own (`*.failed.json`), so that no failure can take the place of a label. Each file carries a checksum; one that
does not match it is set aside (`*.torn`), and computed again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly.files import write_text
from oligopoly.frames import geometry_hash
from oligopoly.labelers.contract import Label, decomposed, free_atom
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling.contradictions import difference
from oligopoly.labelling.geometry import fingerprints, overlay

ARRAYS = ("forces", "stress", "charges")


@dataclass(frozen=True)
class Record:
    """What is known of a structure at a level of theory.

    atoms: the structure as it was computed. settings: the level of theory. facts: seconds, host, attempts, code and
    whatever else was noted.
    """

    atoms: Atoms
    settings: dict[str, Any]
    outcome: Outcome
    reason: str = ""
    label: Label | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def key(atoms: Atoms, settings: dict[str, Any]) -> str:
    """Name of the record of exactly these coordinates at the level of theory `settings`, 64 hex digits.

    The first 16 are what the structure shares with its turned, moved and renumbered copies.
    """
    theory = theory_of(atoms, settings)
    return named(fingerprints(atoms, theory)[0], atoms, theory)


def named(fingerprint: str, atoms: Atoms, theory: str) -> str:
    """The same, of a structure whose fingerprint is known."""
    own = hashlib.sha256(f"{geometry_hash(atoms)}\n{theory}".encode()).hexdigest()
    return fingerprint + own[:48]


class Store:
    """Labels and failures in a folder."""

    BESIDE = ("timings",)  # what else lies there

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        """File of the label `key`; 4096 subfolders keep the listings short."""
        return self.folder / key[:3] / f"{key}.json"

    def put(self, record: Record) -> str | None:
        """Keep what became of a structure. A label that is there already stays as it is; where the two differ, that is
        returned in words."""
        name = key(record.atoms, record.settings)
        path = self.path(name)
        if path.exists():
            there = read(path)
            if there is not None:
                return difference(there.label, record.label) if there.label and record.label else None
        if record.label is None:
            path = path.with_suffix(".failed.json")
        text = json.dumps({"key": name} | _plain(record))
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_text(path, json.dumps({"sha256": digest, "record": text}))
        return None

    def get(self, atoms: Atoms, settings: dict[str, Any]) -> Record | None:
        """The label of `atoms`, else its failure, else None. Forces and stress are turned to `atoms`."""
        path = self.path(key(atoms, settings))
        return read(path) or self._same(atoms, settings) or read(path.with_suffix(".failed.json"))

    def records(self) -> Iterator[Record]:
        """Every label, in the order of their names."""
        for folder in sorted(self.folder.glob("???")):
            for path in sorted(folder.glob("[!.]*.json")):
                if not path.name.endswith(".failed.json"):
                    record = read(path)
                    if record is not None:
                        yield record

    def _same(self, atoms: Atoms, settings: dict[str, Any]) -> Record | None:
        for fingerprint in fingerprints(atoms, theory_of(atoms, settings)):
            with contextlib.suppress(FileNotFoundError):
                for name in sorted(os.listdir(self.folder / fingerprint[:3])):
                    if not name.startswith(fingerprint) or name.endswith((".failed.json", ".torn")):
                        continue
                    stored = read(self.folder / fingerprint[:3] / name)
                    found = stored and turned(stored, atoms, settings)
                    if found:
                        return found
        return None


def read(path: Path) -> Record | None:
    """The record in `path`; None if there is none, or if it was torn and had to be set aside."""
    try:
        return _parsed(path)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        pass
    aside = path.with_suffix(".torn")
    try:
        path.replace(aside)
        # Another job may have put a whole one there since it was read: that one goes back.
        record = _parsed(aside)
        aside.replace(path)
        return record
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _parsed(path: Path) -> Record:
    envelope = json.loads(path.read_bytes())
    text = envelope["record"]
    if hashlib.sha256(text.encode()).hexdigest() != envelope["sha256"]:
        raise ValueError("checksum")
    body = json.loads(text)
    if body["key"] != path.name.split(".")[0]:
        raise ValueError("key")
    atoms = Atoms(body["numbers"], body["positions"], cell=body["cell"], pbc=body["pbc"])
    if body["config_type"]:
        atoms.info["config_type"] = body["config_type"]
    label = None
    if body["outcome"] == Outcome.LABELLED:
        arrays: dict[str, Any] = {name: None if body[name] is None else np.array(body[name]) for name in ARRAYS}
        label = Label(energy=body["energy"], **arrays, notes=body["notes"])
    return Record(atoms, body["settings"], Outcome(body["outcome"]), body["reason"], label, body["facts"])


def _plain(record: Record) -> dict[str, Any]:
    atoms, label = record.atoms, record.label
    body: dict[str, Any] = {
        "outcome": record.outcome.value,
        "reason": record.reason,
        "settings": record.settings,
        "facts": record.facts,
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
        "config_type": atoms.info.get("config_type"),
    }
    if label is not None:
        body |= {"energy": label.energy, "notes": label.notes}
        for name in ARRAYS:
            value = getattr(label, name)
            body[name] = None if value is None else np.asarray(value).tolist()
    return body


def turned(stored: Record, atoms: Atoms, settings: dict[str, Any]) -> Record | None:
    """`stored` as a record of `atoms`, if it is the same structure."""
    # A force field knows its atoms by their place in the list.
    laid = overlay(stored.atoms, atoms, renumber=settings["kind"] != "classical")
    if laid is None or stored.label is None or theory_of(stored.atoms, stored.settings) != theory_of(atoms, settings):
        return None
    order, rotation = laid
    label = stored.label
    laid_over = Label(
        label.energy,
        label.forces[order] @ rotation,
        None if label.stress is None else rotation.T @ label.stress @ rotation,
        None if label.charges is None else label.charges[order],
        label.notes,
    )
    return Record(atoms, settings, stored.outcome, stored.reason, laid_over, stored.facts)


def theory_of(atoms: Atoms, settings: dict[str, Any]) -> str:
    """The level of theory at which `atoms` are labelled, as a text that is the same only for the same."""
    # What is broken on purpose is computed with unpaired spins, a free atom with those of its ground state: other
    # numbers at the same geometry.
    spins = {"free_atom": True} if free_atom(atoms) else {"decomposed": True} if decomposed(atoms) else {}
    return json.dumps(settings | spins, sort_keys=True)
