"""Pair distribution functions within and between molecules."""

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Literal

import numpy as np
from ase.data import chemical_symbols

from oligopoly.errors import UserError
from oligopoly.plotting.shown import NAMES, Picture, Shown, Table, Words
from oligopoly.properties import pair_counts, statistics
from oligopoly.properties.contract import SIGMAS, Check, Context, Number, PropertySettings, Run, Tolerance

FARTHEST = 12.0  # A
FRAMES = 1000


class Settings(PropertySettings):
    """g(r) of every pair of elements, within molecules and between them."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"
    static: ClassVar[bool] = True

    tolerance_percent: Tolerance = Tolerance(train=4.0, transfer=6.0)

    def create(self) -> "PairDistributions":
        return PairDistributions(self)


class PairDistributions:
    """The property as `properties.contract.Property` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """As `pair_distributions`, up to 12 A or half the box, averaged over replicates."""
        topology = context.topology
        found = [
            pair_distributions(
                run.trajectory.positions, run.trajectory.cells, topology.numbers, topology.molecules,
                threads=context.threads,
            )
            for run in runs
        ]  # fmt: skip
        return found[0] if len(found) == 1 else _averaged(found)

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """`difference` of each pair of elements, on the distances that both reach."""
        bins = min(len(reference["r_A"]), len(learned["r_A"]))
        r = learned["r_A"][:bins]

        def cut(curve: dict) -> dict:
            return {key: values[:bins] for key, values in curve.items()}

        pairs = {
            pair: {
                kind: difference(r, cut(reference["pairs"][pair][kind]), cut(two), within=kind == "intra")
                for kind, two in kinds.items()
            }
            for pair, kinds in learned["pairs"].items()
            if pair in reference["pairs"]
        }
        return {"pairs": pairs, "tolerance_percent": getattr(self.settings.tolerance_percent, context.role)}

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """Between molecules no pair may sit elsewhere beyond noise; within them, torsions and dimensions are asked."""
        if "comparison" not in found:
            return []
        c = found["comparison"]
        apart = {pair: kinds["inter"] for pair, kinds in c["pairs"].items() if "inter" in kinds}
        if not apart:
            return []
        tolerance = c["tolerance_percent"]
        share = {pair: 100 * one["share"] for pair, one in apart.items()}
        noise = {pair: 100 * one["noise"] for pair, one in apart.items()}
        off = [pair for pair in apart if share[pair] > tolerance + SIGMAS * noise[pair]]
        # where chance alone moves more pairs than are allowed to, nothing is known
        unknown = [pair for pair in apart if noise[pair] > tolerance]
        worst = max(off or unknown or apart, key=lambda pair: share[pair] - SIGMAS * noise[pair])
        return [
            Check(
                "rdf",
                "g(r) between molecules",
                f"{worst}: {share[worst]:.1f} % of pairs elsewhere, {noise[worst]:.1f} % by chance",
                f"within {tolerance:g} % + {SIGMAS:g} x chance = {tolerance + SIGMAS * noise[worst]:.1f} %",
                False if off else None if unknown else True,
            )
        ]

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """None: these are curves."""
        return ()

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Each system has its own."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """Curves, and how far they lie apart."""
        if "pairs" not in found.get("learned", {}):
            yield Words(f"g(r) could not be measured: {found.get('missing', 'there is no run')}", soft=True)
            return
        yield Picture(
            figure(found),
            f"{system}: pair distribution functions between molecules (normalised to 1 for "
            "uncorrelated molecules) and within them (density of partners over the element's mean "
            "density). Bands: one standard error, from the autocorrelation time of each bin or the scatter of the "
            "chains, whichever is larger.",
            f"pair distribution functions of {system}",
        )
        rows = [
            (pair, kind, f"{100 * c['share']:.1f} %", f"{100 * c['noise']:.1f} %")
            for pair, kinds in reversed((found.get("comparison") or {"pairs": {}})["pairs"].items())
            for kind, c in kinds.items()
        ]
        if rows:
            caption = "Share of pairs that the potential puts at another distance, and what statistics alone give"
            yield Table(("pair", "molecules", "pairs elsewhere", "of which noise"), rows, caption, (2, 3))


def _averaged(found: list[dict]) -> dict[str, Any]:
    """Curves of replicates as one, with errors as `statistics.over_replicates`."""
    bins = min(len(one["r_A"]) for one in found)
    result: dict[str, Any] = {"r_A": found[0]["r_A"][:bins], "pairs": {}}
    for pair, kinds in found[0]["pairs"].items():
        result["pairs"][pair] = {}
        for kind in kinds:
            curves = [one["pairs"][pair][kind] for one in found]
            g, errors = (np.array([curve[key][:bins] for curve in curves]) for key in ("g", "error"))
            joined = [statistics.over_replicates(list(g[:, b]), list(errors[:, b])) for b in range(bins)]
            mean, error = zip(*joined, strict=True)
            result["pairs"][pair][kind] = {"g": list(mean), "error": list(error)}
    return result


def largest_radius(cells) -> float:
    """Half the smallest distance between opposite faces over all `cells` (F, 3, 3), in A."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cells), axis=1)
    return float(heights.min() / 2)


def pair_distributions(positions, cells, numbers, molecules, r_max=None, width=0.1, threads=1) -> dict:
    """Intra- and intermolecular g(r) of every pair of elements, with errors over time and chains.

    positions : (F, N, 3) A with molecules whole, in memory or `md.stored`; cells : (F, 3, 3) A, each frame its own;
    of more than FRAMES, every second or n-th counts: those between tell next to nothing new;
    numbers : (N,) atomic numbers; molecules : (N,) molecule of each atom.
    r_max : A; by default 12 or half the narrowest box, whichever is less. width : of a bin, A.

    inter: normalised by the intermolecular pairs alone, so uncorrelated molecules give exactly 1 in
    a box of any size. intra: density of partners within the molecule over the mean density of that
    element in the box, so 4 pi rho_b int g r^2 dr counts the partners; it falls to zero.
    A chain's own periodic image counts as another chain. Each bin's error is from its own
    autocorrelation time over the frames, or from the scatter over chains if that is larger: of chains that hardly
    move, frames say the same again and again.

    Returns {"r_A": [...], "pairs": {"C-H": {"inter": {"g", "error"}, "intra": {...}}}}.
    Raises UserError when r_max reaches beyond half the box or there are fewer than two frames.
    """
    cells = np.asarray(cells, float)
    nth = -(-len(positions) // FRAMES)
    positions, cells = positions[::nth], cells[::nth]
    numbers, molecules = np.asarray(numbers), np.asarray(molecules)
    limit = largest_radius(cells)
    if r_max is None:
        r_max = min(FARTHEST, 0.999 * limit)
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

    chains = int(molecules.max()) + 1
    counted, of_chain = pair_counts.count(positions, cells, species, pair_of, molecules, bins, width, threads)
    volumes = abs(np.linalg.det(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.nan_to_num(counted * volumes[:, None, None, None] / (ideal[:, :, None] * shells))
        of_chain = np.nan_to_num(of_chain / (ideal[:, :, None, None] * shells)) / len(positions)

    result = {"r_A": (0.5 * (edges[1:] + edges[:-1])).tolist(), "pairs": {}}
    for k, (a, b) in enumerate(pairs):
        name = f"{chemical_symbols[elements[a]]}-{chemical_symbols[elements[b]]}"
        if elements[a] == 1 and elements[b] != 1:  # C-H, not H-C
            name = "-".join(reversed(name.split("-")))
        result["pairs"][name] = {}
        for index, kind in enumerate(("inter", "intra")):
            curve = _mean_curve(g[:, k, index])
            if chains > 1:
                # g is a sum over chains; a pair of atoms between two of them counts in both
                counted_in = 2 if kind == "inter" else 1
                scatter = of_chain[k, index].std(axis=0, ddof=1) * np.sqrt(counted_in * chains)
                curve["error"] = np.maximum(curve["error"], scatter).tolist()
            result["pairs"][name][kind] = curve
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


def figure(found: dict):
    """Inter- and intramolecular g(r) of each pair of elements, with bands of one standard error."""
    from oligopoly.plotting.style import FULL, LEARNED, MUTED, REFERENCE, panels

    engines = {engine: found[engine] for engine in ("reference", "learned") if "pairs" in found.get(engine, {})}
    pairs = dict(reversed(engines["learned"]["pairs"].items()))  # heavy atoms first
    distances = np.array(engines["learned"]["r_A"])
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    drawn, axes = panels(columns, 2.3 * 2 * rows, rows=2 * rows, width=FULL * columns / 3)
    for ax in axes:
        ax.set_visible(False)
    for k, (name, kinds) in enumerate(pairs.items()):
        for line, kind in enumerate(("inter", "intra")):
            ax = axes[(2 * (k // columns) + line) * columns + k % columns]
            ax.set_visible(True)
            nearest = 1.5 if kind == "inter" else 0.8
            for engine, colour, style in (("reference", REFERENCE, "-"), ("learned", LEARNED, "--")):
                curve = engines.get(engine, {"pairs": {}})["pairs"].get(name, {}).get(kind)
                if curve is None:
                    continue
                r, g, error = (np.array(values) for values in (engines[engine]["r_A"], curve["g"], curve["error"]))
                r, g, error = (values[r > nearest] for values in (r, g, error))
                ax.fill_between(r, g - error, g + error, color=colour, alpha=0.2, lw=0)
                ax.plot(r, g, style, color=colour, lw=1.1)
            if kind == "inter":
                ax.axhline(1, color=MUTED, lw=0.6, zorder=0)
                ax.set_xlim(nearest, distances[-1])
            else:
                inside = np.flatnonzero(np.array(kinds[kind]["g"]) > 0)
                ax.set_xlim(nearest, distances[inside[-1]] + 0.3 if len(inside) else distances[-1])
            ax.set_ylim(bottom=0)
            ax.set_title(f"{name}, {kind}molecular", fontsize=9.5)
            ax.set_xlabel("r (Å)")
            ax.set_ylabel("g(r)")
    if "reference" in engines:
        axes[0].plot([], [], color=REFERENCE, label="reference")
    axes[0].plot([], [], "--", color=LEARNED, label=NAMES["learned"])
    drawn.legend(loc="outside upper center", ncols=2)
    return drawn
