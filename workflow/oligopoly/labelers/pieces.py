"""Which atoms hang together by bonds."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii


def pieces(atoms: Atoms, reach: float) -> tuple[int, np.ndarray]:
    """How many pieces bonds hold together, and the number of each atom's piece (N,).

    A bond is a pair within `reach` times the sum of its covalent radii.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    radii = covalent_radii[atoms.numbers]
    i, j, d = pairs(atoms, 2 * reach * radii.max())
    bonded = d < reach * (radii[i] + radii[j])
    n = len(atoms)
    graph = coo_array((np.ones(bonded.sum()), (i[bonded], j[bonded])), shape=(n, n))
    return connected_components(graph, directed=False)


def pairs(atoms: Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """i, j and distance (A) of all pairs within `cutoff`, each both ways; images count where the frame is periodic."""
    from vesin import ase_neighbor_list

    whole = atoms
    if atoms.pbc.any() and not atoms.pbc.all():
        whole = atoms.copy()
        whole.center(vacuum=2 * cutoff, axis=np.flatnonzero(~atoms.pbc))
        whole.pbc = True
    i, j, d = ase_neighbor_list("ijd", whole, cutoff)
    return i.astype(int), j.astype(int), d
