"""What must be known of all training frames before the first row is built, from one pass over them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import vesin
from ase import Atoms

from oligopoly.accuracy import labels

# Nearer to the data the core breaks MD: at 0.95 hot hexane did not last 8 ps.
CORE = 0.85
# Energies (eV/atom) that basis functions carry as well as a constant would: those of a force field.
CARRIED = 0.5
FARTHEST = 1.6  # A, of a pair whose core is made of 0.85 of its own shortest distance
FINE = 1.3  # A: bonds of hydrogen are shorter


@dataclass
class Survey:
    """Of frames: `elements` of those with more than one atom, sorted; `single` atoms by number of the frame, and their
    energies (eV) if `isolated`; `shortest` distance (Angstrom) by sorted pair of elements; `energies`: (composition,
    eV) of the labelled ones; `digests[n]` of the first n + 1 frames, labels included."""

    elements: list[str] = field(default_factory=list)
    single: dict[int, str] = field(default_factory=dict)
    isolated: dict[str, float] = field(default_factory=dict)
    shortest: dict[tuple[str, str], float] = field(default_factory=dict)
    energies: list[tuple[dict[str, int], float]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)


def survey(frames: Iterable[Atoms], reach: float) -> Survey:
    """One pass over `frames`; pairs further apart than `reach` (Angstrom) do not count. Raises UserError for labels
    that are not finite."""
    found = Survey()
    neighbours = vesin.NeighborList(cutoff=reach, full_list=False)
    elements: set[str] = set()
    digest = b""
    for atoms in frames:
        digest = hashlib.sha256(digest + _identity(atoms)).digest()
        found.digests.append(digest)
        symbols = np.array(atoms.get_chemical_symbols())
        energy = labels(atoms).energy
        if energy is not None:
            kinds, counts = np.unique(symbols, return_counts=True)
            found.energies.append((dict(zip(kinds.tolist(), counts.tolist(), strict=True)), energy))
        if len(atoms) == 1:
            found.single[len(found.digests) - 1] = str(symbols[0])
            if energy is not None and not atoms.pbc.any():
                found.isolated[str(symbols[0])] = energy
            continue
        elements.update(symbols.tolist())
        _shorten(found.shortest, atoms, symbols, neighbours)
    found.elements = sorted(elements)
    return found


def reference_energies(found: Survey) -> tuple[dict[str, float], bool]:
    """E0 (eV) by element, and whether it is given rather than an estimate that the fit may still shift.

    Isolated atoms, where there is one of each element. Without them zero, so that a potential has the same energy in
    every program (pacemaker's `.yaml` has no place for E0), unless the energies are totals that the functions cannot
    carry: then the mean per element.
    """
    elements = found.elements
    if set(elements) <= set(found.isolated):
        return {element: found.isolated[element] for element in elements}, True
    known = [(counts, energy) for counts, energy in found.energies if set(counts) <= set(elements)]
    if max((abs(energy) / sum(counts.values()) for counts, energy in known), default=0.0) < CARRIED:
        return dict.fromkeys(elements, 0.0), True
    return _mean_energies(known, elements), False


def inner_radii(found: Survey, reach: float) -> dict[tuple[str, str], float]:
    """Radius (Angstrom) below which a ZBL core takes over, by sorted pair: `CORE` of the shortest distance."""
    pairs = [(a, b) for i, a in enumerate(found.elements) for b in found.elements[i:]]
    largest = FARTHEST if coarse(found) is None else reach
    return {pair: round(CORE * min(found.shortest.get(pair, reach), largest), 3) for pair in pairs}


def coarse(found: Survey) -> float | None:
    """The shortest distance of all (Angstrom), if it is none of atoms with hydrogen among them: united atoms, beads."""
    shortest = min(found.shortest.values(), default=0.0)
    return shortest if shortest > FINE else None


def _mean_energies(known: Sequence[tuple[dict[str, int], float]], elements: Sequence[str]) -> dict[str, float]:
    """Energy (eV) per element that explains the frames' energies best, the smallest where they leave a choice."""
    counts = np.array([[composition.get(e, 0) for e in elements] for composition, _ in known], float)
    energies = np.array([energy for _, energy in known])
    sizes = counts.sum(axis=1)
    solution = np.linalg.lstsq(counts / sizes[:, None], energies / sizes, rcond=1e-8)[0]
    return dict(zip(elements, map(float, solution), strict=True))


def _shorten(shortest: dict[tuple[str, str], float], atoms: Atoms, symbols: np.ndarray, neighbours) -> None:
    i, j, distances = neighbours.compute(
        points=atoms.positions, box=np.asarray(atoms.cell), periodic=atoms.pbc, quantities="ijd"
    )
    kinds, index = np.unique(symbols, return_inverse=True)
    code = np.minimum(index[i], index[j]) * len(kinds) + np.maximum(index[i], index[j])
    for value in np.unique(code):
        pair = str(kinds[value // len(kinds)]), str(kinds[value % len(kinds)])
        shortest[pair] = min(shortest.get(pair, np.inf), float(distances[code == value].min()))


def _identity(atoms: Atoms) -> bytes:
    """Bytes that change with anything that a row is made from."""
    made_of = atoms.numbers, atoms.positions, np.asarray(atoms.cell), atoms.pbc, *labels(atoms)
    parts = [b"none" if value is None else np.asarray(value, float).tobytes() for value in made_of]
    parts.append(str(atoms.info.get("config_type", "none")).encode())
    return hashlib.sha256(b"|".join(parts)).digest()
