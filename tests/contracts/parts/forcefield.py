"""A force field: GAFF2 with charges scaled, as in continuum models of electronic polarisation.

To use it: copy it to workflow/oligopoly/forcefields/scaled.py, and add
    "gaff2_scaled": "oligopoly.forcefields.scaled",
to forcefields/registry.py. Then `force_field: {kind: gaff2_scaled, scale: 0.8}`.
"""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from oligopoly.forcefields.contract import ForceFieldSettings, Purpose
from oligopoly.forcefields.gaff2 import GAFF2


class Settings(ForceFieldSettings):
    """GAFF2 with all charges scaled."""

    kind: Literal["gaff2_scaled"]
    scale: float = Field(0.8, ge=0, le=1, description="of the charges")

    def create(self) -> "Scaled":
        return Scaled(self.scale)


class Scaled(GAFF2):
    """The force field: other charges, and the same styles of LAMMPS."""

    def __init__(self, scale: float):
        self.scale, self.name = scale, f"GAFF2, Gasteiger times {scale:g}"

    def parametrise(self, mol, described: str):
        chain, elements = super().parametrise(mol, described)
        return replace(chain, charges=self.scale * chain.charges), elements

    def level_of_theory(self, purpose: Purpose = "label") -> dict:
        return super().level_of_theory(purpose) | {"charge_scale": self.scale}
