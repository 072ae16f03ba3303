"""Errors on frames that were never trained on."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from oligopoly.plotting.numbers import quantity
from oligopoly.plotting.style import FULL, GOOD, HALF, LEARNED, REFERENCE, panels, plain_log
from oligopoly.report.page import Section, missing, number, section, show, table
from oligopoly.report.results import Results

# Of a frame's config_type; frames of runs made with older versions have none.
KINDS = {"explored": "found by exploration", "stopped": "where exploration stopped", "none": "found by exploration"}


def write(run: Results) -> Section:
    last = run.fitted
    if last is None:
        return section("accuracy", "Accuracy on held-out frames", missing("Nothing was fitted yet."))
    parts = []
    pairs = parity_pairs(last.predictions)
    if pairs:
        parts.append(
            show(
                parity(pairs),
                f"The potential of generation {last.name} against the reference on held-out frames: every "
                "force component, energies per atom "
                "around their mean, and the virial part of the pressure of periodic frames.",
                "parity plots of energy, force and pressure",
            )
        )
    rows = []
    for part in ("train", "test"):
        one = last.metrics[part]
        for name, m in {"all": one["all"], **one["by_config_type"]}.items():
            if not m["frames"]:
                continue
            rows.append(
                ("training" if part == "train" else "held out",
                 KINDS.get(name, name), m.get("frames", ""),
                 number(m.get("force_rmse_meV_A")), number(m.get("force_rmse_percent")),
                 number(m.get("energy_rmse_meV_atom")), number(m.get("pressure_rmse_bar")))
            )  # fmt: skip
    parts.append(
        table(
            ("frames", "kind", "number", "force RMSE (meV/Å)", "(% of RMS)", "energy RMSE (meV/atom)",
             "pressure RMSE (bar)"),
            rows, numbers=range(2, 7), caption=f"Root mean square errors, generation {last.name}",
        )
    )  # fmt: skip
    found = last.metrics.get("calibration") or {}
    if "force" in found:
        parts.append(
            show(
                calibration({"": (found["force"]["predicted"], found["force"]["true"])}),
                "Force errors that the posterior of the fit expects, in ten bins, against true ones, on "
                f"{found['frames']} held-out frames. {100 * found['force']['within'][0]:.0f} % of the components lie "
                f"within one expected error and {100 * found['force']['within'][1]:.0f} % within two (68 and 95 % if "
                f"they were normal). The bare posterior is multiplied by {found['force_factor']:.1f}, from "
                f"{found['factors_from']}.",
                "expected against true force errors",
            )
        )
    return section("accuracy", "Accuracy on held-out frames", *parts)


def parity_pairs(predictions: dict | None) -> list:
    """(quantity, unit, reference, LEARNED) of the held-out part of a predictions.npz (accuracy.parity).

    Energies in meV/atom around the mean of the reference.
    """
    if not predictions:
        return []
    pairs = []
    for key, unit, factor in (("energy", "meV/atom", 1000.0), ("force", "eV/Å", 1.0), ("pressure", "bar", 1.0)):
        one, two = predictions[f"test_{key}_reference"], predictions[f"test_{key}_predicted"]
        if len(one):
            zero = one.mean() if key == "energy" else 0.0
            pairs.append((key, unit, factor * (one - zero), factor * (two - zero)))
    return pairs


def parity(pairs: list[tuple[str, str, np.ndarray, np.ndarray]]):
    """Prediction against reference: (quantity, unit, reference, LEARNED) per panel."""
    figure, axes = panels(len(pairs), 3.1, width=FULL * len(pairs) / 3)
    for ax, (name, unit, reference, ace) in zip(axes, pairs, strict=True):
        low, high = np.min([reference.min(), ace.min()]), np.max([reference.max(), ace.max()])
        margin = 0.04 * (high - low or 1)
        ax.plot([low - margin, high + margin], [low - margin, high + margin], color=REFERENCE, lw=0.8)
        many = len(reference) > 2000
        ax.plot(
            reference, ace, "o", ms=1.2 if many else 3.5, alpha=0.25 if many else 0.7, color=LEARNED,
            mew=0, rasterized=many,
        )  # fmt: skip
        rmse = np.sqrt(np.mean((ace - reference) ** 2))
        ax.text(
            0.04, 0.96, f"RMSE {quantity(rmse)} {unit}\n{len(reference):,} values",
            transform=ax.transAxes, va="top", fontsize=8.5,
        )  # fmt: skip
        ax.set_xlabel(f"reference {name} ({unit})")
        ax.set_ylabel(f"predicted {name} ({unit})")
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
        ax.plot(expected, true, "o", color=LEARNED)
        ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=name)
        plain_log(ax.xaxis, ax.yaxis)
        ax.set_xlabel("expected force error (meV/Å)")
        ax.set_ylabel("true force error (meV/Å)")
        ax.legend(loc="upper left")
    return figure
