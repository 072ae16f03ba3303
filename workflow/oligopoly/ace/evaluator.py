"""Energies, forces, virial and extrapolation grade of a linear ACE potential.

The evaluator keeps its neighbour list between calls, so one object belongs to one trajectory.
Units: eV, Angstrom. Algorithm: leaves -> products -> sparse quadratic form, eight atoms at a time
(modules `terms` and `kernel`).
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from threadpoolctl import ThreadpoolController

from oligopoly.ace import compilation, fingerprint, kernel, neighbours, terms
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.grade import Grader
from oligopoly.ace.potential import Potential
from oligopoly.ace.reading import read
from oligopoly.errors import UserError

_NONE = np.zeros(3, dtype=bool)
_EMPTY = np.zeros((0, 8))
# Blocks of atoms whose B-basis functions are made at a time: these should stay in the cache.
BLOCKS = 32


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
        compilation.announce(kernel.evaluate)
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
        self._near, self._far = _cutoffs(self._flats[False], potential)
        self._spaces: dict[bool, list] = {}
        self.active_set = None if active_set is None else _inverses(active_set, potential, self._counts)
        self._graders = [Grader(inverse) for inverse in self.active_set or []]
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        # the products for gamma are in our threads already; more of BLAS's own only get in each other's way
        self._blas = ThreadpoolController() if threads > 1 else None
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
                "The extrapolation grade needs an active set: Evaluator(potential.yaml, active_set=potential.asi)."
            )
        grades = np.zeros(len(numbers))

        def grade(atoms, element, invariants):
            grades[atoms] = self._graders[element](invariants)

        energies, forces, virial = self._run(numbers, positions, cell, pbc, grade if gamma else None)
        return Result(
            energy=float(energies.sum()),
            energies=energies,
            forces=forces,
            virial=virial,
            gamma=grades if gamma else None,
        )

    def projections(self, numbers, positions, cell=None, pbc=None) -> list[np.ndarray]:
        """B-basis projections per atom, each as long as its element's function list and in its order."""
        if not isinstance(self.potential, Potential):
            raise UserError("Projections need the B-basis: use the .yaml file of the potential, not the .yace.")
        found: list = [None] * len(numbers)

        def keep(atoms, element, invariants):
            for atom, row in zip(atoms, invariants, strict=True):
                found[atom] = row.copy()

        self._run(numbers, positions, cell, pbc, keep)
        return found

    def _run(self, numbers, positions, cell, pbc, use_invariants=None):
        """Energies (N,), forces (N, 3) and virial (3, 3). `use_invariants(atoms, element, values)` is called with
        the B-basis functions of a part of the atoms, all of one element, at a time."""
        positions = np.ascontiguousarray(positions, dtype=float)
        if not len(positions):
            raise UserError("There are no atoms to evaluate.")
        pbc = _NONE if pbc is None else np.asarray(pbc, dtype=bool)
        if pbc.shape != (3,):
            pbc = np.array(np.broadcast_to(pbc, 3))
        cell = np.zeros((3, 3)) if cell is None else np.ascontiguousarray(cell, dtype=float)
        if self._list is None or not np.array_equal(numbers, self._numbers):
            self._atoms(numbers)
            listed = self._build(positions, cell, pbc)
        elif not self._list.valid(positions, cell, pbc):
            listed = self._build(positions, cell, pbc)
        else:
            listed = self._list
        flat = self._plan(use_invariants is not None)
        spaces = self._spaces[use_invariants is not None]
        xyz = listed.extended(positions, cell)
        energies = self._e0[self._species]

        def work(worker: int):
            forces, virial = np.zeros((len(xyz), 3)), np.zeros(6)
            # blocks in turn, so that all workers get atoms with many and with few neighbours; by elements, in
            # parts whose B-basis functions stay in the cache
            part = BLOCKS * self.threads if use_invariants else len(self._blocks)
            for element, (first, last) in enumerate(self._ranges if use_invariants else [(0, len(self._blocks))]):
                for begin in range(first, last, part):
                    blocks = np.arange(begin + worker, min(begin + part, last), self.threads)
                    invariants = self._invariants(worker, len(blocks), element) if use_invariants else _EMPTY
                    kernel.evaluate(
                        begin + worker, min(begin + part, last), self.threads, self._blocks, self._centres, xyz,
                        listed.near_first, listed.near, listed.far_first, listed.far,
                        flat.meta, flat.shells, flat.pairs, flat.ints, flat.floats, flat.coefficients,
                        *spaces[worker], invariants, energies, forces, virial,
                    )  # fmt: skip
                    if use_invariants and len(blocks):
                        atoms = self._blocks[blocks].ravel()
                        atoms = atoms[atoms >= 0]
                        use_invariants(atoms, element, invariants[: len(atoms), : self._counts[element]])
            return forces, virial

        # this thread works too: waking another takes as long as some ten atoms
        with self._blas.limit(limits=1, user_api="blas") if self._blas and use_invariants else nullcontext():
            others = [self._pool.submit(work, worker) for worker in range(1, self.threads)] if self._pool else []
            done = [work(0), *(other.result() for other in others)]
        folded = kernel.fold(sum((f for f, _ in done[1:]), done[0][0]), listed.owner, len(positions))
        xx, yy, zz, yz, xz, xy = sum(v for _, v in done)
        return energies, folded, np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])

    def _atoms(self, numbers) -> None:
        """Take note of the atoms: their element indices."""
        numbers = np.array(numbers, dtype=np.int64)
        species = self._index[numbers]
        if (species < 0).any():
            unknown = sorted({chemical_symbols[z] for z in numbers[species < 0]})
            raise UserError(f"The potential knows {', '.join(self.elements)}, but not {', '.join(unknown)}.")
        self._numbers, self._species = numbers, species

    def _build(self, positions, cell, pbc) -> neighbours.List:
        """A new neighbour list, and blocks of eight atoms of one element with as many neighbours."""
        if not np.isfinite(positions).all():
            raise UserError("Positions are not finite: the simulation has gone wrong before this call.")
        count, species = len(self.elements), self._species
        listed = neighbours.build(species, self._near, self._far, positions, cell, pbc, self.skin)
        sizes = np.diff(listed.near_first, axis=1)
        order = np.lexsort((sizes.sum(axis=1), species))
        blocks, centres = [], []
        for k in range(count):
            members = order[species[order] == k]
            rows = -np.ones((-(-len(members) // 8), 8), np.int64)
            rows.ravel()[: len(members)] = members
            blocks.append(rows)
            centres += [k] * len(rows)
        self._blocks = np.concatenate(blocks)
        ends = np.cumsum([0] + [len(rows) for rows in blocks]).tolist()
        self._ranges = list(zip(ends, ends[1:], strict=False))
        self._centres = np.array(centres, dtype=np.int64)
        self._slots = int(sizes.max(axis=0, initial=0).sum()) + 1
        self._spaces = {}
        self._list = listed
        return listed

    def _invariants(self, worker: int, blocks: int, element: int) -> np.ndarray:
        """Room for the B-basis functions of the atoms of some blocks, rounded up for the kernel."""
        width = -(-self._counts[element] // 8)
        return self._rooms[worker][: 64 * blocks * width].reshape(8 * blocks, 8 * width)

    def _plan(self, invariants: bool) -> "_Flat":
        """Plans of all elements; the one for energies is several times smaller."""
        if invariants not in self._flats:
            self._flats[invariants] = _flatten(self.potential, invariants)
        flat = self._flats[invariants]
        if invariants not in self._spaces:
            if invariants:
                widest = -(-max(self._counts) // 8)
                self._rooms = [_aligned(BLOCKS * 64 * widest) for _ in range(self.threads)]
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
        return work, _aligned(slots * 40).reshape(slots, 5, 8), np.empty((slots, 8), np.int64)


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
        store.append(np.concatenate([values, np.zeros(-len(values) % 8, dtype)]) if dtype is float else values)
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
        head[kernel.B_COUNT] = len(plan.invariants)
        head[kernel.B_PTR] = put(ints, np.cumsum([0] + [len(f) for f in plan.invariants]), np.int64)
        head[kernel.B_IDX] = put(ints, [(x, y) for f in plan.invariants for x, y, _ in f], np.int64)
        head[kernel.B_VAL] = put(floats, [c for f in plan.invariants for *_, c in f], float)
        slot = 0
        present = [b for b, mu in enumerate(elements) if (elements[a], mu) in potential.bonds]
        for b, shell in zip(present, plan.shells, strict=True):
            bond = potential.bonds[elements[a], elements[b]]
            head[kernel.ZBL] = bond.inner_cutoff_type == "zbl"
            _put_pair(potential, elements[a], elements[b], invariants, shells[a, b], pairs[a, b], put, ints, floats)
            shells[a, b, kernel.FAR] = shell.reach < bond.rcut
            head[kernel.HAS_FAR] |= shells[a, b, kernel.FAR]
            table, groups = _table(shell.values, shell.slopes, shell.reach)
            entries = [[len(columns), row, *columns] for row, columns in zip(shell.rows, shell.radials, strict=True)]
            starts = len(entries) + np.cumsum([0] + [len(entry) for entry in entries[:-1]])
            lists = [*starts, *(x for entry in entries for x in entry)]
            lmax = len(shell.radials) - 1
            shells[a, b, : kernel.LISTS + 1] = (
                put(floats, table, float), len(shell.values) - 1, shell.values.shape[1], groups, lmax,
                put(ints, lists, np.int64),
            )  # fmt: skip
            per_bin = (len(shell.values) - 1) / shell.reach
            pairs[a, b, [kernel.REACH, kernel.PER_BIN]] = shell.reach, per_bin
            lmax_all = max(lmax_all, lmax)
            slot = max(slot, (lmax + 1) ** 2 + 16 * groups)
        per_slot = max(per_slot, slot)
    return _Flat(
        meta, shells, pairs, np.concatenate(ints), np.concatenate([*floats, np.zeros(8)]),
        kernel.angular_coefficients(lmax_all),
        per_slot, 2 * max(plan.rows for plan in plans),
    )  # fmt: skip


def _put_pair(potential, a, b, invariants, shell, values, put, ints, floats) -> None:
    """Tables of what depends on the distance of `a` and `b` alone, and where they are."""
    bond, own, other = potential.bonds[a, b], terms.pair(potential, a, b), terms.pair(potential, b, a)
    assert own is not None  # for the bond is there
    bins = len(own.values) - 1
    width = bond.rcut / bins
    values[[kernel.PAIR_PER_BIN, kernel.R_IN, kernel.DELTA_IN]] = 1.0 / width, bond.r_in, bond.delta_in
    mine = _polynomials(own.values, own.slopes, width)
    both = mine + (_polynomials(other.values, other.slopes, width) if other else 0.0)
    table = np.zeros((bins + 1, 8))
    table[:-1, :4] = mine.T
    # the slope of c0 + c1 t + c2 t^2 + c3 t^3
    table[:-1, 4:7] = (both[1:] * np.array([[1.0], [2.0], [3.0]]) / width).T
    shell[[kernel.PAIR_TABLE, kernel.PAIR_BINS]] = put(floats, table, float), bins
    if own.core is not None and own.core_slopes is not None:
        shell[kernel.CORE_TABLE] = put(floats, _polynomials(own.core, own.core_slopes, width).T, float)
    if invariants:
        shell[[kernel.SINGLE_TABLE, kernel.SINGLES, kernel.SINGLE_NUMBERS]] = (
            put(floats, _table(own.singles, own.single_slopes, bond.rcut)[0], float),
            len(own.functions),
            put(ints, own.functions, np.int64),
        )


def _polynomials(values: np.ndarray, slopes: np.ndarray, width: float) -> np.ndarray:
    """Coefficients (4, bins) of the cubic Hermite polynomials in the fraction of each bin."""
    f0, f1, d0, d1 = values[:-1], values[1:], width * slopes[:-1], width * slopes[1:]
    return np.stack([f0, d0, 3 * (f1 - f0) - 2 * d0 - d1, 2 * (f0 - f1) + d0 + d1])


def _cutoffs(flat: _Flat, potential) -> tuple[np.ndarray, np.ndarray]:
    """Cutoffs (elements, elements) of the near and far lists, see `neighbours.build`."""
    far = np.zeros(flat.shells.shape[:2])
    for a, b in np.argwhere(flat.shells[:, :, kernel.FAR] == 1):
        far[a, b] = potential.bonds[potential.elements[a], potential.elements[b]].rcut
    return flat.pairs[:, :, kernel.REACH], far


def _table(values: np.ndarray, slopes: np.ndarray, reach: float) -> tuple[np.ndarray, int]:
    """(knots + 2, 2, functions): values, and slopes times the bin width; and how many eights
    `functions` are. The last bin is zero, for all distances beyond.

    Rows are not padded, to keep the table in the cache: the last eight of a row read into the next one,
    and what they find there is not used.
    """
    knots, functions = values.shape
    table = np.stack([values, reach / (knots - 1) * slopes], axis=1)
    table = np.concatenate([table, np.zeros((2, 2, functions))])
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
        raise UserError("An active set belongs to a B-basis: give the .yaml file of the potential, not the .yace.")
    if isinstance(active_set, (str, Path)):
        path, active_set = active_set, ActiveSet.read(active_set)
        fingerprint.check(potential, active_set.fit, path, "extrapolation grade")
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
