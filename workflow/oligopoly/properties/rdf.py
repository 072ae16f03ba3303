"""Pair distribution functions within and between molecules."""

from itertools import combinations_with_replacement

import freud
import numpy as np
from ase.cell import Cell
from ase.data import chemical_symbols

from oligopoly.errors import UserError
from oligopoly.properties import statistics


def largest_radius(cells) -> float:
    """Half the smallest distance between opposite faces over all `cells` (F, 3, 3), in A."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cells), axis=1)
    return float(heights.min() / 2)


def pair_distributions(positions, cells, numbers, molecules, r_max=None, width=0.1) -> dict:
    """Intra- and intermolecular g(r) of every pair of elements, with errors over time.

    positions : (F, N, 3) A with molecules whole; cells : (F, 3, 3) A, each frame its own;
    numbers : (N,) atomic numbers; molecules : (N,) molecule of each atom.
    r_max : A; by default 12 or half the narrowest box, whichever is less. width : of a bin, A.

    inter: normalised by the intermolecular pairs alone, so uncorrelated molecules give exactly 1 in
    a box of any size. intra: density of partners within the molecule over the mean density of that
    element in the box, so 4 pi rho_b int g r^2 dr counts the partners; it falls to zero.
    A chain's own periodic image counts as another chain. Each bin's error is from its own
    autocorrelation time over the frames.

    Returns {"r_A": [...], "pairs": {"C-H": {"inter": {"g", "error"}, "intra": {...}}}}.
    Raises UserError when r_max reaches beyond half the box or there are fewer than two frames.
    """
    positions, cells = np.asarray(positions, float), np.asarray(cells, float)
    numbers, molecules = np.asarray(numbers), np.asarray(molecules)
    limit = largest_radius(cells)
    if r_max is None:
        r_max = min(12.0, 0.999 * limit)
    if r_max > limit:
        raise UserError(f"g(r) up to {r_max:.2f} A needs a box of twice that; half is {limit:.2f}.")
    if len(positions) < 2:
        raise UserError("g(r) with errors needs at least two frames.")

    bins = max(int(r_max / width), 1)
    edges = np.arange(bins + 1) * width
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    elements = sorted({int(z) for z in numbers})
    pairs = list(combinations_with_replacement(range(len(elements)), 2))
    species = np.searchsorted(elements, numbers)
    pair_of = np.zeros((len(elements), len(elements)), int)
    for k, (a, b) in enumerate(pairs):
        pair_of[a, b] = pair_of[b, a] = k

    # Ordered pairs: all (for intra) and those between molecules (for inter).
    counts = np.bincount(species, minlength=len(elements))
    per_molecule = np.zeros((molecules.max() + 1, len(elements)))
    np.add.at(per_molecule, (molecules, species), 1)
    every, between = [], []
    for a, b in pairs:
        twice = 1 if a == b else 2
        every.append(twice * counts[a] * counts[b])
        between.append(every[-1] - twice * np.sum(per_molecule[:, a] * per_molecule[:, b]))
    ideal = np.stack([np.array(between, float), np.array(every, float)], axis=1)

    g = np.zeros((len(positions), len(pairs), 2, bins))
    for f, (points, cell) in enumerate(zip(positions, cells, strict=True)):
        # freud wants the first cell vector along x.
        standard, rotation = Cell(cell).standard_form()
        box = freud.box.Box.from_matrix(standard.array.T)
        wrapped = box.wrap(points @ rotation.T)
        found = freud.locality.AABBQuery(box, wrapped).query(
            wrapped, {"mode": "ball", "r_max": float(edges[-1]), "exclude_ii": True}
        )
        found = found.toNeighborList()
        i, j = found[:, 0], found[:, 1]
        bin_of = np.minimum((found.distances / width).astype(int), bins - 1)
        # freud's distances are single precision.
        direct = np.linalg.norm(points[i] - points[j], axis=1) < found.distances + 1e-3
        within = ((molecules[i] == molecules[j]) & direct).astype(int)
        index = (pair_of[species[i], species[j]] * 2 + within) * bins + bin_of
        histogram = np.bincount(index, minlength=len(pairs) * 2 * bins)
        histogram = histogram.reshape(len(pairs), 2, bins)
        density = ideal / abs(np.linalg.det(cell))
        with np.errstate(divide="ignore", invalid="ignore"):
            g[f] = np.nan_to_num(histogram / (density[:, :, None] * shells))

    result = {"r_A": (0.5 * (edges[1:] + edges[:-1])).tolist(), "pairs": {}}
    for k, (a, b) in enumerate(pairs):
        name = f"{chemical_symbols[elements[a]]}-{chemical_symbols[elements[b]]}"
        if elements[a] == 1 and elements[b] != 1:  # C-H, not H-C
            name = "-".join(reversed(name.split("-")))
        result["pairs"][name] = {kind: _mean_curve(g[:, k, index]) for index, kind in enumerate(("inter", "intra"))}
    return result


def _mean_curve(series) -> dict:
    """Mean and error of each column of `series` (F, B)."""
    means = [statistics.mean(column, quiet=True) for column in series.T]
    return {"g": [m.value for m in means], "error": [m.error for m in means]}


def difference(r, first: dict, second: dict, within: bool = False) -> dict:
    """How far two curves of `pair_distributions` lie apart, each {"g", "error"} on the bins `r`.

    share : int |g1 - g2| r^2 dr / int g1 r^2 dr, the share of the pairs that sit elsewhere;
    noise : what statistical errors alone would give on average (E|x| = sigma sqrt(2/pi)).
    within : the curves are of pairs within molecules; each is brought to the same number of pairs
    first, since the mean density they are normalised by differs between the runs.
    """
    r = np.asarray(r)
    curves = []
    for curve in (first, second):
        g, error = np.asarray(curve["g"]) * r**2, np.asarray(curve["error"]) * r**2
        whole = g.sum() or 1.0
        curves.append((g / whole, error / whole) if within else (g, error))
    (one, error_one), (two, error_two) = curves
    whole = one.sum() or 1.0
    return {
        "share": float(np.sum(abs(one - two)) / whole),
        "noise": float(np.sqrt(2 / np.pi) * np.sum(np.hypot(error_one, error_two)) / whole),
    }
