"""The force fields there are."""

import json
from pathlib import Path

from oligopoly.forcefields.contract import ForceField, ForceFieldSettings
from oligopoly.parts import Registry

FORCE_FIELDS = Registry[ForceFieldSettings](
    "force field",
    "force_field.kind",
    {
        "gaff2": "oligopoly.forcefields.gaff2",
        "trappe-ua": "oligopoly.forcefields.trappe_ua",
        "kremer-grest": "oligopoly.forcefields.kremer_grest",
        "lammps": "oligopoly.forcefields.lammps",
    },
    default="gaff2",
)


def of_system(system: str | Path) -> ForceField:
    """The force field that the chains of a system.json were built with; gaff2 where it does not say."""
    block = json.loads(Path(system).read_text()).get("force_field") or {"kind": FORCE_FIELDS.default}
    return FORCE_FIELDS.read(block).create()
