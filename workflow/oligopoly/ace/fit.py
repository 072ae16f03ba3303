"""Linear least squares for the coefficients: energies, forces and stress of labelled frames.

The weighted problem min |A c - b|^2 + ridge |G c|^2 is solved from the R factor of [A | b], which grows batch by
batch (`Factor`): A itself, with condition numbers around 1e16, never exists in memory, and normal equations, which
square that number, are avoided.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.linalg
from ase import Atoms

from oligopoly.ace import active_set, functions, yace
from oligopoly.ace.design import Design
from oligopoly.ace.metrics import Labels, labels, predictions, record
from oligopoly.ace.potential import Potential, write_yaml
from oligopoly.errors import UserError
from oligopoly.files import atomic, beside
from oligopoly.progress import Progress

# Above this force (eV/A) a frame is on a repulsive wall: its rows weigh less, so that it fixes where the wall is
# without its large errors deciding everything else.
WALL = 10.0
# Nearer to the data the core breaks MD: at 0.95 hot hexane did not last 8 ps.
CORE = 0.85
# Energies (eV/atom) that basis functions carry as well as a constant would: those of a force field.
CARRIED = 0.5
# Reach of functions of two and more neighbours (Angstrom, see `functions.bonds`); pair functions reach to the cutoff.
# Chosen on liquids of classical force fields: a third to a half of the bare basis' force error, but not better for a
# single small molecule with many functions (benchmarks/accuracy.md).
MANY_BODY_CUTOFFS = (2.5, 4.5)
RANK_LIMITS = {  # functions per element -> (n_max, l_max) by rank, up to that number
    150: ([12, 5, 3], [0, 5, 4]),
    400: ([12, 5, 3, 2], [0, 6, 5, 3]),
    700: ([16, 6, 4, 2], [0, 6, 5, 3]),
    10**9: ([20, 8, 5, 3], [0, 6, 5, 4]),
}


class Weights(NamedTuple):
    """Expected errors (one sigma) that the rows are divided by.

    `force` in eV/A per component; `energy` and `energy_cluster` in eV/atom of frames that are periodic or not;
    `volume` in eV/atom: of the energy change on expansion by 1 %, which weighs the stress; None leaves stress out.
    """

    force: float = 0.1
    energy: float = 0.3e-3
    energy_cluster: float = 1e-3
    volume: float | None = 3e-5


@dataclass
class Factor:
    """R factor of the weighted [A | b], (K + 1, K + 1), upper triangular, of `rows` rows seen so far."""

    r: np.ndarray
    rows: int = 0

    @classmethod
    def empty(cls, unknowns: int) -> "Factor":
        return cls(np.zeros((unknowns + 1, unknowns + 1), order="F"))

    def update(self, block: np.ndarray) -> None:
        """Add rows (M, K + 1) of [A | b]; the result does not depend on the order but for round-off."""
        block = np.asfortranarray(block)
        r, *_ = scipy.linalg.lapack.dtpqrt(0, min(32, self.r.shape[0]), self.r, block, overwrite_b=True)
        self.r = np.asfortranarray(np.triu(r))
        self.rows += len(block)

    def save(self, path: str | Path) -> None:
        """Write an npz that `load` reads."""
        with atomic(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, r=self.r, rows=self.rows)

    @classmethod
    def load(cls, path: str | Path) -> "Factor":
        with np.load(path) as content:
            return cls(np.asfortranarray(content["r"]), int(content["rows"]))


class Solution(NamedTuple):
    """`coefficients` (K,); condition numbers of the scaled problem without and with the ridge; mean squared
    weighted residual of the training rows."""

    coefficients: np.ndarray
    condition: float
    condition_regularised: float
    chi_squared: float


def solve(factor: Factor, ridge: float, penalties: np.ndarray | None = None) -> Solution:
    """Minimise |A c - b|^2 + ridge sum_k (penalty_k max(|A_k|, median |A|) c_k)^2, |A_k| the length of column k.

    `ridge` is relative to the weighted problem and does not depend on units. The median keeps functions that are
    almost zero in all of the data from getting huge coefficients: without it they reached 4e8 eV, for force errors
    only 3 to 8 % smaller (benchmarks/accuracy.md). `penalties` (K,), 1 without, say how rough a
    function is.
    """
    k = factor.r.shape[0] - 1
    r, d = factor.r[:k, :k], factor.r[:k, k]
    lengths = np.linalg.norm(r, axis=0)
    typical = np.median(lengths[lengths > 0]) if lengths.any() else 1.0
    lengths = np.maximum(lengths, typical)
    scale = 1.0 / lengths
    scaled = r * scale
    penalties = np.ones(k) if penalties is None else penalties
    stacked = np.asfortranarray(np.column_stack([np.diag(np.sqrt(ridge) * penalties), np.zeros(k)]))
    regularised = Factor(np.asfortranarray(np.triu(np.pad(np.column_stack([scaled, d]), ((0, 1), (0, 0))))))
    regularised.update(stacked)
    upper = regularised.r[:k, :k]
    scaled_solution = scipy.linalg.solve_triangular(upper, regularised.r[:k, k])
    residual = scaled @ scaled_solution - d
    return Solution(
        coefficients=scale * scaled_solution,
        condition=_condition(scaled),
        condition_regularised=_condition(upper),
        chi_squared=float(residual @ residual + factor.r[k, k] ** 2) / max(factor.rows, 1),
    )


def _condition(upper: np.ndarray) -> float:
    """Condition number in the 1-norm, estimated from the triangular matrix."""
    reciprocal, _ = scipy.linalg.lapack.dtrcon(upper)
    return float(1.0 / reciprocal) if reciprocal > 0 else float("inf")


def weighted_rows(atoms: Atoms, design: Design, E0: dict[str, float], weights: Weights) -> np.ndarray:
    """Rows [A | b] (M, K + elements + 1) of one frame, divided by their sigma.

    The columns after the functions shift the energy of each element. Rows without a reference are left out.
    Raises UserError for a frame without energy and forces.
    """
    reference = labels(atoms)
    if reference.energy is None and reference.forces is None:
        raise UserError(
            f"A training frame ({atoms.symbols}) has neither `REF_energy` nor `REF_forces`; "
            f"it has info {sorted(atoms.info)} and arrays {sorted(atoms.arrays)}."
        )
    rows, fixed = design.rows(atoms), design.fixed(atoms)
    n, k, elements = len(atoms), design.size, design.elements
    counts = np.array([np.sum(np.array(atoms.symbols) == element) for element in elements], dtype=float)
    width = k + len(elements) + 1
    wall = np.ones(n)
    if reference.forces is not None:
        wall = 1.0 + (np.linalg.norm(reference.forces, axis=1) / WALL) ** 2
    blocks = []
    if reference.energy is not None:
        sigma = n * (weights.energy if atoms.pbc.all() else weights.energy_cluster) * wall.max()
        target = reference.energy - fixed.energy - sum(E0.get(symbol, 0.0) for symbol in atoms.symbols)
        blocks.append(np.concatenate([rows.energy, counts, [target]])[None] / sigma)
    if reference.forces is not None:
        block = np.zeros((3 * n, width))
        per_row = 1.0 / (weights.force * np.repeat(wall, 3))
        block[:, :k] = rows.forces * per_row[:, None]
        block[:, -1] = (reference.forces - fixed.forces).ravel() * per_row
        blocks.append(block)
    if reference.stress is not None and weights.volume is not None:
        # |dE/dstrain| of isotropic strain 0.01/3 is the energy of 1 % of volume; shear counts twice in 3x3
        per_row = 0.01 / np.sqrt(3.0) / (n * weights.volume * wall.max()) * np.sqrt([1, 1, 1, 2, 2, 2])
        block = np.zeros((6, width))
        block[:, :k] = rows.virial * per_row[:, None]
        block[:, -1] = (reference.stress * atoms.get_volume() - fixed.virial) * per_row
        blocks.append(block)
    return np.concatenate(blocks)


def isolated_energies(frames: Sequence[Atoms]) -> dict[str, float]:
    """Energies (eV) of single atoms found among `frames`, by element."""
    return {
        atoms.get_chemical_symbols()[0]: labels(atoms).energy
        for atoms in frames
        if len(atoms) == 1 and not atoms.pbc.any() and labels(atoms).energy is not None
    }


def mean_energies(frames: Sequence[Atoms], elements: Sequence[str]) -> dict[str, float]:
    """Energy (eV) per element that explains the frames' energies best, the smallest where they leave a choice."""
    labelled = [(atoms, energy) for atoms in frames if (energy := labels(atoms).energy) is not None]
    if not labelled:
        return dict.fromkeys(elements, 0.0)
    counts = np.array([[atoms.get_chemical_symbols().count(e) for e in elements] for atoms, _ in labelled], float)
    energies = np.array([energy for _, energy in labelled])
    sizes = counts.sum(axis=1)
    solution = np.linalg.lstsq(counts / sizes[:, None], energies / sizes, rcond=1e-8)[0]
    return dict(zip(elements, map(float, solution), strict=True))


def reference_energies(frames: Sequence[Atoms], elements: Sequence[str]) -> tuple[dict[str, float], bool]:
    """E0 (eV) by element, and whether it is given rather than an estimate that the fit may still shift.

    Isolated atoms among `frames`, where there is one of each element. Without them zero, so that a potential has
    the same energy in every program (pacemaker's `.yaml` has no place for E0), unless the energies are totals that
    the functions cannot carry: then the mean per element.
    """
    isolated = isolated_energies(frames)
    if len(isolated) == len(elements):
        return isolated, True
    largest = max((abs(e) / len(a) for a in frames if (e := labels(a).energy) is not None), default=0.0)
    if largest < CARRIED:
        return dict.fromkeys(elements, 0.0), True
    return mean_energies(frames, elements), False


def shortest_distances(frames: Sequence[Atoms], elements: Sequence[str], reach: float) -> dict[tuple[str, str], float]:
    """Shortest distance (Angstrom) of each sorted pair of elements in the frames, at most `reach`."""
    import vesin

    pairs = [(a, b) for i, a in enumerate(elements) for b in elements[i:]]
    shortest = dict.fromkeys(pairs, reach)
    neighbours = vesin.NeighborList(cutoff=reach, full_list=False)
    for atoms in frames:
        i, j, d = neighbours.compute(
            points=atoms.positions, box=np.asarray(atoms.cell), periodic=atoms.pbc, quantities="ijd"
        )
        if not len(d):
            continue
        index = np.array([elements.index(symbol) for symbol in atoms.symbols])
        code = np.minimum(index[i], index[j]) * len(elements) + np.maximum(index[i], index[j])
        for value in np.unique(code):
            pair = elements[value // len(elements)], elements[value % len(elements)]
            shortest[pair] = min(shortest[pair], float(d[code == value].min()))
    return shortest


def inner_radii(frames: Sequence[Atoms], elements: Sequence[str], reach: float) -> dict[tuple[str, str], float]:
    """Radius (Angstrom) below which a ZBL core takes over, by sorted pair: `CORE` of the shortest distance."""
    shortest = shortest_distances(frames, elements, reach)
    return {pair: round(CORE * min(distance, 1.6), 3) for pair, distance in shortest.items()}


def basis(
    elements: Sequence[str],
    n_functions: int,
    cutoff: float,
    n_max: Sequence[int] | None = None,
    l_max: Sequence[int] | None = None,
    inner_radii: dict[tuple[str, str], float] | None = None,
    E0: dict[str, float] | None = None,
) -> Potential:
    """Potential with zero coefficients, `n_functions` per element; limits by rank as `RANK_LIMITS` when not given.

    `cutoff` in Angstrom, `inner_radii` see `functions.bonds`, `E0` in eV.
    """
    if n_max is None or l_max is None:
        n_max, l_max = next(limits for most, limits in RANK_LIMITS.items() if n_functions <= most)
    chosen = functions.select(list(elements), n_functions, list(n_max), list(l_max))
    bonds = functions.bonds(chosen, cutoff, MANY_BODY_CUTOFFS, inner_radii)
    return Potential(elements=sorted(chosen), bonds=bonds, functions=chosen, E0=dict(E0 or {}))


def fit(
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    prefix: str | Path,
    *,
    functions: int = 300,
    cutoff: float = 5.0,
    n_max: Sequence[int] | None = None,
    l_max: Sequence[int] | None = None,
    weights: Weights = Weights(),
    ridge: float = 1e-9,
    threads: int = 1,
) -> dict:
    """Fit a potential to `train` and write `{prefix}.yaml`, `.yace`, `.asi`, `.metrics.json`, `.predictions.npz`.

    `functions` per element, `cutoff` in Angstrom, `n_max` and `l_max` per rank (see `basis`), `ridge` see `solve`.
    E0 is the energy of isolated atoms where `train` holds them (frames of one atom), see `reference_energies`.
    Below 0.85 of the shortest distance of each pair in `train`, a ZBL core takes over.

    Returns what `.metrics.json` holds: errors of `train` and `test` (see `metrics.errors`), sizes, condition
    numbers and seconds. `.predictions.npz` holds `train_*` and `test_*` of `metrics.parity`.
    Raises UserError when there is nothing to fit.
    """
    begun = time.perf_counter()
    train, test = list(train), list(test)
    elements = sorted({symbol for atoms in train if len(atoms) > 1 for symbol in atoms.symbols})
    if not elements:
        raise UserError("There are no training frames of more than one atom.")
    # single atoms of an element that no frame contains would cost functions and teach nothing
    train = [atoms for atoms in train if set(atoms.symbols) <= set(elements)]
    unknown = sorted({symbol for atoms in test for symbol in atoms.symbols} - set(elements))
    if unknown:
        raise UserError(f"The test frames contain {unknown}, which no training frame does.")
    E0, known = reference_energies(train, elements)
    inner = inner_radii([atoms for atoms in train if len(atoms) > 1], elements, cutoff)
    potential = basis(elements, functions, cutoff, n_max, l_max, inner)
    design = Design(potential)
    penalties = np.concatenate([np.ones(design.size), np.full(len(elements), 1e-2)])

    factor = Factor.empty(design.size + len(elements))
    for block in _blocks(train, design, E0, weights, threads):
        if known:
            block[:, design.size : -1] = 0.0
        factor.update(block)
    solution = solve(factor, ridge, penalties)
    shifts = solution.coefficients[design.size :]
    potential.E0 = {e: E0[e] + float(shift) for e, shift in zip(elements, shifts, strict=True)}
    for element, columns in design.slices.items():
        values = solution.coefficients[columns]
        potential.functions[element] = [
            replace(f, c=float(c)) for f, c in zip(potential.functions[element], values, strict=True)
        ]
    fitted = time.perf_counter()

    prefix = Path(prefix)
    write_yaml(potential, beside(prefix, ".yaml"))
    yace.write(potential, beside(prefix, ".yace"))
    active_set.build(potential, train, design).write(beside(prefix, ".asi"))
    spanned = time.perf_counter()

    predicted = {name: predict(potential, frames) for name, frames in (("train", train), ("test", test))}
    facts = {
        "n_functions": design.size,
        "functions_per_element": {e: len(potential.functions[e]) for e in elements},
        "rows": factor.rows,
        "cutoff_A": cutoff,
        "E0_eV": potential.E0,
        "inner_radii_A": {f"{a}-{b}": radius for (a, b), radius in inner.items()},
        "ridge": ridge,
        "condition_number": solution.condition,
        "condition_number_regularised": solution.condition_regularised,
        "chi_squared": solution.chi_squared,
        "seconds": {
            "fit": round(fitted - begun, 2),
            "active_set": round(spanned - fitted, 2),
            "total": round(time.perf_counter() - begun, 2),
        },
    }
    return record(prefix, {"train": train, "test": test}, predicted, facts)


def predict(potential: Potential, frames: Sequence[Atoms]) -> list[Labels]:
    """Energy, forces and (where periodic) stress of each frame."""
    from oligopoly.ace.evaluator import Evaluator

    return predictions(Evaluator(potential), frames)


def _blocks(
    frames: Sequence[Atoms], design: Design, E0: dict[str, float], weights: Weights, threads: int
) -> Iterator[np.ndarray]:
    """Weighted rows in batches of a few times the number of unknowns, built by `threads` in parallel."""
    at_least = 3 * (design.size + 1)
    progress = Progress(len(frames), "fit", "frames")
    waiting: list[np.ndarray] = []
    with ThreadPoolExecutor(threads) as pool:
        # in groups, since a pool would build all rows of all frames ahead of the factorisation
        for start in range(0, len(frames), 4 * threads):
            group = frames[start : start + 4 * threads]
            for block in pool.map(lambda atoms: weighted_rows(atoms, design, E0, weights), group):
                waiting.append(block)
                if sum(map(len, waiting)) >= at_least:
                    yield np.concatenate(waiting)
                    waiting = []
                progress.update()
    if waiting:
        yield np.concatenate(waiting)
