"""Energies, forces, virial and extrapolation grade of a linear ACE potential.

The evaluator keeps its neighbour list between calls, so one object belongs to one trajectory.
Units: eV, Angstrom. Algorithm: leaves -> products -> sparse quadratic form, eight atoms at a time
(modules `terms` and `kernel`).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from oligopoly.ace import kernel, neighbours, terms
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.potential import Potential, read
from oligopoly.errors import UserError

_NONE = np.zeros(3, dtype=bool)


@dataclass
class Result:
    """`energy` (eV), `energies` (N,) per atom, `forces` (N, 3) in eV/A, `virial` (3, 3) = dE/dstrain =
    sum r (x) dE/dr in eV (stress is virial / volume), `gamma` (N,) extrapolation grade or None."""

    energy: float
    energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray
    gamma: np.ndarray | None = None


class Evaluator:
    """Evaluates one potential: a `Potential`, a `CTilde`, or the path of a `.yaml` or `.yace` file.

    `active_set` (an `ActiveSet`, a mapping from element to inverse, or the path of an `.asi` file) is
    needed for `gamma`, and asks for the B-basis (`.yaml`). `threads` is the number of threads;
    `skin` (Angstrom) is how much further than the cutoff the neighbour list reaches.
    """

    def __init__(self, potential, active_set=None, threads: int = 1, skin: float = 0.5):
        if isinstance(potential, (str, Path)):
            potential = read(potential)
        self.potential = potential
        self.elements = list(potential.elements)
        self.skin = skin
        self.threads = threads
        self._index = np.full(len(chemical_symbols), -1, dtype=np.int64)
        for k, element in enumerate(self.elements):
            self._index[atomic_numbers[element]] = k
        self.cutoff = max(bond.rcut for bond in potential.bonds.values())
        self._e0 = np.array([potential.E0.get(element, 0.0) for element in self.elements])
        self._counts = [len(potential.functions.get(element, [])) for element in self.elements]
        # plans with and without invariants, and their working spaces, the latter made when first needed
        self._flats = {False: _flatten(potential, False)}
        self._spaces: dict[bool, list] = {}
        self.active_set = None if active_set is None else _inverses(active_set, potential, self._counts)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._list: neighbours.List | None = None

    def compute(self, numbers, positions, cell=None, pbc=None, gamma: bool = False) -> Result:
        """Evaluate atoms with `numbers` (N,), `positions` (N, 3), `cell` (3, 3), `pbc` (3,).

        Positions are unwrapped or not, but should be continuous from call to call; then the neighbour
        list is rebuilt only when atoms have moved by half the skin. Raises `UserError` for an element
        that the potential does not know, for positions that are not finite, for a periodic cell without
        volume, and for `gamma` without an active set.
        """
        if gamma and self.active_set is None:
            raise UserError(
                "The extrapolation grade needs an active set: "
                "Evaluator(potential.yaml, active_set=potential.asi)."
            )
        energies, forces, virial, invariants, species = self._run(numbers, positions, cell, pbc, gamma)
        return Result(
            energy=float(energies.sum()),
            energies=energies,
            forces=forces,
            virial=virial,
            gamma=self._gamma(invariants, species) if gamma else None,
        )

    def projections(self, numbers, positions, cell=None, pbc=None) -> list[np.ndarray]:
        """B-basis projections per atom, each as long as its element's function list and in its order."""
        if not isinstance(self.potential, Potential):
            raise UserError(
                "Projections need the B-basis: use the .yaml file of the potential, not the .yace."
            )
        *_, invariants, species = self._run(numbers, positions, cell, pbc, True)
        return [invariants[i, : self._counts[s]] for i, s in enumerate(species)]

    def _gamma(self, invariants: np.ndarray, species: np.ndarray) -> np.ndarray:
        grade = np.zeros(len(species))
        for k, inverse in enumerate(self.active_set):
            here = np.flatnonzero(species == k)
            if len(here) and self._counts[k]:
                grade[here] = np.abs(invariants[here, : self._counts[k]] @ inverse).max(axis=1)
        return grade

    def _run(self, numbers, positions, cell, pbc, want_invariants):
        positions = np.ascontiguousarray(positions, dtype=float)
        if not np.isfinite(positions).all():
            raise UserError("Positions are not finite: the simulation has gone wrong before this call.")
        pbc = _NONE if pbc is None else np.array(np.broadcast_to(pbc, 3), dtype=bool)
        cell = np.zeros((3, 3)) if cell is None else np.ascontiguousarray(cell, dtype=float)
        if self._list is None or not np.array_equal(numbers, self._numbers):
            self._atoms(numbers)
            self._build(positions, cell, pbc)
        elif not self._list.valid(positions, cell, pbc):
            self._build(positions, cell, pbc)
        species, flat = self._species, self._plan(want_invariants)
        xyz = self._list.extended(positions, cell)
        energies = self._e0[species]
        invariants = np.zeros((len(species) if want_invariants else 0, max(self._counts, default=0)))
        share = -(-len(self._blocks) // self.threads)
        workers = []
        for worker, space in enumerate(self._spaces[want_invariants]):
            forces, virial = np.zeros((len(xyz), 3)), np.zeros(6)
            arguments = (
                min(worker * share, len(self._blocks)), min((worker + 1) * share, len(self._blocks)),
                self._blocks, self._centres, xyz, self._list.first, self._list.neighbours,
                flat.meta, flat.shells, flat.pairs, flat.ints, flat.floats, flat.coefficients,
                *space, want_invariants, invariants, energies, forces, virial,
            )  # fmt: skip
            workers.append((arguments, forces, virial))
        if self._pool is None:
            kernel.evaluate(*workers[0][0])
        else:
            futures = [self._pool.submit(kernel.evaluate, *arguments) for arguments, _, _ in workers]
            for future in futures:
                future.result()
        folded = kernel.fold(
            sum((w[1] for w in workers[1:]), workers[0][1]), self._list.owner, len(species)
        )
        xx, yy, zz, yz, xz, xy = sum(w[2] for w in workers)
        virial = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return energies, folded, virial, invariants, species

    def _atoms(self, numbers) -> None:
        """Take note of the atoms: their element indices."""
        numbers = np.array(numbers, dtype=np.int64)
        species = self._index[numbers]
        if (species < 0).any():
            unknown = sorted({chemical_symbols[z] for z in numbers[species < 0]})
            raise UserError(
                f"The potential knows {', '.join(self.elements)}, but not {', '.join(unknown)}."
            )
        self._numbers, self._species = numbers, species

    def _build(self, positions, cell, pbc) -> None:
        """New neighbour list, and blocks of eight atoms of one element with as many neighbours."""
        count, species = len(self.elements), self._species
        self._list = neighbours.build(species, count, positions, cell, pbc, self.cutoff, self.skin)
        sizes = np.diff(self._list.first, axis=1)
        order = np.lexsort((sizes.sum(axis=1), species))
        blocks, centres = [], []
        for k in range(count):
            members = order[species[order] == k]
            rows = -np.ones((-(-len(members) // 8), 8), np.int64)
            rows.ravel()[: len(members)] = members
            blocks.append(rows)
            centres += [k] * len(rows)
        self._blocks = np.concatenate(blocks)
        self._centres = np.array(centres, dtype=np.int64)
        self._slots = int(sizes.max(axis=0, initial=0).sum()) + 1
        self._spaces = {}

    def _plan(self, invariants: bool) -> "_Flat":
        """Plans of all elements; the one for energies is several times smaller."""
        if invariants not in self._flats:
            self._flats[invariants] = _flatten(self.potential, invariants)
        flat = self._flats[invariants]
        if invariants not in self._spaces:
            self._spaces[invariants] = [flat.working_space(self._slots) for _ in range(self.threads)]
        return flat


@dataclass
class _Flat:
    """All plans in a few arrays, so that a call of the kernel passes few arguments."""

    meta: np.ndarray
    shells: np.ndarray
    pairs: np.ndarray
    ints: np.ndarray
    floats: np.ndarray
    coefficients: np.ndarray
    per_slot: int
    per_block: int

    def working_space(self, slots: int):
        """(work, distance, indices) for blocks with up to `slots` neighbour slots."""
        work = _aligned(8 * (self.per_block + slots * self.per_slot))
        return work, _aligned(slots * 32).reshape(slots, 4, 8), np.empty((slots, 8), np.int64)


def _aligned(size: int) -> np.ndarray:
    raw = np.zeros(size + 8)
    start = (-raw.ctypes.data // 8) % 8
    return raw[start : start + size]


def _flatten(potential, invariants: bool) -> _Flat:
    elements = potential.elements
    plans = [terms.plan(potential, element, invariants) for element in elements]
    count = len(plans)
    meta = np.zeros((count, kernel.META), np.int64)
    shells = np.full((count, count, kernel.SHELL), -1, np.int64)
    pairs = np.zeros((count, count, kernel.PAIR))
    ints: list[np.ndarray] = [np.zeros(1, np.int64)]
    floats: list[np.ndarray] = []

    def put(store, values, dtype) -> int:
        at = sum(len(part) for part in store)
        values = np.asarray(values, dtype=dtype).ravel()
        # floats start at multiples of eight, so that vectors of the tables are aligned
        store.append(
            np.concatenate([values, np.zeros(-len(values) % 8, dtype)]) if dtype is float else values
        )
        return at

    lmax_all, per_slot = 0, 0
    for a, plan in enumerate(plans):
        head = meta[a]
        head[kernel.ROWS], head[kernel.LEAVES] = plan.rows, plan.leaves
        head[kernel.PRODUCTS] = len(plan.products)
        head[kernel.PRODUCTS_AT] = put(ints, plan.products, np.int64)
        pointers, columns, values = _symmetric(plan.quadratic, plan.rows)
        head[kernel.S_PTR], head[kernel.S_IDX] = (
            put(ints, pointers, np.int64),
            put(ints, columns, np.int64),
        )
        head[kernel.S_VAL] = put(floats, values, float)
        linear = np.zeros(plan.rows)
        for row, c in plan.linear.items():
            linear[row] = c
        head[kernel.LINEAR] = put(floats, linear, float)
        pairs_of_rows = [(x, plan.rows if y < 0 else y) for f in plan.invariants for x, y, _ in f]
        head[kernel.B_COUNT] = len(plan.invariants)
        head[kernel.B_PTR] = put(ints, np.cumsum([0] + [len(f) for f in plan.invariants]), np.int64)
        head[kernel.B_IDX] = put(ints, pairs_of_rows, np.int64)
        head[kernel.B_VAL] = put(floats, [c for f in plan.invariants for *_, c in f], float)
        slot = 0
        present = [b for b, mu in enumerate(elements) if (elements[a], mu) in potential.bonds]
        for b, shell in zip(present, plan.shells, strict=True):
            bond = potential.bonds[(elements[a], elements[b])]
            head[kernel.ZBL] = bond.inner_cutoff_type == "zbl"
            if not shell.radials:
                continue
            table, groups = _table(shell)
            entries = [
                [len(columns), row, *columns]
                for row, columns in zip(shell.rows, shell.radials, strict=True)
            ]
            starts = len(entries) + np.cumsum([0] + [len(entry) for entry in entries[:-1]])
            lists = [*starts, *(x for entry in entries for x in entry)]
            lmax = len(shell.radials) - 1
            shells[a, b] = (
                put(floats, table, float), len(shell.values) - 1, shell.values.shape[1], groups, lmax,
                put(ints, lists, np.int64), shell.core_row,
            )  # fmt: skip
            per_bin = (len(shell.values) - 1) / shell.rcut
            pairs[a, b] = shell.rcut**2, shell.rcut, per_bin, bond.r_in, bond.delta_in
            lmax_all = max(lmax_all, lmax)
            slot = max(slot, (lmax + 1) ** 2 + 16 * groups)
        per_slot = max(per_slot, slot)
    return _Flat(
        meta, shells, pairs, np.concatenate(ints), np.concatenate([*floats, np.zeros(8)]),
        kernel.angular_coefficients(lmax_all),
        per_slot, 2 * (max(plan.rows for plan in plans) + 1),
    )  # fmt: skip


def _table(shell: terms.Shell) -> tuple[np.ndarray, int]:
    """(knots, 2, functions): values, and slopes times the bin width; and how many eights `functions`
    are.

    Rows are not padded, to keep the table in the cache: the last eight of a row read into the next one,
    and what they find there is not used.
    """
    knots, functions = shell.values.shape
    width = shell.rcut / (knots - 1)
    table = np.stack([shell.values, width * shell.slopes], axis=1)
    return np.concatenate([table.ravel(), np.zeros(8)]), -(-functions // 8)


def _symmetric(quadratic: dict[tuple[int, int], float], rows: int):
    """Compressed rows of S with X^T S X / 2 = sum of coefficient X_a X_b."""
    entries: list[list[tuple[int, float]]] = [[] for _ in range(rows)]
    for (a, b), c in quadratic.items():
        entries[a].append((b, 2 * c if a == b else c))
        if a != b:
            entries[b].append((a, c))
    for row in entries:
        row.sort()
    pointers = np.cumsum([0] + [len(row) for row in entries])
    return pointers, [b for row in entries for b, _ in row], [c for row in entries for _, c in row]


def _inverses(active_set, potential, counts: list[int]) -> list[np.ndarray]:
    """Inverse matrix per element, checked against the basis."""
    if not isinstance(potential, Potential):
        raise UserError(
            "An active set belongs to a B-basis: give the .yaml file of the potential, not the .yace."
        )
    if isinstance(active_set, (str, Path)):
        active_set = ActiveSet.read(active_set)
    active_set = getattr(active_set, "inverse", active_set)
    if set(active_set) != set(potential.elements):
        raise UserError(
            f"The active set is for {', '.join(sorted(active_set))}, the potential for "
            f"{', '.join(sorted(potential.elements))}: they do not belong together."
        )
    inverses = []
    for element, count in zip(potential.elements, counts, strict=True):
        if np.shape(active_set[element]) != (count, count):
            raise UserError(
                f"The active set of {element} should be ({count}, {count}) for this potential, "
                f"but is {np.shape(active_set[element])}."
            )
        inverses.append(np.ascontiguousarray(active_set[element], dtype=float))
    return inverses
