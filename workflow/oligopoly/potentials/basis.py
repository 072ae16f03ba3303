"""The basis of an ACE potential, whatever its embedding: functions of each atom, and the active set."""

from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.design import Design
from oligopoly.ace.potential import read_yaml
from oligopoly.potentials.manifest import Manifest


def basis_functions(potential: Path, atoms: Atoms) -> np.ndarray:
    """B-basis functions of each atom (N, D), in columns of its own element and zero in those of the others."""
    design = Design(read_yaml(potential, linear_only=False))
    found = np.zeros((len(atoms), design.size))
    symbols = np.array(atoms.get_chemical_symbols())
    for element, rows in design.projections(atoms).items():
        found[np.ix_(symbols == element, np.arange(design.size)[design.slices[element]])] = rows
    return found


def active_set_of(manifest: Manifest) -> tuple[Design, ActiveSet]:
    """The functions of a potential, and the environments that they were solved for."""
    return (
        Design(read_yaml(manifest.path("potential"), linear_only=False)),
        ActiveSet.read(manifest.path("active_set")),
    )
