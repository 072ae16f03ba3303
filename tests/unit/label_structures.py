"""Structures for the labelling stage, good and bad, and the real labelers that meet them."""

import numpy as np
from ase import Atoms
from quantum import molecule

from oligopoly import frames as frame_files
from oligopoly.labelers import xtb


def xtb_labeler(threads=1):
    """GFN2-xTB that gives up soon: tblite's mixing takes a minute to fail in all the iterations of its second try."""
    xtb.TRIES = ((150, 0.4), (150, 0.1))
    return xtb.XTBLabeler("GFN2-xTB", threads=threads)


def glycol(seed, copies=1):
    """Ethylene glycol, `copies` of it in a row, shaken."""
    rng = np.random.default_rng(seed)
    one = molecule("ethylene glycol")
    atoms = Atoms()
    for k in range(copies):
        part = one.copy()
        part.positions += [0.0, 0.0, 5.0 * k]
        atoms += part
    atoms = Atoms(atoms.numbers, np.round(atoms.positions + rng.normal(scale=0.03, size=(len(atoms), 3)), 8))
    frame_files.set_origin(atoms, "s", 0, "test", seed)
    return atoms


def fused(seed):
    """Two carbons within each other."""
    atoms = glycol(seed, 2)
    carbons = np.flatnonzero(atoms.numbers == 6)
    atoms.positions[carbons[2]] = atoms.positions[carbons[0]] + [0.0, 0.3 + 0.2 * (seed % 3), 0.0]
    return atoms


def one_hydrogen_less(seed):
    """An odd number of electrons."""
    atoms = glycol(seed)
    del atoms[int(np.flatnonzero(atoms.numbers == 1)[0])]
    return atoms


def unconverging(seed):
    """Six scandium atoms at bonding distance, whose 3d levels lie within the electronic temperature."""
    rng = np.random.default_rng(seed)
    corners = np.array([[k % 2, (k // 2) % 2, k // 4] for k in range(6)])
    atoms = Atoms(["Sc"] * 6, np.round(2.6 * corners + rng.normal(scale=0.1, size=(6, 3)), 8))
    frame_files.set_origin(atoms, "s", 0, "test", seed)
    return atoms


def flown_apart(seed):
    """Its carbon-carbon bond is broken, and the halves are 4 A away from each other."""
    atoms = glycol(seed)
    c1, c2 = np.flatnonzero(atoms.numbers == 6)
    axis = atoms.positions[c2] - atoms.positions[c1]
    axis /= np.linalg.norm(axis)
    beyond = (atoms.positions - atoms.positions[[c1, c2]].mean(axis=0)) @ axis > 0
    atoms.positions[beyond] += 4.0 * axis
    return atoms


def lost(seed):
    """A coordinate that is not a number."""
    atoms = glycol(seed)
    atoms.positions[2, 1] = np.nan
    return atoms
