"""A trainer and its kind of potential in one file: springs that push or pull atoms nearer than a knot.

The energy of a pair of atoms is the sum over knots r_k of c_k max(0, r_k - r)^2, with coefficients of its own for each
pair of elements: a quadratic spline, smooth, and zero beyond the last knot. It is linear in c, so that a fit is one
least-squares problem. Atoms nearer than any in training meet a stiff spring. It gives no uncertainty, so exploration is
guarded by bonds, contacts and volume alone.

To try it: copy it to workflow/oligopoly/trainers/harmonic.py, and add
    "harmonic": "oligopoly.trainers.harmonic",
to trainers/registry.py and to potentials/registry.py. Then `trainer: {kind: harmonic}` runs the whole loop.
"""

import json
from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from pydantic import Field

from oligopoly.accuracy import labels
from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.md.engine import Computed
from oligopoly.md.external import External
from oligopoly.potentials.contract import check_choice, check_species, predictions, require
from oligopoly.potentials.manifest import Manifest
from oligopoly.potentials.uncertainty import NONE
from oligopoly.quantities import Length
from oligopoly.trainers.contract import TrainerSettings, record

WALL = 500.0  # eV/A^2, of the spring between atoms nearer than any in training
SIGMA_ENERGY, SIGMA_FORCE = 0.002, 0.2  # expected errors: eV per atom, eV/A


class Settings(TrainerSettings):
    """Springs between near atoms, fitted by least squares: an example of a trainer."""

    kind: Literal["harmonic"]
    cutoff: Length = Field("4.5 A", description="of the springs")
    knots: int = Field(16, ge=3, description="distances, from 0.8 A to the cutoff, at which springs begin")

    def gives(self) -> frozenset[str]:
        return frozenset({"stress"})

    def files(self) -> dict[str, str]:
        return {"potential": "harmonic.json"}

    def guess_seconds(self, components: int, cores: int) -> float:
        return 5 + 1e-3 * components

    def create(self) -> "Harmonic":
        return Harmonic(self)


class Harmonic:
    """The trainer."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def train(self, train, test, folder, *, before=None, threads=1) -> Manifest:
        """One least-squares problem: a row per energy, and three per atom."""
        labelled = [(atoms, labels(atoms)) for atoms in train]
        labelled = [(atoms, found) for atoms, found in labelled if found.energy is not None and found.forces is not None]
        if not labelled:
            raise UserError("no frame has both an energy and forces to learn from")
        species = sorted({symbol for atoms, _ in labelled for symbol in atoms.symbols})
        knots = np.linspace(0.8, self.settings.cutoff, self.settings.knots)
        springs = Springs(species, knots, walls=np.zeros(len(_pairs(species))))
        for atoms, _ in labelled:
            springs.lower_walls(atoms)
        normal, right = 0.0, 0.0
        for atoms, found in labelled:
            rows, known = springs.rows(atoms)
            target = np.r_[found.energy, found.forces.ravel()] - known
            sigma = np.r_[SIGMA_ENERGY * len(atoms), np.full(3 * len(atoms), SIGMA_FORCE)]
            weighted = rows / sigma[:, None]
            normal, right = normal + weighted.T @ weighted, right + weighted.T @ (target / sigma)
        springs.coefficients = np.linalg.solve(normal + 1e-3 * np.eye(len(normal)), right)
        write_text(folder / "harmonic.json", json.dumps({k: np.asarray(v).tolist() for k, v in vars(springs).items()}))
        manifest = Manifest(
            kind="harmonic", species=species, cutoff=self.settings.cutoff, files=self.settings.files(), folder=folder
        )
        record(folder, train, test, HarmonicPotential(manifest))
        return manifest


class HarmonicPotential:
    """The potential."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest
        self.springs = Springs(**json.loads(manifest.path("potential").read_text()))

    def predict(self, frames, uncertainty="none", threads=1):
        require(self.manifest, uncertainty)
        return predictions(self.springs, check_species(self.manifest, frames))

    def engine(self, uncertainty=NONE, choice="auto", threads=1) -> External:
        require(self.manifest, uncertainty.kind)
        check_choice(choice, ("built-in",))
        return External(lambda: self.springs, self.manifest.paths())

    def score(self, atoms, kind) -> None:
        return None

    def descriptors(self, atoms) -> None:
        return None


def load(manifest: Manifest) -> HarmonicPotential:
    """The potential of a manifest, as `potentials.registry.open_potential` asks."""
    return HarmonicPotential(manifest)
