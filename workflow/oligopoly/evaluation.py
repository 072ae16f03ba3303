"""Energies and forces of a potential file, by whatever can run it.

Linear potentials run in oligopoly's own evaluator. Those with another embedding, which pacemaker fits, run in LAMMPS
ML-PACE, as they do in MD.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.ace.evaluator import Evaluator, Result
from oligopoly.ace.metrics import EV_PER_A3_IN_BAR, Labels, predictions
from oligopoly.ace.potential import is_linear
from oligopoly.errors import UserError
from oligopoly.md import placement
from oligopoly.md.engines import PairPACE
from oligopoly.md.lammps import start


def evaluator(potential_file: str | Path) -> "Evaluator | PaceEvaluator":
    """Something with the `compute` of `ace.evaluator.Evaluator`, from a `.yaml` with its `.yace` beside it."""
    return Evaluator(potential_file) if is_linear(potential_file) else PaceEvaluator(potential_file)


def predict(potential_file: str | Path, frames: Sequence[Atoms]) -> list[Labels]:
    """Energy, forces and (where periodic) stress of each frame."""
    return list(predictions(evaluator(potential_file), frames))


class PaceEvaluator:
    """LAMMPS `pair_style pace` as an evaluator; it keeps a LAMMPS instance for each composition it has met."""

    def __init__(self, potential_file: str | Path):
        self.engine = PairPACE(potential_file)
        self._running: dict[tuple, object] = {}

    def compute(self, numbers, positions, cell=None, pbc=None) -> Result:
        """As `Evaluator.compute`, but for the energies of single atoms, which are not a number here.

        Raises UserError where LAMMPS lacks ML-PACE.
        """
        periodic = bool(np.any(pbc)) if pbc is not None else False
        atoms = Atoms(numbers, positions, cell=cell if periodic else None, pbc=periodic)
        placed = placement.oriented(atoms)
        lmp = self._loaded(placed)
        lmp.command("run 0 post no")
        forces = np.array(lmp.numpy.extract_atom("f")[placement.order(lmp)])
        virial = np.zeros((3, 3))
        if periodic:
            # what LAMMPS needs to turn the cell is undone here
            turn = np.linalg.solve(np.asarray(atoms.cell), np.asarray(placed.cell))
            xx, yy, zz, xy, xz, yz = (lmp.get_thermo(f"p{axes}") for axes in ("xx", "yy", "zz", "xy", "xz", "yz"))
            virial = -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * atoms.get_volume() / EV_PER_A3_IN_BAR
            forces, virial = forces @ turn.T, turn @ virial @ turn.T
        energy = float(lmp.get_thermo("pe"))
        return Result(energy, np.full(len(atoms), np.nan), forces, virial)

    def _loaded(self, placed: Atoms):
        # once skewed, a box of LAMMPS does not become upright again
        key = placed.numbers.tobytes(), bool(placed.pbc.all()), placement.box_commands(placed.cell.array)[1]
        if key in self._running:
            placement.move(self._running[key], placed)
            return self._running[key]
        lmp = start()
        if not PairPACE.available(lmp, extrapolation=False):
            lmp.close()
            raise UserError(
                f"{self.engine.potential} is not linear and needs a LAMMPS with the ML-PACE package, which this one "
                "lacks: install LAMMPS from conda-forge"
            )
        self.engine.load(lmp, placed, None)
        for command in ["thermo_style custom step pe pxx pyy pzz pxy pxz pyz", "thermo_modify norm no"]:
            lmp.command(command)
        self._running[key] = lmp
        return lmp

    def __del__(self):
        for lmp in self._running.values():
            lmp.close()
