"""Structures and checks that the tests of all quantum-chemical labelers share."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from oligopoly.labelers.contract import Labeler, LabelFailure
from oligopoly.labelers.registry import LABELERS
from oligopoly.labelers.registry import create as create_from

FRAMES = read(Path(__file__).parents[1] / "data" / "molecules.extxyz", ":")
MOLECULES = {atoms.info["name"]: atoms for atoms in FRAMES}


def create(kind: str, *, threads: int = 1, **settings) -> Labeler:
    """A labeler from its settings in base units, what is not given as the config has it."""
    return create_from({"kind": kind, **settings}, threads=threads)


def check(kind: str, *, elements: set[str], **settings) -> None:
    """What a labeler says of its settings before any job."""
    LABELERS.read({"kind": kind, **settings}).check(elements)


def needs(*programs: str):
    """Mark: skip where one of these programs is not installed (in CI, `.ci/run` installs them)."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def molecule(name: str) -> Atoms:
    """Ethylene glycol, butane, water, methanol, or a cell of two methanols; off their equilibria."""
    return MOLECULES[name].copy()


def outcome(labeler, atoms: Atoms):
    """Outcome and reason of a structure that cannot be labelled."""
    with pytest.raises(LabelFailure) as caught:
        labeler.label(atoms)
    return caught.value.outcome, str(caught.value)


def force_error(labeler, atoms: Atoms, components: int, step: float = 5e-3) -> float:
    """Largest difference, in eV/A, of forces and finite differences of the energy (fourth order)."""
    rng = np.random.default_rng(0)
    forces = labeler.label(atoms).forces
    errors = []
    for _ in range(components):
        i, k = rng.integers(len(atoms)), rng.integers(3)
        energies = {}
        for s in (-2, -1, 1, 2):
            moved = atoms.copy()
            moved.positions[i, k] += s * step
            energies[s] = labeler.label(moved).energy
        slope = (energies[-2] - 8 * energies[-1] + 8 * energies[1] - energies[2]) / (12 * step)
        errors.append(abs(-slope - forces[i, k]))
    return max(errors)


def stress_error(labeler, atoms: Atoms, components=((0, 0), (1, 1), (0, 2), (1, 2)), step: float = 2e-3) -> float:
    """Largest difference, in eV/A^3, of stress and finite differences of the energy by strain."""
    stress = labeler.label(atoms).stress
    errors = []
    for a, b in components:
        energies = {}
        for s in (-2, -1, 1, 2):
            strain = np.zeros((3, 3))
            strain[a, b] += s * step / 2
            strain[b, a] += s * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energies[s] = labeler.label(strained).energy
        slope = (energies[-2] - 8 * energies[-1] + 8 * energies[1] - energies[2]) / (12 * step)
        errors.append(abs(stress[a, b] - slope / atoms.get_volume()))
    return max(errors)


def ice() -> Atoms:
    """One water molecule in a small cell: the cheapest periodic structure that has all of a crystal's terms."""
    atoms = molecule("water")
    atoms.set_cell([[3.3, 0, 0], [0.2, 3.2, 0], [-0.1, 0.3, 3.4]])
    atoms.pbc = True
    return atoms
