"""A box of chains as a frame."""

from pathlib import Path

from ase import Atoms

from oligopoly.systems import datafile
from oligopoly.systems.topology import Topology


def read_box(data: str | Path, topology: Topology) -> Atoms:
    """Periodic frame of a LAMMPS data file of ours, molecules whole."""
    _, positions, cell = datafile.read(data, topology.atoms_per_chain)
    return Atoms(numbers=topology.numbers, positions=topology.unwrap(positions, cell), cell=cell, pbc=True)
