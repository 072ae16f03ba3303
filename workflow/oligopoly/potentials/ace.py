"""Linear ACE, run by the built-in engine, or by LAMMPS ML-PACE in MD where it is there."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.ace.design import Design
from oligopoly.ace.evaluator import Evaluator as ACEEvaluator
from oligopoly.errors import UserError
from oligopoly.md.engine import Computed, Engine, Evaluator, Score
from oligopoly.md.external import External
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.potentials.basis import basis_functions, design_of
from oligopoly.potentials.contract import Prediction, check_choice, known, predictions, require
from oligopoly.potentials.manifest import Manifest
from oligopoly.potentials.pace import available, pair_pace
from oligopoly.potentials.uncertainty import NONE, SCALES, Committee, Kind, Uncertainty, gamma

# Of the neighbour list, A: the cheapest for a hot liquid (builds against longer lists)
SKIN = 0.9


class BuiltIn:
    """`ace.evaluator.Evaluator` with its extrapolation grade as a score."""

    def __init__(self, potential, active_set=None, threads: int = 1, skin: float = 0.5):
        self.evaluator = ACEEvaluator(potential, active_set=active_set, threads=threads, skin=skin)

    def compute(self, numbers, positions, cell=None, pbc=None, scored: bool = False) -> Computed:
        """As `md.engine.Evaluator` has it."""
        found = self.evaluator.compute(numbers, positions, cell, pbc, gamma=scored)
        score = gamma(np.array(found.gamma)) if scored else None
        return Computed(found.energy, found.forces, found.virial, score, found.energies)


class ACEPotential:
    """A linear ACE potential by its manifest."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest

    def predict(self, frames: Iterable[Atoms], uncertainty: Kind = "none", threads: int = 1) -> Iterator[Prediction]:
        require(self.manifest, uncertainty)
        evaluator = self._evaluator(uncertainty, threads, skin=0.5)
        return predictions(evaluator, known(self.manifest, frames), uncertainty != "none")

    def engine(self, uncertainty: Uncertainty = NONE, choice: str = "auto", hardware: Hardware = ONE_CORE) -> Engine:
        check_choice(choice, ("built-in", "pace"))
        # a committee is asked in Python; the compiled styles have none
        if choice == "pace" or (choice == "auto" and uncertainty.kind != "committee" and available(True)):
            if uncertainty.kind == "committee":
                raise UserError(
                    "explore.engine: pace has no committee: give built-in, or explore.uncertainty.kind: gamma"
                )
            return pair_pace(self.manifest, uncertainty, hardware)
        threads = hardware.of_one_process()
        every = 0 if uncertainty.kind == "none" else uncertainty.every
        return External(lambda: self._evaluator(uncertainty.kind, threads), self._files(uncertainty.kind), every)

    def score(self, atoms: Atoms, kind: Kind) -> Score | None:
        scored = kind in SCALES and kind in self.manifest.uncertainty
        return next(self.predict([atoms], kind)).score if scored else None

    @functools.cached_property
    def _design(self) -> Design:
        return design_of(self.manifest)

    def descriptors(self, atoms: Atoms) -> np.ndarray | None:
        return basis_functions(self._design, atoms)

    def _evaluator(self, kind: str, threads: int, skin: float = SKIN) -> Evaluator:
        potential = self.manifest.path("potential")
        if kind == "committee":
            members = [BuiltIn(path, threads=threads, skin=skin) for path in self._members()]
            return Committee(BuiltIn(potential, threads=threads, skin=skin), members)
        active_set = self.manifest.path("active_set") if kind == "gamma" else None
        return BuiltIn(potential, active_set, threads, skin)

    def _files(self, kind: str) -> list[Path]:
        extra = {"gamma": lambda: [self.manifest.path("active_set")], "committee": self._members}.get(kind)
        return [self.manifest.path("potential"), *(extra() if extra else [])]

    def _members(self) -> list[Path]:
        if len(self.manifest.members) < 2:
            raise UserError(f"{self.manifest.folder}: a committee needs two members at least: set trainer.committee")
        return [self.manifest.path("potential", number) for number in range(len(self.manifest.members))]


def load(manifest: Manifest) -> ACEPotential:
    """The potential of a manifest."""
    return ACEPotential(manifest)
