"""A trainer and its kind of potential in one file: springs that push or pull atoms nearer than a knot.

The energy of a pair of atoms is the sum over knots r_k of c_k max(0, r_k - r)^2, with coefficients of its own for each
pair of elements: a quadratic spline, smooth, and zero beyond the last knot. It is linear in c, so that a fit is one
least-squares problem. Distances that no pair has in training, such as those between bonds and contacts, are told to
cost energy, or atoms would go there. It gives no uncertainty: bonds, contacts and volume alone guard exploration.

To use it: copy it to workflow/oligopoly/trainers/harmonic.py, and add
    "harmonic": "oligopoly.trainers.harmonic",
to trainers/registry.py and to potentials/registry.py. Then `trainer: {kind: harmonic}` runs the whole loop.
"""

import json
from collections.abc import Iterator
from typing import Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from oligopoly.accuracy import labels
from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.md.engine import Computed
from oligopoly.md.external import External
from oligopoly.md.hardware import ONE_CORE
from oligopoly.potentials.contract import check_choice, known, predictions, require
from oligopoly.potentials.manifest import Manifest
from oligopoly.potentials.uncertainty import NONE
from oligopoly.quantities import Length
from oligopoly.trainers.contract import TrainerSettings, record

SIGMA_ENERGY, SIGMA_FORCE = 0.002, 0.2  # expected errors: eV per atom, eV/A
FIRST, SPACING = 0.6, 0.25  # A, of the knots
UNMET, BARRIER, SIGMA_BARRIER = np.arange(0.4, 2.1, 0.1), 6.0, 0.5  # A, eV, eV: where pairs may not go


class Settings(TrainerSettings):
    """Springs between near atoms, fitted by least squares: an example of a trainer."""

    kind: Literal["harmonic"]
    cutoff: Length = Field("4.5 A", description="of the potential, where the last spring begins")

    def gives(self) -> frozenset[str]:
        return frozenset({"stress"})

    def files(self) -> dict[str, str]:
        return {"potential": "harmonic.json"}

    def guess_seconds(self, components: int, cores: int) -> float:
        return 5 + 1e-4 * components

    def create(self) -> "Harmonic":
        return Harmonic(self)


class Harmonic:
    """The trainer."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def train(self, train, test, folder, *, before=None, threads=1) -> Manifest:
        """Normal equations are summed over frames, so that these may stay in their files."""
        species = sorted({symbol for atoms in train for symbol in atoms.symbols})
        springs = Springs(species, np.arange(self.settings.cutoff, FIRST, -SPACING))
        normal, right = 1e-3 * np.eye(springs.size), np.zeros(springs.size)
        for rows, target, sigma in _equations(springs, train):
            rows, target = rows / sigma[:, None], target / sigma
            normal += rows.T @ rows
            right += rows.T @ target
        springs.coefficients = np.linalg.solve(normal, right)
        write_text(folder / "harmonic.json", springs.to_json())
        files = self.settings.files()
        manifest = Manifest(kind="harmonic", species=species, cutoff=self.settings.cutoff, files=files, folder=folder)
        record(folder, train, test, HarmonicPotential(manifest))
        return manifest


class HarmonicPotential:
    """The potential."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest
        self.springs = Springs(**json.loads(manifest.path("potential").read_text()))

    def predict(self, frames, uncertainty="none", threads=1):
        require(self.manifest, uncertainty)
        return predictions(self.springs, known(self.manifest, frames))

    def engine(self, uncertainty=NONE, choice="auto", hardware=ONE_CORE) -> External:
        require(self.manifest, uncertainty.kind)
        check_choice(choice, ("built-in",))
        hardware.of_one_process()  # whose threads have nothing to do here
        return External(lambda: self.springs, self.manifest.paths())

    def score(self, atoms, kind) -> None:
        return None

    def descriptors(self, atoms) -> None:
        return None


def load(manifest: Manifest) -> HarmonicPotential:
    """The potential of a manifest: what `potentials.registry.open_potential` calls."""
    return HarmonicPotential(manifest)


class Springs:
    """The springs as an `md.engine.Evaluator`: coefficients of each element, then of each pair of them and knot."""

    def __init__(self, species, knots, coefficients=()):
        self.species, self.knots, self.coefficients = list(species), np.asarray(knots), np.asarray(coefficients)
        self.pairs = len(self.species) ** 2
        self.size = len(self.species) + self.pairs * len(self.knots)

    def compute(self, numbers, positions, cell=None, pbc=None, scored=False) -> Computed:
        """Energy, forces and virial."""
        atoms = Atoms(numbers, positions, cell=cell, pbc=pbc)
        element, i, pair, distance, vector = self.near(atoms)
        own, c = np.split(self.coefficients, [len(self.species)])
        c, stretch = c.reshape(self.pairs, -1)[pair], self.stretch(distance)
        pull = (-2 * (c * stretch).sum(axis=1) / distance)[:, None] * vector
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pull)
        return Computed(float(own[element].sum() + 0.5 * (c * stretch**2).sum()), forces, 0.5 * pull.T @ vector)

    def rows(self, atoms: Atoms) -> np.ndarray:
        """Derivatives of the energy and of the forces by the coefficients (1 + 3 N, size)."""
        element, i, pair, distance, vector = self.near(atoms)
        n, stretch = len(atoms), self.stretch(distance)
        energy, forces = np.zeros((self.pairs, len(self.knots))), np.zeros((n, self.pairs, 3, len(self.knots)))
        np.add.at(energy, pair, 0.5 * stretch**2)
        np.add.at(forces, (i, pair), -2 * (vector / distance[:, None])[:, :, None] * stretch[:, None, :])
        own = np.zeros((1 + 3 * n, len(self.species)))
        own[0] = np.bincount(element, minlength=len(self.species))
        return np.hstack([own, np.vstack([energy.ravel(), forces.transpose(0, 2, 1, 3).reshape(3 * n, -1)])])

    def to_json(self) -> str:
        """As the constructor takes it."""
        arrays = {"knots": self.knots.tolist(), "coefficients": self.coefficients.tolist()}
        return json.dumps({"species": self.species} | arrays)

    def stretch(self, distance):
        """By how much each spring is compressed."""
        return np.maximum(0, self.knots - distance[:, None])

    def near(self, atoms):
        """Element of each atom; first atom, pair of elements, distance and vector of all pairs, each both ways."""
        from vesin import ase_neighbor_list

        element = np.array([self.species.index(symbol) for symbol in atoms.get_chemical_symbols()], int)
        i, j, distance, vector = ase_neighbor_list("ijdD", atoms, float(self.knots[0]))
        one, two = np.sort([element[i], element[j]], axis=0)
        return element, i, one * len(self.species) + two, distance, vector


def _equations(springs: Springs, frames) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, what they should give, and its expected error: of labels, then of distances that are not met."""
    met = np.zeros((springs.pairs, len(UNMET)), bool)
    for atoms in frames:
        found = labels(atoms)
        if found.energy is None or found.forces is None:
            raise UserError(f"a training frame ({atoms.symbols}) has no energy or no forces to learn from")
        sigma = np.r_[SIGMA_ENERGY * len(atoms), np.full(3 * len(atoms), SIGMA_FORCE)]
        yield springs.rows(atoms), np.r_[found.energy, found.forces.ravel()], sigma
        _, _, pair, distance, _ = springs.near(atoms)
        inside = distance < UNMET[-1]
        met[pair[inside], np.abs(distance[inside, None] - UNMET).argmin(axis=1)] = True
    for pair in range(springs.pairs):
        r = UNMET[~met[pair]]
        rows = np.zeros((len(r), springs.pairs, len(springs.knots)))
        rows[:, pair] = springs.stretch(r) ** 2
        rows = np.hstack([np.zeros((len(r), len(springs.species))), rows.reshape(len(r), -1)])
        yield rows, BARRIER + 5 * np.maximum(0, 1.5 - r), np.full(len(r), SIGMA_BARRIER)
