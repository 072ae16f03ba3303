"""Who is bonded to whom: whole molecules, broken bonds, contacts between molecules."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols, covalent_radii

from oligopoly.errors import UserError

# Bonds of GAFF2 hexane reach 1.21 times the sum of the covalent radii at 1000 K. 1.35 times (C-C
# 2.05 A, C-H 1.45 A) is out of reach of heat, and met well before the fragments drift apart.
BROKEN = 1.35
# Closest approach of atoms of different molecules, A: above the length of a bond between them, so that molecules that
# fuse are met however fast they do it, and below what heat reaches. GFN2-xTB, pairs of ethylene glycol out of liquids
# at 300 to 600 K and up to 10 kbar: O-H 1.42 A costs -0.1 to 0.2 eV (a hydrogen bond), 1.25 A 0.3 to 0.9 eV; H-H
# 1.4 A 0.0 to 0.3 eV, 1.1 A 0.3 to 1.1 eV; O-O 2.2 A 0.3 eV, 2.0 A 0.8 eV. GAFF2, whose hydroxyl hydrogens have no
# Lennard-Jones core, brings those of ethylene glycol within 1.16 A of each other at 300 to 600 K.
CLOSE_H_H = 1.1
CLOSE_H_X = 1.25
CLOSE_X_X = 2.1
ELEMENTAL = 0.1  # g/mol: tables of masses differ by less


@dataclass(frozen=True)
class Limits:
    """Of particles that are no atoms (united atoms, beads): the longest bond, and the closest that particles of
    different molecules come, in A; and what they are called, by the element that stands for them."""

    bond: float
    contact: float
    names: dict[str, str]


@dataclass(frozen=True)
class Topology:
    """Bond graph of a box of chains; every array in the order of the frames' atoms.

    numbers, molecules, repeat_units (N,) int; bonds (M, 2) int, 0-based; masses (N,) g/mol.
    `molecules` are 0-based and consecutive, `repeat_units` are 0-based within each chain. `limits`: of beads; atoms
    have those of their elements.
    """

    numbers: np.ndarray
    molecules: np.ndarray
    repeat_units: np.ndarray
    bonds: np.ndarray
    masses: np.ndarray
    limits: Limits | None = None

    @classmethod
    def read(cls, path: str | Path) -> "Topology":
        """From a system.json. Raises UserError when keys are missing or do not fit each other."""
        path = Path(path)
        try:
            content = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"{path}: not readable as the description of a system ({error})") from error
        keys = ("numbers", "molecules", "repeat_units", "bonds", "masses")
        missing = [key for key in keys if key not in content]
        if missing:
            raise UserError(f"{path}: lacks {', '.join(missing)}; write it with the rule that builds the system")
        arrays = {key: np.array(content[key], dtype=float if key == "masses" else int) for key in keys}
        arrays["bonds"] = arrays["bonds"].reshape(-1, 2)
        n = len(arrays["numbers"])
        if any(len(arrays[key]) != n for key in keys if key != "bonds") or (
            arrays["bonds"].size and arrays["bonds"].max() >= n
        ):
            raise UserError(f"{path}: its arrays have different lengths")
        limits = content.get("limits")
        return cls(**arrays, limits=limits and Limits(**limits))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def n_molecules(self) -> int:
        return int(self.molecules[-1]) + 1

    @property
    def atoms_per_chain(self) -> int:
        return len(self) // self.n_molecules

    def subset(self, n_molecules: int) -> "Topology":
        """Topology of `n_molecules` of these (equal) molecules; more than the box holds is allowed."""
        if n_molecules < 1:
            raise ValueError("at least one molecule is needed")
        size = self.atoms_per_chain
        bonds = self.bonds[(self.bonds < size).all(axis=1)]
        return Topology(
            np.tile(self.numbers[:size], n_molecules),
            np.repeat(np.arange(n_molecules), size),
            np.tile(self.repeat_units[:size], n_molecules),
            (bonds[None] + size * np.arange(n_molecules)[:, None, None]).reshape(-1, 2),
            np.tile(self.masses[:size], n_molecules),
            self.limits,
        )

    def name(self, atom: int) -> str:
        """What people call an atom or bead, with its number."""
        symbol = chemical_symbols[self.numbers[atom]]
        return f"{self.limits.names.get(symbol, symbol)} {int(atom)}" if self.limits else f"{symbol}{int(atom)}"

    def weighed(self, atoms: Atoms) -> Atoms:
        """`atoms` for MD: with the masses of the beads, which are not those of the elements that stand for them, and
        the number of molecules in their info."""
        atoms = atoms.copy()
        atoms.info["molecules"] = self.n_molecules
        if abs(self.masses - atomic_masses[self.numbers]).max() >= ELEMENTAL:
            atoms.set_masses(self.masses)
        return atoms

    def of(self, n_atoms: int) -> "Topology":
        """Topology of a frame of `n_atoms` atoms, a whole number of these molecules."""
        count, rest = divmod(n_atoms, self.atoms_per_chain)
        if rest or count < 1:
            raise UserError(
                f"a frame of {n_atoms} atoms does not consist of whole molecules of {self.atoms_per_chain} atoms"
            )
        return self if n_atoms == len(self) else self.subset(count)

    @cached_property
    def _tree(self) -> tuple[np.ndarray, np.ndarray]:
        """Spanning forest of the bonds: atoms in an order where each parent precedes its child."""
        neighbours: list[list[int]] = [[] for _ in range(len(self))]
        for i, j in self.bonds:
            neighbours[i].append(int(j))
            neighbours[j].append(int(i))
        parent = np.full(len(self), -1)
        seen = np.zeros(len(self), bool)
        order = []
        for root in range(len(self)):
            if seen[root]:
                continue
            seen[root] = True
            queue = [root]
            for i in queue:
                for j in neighbours[i]:
                    if not seen[j]:
                        seen[j] = True
                        parent[j] = i
                        queue.append(j)
            order += queue
        return np.array(order), parent

    @cached_property
    def _bond_limits(self) -> np.ndarray:
        if self.limits:
            return np.full(len(self.bonds), self.limits.bond / BROKEN)
        radii = covalent_radii[self.numbers]
        return radii[self.bonds[:, 0]] + radii[self.bonds[:, 1]]

    def unwrap(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Positions (N, 3) with every molecule whole along its bonds; the first atom stays put.

        Right as long as no bond is longer than half the shortest height of the cell (3, 3).
        """
        order, parent = self._tree
        cell = np.asarray(cell, float)
        from oligopoly.systems import images

        return images.unwrap(np.array(positions, dtype=float), cell, np.linalg.inv(cell), order, parent)

    def broken_bonds(self, positions: np.ndarray, cell: np.ndarray | None = None, factor: float = BROKEN) -> np.ndarray:
        """Bonds (K, 2) longer than `factor` times the sum of the covalent radii (Cordero 2008), of beads factor /
        BROKEN times their limit.

        `cell` None: positions are taken as they are (unwrapped frames, clusters).
        """
        if len(self.bonds) == 0:
            return self.bonds
        vectors = positions[self.bonds[:, 1]] - positions[self.bonds[:, 0]]
        if cell is not None:
            cell = np.asarray(cell, float)
            vectors = vectors - np.round(vectors @ np.linalg.inv(cell)) @ cell
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        return self.bonds[~(lengths <= factor * self._bond_limits)]  # not-a-number counts as broken

    def close_contacts(self, positions: np.ndarray, cell: np.ndarray | None = None, scale: float = 1.0) -> np.ndarray:
        """Pairs (K, 2) of atoms of different molecules nearer than their elements allow.

        Limits CLOSE_X_X, CLOSE_H_X and CLOSE_H_H for pairs with 0, 1, 2 hydrogens, multiplied by `scale`. A
        molecule's own periodic image counts as another molecule. Beads have one limit.
        """
        own = [self.limits.contact] * 3 if self.limits else [CLOSE_X_X, CLOSE_H_X, CLOSE_H_H]
        limits = scale * np.array(own)
        i, j, d = self.intermolecular_pairs(positions, cell, limits.max())
        hydrogens = (self.numbers[i] == 1).astype(int) + (self.numbers[j] == 1)
        near = d < limits[hydrogens]
        return np.stack([i[near], j[near]], axis=1)

    def intermolecular_pairs(self, positions, cell, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """i, j, distance of all pairs i <= j of different molecules (or images) within `cutoff` A."""
        positions = np.ascontiguousarray(positions, dtype=float)
        if not np.isfinite(positions).all():
            raise ValueError("positions are not finite")
        periodic = cell is not None
        if periodic:
            cell = np.asarray(cell, float)
            heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
            if heights.min() < 2 * cutoff:
                raise ValueError(
                    f"the cell is only {heights.min():.2f} A high; twice the cutoff of {cutoff} A is needed"
                )
            origin = np.zeros(3)
        else:
            # An open frame is a periodic one in a box that leaves a cutoff free around it.
            origin = positions.min(axis=0)
            cell = np.diag(np.maximum(np.ptp(positions, axis=0) + 1.01 * cutoff, 3 * cutoff))
        inverse = np.linalg.inv(cell)
        fractional = np.ascontiguousarray((positions - origin) @ inverse)
        fractional -= np.floor(fractional)
        heights = 1 / np.linalg.norm(inverse, axis=0)
        bins = np.clip(np.floor(heights / cutoff).astype(int), 1, int(np.ceil(len(positions) ** (1 / 3))) + 1)
        # With one molecule per "owner", a pair within one molecule counts only through an image:
        # such a pair is farther apart along the molecule than the minimum image says.
        whole = positions if periodic else np.zeros((0, 3))
        from oligopoly.systems import images  # numba takes a third of a second to import

        return images.pairs(fractional, np.ascontiguousarray(cell), bins, self.molecules, whole, cutoff)
