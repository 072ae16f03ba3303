"""The figures of the report. Each function takes plain data and returns a matplotlib figure."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from oligopoly.properties.contacts import REACHABLE
from oligopoly.report.numbers import quantity
from oligopoly.report.style import (
    ACE,
    FRESH,
    FULL,
    GOOD,
    HALF,
    MUTED,
    REFERENCE,
    SERIES,
    panels,
)


def learning_curve(held_out: dict, fresh: dict, liquid: dict, force_limit=None):
    """Force and energy errors over generations.

    held_out, fresh, liquid : {generation: {force_rmse_meV_A, energy_rmse_meV_atom,
    pressure_rmse_bar}}; fresh ones are errors of the generation before on structures just
    selected, liquid ones those of periodic held-out frames alone. force_limit : meV/A, drawn dotted.
    """
    quantities = {
        "force_rmse_meV_A": "force RMSE (meV/Å)",
        "energy_rmse_meV_atom": "energy RMSE (meV/atom)",
        "pressure_rmse_bar": "pressure RMSE (bar)",
    }
    everything = [*held_out.values(), *fresh.values(), *liquid.values()]
    if all(errors.get("pressure_rmse_bar") is None for errors in everything):
        del quantities["pressure_rmse_bar"]  # labels of clusters
    figure, axes = panels(len(quantities), 2.9, width=FULL * len(quantities) / 3)
    for ax, (key, label) in zip(axes, quantities.items(), strict=True):
        for errors, colour, marker, name in (
            (held_out, ACE, "o-", "held-out frames"),
            (liquid, SERIES[5], "^-", "periodic ones alone"),
            (fresh, FRESH, "s--", "freshly selected"),
        ):
            points = [(g, e[key]) for g, e in sorted(errors.items()) if e.get(key) is not None]
            if points:
                ax.plot(*zip(*points, strict=True), marker, color=colour, label=name)
        if key == "force_rmse_meV_A" and force_limit:
            ax.axhline(force_limit, color=MUTED, lw=0.9, ls=":", label="limit for held-out")
        ax.set_ylabel(label)
        ax.margins(y=0.12)
        ax.autoscale_view()
        ax.set_ylim(0, ax.get_ylim()[1])
        generations = sorted(set(held_out) | set(fresh))
        ax.set_xticks(generations[:: 1 + len(generations) // 9])
        ax.set_xlabel("generation")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def density_shift_curve(shifts: dict, allowed: float | None = None):
    """Density shift by linear response over generations.

    shifts : {system: [(generation, percent, error_percent)]}; allowed : percent.
    """
    figure, (ax,) = panels(1, 2.5, width=HALF * 1.25)
    if allowed:
        ax.axhspan(-allowed, allowed, color=GOOD, alpha=0.12, lw=0)
    ax.axhline(0, color=REFERENCE, lw=0.8)
    for k, (system, points) in enumerate(shifts.items()):
        g, value, error = np.array(points, float).T
        ax.errorbar(g, value, error, fmt="o-", color=SERIES[k % 6], label=system)
    ax.set_xlabel("generation")
    ax.set_ylabel("density shift by linear\nresponse (%)")
    generations = sorted({point[0] for points in shifts.values() for point in points})
    ax.set_xticks(generations[:: 1 + len(generations) // 9])
    ax.legend()
    return figure


def gamma_distributions(by_generation: dict, select: float | None, stop: float | None):
    """Largest extrapolation grade of exploration frames, by generation.

    by_generation : {generation: (M,) gamma}. Left their distribution, right the share above.
    """
    figure, (left, right) = panels(2, 3.0)
    everything = np.concatenate([v for v in by_generation.values()])
    everything = everything[np.isfinite(everything) & (everything > 0)]
    shown = [everything.min(), everything.max(), *(value for value in (select, stop) if value)]
    low = max(min(shown) * 0.9, 1e-3)
    high = min(max(shown) * 1.2, low * 1e8)
    bins = np.geomspace(low, high, 40)
    shades = np.linspace(1, 0.3, len(by_generation))[::-1]
    for shade, (generation, values) in zip(shades, sorted(by_generation.items()), strict=True):
        colour = _towards_white(ACE, shade)
        finite = values[np.isfinite(values)]
        counts, _ = np.histogram(np.clip(finite, low, high), bins)
        left.stairs(counts / max(counts.sum(), 1), bins, color=colour, lw=1.3)
        ordered = np.sort(finite)
        right.step(
            ordered, 1 - np.arange(len(ordered)) / len(ordered), where="pre", color=colour,
            label=f"generation {generation} ({len(finite)} frames)",
        )  # fmt: skip
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        for value, name in ((select, "select"), (stop, "stop")):
            if value:
                ax.axvline(value, color=FRESH, lw=0.9, ls=":" if name == "select" else "--")
                ax.text(
                    value, 1.0, f" {name}", color=FRESH, fontsize=8.5, va="bottom", ha="center",
                    transform=ax.get_xaxis_transform(),
                )  # fmt: skip
        ax.set_xlabel(r"largest extrapolation grade $\gamma$ of a frame")
    left.set_ylabel("share of frames per bin")
    right.set_ylabel(r"share of frames above $\gamma$")
    right.set_yscale("log")
    right.legend()
    return figure


def _towards_white(colour: str, shade: float):
    from matplotlib.colors import to_rgb

    return tuple(1 - shade * (1 - c) for c in to_rgb(colour))


def exploration(runs: list[tuple[str, float, float, str]]):
    """How far each exploration run came: (name, ps, planned ps, outcome), in the order to show."""
    outcomes = list(dict.fromkeys(outcome for *_, outcome in runs))
    colours = {"completed": ACE}
    spare = iter([c for c in SERIES if c not in (ACE, REFERENCE)] * 3)
    for outcome in outcomes:
        colours.setdefault(outcome, next(spare))
    figure, (ax,) = panels(1, 0.8 + 0.2 * len(runs))
    y = np.arange(len(runs))
    ax.barh(y, [planned for _, _, planned, _ in runs], color="#E8E8E8", height=0.7)
    ax.barh(y, [t for _, t, _, _ in runs], color=[colours[o] for *_, o in runs], height=0.7)
    ax.set_yticks(y, [name for name, *_ in runs], fontsize=8)
    ax.set_ylim(len(runs) - 0.4, -0.6)
    ax.set_xlabel("time until the end of the run (ps); grey: planned")
    for outcome in outcomes:
        ax.barh([0], [0], color=colours[outcome], label=outcome.replace("_", " "))
    figure.legend(loc="outside upper center", ncols=5)
    return figure


def parity(pairs: list[tuple[str, str, np.ndarray, np.ndarray]]):
    """Prediction against reference: (quantity, unit, reference, ACE) per panel."""
    figure, axes = panels(len(pairs), 3.1, width=FULL * len(pairs) / 3)
    for ax, (name, unit, reference, ace) in zip(axes, pairs, strict=True):
        low, high = np.min([reference.min(), ace.min()]), np.max([reference.max(), ace.max()])
        margin = 0.04 * (high - low or 1)
        ax.plot([low - margin, high + margin], [low - margin, high + margin], color=REFERENCE, lw=0.8)
        many = len(reference) > 2000
        ax.plot(
            reference, ace, "o", ms=1.2 if many else 3.5, alpha=0.25 if many else 0.7, color=ACE,
            mew=0, rasterized=many,
        )  # fmt: skip
        rmse = np.sqrt(np.mean((ace - reference) ** 2))
        ax.text(
            0.04, 0.96, f"RMSE {quantity(rmse)} {unit}\n{len(reference):,} values",
            transform=ax.transAxes, va="top", fontsize=8.5,
        )  # fmt: skip
        ax.set_xlabel(f"reference {name} ({unit})")
        ax.set_ylabel(f"ACE {name} ({unit})")
        ax.set_xlim(low - margin, high + margin)
        ax.set_ylim(low - margin, high + margin)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    return figure


def calibration(fits: dict[str, tuple[list[float], list[float]]]):
    """Root mean square errors of bins, expected and true (meV/A), one panel for each fit."""
    figure, axes = panels(len(fits), 3.0, width=HALF * len(fits))
    for ax, (name, (expected, true)) in zip(axes, fits.items(), strict=True):
        ends = 0.8 * min(*expected, *true), 1.25 * max(*expected, *true)
        low, high = np.array(ends) / 1.5, np.array(ends) * 1.5
        ax.fill_between(ends, low, high, color=GOOD, alpha=0.12, lw=0, label="within 1.5 times")
        ax.plot(ends, ends, color=REFERENCE, lw=0.8)
        ax.plot(expected, true, "o", color=ACE)
        ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=name)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("expected force error (meV/Å)")
        ax.set_ylabel("true force error (meV/Å)")
        ax.legend(loc="upper left")
    return figure


def selection(counts: list[tuple[str, int, int, int]]):
    """Frames per generation: (name, chosen, held out, audit, left out)."""
    figure, (ax,) = panels(1, 0.8 + 0.26 * len(counts), width=HALF * 1.5)
    y = np.arange(len(counts))
    left = np.zeros(len(counts))
    for k, (label, colour) in enumerate(
        (
            ("chosen for training", ACE),
            ("held out", SERIES[5]),
            ("random audit", FRESH),
            ("left out", "#D0D0D0"),
        )
    ):
        width = np.array([row[k + 1] for row in counts], float)
        ax.barh(y, width, left=left, color=colour, label=label, height=0.7)
        left += width
    ax.set_yticks(y, [row[0] for row in counts])
    ax.invert_yaxis()
    ax.set_xlabel("frames considered")
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def contacts(scans: dict[str, list[dict]]):
    """Energy of two molecules pushed together; {system: [{distances, reference_eV, ace_eV}]}.

    Energies relative to the pair's most distant geometry; up to the dotted line MD gets there.
    """
    figure, axes = panels(len(scans), 3.2, width=min(FULL, HALF * 1.25 * len(scans)))
    for ax, (system, pairs) in zip(axes, scans.items(), strict=True):
        for k, pair in enumerate(pairs):
            distance = np.asarray(pair["distances"], float)
            order = np.argsort(distance)
            for key, colour, style, width, name in (
                ("reference_eV", REFERENCE, "-", 0.8, "reference"),
                ("ace_eV", ACE, "--", 1.5, "ACE"),
            ):
                energy = np.asarray(pair[key], float)
                energy = (energy - energy[np.argmax(distance)])[order]
                ax.plot(
                    distance[order], energy, style, color=colour, lw=width,
                    label=name if k == 0 else None,
                )  # fmt: skip
        ax.axhline(0, color=MUTED, lw=0.6)
        ax.axhline(REACHABLE, color=MUTED, lw=0.8, ls=":")
        ax.set_ylim(-0.5, 3)  # what MD can reach, and where a hole would show
        ax.set_title(system)
        ax.set_xlabel("closest distance between the molecules (Å)")
        ax.set_ylabel("energy of the pair (eV)")
        ax.legend()
    return figure


def density_deviations(rows: list[tuple[str, str, float, float, bool]], bands: dict[str, float]):
    """Deviation of the density from the reference.

    rows : (system, how it was found, percent, error percent, decisive); bands : {system: allowed
    percent}, shaded behind the system's rows.
    """
    figure, (ax,) = panels(1, 0.8 + 0.32 * len(rows))
    for k, (system, _, value, error, decisive) in enumerate(rows):
        allowed = bands.get(system)
        if allowed is not None:
            ax.fill_betweenx([k - 0.5, k + 0.5], -allowed, allowed, color=GOOD, alpha=0.14, lw=0)
        colour = ACE if decisive else MUTED
        ax.errorbar(
            value, k, xerr=error, fmt="o" if decisive else "D", ms=6 if decisive else 4,
            color=colour, lw=1.6 if decisive else 1.1,
        )  # fmt: skip
    ax.axvline(0, color=REFERENCE, lw=1)
    ax.set_yticks(range(len(rows)), [f"{s}: {how}" for s, how, *_ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("density of ACE relative to the reference (%), one standard error")
    return figure


def density_history(tables: dict, measured: dict):
    """Density over the NPT runs.

    tables : {system: {engine: (time_ps, g_cm3)}}; measured : {system: {engine: (mean, error)}}.
    """
    figure, axes = panels(len(tables), 2.7, width=FULL if len(tables) > 1 else HALF * 1.4)
    for ax, (system, engines) in zip(axes, tables.items(), strict=True):
        for engine, colour in (("reference", REFERENCE), ("ace", ACE)):
            if engine not in engines:
                continue
            time, values = engines[engine]
            ax.plot(time, values, color=colour, lw=0.6, alpha=0.6)
            mean = measured.get(system, {}).get(engine)
            label = "ACE" if engine == "ace" else engine
            if mean:
                ax.axhline(mean[0], color=colour, lw=1.2, label=f"{label}, {mean[0]:.3f} ± {mean[1]:.3f}")
                ax.axhspan(mean[0] - mean[1], mean[0] + mean[1], color=colour, alpha=0.12, lw=0)
            else:
                ax.plot([], [], color=colour, label=label)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
        ax.set_title(system)
        ax.set_xlabel("time (ps)")
        ax.set_ylabel("density (g/cm³)")
        ax.legend(loc="upper right", fontsize=8.5)
    return figure


def pair_distributions(rdf: dict):
    """Inter- and intramolecular g(r) of each pair of elements, with bands of one standard error."""
    pairs = dict(reversed(rdf["pairs"].items()))  # heavy atoms first
    r = np.array(rdf["r_A"])
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    figure, axes = panels(columns, 2.3 * 2 * rows, rows=2 * rows, width=FULL * columns / 3)
    for ax in axes:
        ax.set_visible(False)
    for k, (name, kinds) in enumerate(pairs.items()):
        for line, kind in enumerate(("inter", "intra")):
            ax = axes[(2 * (k // columns) + line) * columns + k % columns]
            ax.set_visible(True)
            for engine, colour, style in (("reference", REFERENCE, "-"), ("ace", ACE, "--")):
                if engine not in kinds[kind]:
                    continue
                g, error = np.array(kinds[kind][engine]["g"]), np.array(kinds[kind][engine]["error"])
                ax.fill_between(r, g - error, g + error, color=colour, alpha=0.2, lw=0)
                ax.plot(r, g, style, color=colour, lw=1.1)
            if kind == "inter":
                ax.axhline(1, color=MUTED, lw=0.6, zorder=0)
                ax.set_xlim(1.5, r[-1])
            else:
                inside = np.flatnonzero(np.array(kinds[kind].get("reference", kinds[kind]["ace"])["g"]) > 0)
                ax.set_xlim(0.8, r[inside[-1]] + 0.3 if len(inside) else r[-1])
            ax.set_ylim(bottom=0)
            ax.set_title(f"{name}, {kind}molecular", fontsize=9.5)
            ax.set_xlabel("r (Å)")
            ax.set_ylabel("g(r)")
    if any("reference" in kinds["inter"] for kinds in pairs.values()):
        axes[0].plot([], [], color=REFERENCE, label="reference")
    axes[0].plot([], [], "--", color=ACE, label="ACE")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def displacements(msd: dict):
    """MSD of segments and chains (left) and their local exponents (right), both engines."""
    figure, (left, right) = panels(2, 3.3)
    for engine, colour, style in (("reference", REFERENCE, "-"), ("ace", ACE, "--")):
        one = msd.get(engine)
        if not one or "missing" in one:
            continue
        t = np.array(one["lag_ps"])
        for kind, marker in (("segments", "o"), ("chains", "^")):
            curve = one[kind]
            for ax, key, error_key in (
                (left, "msd_A2", "error_A2"),
                (right, "exponent", "exponent_error"),
            ):
                ax.errorbar(
                    t, curve[key], curve[error_key], color=colour, ls=style, marker=marker, ms=3,
                    lw=1, elinewidth=0.7, capsize=1.2, markerfacecolor=(
                        colour if kind == "segments" else "white"),
                    label=f"{'ACE' if engine == 'ace' else engine}, {kind}",
                )  # fmt: skip
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("lag time t (ps)")
    left.set_yscale("log")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
        axis.set_minor_formatter(NullFormatter())
    left.set_ylabel("mean squared displacement (Å²)")
    right.set_ylabel("local exponent d ln MSD / d ln t")
    right.set_ylim(0, 2.1)
    for value, name in ((0.5, "Rouse"), (1, "diffusion"), (2, "ballistic")):
        right.axhline(value, color=MUTED, lw=0.6, ls=":", zorder=0)
        right.text(
            1.01, value, name, transform=right.get_yaxis_transform(), fontsize=8, color=MUTED,
            ha="left", va="center",
        )  # fmt: skip
    left.legend()
    return figure


def timings(stages: list[tuple[str, float, int]]):
    """Wall-clock time per stage: (stage, seconds, jobs)."""
    figure, (ax,) = panels(1, 0.7 + 0.25 * len(stages), width=HALF * 1.6)
    y = np.arange(len(stages))
    ax.barh(y, [s / 60 for _, s, _ in stages], color=ACE, height=0.7)
    ax.set_yticks(y, [name for name, _, _ in stages])
    ax.invert_yaxis()
    ax.set_xlabel("time of all its jobs together (minutes)")
    return figure
