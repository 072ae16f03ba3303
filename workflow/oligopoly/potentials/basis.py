"""The basis of an ACE potential, whatever its embedding: functions of each atom, and the active set."""

import numpy as np
from ase import Atoms

from oligopoly.ace import fingerprint
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.design import Design
from oligopoly.ace.potential import read_yaml
from oligopoly.potentials.manifest import Manifest


def design_of(manifest: Manifest) -> Design:
    """The functions of a potential."""
    return Design(read_yaml(manifest.path("potential"), linear_only=False))


def basis_functions(design: Design, atoms: Atoms) -> np.ndarray:
    """B-basis functions of each atom (N, D), in columns of its own element and zero in those of the others."""
    found = np.zeros((len(atoms), design.size))
    symbols = np.array(atoms.get_chemical_symbols())
    for element, rows in design.projections(atoms).items():
        found[np.ix_(symbols == element, np.arange(design.size)[design.slices[element]])] = rows
    return found


def active_set_of(manifest: Manifest) -> tuple[Design, ActiveSet]:
    """The functions of a potential, and the environments that they were solved for."""
    design, path = design_of(manifest), manifest.path("active_set")
    active = ActiveSet.read(path)
    fingerprint.check(design.potential, active.fit, path, "extrapolation grade")
    return design, active
