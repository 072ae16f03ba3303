"""A small potential of each kind, for whoever needs one."""

from pathlib import Path

import pytest
from ase import Atoms
from labelled import labelled_frames

from oligopoly.potentials.contract import Potential
from oligopoly.potentials.pace import available
from oligopoly.potentials.registry import open_potential
from oligopoly.trainers.registry import train

from .examples import settings

PACE = Path(__file__).parents[1] / "data" / "pace"
# Trainers' settings, where those of the trainer of the same name, and quick, will not do.
MADE_BY = {
    "ace": {"functions": 20, "cutoff": "4 A", "ranks": {"n": [12, 5, 3], "l": [0, 5, 4]}, "committee": 3},
}


def trainer(kind: str, **more):
    """Settings of a trainer that needs a second for twelve frames."""
    found = settings("trainers", kind, **MADE_BY.get(kind, {}), **more)
    return found if kind in MADE_BY else found.quick()


def make(kind: str, folder: Path) -> Potential:
    """A potential of C and H; it is in manifest.json of the folder where it was trained."""
    if kind == "pace":
        if not available():
            pytest.skip("LAMMPS lacks ML-PACE (that of conda-forge has it)")
        return open_potential(PACE / "cho_zbl_r2.yaml")
    train(trainer(kind), labelled_frames(12), labelled_frames(2, seed=1), folder)
    return open_potential(folder / "manifest.json")


def frames() -> dict[str, Atoms]:
    """A cell, a skewed one, and a molecule, none with labels."""
    cell, molecule = labelled_frames(1, seed=7)[0], labelled_frames(1, seed=8, periodic=False)[0]
    skewed = cell.copy()
    skewed.set_cell(cell.cell.array @ [[1, 0, 0], [0.2, 1.05, 0], [-0.1, 0.15, 0.97]], scale_atoms=True)
    found = {"cell": cell, "skewed": skewed, "molecule": molecule}
    for atoms in found.values():
        del atoms.arrays["REF_forces"]
        atoms.info.clear()
    return found
