"""The label store: nothing is ever computed twice.

One file per label, named by its key, the hash of geometry and level of theory. Records are written
to a temporary name and renamed, so any number of jobs on any number of nodes may share a store
without locks: the worst that can happen is that two of them compute the same label and the second
rename replaces the first by its equal.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly.files import write_text
from oligopoly.frames import geometry_hash
from oligopoly.label.labeler import Label
from oligopoly.label.outcomes import Outcome


def key(atoms: Atoms, settings: dict[str, Any]) -> str:
    """Name of the label of `atoms` at the level of theory `settings`."""
    theory = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(f"{geometry_hash(atoms)}\n{theory}".encode()).hexdigest()


class Store:
    """Labels and failures in a folder, by key."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        """File of the record `key`; 256 subfolders keep the listings short."""
        return self.folder / key[:2] / f"{key}.json"

    def put(
        self, key: str, outcome: Outcome, reason: str, label: Label | None, **facts: Any
    ) -> None:
        """Keep what became of a structure; `facts` (host, seconds, ...) are kept beside it."""
        body = {"key": key, "outcome": outcome.value, "reason": reason, **facts}
        if label is not None:
            body["energy"] = label.energy
            for name in ("forces", "stress", "charges"):
                value = getattr(label, name)
                body[name] = None if value is None else np.asarray(value).tolist()
        text = json.dumps(body)
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_text(self.path(key), json.dumps({"sha256": digest, "record": text}))

    def get(self, key: str) -> tuple[Outcome, str, Label | None, dict[str, Any]] | None:
        """Outcome, reason, label and facts of `key`; None if it is not there.

        A record that does not match its checksum is renamed to `*.torn` and counts as absent.
        """
        path = self.path(key)
        try:
            envelope = json.loads(path.read_text())
            text = envelope["record"]
            if hashlib.sha256(text.encode()).hexdigest() != envelope["sha256"]:
                raise ValueError("checksum")
            body = json.loads(text)
            if body["key"] != key:
                raise ValueError("key")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            path.replace(path.with_suffix(".torn"))
            return None
        outcome = Outcome(body.pop("outcome"))
        reason = body.pop("reason")
        label = None
        if outcome is Outcome.LABELLED:
            arrays = {
                name: None if body[name] is None else np.array(body.pop(name))
                for name in ("forces", "stress", "charges")
            }
            label = Label(energy=body.pop("energy"), **arrays)
        return outcome, reason, label, body
