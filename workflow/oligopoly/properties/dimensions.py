"""Chains as a whole: radius of gyration, end-to-end distance, and whether they align."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.md.stored import blocks
from oligopoly.plotting.shown import NAMES, Shown, Table, Words
from oligopoly.properties import statistics
from oligopoly.properties.contract import (
    ENGINES,
    SIGMAS,
    Check,
    Context,
    Number,
    PropertySettings,
    Run,
    Tolerance,
    allowed,
)
from oligopoly.properties.msd import weights

# Order parameter above which chains are not a liquid's, however few they are.
FROZEN = 0.75
QUANTITIES = {
    "gyration_A2": ("radius of gyration²", "Å²"),
    "end_to_end_A2": ("end-to-end distance²", "Å²"),
    "alignment": ("alignment of the chains", "1: parallel"),
}


class Settings(PropertySettings):
    """Radius of gyration and end-to-end distance, with errors over chains."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"
    static: ClassVar[bool] = True

    tolerance_percent: Tolerance = Tolerance(train=5.0, transfer=8.0)

    def create(self) -> "Dimensions":
        return Dimensions(self)


class Dimensions:
    """The property as `properties.contract.Property` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """Each quantity as `statistics.over_chains` has it (alignment is of all chains together: over time alone)."""
        t = context.topology
        of_chains = [
            per_chain(run.trajectory.positions, t.masses, t.molecules, t.numbers, t.bonds, context.ring) for run in runs
        ]
        found: dict[str, Any] = {}
        for key, (name, _) in QUANTITIES.items():
            series = [values for one in of_chains if (values := one[key]) is not None]  # rings have no ends
            found[key] = statistics.over_chains(series, runs[0].spacing_ps, f"the {name}") if series else None
        return found

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """Deviations in percent, and whether they are allowed; None where a run was too short to know."""
        tolerance = getattr(self.settings.tolerance_percent, context.role)
        found: dict[str, Any] = {"tolerance_percent": tolerance, "sigmas": SIGMAS}
        for key in ("gyration_A2", "end_to_end_A2"):
            one, two = reference.get(key), learned.get(key)
            if not one or not two or not one["value"]:
                continue
            deviation = 100 * (two["value"] / one["value"] - 1)
            sigma = 100 * float(np.hypot(one["error"], two["error"])) / one["value"]
            limit, passed = allowed(deviation, sigma, tolerance)
            known = one.get("known", True) and two.get("known", True)
            found[key] = {
                "deviation_percent": deviation, "sigma_percent": sigma, "allowed_percent": limit,
                "passed": passed if known else None,
            }  # fmt: skip
        return found

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """Chains must be as large as in the reference."""
        comparison = found.get("comparison") or {}
        checks = []
        for key in ("gyration_A2", "end_to_end_A2"):
            if key not in comparison:
                continue
            c = comparison[key]
            told = f"{c['deviation_percent']:+.1f} ± {c['sigma_percent']:.1f} %"
            if c["passed"] is None:
                longest = max(found[e][key].get("relaxation_ps", 0) for e in ENGINES if found.get(e, {}).get(key))
                told += f", runs too short (chains relax in {longest:.2g} ps)"
            checks.append(
                Check(
                    f"dimensions.{key}",
                    QUANTITIES[key][0],
                    told,
                    f"within {comparison['tolerance_percent']:g} % + {comparison['sigmas']:g}σ "
                    f"= {c['allowed_percent']:.1f} %",
                    c["passed"],
                )
            )
        return checks

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """Squares by repeat unit: they no longer grow where chains are random walks."""
        for key in ("gyration_A2", "end_to_end_A2"):
            if one := measured.get(key):
                name, unit = QUANTITIES[key]
                yield Number(f"{name} / n", unit, one["value"] / units, one["error"] / units, one.get("known", True))

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Each system has its own."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """A table of both engines."""
        engines = [engine for engine in ENGINES if "missing" not in found.get(engine, {"missing": ""})]
        rows = []
        for key, (name, unit) in QUANTITIES.items():
            values = [found[engine].get(key) for engine in engines]
            if values and all(values):
                rows.append((f"{name} ({unit})", *(_told(one) for one in values)))
        if rows:
            today = any("error_chains" in (found[engine].get("gyration_A2") or {}) for engine in engines)
            caption = "Chains; the error is " + (
                "the largest of those over time, chains and replicates" if today else "over time alone"
            )
            yield Table(("", *(NAMES[engine] for engine in engines)), rows, caption, range(1, 1 + len(engines)))
        for engine in engines:
            warning = next((one["warning"] for one in found[engine].values() if one and one.get("warning")), None)
            if warning:
                yield Words(f"{NAMES[engine].capitalize()}: {warning}", soft=True)


def _told(one: dict[str, Any]) -> str:
    return f"{one['value']:.2f} ± {one['error']:.2f}" + ("" if one.get("known", True) else " (too short)")


def backbone(numbers, bonds):
    """Bonds (B, 2) between heavy atoms, as a sparse graph (N, N) of all atoms."""
    from scipy.sparse import coo_array

    heavy = bonds[(numbers[bonds] > 1).all(axis=1)] if len(bonds) else np.zeros((0, 2), int)
    return coo_array((np.ones(len(heavy)), (heavy[:, 0], heavy[:, 1])), shape=(len(numbers),) * 2).tocsr()


def chain_ends(numbers, bonds, molecules) -> np.ndarray:
    """First and last backbone atom (M, 2) of each molecule: ends of its longest chain of heavy atoms.

    bonds : (B, 2). For trees this is exact (two breadth-first searches); side rings do no harm.
    """
    return np.array([(way[0], way[-1]) for way in longest_ways(numbers, bonds, molecules)])


def longest_ways(numbers, bonds, molecules) -> list[np.ndarray]:
    """Atoms along the longest chain of heavy atoms of each molecule. Molecules that are alike are searched once."""
    numbers, bonds, molecules = map(np.asarray, (numbers, bonds, molecules))
    graph = backbone(numbers, bonds)
    order = np.argsort(molecules, kind="stable")
    known: dict[tuple, np.ndarray] = {}
    ways = []
    for atoms in np.split(order, np.cumsum(np.bincount(molecules))[:-1]):
        own = graph[atoms][:, atoms]
        key = (numbers[atoms].tobytes(), own.indices.tobytes(), own.indptr.tobytes())
        if key not in known:
            known[key] = _longest_way(numbers[atoms], own)
        ways.append(atoms[known[key]])
    return ways


def _longest_way(numbers, graph) -> np.ndarray:
    from scipy.sparse.csgraph import breadth_first_order

    start = int(np.argmax(numbers > 1))
    first = int(breadth_first_order(graph, start, False, False)[-1])
    reached, before = breadth_first_order(graph, first, False, True)
    way = [int(reached[-1])]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return np.array(way[::-1])


def per_chain(positions, masses, molecules, numbers, bonds, ring: bool = False) -> dict[str, np.ndarray | None]:
    """Squared radius of gyration and end-to-end distance (A^2) of each chain and frame (F, M), and alignment (F, 1).

    positions : (F, N, 3) A with molecules whole, in memory or `md.stored`. Rings have no ends: their end_to_end and
    alignment are None.
    """
    masses, molecules = np.asarray(masses, float), np.asarray(molecules)
    matrix = weights(masses, molecules)
    ends = None if ring else chain_ends(numbers, bonds, molecules)
    found: dict[str, list] = {key: [] for key in QUANTITIES}
    for _, block in blocks(positions, "dimensions of chains"):
        for frame in block:
            squares = ((frame - (matrix @ frame)[molecules]) ** 2).sum(axis=1)
            found["gyration_A2"].append(matrix @ squares)
        if ends is not None:
            vectors = block[:, ends[:, 1]] - block[:, ends[:, 0]]
            found["end_to_end_A2"] += list((vectors**2).sum(axis=2))
            found["alignment"] += list(alignment(vectors)[:, None])
    return {key: np.array(values) if values else None for key, values in found.items()}


def alignment(vectors) -> np.ndarray:
    """Nematic order parameter (F,) of end-to-end `vectors` (F, M, 3): 1 when all are parallel.

    The largest eigenvalue of Q = <3 u u - 1> / 2 over the M chains (P. G. de Gennes, J. Prost, The
    Physics of Liquid Crystals, 2.1). Chance alone gives about 0.4 for 6 chains, 0.1 for 100.
    """
    vectors = np.asarray(vectors, float)
    units = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    tensor = 1.5 * np.einsum("fma,fmb->fab", units, units) / units.shape[1] - 0.5 * np.eye(3)
    return np.linalg.eigvalsh(tensor)[:, -1]
