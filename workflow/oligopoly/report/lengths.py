"""Chains of one kind against their length: does the potential, trained on the short ones, hold for the long ones?"""

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from oligopoly.plotting.shown import NAMES, Picture, Shown, Words
from oligopoly.properties.contract import ENGINES, SIGMAS, Number
from oligopoly.properties.internal_distances import draw
from oligopoly.properties.registry import PROPERTIES
from oligopoly.report.results import Results

OWN = ("degree_of_polymerisation", "chains", "role")  # what systems of one series differ in
PER_ROW = 3  # panels
ALIKE = 0.05  # relative deviation of internal distances that ends of chains may cause


def pieces(run: Results) -> Iterator[Shown]:
    """Of each kind of chain that was measured at several lengths: its numbers by length, and whether long chains are as
    short ones are on the same scale."""
    for systems in _series(run):
        by_length = {run.properties[one]["degree_of_polymerisation"]: run.properties[one] for one in systems}
        numbers = _numbers(by_length)
        if not numbers:
            continue
        trained = sorted(n for n, found in by_length.items() if found["role"] == "train")
        trained_on = f"n = {', '.join(map(str, trained))}" if trained else "none of them"
        caption = f"{', '.join(systems)} by their number n of repeat units; the potential was trained on {trained_on}"
        caption += "; bars are standard errors"
        if any(not one.known for lines in numbers.values() for line in lines.values() for one in line.values()):
            caption += ", and open symbols come from runs that were too short to know"
        yield Picture(
            number_figure(numbers), f"{caption}.", f"{', '.join(name for name, _ in numbers)} against chain length"
        )
        yield from _internal_distances({system: by_length[n] for n, system in zip(by_length, systems, strict=True)})


def _internal_distances(systems: dict[str, Any]) -> Iterator[Shown]:
    """Curves of all lengths, and which of them deviate from those of shorter chains."""
    curves: dict[str, dict[str, Any]] = {}
    for engine in ENGINES:
        of_engine = {
            system: measured
            for system, found in systems.items()
            if "bonds" in (measured := found["properties"].get("internal_distances", {}).get(engine) or {})
        }
        if len(of_engine) > 1:
            curves[engine] = of_engine
    if not curves:
        return
    yield Picture(
        distance_figure(curves),
        "Mean squared distance R² of backbone atoms that are s bonds apart, over s. Chains of an equilibrated melt are "
        "as shorter ones are, but for their ends (Auhl et al., J. Chem. Phys. 119 (2003) 12718): "
        f"{100 * ALIKE:g} % and {SIGMAS:g} standard errors are allowed, up to half the shorter chain.",
        "internal distances of chains of several lengths",
    )
    for engine, of_engine in curves.items():
        for short, long in itertools.pairwise(of_engine):
            deviation = farthest(of_engine[short], of_engine[long])
            if deviation is not None:
                at, share, sigma = deviation
                yield Words(
                    f"{long}, {NAMES[engine]}: R²(s)/s at s = {at} bonds is {100 * share:+.1f} ± {100 * sigma:.1f} % "
                    f"off that of {short}: the melt is not equilibrated, equilibrate longer."
                )


def farthest(short: dict[str, Any], long: dict[str, Any]) -> tuple[int, float, float] | None:
    """Where the internal distances of the longer chains deviate most from those of the shorter beyond what is allowed:
    bonds, relative deviation and its standard error; None: nowhere."""
    bonds = np.array([s for s in short["bonds"] if 2 * s <= short["bonds"][-1]])
    if not len(bonds):
        return None
    one, one_error = (np.array(short[key])[: len(bonds)] for key in ("ratio_A2", "error_A2"))
    two, two_error = (np.interp(bonds, long["bonds"], long[key]) for key in ("ratio_A2", "error_A2"))
    share, sigma = two / one - 1, np.hypot(two_error, one_error * two / one) / one
    beyond = abs(share) - ALIKE - SIGMAS * sigma
    worst = int(beyond.argmax())
    return (int(bonds[worst]), float(share[worst]), float(sigma[worst])) if beyond[worst] > 0 else None


def _series(run: Results) -> list[list[str]]:
    """Systems that differ in length alone, shortest first; one alone is no series."""
    found: dict[str, dict[int, str]] = {}
    for name, block in (run.config.get("systems") or {}).items():
        measured = run.properties.get(name)
        if measured and measured.get("degree_of_polymerisation"):
            key = json.dumps({key: value for key, value in block.items() if key not in OWN}, sort_keys=True)
            # of two boxes of one length, the one that the potential was not trained on says more
            known = found.setdefault(key, {})
            if measured["role"] != "train" or measured["degree_of_polymerisation"] not in known:
                known[measured["degree_of_polymerisation"]] = name
    return [[one[n] for n in sorted(one)] for one in found.values() if len(one) > 1]


def _numbers(by_length: dict[int, Any]) -> dict[tuple[str, str], dict[str, dict[int, Number]]]:
    """By name and unit, engine, and length."""
    found: dict[tuple[str, str], dict[str, dict[int, Number]]] = {}
    for kind in PROPERTIES:
        part = PROPERTIES.settings(kind)().create()
        for n, properties in by_length.items():
            for engine in ENGINES:
                measured = properties["properties"].get(kind, {}).get(engine)
                if not measured or "missing" in measured:
                    continue
                for one in part.numbers(measured, n):
                    found.setdefault((one.name, one.unit), {}).setdefault(engine, {})[n] = one
    return {key: lines for key, lines in found.items() if max(map(len, lines.values())) > 1}


def number_figure(numbers: dict[tuple[str, str], dict[str, dict[int, Number]]]) -> Any:
    """A panel for each number: by name and unit, its lines by engine, each by length."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from oligopoly.plotting.style import LEARNED, REFERENCE, panels

    columns = min(PER_ROW, len(numbers))
    rows = math.ceil(len(numbers) / columns)
    drawn, axes = panels(columns, 2.7 * rows, rows)
    for ax in axes[len(numbers) :]:
        ax.remove()
    for ax, ((name, unit), lines) in zip(axes, numbers.items(), strict=False):
        lengths = sorted({n for line in lines.values() for n in line})
        if lengths[-1] >= 5 * lengths[0]:
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xticks(lengths if len(lengths) <= 8 else lengths[:: math.ceil(len(lengths) / 8)])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for engine, colour, style in (("reference", REFERENCE, "-"), ("learned", LEARNED, "--")):
            line = sorted(lines.get(engine, {}).items())
            if not line:
                continue
            ax.plot([n for n, _ in line], [one.value for _, one in line], style, color=colour, lw=1)
            for known in (True, False):
                points = [(n, one) for n, one in line if one.known == known]
                ax.errorbar(
                    [n for n, _ in points], [one.value for _, one in points], [one.error or 0 for _, one in points],
                    color=colour, ls="", marker="o", markerfacecolor=colour if known else "white",
                    label=NAMES[engine] if known else None,
                )  # fmt: skip
        ax.set_xlabel("repeat units n")
        ax.set_ylabel(f"{name} ({unit})")
    axes[0].legend()
    return drawn


def distance_figure(curves: dict[str, dict[str, Any]]) -> Any:
    """A panel for each engine: curves by system, shortest first, from light to dark."""
    from oligopoly.plotting.style import panels, plt

    drawn, axes = panels(len(curves), 3.0, width=4.7 * len(curves), sharey=True)
    for ax, (engine, systems) in zip(axes, curves.items(), strict=True):
        shades = plt.get_cmap("viridis_r")(np.linspace(0.1, 0.9, len(systems)))
        for (system, one), colour in zip(systems.items(), shades, strict=True):
            draw(ax, one, system, colour)
        ax.set_title(NAMES[engine])
    axes[0].legend()
    return drawn
