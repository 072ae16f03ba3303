"""A system that a user brings as a LAMMPS data file: of equal molecules, in any styles, whoever wrote it."""

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_masses, chemical_symbols

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.systems import datafile, from_data
from oligopoly.systems.topology import ELEMENTAL, Limits, Topology

if TYPE_CHECKING:
    from oligopoly.forcefields.lammps import Settings

TORN = 2.5  # times the covalent radii: no bond of any force field is that long
# Of particles that are no atoms: their bonds may become so much longer than the longest of the file, and molecules come
# so much closer than the closest.
STRETCH, APPROACH = 1.2, 0.75


@dataclass(frozen=True)
class Given:
    """A box as its file has it, molecule by molecule: positions (N, 3) whole, cell (3, 3), both in A; the element of
    each type."""

    chain: datafile.Chain
    positions: np.ndarray
    cell: np.ndarray
    topology: Topology
    elements: list[str]


def build_given(data: str | Path, json_path: str | Path, source: str | Path, force_field: "Settings") -> None:
    """Write the box of `source` and its description as `build.build_system` does. Raises UserError for a file that
    cannot be used."""
    box = given(source, force_field)
    t, chain = box.topology, box.chain
    name = force_field.create().name
    datafile.write(data, chain, box.positions, box.cell, title=f"{Path(source).name}, {name}")
    resolved = force_field.model_copy(update={"styles": force_field.commands()})
    description = {
        "numbers": t.numbers.tolist(),
        "molecules": t.molecules.tolist(),
        "repeat_units": t.repeat_units.tolist(),
        "bonds": t.bonds.tolist(),
        "chains": t.n_molecules,
        "atoms_per_chain": t.atoms_per_chain,
        "source": str(source),
        "type_elements": box.elements,
        "masses": t.masses.tolist(),
        **({} if t.limits is None else {"limits": asdict(t.limits)}),
        "net_charge": round(float(chain.charges.sum()) * t.n_molecules, 8),
        "force_field": resolved.model_dump(),
    }
    write_text(json_path, json.dumps(description) + "\n")


def given(source: str | Path, force_field: "Settings") -> Given:
    """The box of a data file, with all coefficients, as LAMMPS reads them with the force field's commands.

    Raises UserError for files that are no data files, have no coefficients for a type, masses of no element, or
    molecules that are broken or unlike each other; it names the type or atom.
    """
    path = Path(source).expanduser()
    state = path.stat().st_mtime_ns if path.exists() else 0
    return _given(str(path), state, tuple(force_field.commands()), force_field.model_dump_json())


@lru_cache(maxsize=8)
def _given(path: str, state: int, commands: tuple[str, ...], block: str) -> Given:
    from oligopoly.forcefields.lammps import Settings

    force_field = Settings.model_validate_json(block).model_copy(update={"styles": list(commands)})
    found = from_data.topology_of(path, {int(kind): element for kind, element in force_field.elements.items()})
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "written.data"
        force_field.rewrite(path, written)
        sections, box = datafile.sections(written)
    low = np.array([box[axis][0] for axis in "xyz"])
    cell = np.diag([box[axis][1] - box[axis][0] for axis in "xyz"])
    cell[1, 0], cell[2, 0], cell[2, 1] = box.get("tilt", (0.0, 0.0, 0.0))
    rows = sorted(sections["Atoms"], key=lambda words: int(words[0]))
    order = np.argsort(found.molecules, kind="stable")
    positions = np.array([[float(word) for word in words[4:7]] for words in rows])[order] - low
    topology = _in_order(found, order)
    positions = _whole(path, topology, positions, cell, order)
    chain = _chain(path, topology, sections, rows, order)
    return Given(chain, positions, cell, _limited(topology, positions, cell), _elements(topology, chain))


def _in_order(found: Topology, order: np.ndarray) -> Topology:
    """Molecule after molecule, each in the order of its ids; repeat units from 0 in each."""
    new = np.empty_like(order)
    new[order] = np.arange(len(order))
    molecules = found.molecules[order]
    units = found.repeat_units[order]
    for molecule in range(molecules[-1] + 1):
        own = molecules == molecule
        units[own] = np.unique(new[units[own]], return_inverse=True)[1]
    return Topology(found.numbers[order], molecules, units, new[found.bonds], found.masses[order])


def _whole(path: str, topology: Topology, positions: np.ndarray, cell: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Positions of whole molecules. Raises UserError for torn bonds, and for chains that end in their own image."""
    whole = topology.unwrap(positions, cell)
    vectors = whole[topology.bonds[:, 1]] - whole[topology.bonds[:, 0]]
    nearest = vectors - np.round(vectors @ np.linalg.inv(cell)) @ cell
    if len(vectors) and abs(vectors - nearest).max() > 1e-3:
        i, j = order[topology.bonds[int(abs(vectors - nearest).max(axis=1).argmax())]] + 1
        raise UserError(
            f"{path}: the molecule of atoms {i} and {j} is bonded to its own periodic image: it has no ends, and is no "
            "chain"
        )
    elemental = Topology(topology.numbers, topology.molecules, topology.repeat_units, topology.bonds, topology.masses)
    if abs(topology.masses - atomic_masses[topology.numbers]).max() < ELEMENTAL:
        torn = elemental.broken_bonds(whole, None, factor=TORN)
        if len(torn):
            i, j = torn[0]
            raise UserError(
                f"{path}: a broken molecule: the bonded atoms {order[i] + 1} and {order[j] + 1} are "
                f"{np.linalg.norm(whole[i] - whole[j]):.1f} A apart, also as nearest images: is the box the "
                "one of these positions?"
            )
    return whole


def _chain(path: str, topology: Topology, sections: dict, rows: list, order: np.ndarray) -> datafile.Chain:
    """The first molecule, which all others must be like."""
    n = topology.atoms_per_chain
    sizes = np.bincount(topology.molecules)
    if len(set(sizes.tolist())) > 1:
        other = int(np.flatnonzero(sizes != sizes[0])[0])
        raise UserError(
            f"{path}: its molecules are not copies of one chain: the first has {sizes[0]} atoms, that of atom "
            f"{order[int(sizes[:other].sum())] + 1} {sizes[other]}; give a box of one kind of chain"
        )
    types = np.array([int(words[2]) for words in rows])[order]
    charges = np.array([float(words[3]) for words in rows])[order]
    for what, values in (("types", types), ("charges", np.round(charges, 6))):
        unlike = np.flatnonzero((values.reshape(-1, n) != values[:n]).any(axis=1))
        if len(unlike):
            raise UserError(
                f"{path}: its molecules are not copies of one chain: that of atom {order[int(unlike[0]) * n] + 1} has "
                f"other {what}, or its atoms in another order; give a box of one kind of chain"
            )
    new = np.empty_like(order)
    new[order] = np.arange(len(order))
    entries = {}
    for name, count in datafile.TOPOLOGY.items():
        found = np.array([[int(w) for w in words[1:]] for words in sections.get(name, [])], int).reshape(-1, 1 + count)
        found[:, 1:] = new[found[:, 1:] - 1]
        owner = found[:, 1] // n
        local = np.column_stack([owner, found[:, :1], found[:, 1:] - (owner * n)[:, None]])
        local = local[np.lexsort(local.T[::-1])]
        per = np.bincount(owner, minlength=topology.n_molecules)
        first = local[local[:, 0] == 0][:, 1:]
        if (per != per[0]).any() or (local[:, 1:].reshape(topology.n_molecules, -1) != first.ravel()).any():
            raise UserError(
                f"{path}: its molecules are not copies of one chain: their {name.lower()} differ; give a box of "
                "one kind of chain"
            )
        entries[name] = first
    return datafile.Chain(datafile.coefficients_of(sections), types[:n], charges[:n], entries)


def _limited(topology: Topology, positions: np.ndarray, cell: np.ndarray) -> Topology:
    """With limits of their own for particles that are no atoms, from what the box has."""
    if abs(topology.masses - atomic_masses[topology.numbers]).max() < ELEMENTAL:
        return topology
    bonds = np.linalg.norm(positions[topology.bonds[:, 1]] - positions[topology.bonds[:, 0]], axis=1)
    reach = min(8.0, 0.45 / np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    _, _, apart = topology.intermolecular_pairs(positions, cell, reach)
    names = {
        chemical_symbols[
            number
        ]: f"{chemical_symbols[number]} of {topology.masses[topology.numbers == number][0]:g} g/mol"
        for number in np.unique(topology.numbers)
    }
    limits = Limits(
        bond=STRETCH * float(bonds.max() if len(bonds) else reach),
        contact=APPROACH * float(apart.min(initial=reach)),
        names=names,
    )
    return replace(topology, limits=limits)


def _elements(topology: Topology, chain: datafile.Chain) -> list[str]:
    """Of each type, in their order; types that no atom has are called after the first."""
    count = len(chain.coefficients["Masses"])
    of = {int(kind): chemical_symbols[int(number)] for kind, number in zip(chain.types, topology.numbers, strict=False)}
    return [of.get(kind, chemical_symbols[int(topology.numbers[0])]) for kind in range(1, count + 1)]


def elements_of(source: str | Path, force_field: "Settings") -> set[str]:
    """What occurs in a box."""
    return {chemical_symbols[number] for number in given(source, force_field).topology.numbers.tolist()}
