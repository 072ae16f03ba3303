"""Has the force field parameters for all chains of a config? Asked before any job, of a short chain of each kind."""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.forcefields.contract import ForceFieldSettings
from oligopoly.versions import installed


def check_systems(asked: Iterable[tuple[ForceFieldSettings, str, Any]], remembered: str | Path) -> None:
    """Raise UserError that begins with systems.{name} for the first chain without parameters.

    `asked`: force field, name, system. Chains that passed stand in the file `remembered`, by what decides, for it takes
    seconds to load what types them.
    """
    remembered = Path(remembered)
    try:
        known = set(json.loads(remembered.read_text()))
    except (OSError, ValueError, TypeError):
        known = set()
    before = len(known)
    for force_field, name, system in asked:
        decides = (installed(["radonpy-pypi", "rdkit"]), force_field.identity(system))
        key = hashlib.sha256(repr(decides).encode()).hexdigest()
        if key in known:
            continue
        try:
            force_field.check_system(system)
        except UserError as error:
            raise UserError(f"systems.{name}: {error}") from error
        known.add(key)
    if len(known) > before:
        # A folder that cannot be written is told where results are.
        with contextlib.suppress(OSError):
            write_text(remembered, json.dumps(sorted(known)) + "\n")
