"""The reference methods there are."""

from collections.abc import Mapping
from typing import Any

from oligopoly.labelers.contract import Labeler, LabelerSettings
from oligopoly.parts import Registry

LABELERS = Registry[LabelerSettings](
    "labeler",
    "label.labeler.kind",
    {
        "classical": "oligopoly.labelers.classical",
        "xtb": "oligopoly.labelers.xtb",
        "pyscf": "oligopoly.labelers.pyscf",
        "psi4": "oligopoly.labelers.psi4",
        "espresso": "oligopoly.labelers.espresso",
        "cp2k": "oligopoly.labelers.cp2k",
        "vasp": "oligopoly.labelers.vasp",
    },
    default="classical",
)


def create(
    settings: Mapping[str, Any], *, threads: int = 1, data: str | None = None, system: str | None = None
) -> Labeler:
    """The labeler of a config's block `label.labeler`, see `LabelerSettings.create`. It can be called by another
    process, to which only plain data goes."""
    return LABELERS.read(settings).create(threads=threads, data=data, system=system)
