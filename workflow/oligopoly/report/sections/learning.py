"""How the errors fall from generation to generation."""

import numpy as np

from oligopoly.plotting.style import FRESH, FULL, GOOD, HALF, LEARNED, MUTED, REFERENCE, SERIES, panels, plain_log
from oligopoly.report.page import Section, missing, number, section, show, table
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    held_out = {g.number: g.metrics["test"]["all"] for g in run.generations if g.metrics}
    fresh = {g.number: g.assess["fresh_errors"] for g in run.generations if (g.assess or {}).get("fresh_errors")}
    if not held_out and not fresh:
        return section("learning", "Learning curve", missing("No potential has been fitted yet."))
    liquid = {
        g.number: g.metrics["test"]["by_config_type"]["bulk"]
        for g in run.generations
        if g.metrics and "bulk" in g.metrics["test"]["by_config_type"]
    }
    parts = [
        show(
            learning_curve(held_out, fresh, liquid, _force_limit(run, held_out)),
            "Errors of each generation's potential on frames that are never trained on (all of them, "
            "and the periodic ones alone, without clusters and molecules pushed together), and of the "
            "potential before on the structures just selected for this generation, before they were "
            "trained on. That is what meets the unknown: it should come down towards the others.",
            "force, energy and pressure errors over generations",
        )
    ]
    sets = {
        g.number: g.metrics["test"]["by_test_set"]
        for g in run.generations
        if g.metrics and g.metrics["test"].get("by_test_set")
    }
    if sets:
        parts += [
            show(
                by_test_set(sets),
                "The same by what is tested: the liquid at its own conditions, MD of hot, dense and dilute states, "
                "clusters cut out of it, molecules pushed together, and frames that exploration met and nobody chose. "
                "What labels bring shows where a potential fails, in the largest errors and the contacts, more than "
                "in means.",
                "force errors by test set over generations",
            ),
            _sets_table(sets),
        ]
    header = ("generation", "training frames", "force RMSE (meV/Å)", "(% of force RMS)",
              "energy RMSE (meV/atom)", "pressure RMSE (bar)", "fresh: force (meV/Å)",
              "fresh: energy (meV/atom)")  # fmt: skip
    rows = []
    for g in run.generations:
        one, two = held_out.get(g.number, {}), fresh.get(g.number, {})
        if not one and not two:
            continue
        rows.append(
            (g.name, g.trained_on or "", number(one.get("force_rmse_meV_A")),
             number(one.get("force_rmse_percent")), number(one.get("energy_rmse_meV_atom")),
             number(one.get("pressure_rmse_bar")), number(two.get("force_rmse_meV_A")),
             number(two.get("energy_rmse_meV_atom")))
        )  # fmt: skip
    parts.append(table(header, rows, numbers=range(1, 8), caption="Errors by generation"))
    shifts: dict = {}
    for g in run.generations:
        for system, r in ((g.assess or {}).get("linear_response") or {}).items():
            if r and r.get("forward") is not None:
                value = r.get("estimate", r["forward"])
                error = r.get("estimate_error", r.get("forward_error")) or 0
                shifts.setdefault(system, []).append((g.number, 100 * value, 100 * error))
    if shifts:
        allowed = (run.config.get("assess") or {}).get("density_shift_percent")
        parts.append(
            show(
                density_shift_curve(shifts, allowed),
                "How far each generation's potential would move the density, estimated by linear "
                "response without production MD (band: what assess allows beyond two standard "
                "errors). Force errors cannot see this.",
                "density shift by linear response over generations",
            )
        )
    return section("learning", "Learning curve", *parts)


def _force_limit(run: Results, held_out: dict) -> float | None:
    """The config's limit is in percent of the force RMS; in meV/A it is this."""
    limit = (run.config.get("assess") or {}).get("force_rmse_percent")
    last = held_out.get(max(held_out)) if held_out else None
    if not limit or not last or not last.get("force_rmse_percent"):
        return None
    return limit * last["force_rmse_meV_A"] / last["force_rmse_percent"]


def _sets_table(sets: dict):
    """First and last generation by test set."""
    first, last = sets[min(sets)], sets[max(sets)]
    rows = [
        (name, one["frames"], number(first.get(name, {}).get("force_rmse_meV_A")), number(one["force_rmse_meV_A"]),
         number(first.get(name, {}).get("force_max_meV_A")), number(one["force_max_meV_A"]))
        for name, one in last.items()
    ]  # fmt: skip
    header = ("test set", "frames", f"force RMSE, generation {min(sets):03d} (meV/Å)",
              f"generation {max(sets):03d}", f"largest force error, generation {min(sets):03d} (meV/Å)",
              f"generation {max(sets):03d}")  # fmt: skip
    return table(header, rows, numbers=range(1, 6), caption="Errors by test set, at first and at last")


def by_test_set(sets: dict):
    """Mean (left) and largest (right) force errors; sets : {generation: {test set: errors}}."""
    names = sorted({name for found in sets.values() for name in found})
    figure, axes = panels(2, 3.0)
    for ax, key, label in (
        (axes[0], "force_rmse_meV_A", "force RMSE (meV/Å)"),
        (axes[1], "force_max_meV_A", "largest force error (meV/Å)"),
    ):
        for k, name in enumerate(names):
            points = [(g, found[name][key]) for g, found in sorted(sets.items()) if found.get(name, {}).get(key)]
            if points:
                ax.plot(*zip(*points, strict=True), "o-", color=SERIES[k % 6], label=name)
        ax.set_yscale("log")
        plain_log(ax.yaxis)
        ax.set_ylabel(label)
        ax.set_xlabel("generation")
        generations = sorted(sets)
        ax.set_xticks(generations[:: 1 + len(generations) // 9])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


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
            (held_out, LEARNED, "o-", "held-out frames"),
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
