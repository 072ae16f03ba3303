"""Who is bonded to whom, by a LAMMPS data file that anything may have written."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from oligopoly.errors import UserError
from oligopoly.systems.datafile import sections
from oligopoly.systems.topology import Topology

# Words before the place of an atom, by atom_style: of these the molecule plays no role, since bonds say it.
TYPE = {"full": 2, "molecular": 2, "bond": 2, "angle": 2, "charge": 1, "atomic": 1}
HEAVIEST = 57  # of the elements that are told by their mass
UNITED = {13.019: "C", 14.027: "N", 15.035: "O", 16.043: "F"}  # CH to CH4 in one, and elements that can stand for them
NEAR = 0.05  # g/mol, of rounded masses


def topology_of(path: str | Path, elements: Mapping[int, str] | None = None) -> Topology:
    """Elements by mass (united atoms: carbon), or by `elements`, a table of types (then united atoms are told apart by
    the elements of UNITED), molecules by the bonds, and as repeat units each heavy atom with its
    hydrogens. Ids must be those from 1 to the number of atoms.

    Raises UserError for masses that are of no element, and for files that are no data files.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        found, _ = sections(path)
    except (OSError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise UserError(f"{path}: not readable as a LAMMPS data file ({error})") from None
    for needed in ("Masses", "Atoms"):
        if not found.get(needed):
            raise UserError(f"{path}: is no LAMMPS data file with a section {needed}")
    style = _style(path)
    if style not in TYPE:
        raise UserError(f"{path}: atom_style {style} is not read; known are {', '.join(TYPE)}")
    try:
        masses = {int(words[0]): float(words[1]) for words in found["Masses"]}
        atoms = {int(words[0]): int(words[TYPE[style]]) for words in found["Atoms"]}
        bonds = np.array([[int(words[2]) - 1, int(words[3]) - 1] for words in found.get("Bonds", [])], int)
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: Masses, Atoms or Bonds are not readable ({error})") from None
    n = len(atoms)
    if sorted(atoms) != list(range(1, n + 1)):
        raise UserError(f"{path}: the ids of its atoms are not those from 1 to {n}, each once")
    bonds = bonds.reshape(-1, 2)
    if bonds.size and (bonds.min() < 0 or bonds.max() >= n):
        raise UserError(f"{path}: has bonds of atoms that are not there")
    known = {kind: _element(path, kind, mass, elements) for kind, mass in masses.items()}
    types = [atoms[k] for k in range(1, n + 1)]
    if missing := sorted(set(types) - set(masses)):
        raise UserError(f"{path}: has no mass of type {missing[0]}")
    numbers = np.array([known[kind] for kind in types])
    if (numbers == 1).all() and not elements:
        raise UserError(f"{path}: all masses are those of hydrogen: beads in reduced units are not analysed")
    return Topology(
        numbers=numbers,
        molecules=_connected(n, bonds),
        repeat_units=_heavy_groups(numbers, bonds),
        bonds=bonds,
        masses=np.array([masses[kind] for kind in types]),
    )


def _style(path: Path) -> str:
    """As the line `Atoms # full` says; full where it does not."""
    with open(path) as file:
        for line in file:
            if line.startswith("Atoms"):
                return line.partition("#")[2].strip() or "full"
    return "full"


def _element(path: Path, kind: int, mass: float, elements: Mapping[int, str] | None) -> int:
    if elements is not None and kind in elements:
        return atomic_numbers[elements[kind]]
    for united, stands_for in UNITED.items():
        if abs(mass - united) < 0.003:
            return 6 if elements is None else atomic_numbers[stands_for]
    number = int(np.argmin(abs(atomic_masses[1:HEAVIEST] - mass))) + 1
    if abs(atomic_masses[number] - mass) > NEAR:
        near = f"{chemical_symbols[number]} has {atomic_masses[number]:.3f}"
        give = "" if elements is None else f': give its element in force_field.elements, e.g. {{"{kind}": C}}'
        raise UserError(f"{path}: type {kind} has a mass of {mass:g}, which is of no element ({near}){give}")
    return number


def _connected(n: int, bonds: np.ndarray) -> np.ndarray:
    """Molecule of each atom, from 0 in the order of their first atoms."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(len(first), int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]


def _heavy_groups(numbers: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """A number for each heavy atom, which its hydrogens have too."""
    group = np.arange(len(numbers))
    for one, two in bonds:
        if numbers[one] == 1 and numbers[two] > 1:
            group[one] = two
        elif numbers[two] == 1 and numbers[one] > 1:
            group[two] = one
    return group
