"""Density of a liquid from NPT molecular dynamics."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.errors import UserError
from oligopoly.plotting.numbers import quantity
from oligopoly.plotting.shown import NAMES, Picture, Shown, Table
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

ABREAST = 3  # panels of a picture
SHOWN = 1000  # points of a series that are kept for pictures, evenly spaced
# Of fewer independent samples in a run (20 correlation times) neither density nor error is known. In made-up series of
# 3 to 100 correlation times, two standard errors held the truth, or there were fewer than these, in 87 % and more; with
# half as many in 78 %.
FEW = statistics.SHORTEST_RUN / 2
GRAM_PER_CM3 = 1.66053906660  # one atomic mass unit per cubic Angstrom, in g/cm3 (CODATA 2018)


class Settings(PropertySettings):
    """Density, from the volume in NPT: the number that most other properties follow."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "npt"

    tolerance_percent: Tolerance = Tolerance()

    def create(self) -> "Density":
        return Density(self)


class Density:
    """The property as `properties.contract.Property` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """As `measure` of the shortest replicate in independent samples, with `value` and `error` over all of them
        (`replicates`); `series` for a picture: time_ps, density_g_cm3 of the first."""
        name = f"The density by the {NAMES[engine]}"
        found = [_from_table(run.thermo, run.folder / "thermo.tsv", context.topology.masses, name) for run in runs]
        result = dict(min(found, key=lambda one: one["effective_samples"]))
        result["value"], result["error"] = statistics.over_replicates(
            [one["value"] for one in found], [one["error"] for one in found]
        )
        result["replicates"] = [{"value": one["value"], "error": one["error"]} for one in found]
        table = runs[0].thermo
        every = -(-len(table["time_ps"]) // SHOWN)
        series = from_volume(table["volume_A3"], context.topology.masses)
        result["series"] = {
            "time_ps": table["time_ps"][::every].tolist(),
            "density_g_cm3": [round(float(value), 6) for value in series[::every]],
        }
        return result

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """Deviation in percent with its standard error, and what is allowed."""
        one, two = reference, learned
        deviation = 100 * (two["value"] / one["value"] - 1)
        sigma = 100 * np.hypot(two["error"] / one["value"], one["error"] * two["value"] / one["value"] ** 2)
        tolerance = getattr(self.settings.tolerance_percent, context.role)
        limit, passed = allowed(deviation, sigma, tolerance)
        known = min(one["effective_samples"], two["effective_samples"]) >= FEW
        return {
            "deviation_percent": deviation,
            "sigma_percent": float(sigma),
            "tolerance_percent": tolerance,
            "sigmas": SIGMAS,
            "allowed_percent": float(limit),
            # too short to know is no success; a deviation beyond what is allowed is none either
            "passed": passed if known or not passed else None,
        }

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """The density must be that of the reference."""
        c = found.get("comparison")
        if "missing" in found and "reference" in found:
            return [Check("density", "density", "not measured", "", False)]
        if c is None:
            own = found.get("learned", {})
            told = f"{own['value']:.4f} ± {own['error']:.4f} g/cm³" if "value" in own else "not measured"
            return [Check("density", "density", told, "nothing to compare with", None)]
        return [
            Check(
                "density",
                "density",
                f"{c['deviation_percent']:+.1f} ± {c['sigma_percent']:.1f} %"
                + ("" if c["passed"] is not None else ", runs too short"),
                f"within {c['tolerance_percent']:g} % + {c['sigmas']:g}σ = {c['allowed_percent']:.1f} %",
                c["passed"],
            )
        ]

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """The density."""
        known = measured["effective_samples"] >= FEW
        yield Number("density", "g/cm³", measured["value"], measured["error"], known)

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Deviations, histories and numbers of all systems."""
        rows, bands, cells, history, measured, several = [], {}, [], {}, {}, False
        for system, properties in everything.items():
            found = properties.get("density", {})
            if comparison := found.get("comparison"):
                bands[system] = comparison["allowed_percent"]
                deviation, sigma = comparison["deviation_percent"], comparison["sigma_percent"]
                rows.append((system, "molecular dynamics", deviation, sigma, True))
            response = (properties.get("linear_response") or {}).get("comparison") or {}
            for key, how in RESPONSES.items():
                if response.get(key) is not None:
                    rows.append((system, how, 100 * response[key], 100 * response[f"{key}_error"], False))
            engines = [engine for engine in ENGINES if "value" in found.get(engine, {})]
            measured[system] = {e: (found[e]["value"], found[e]["error"]) for e in engines}
            lines = {e: found[e]["series"] for e in engines if "series" in found[e]}
            if lines:
                history[system] = {e: (s["time_ps"], s["density_g_cm3"]) for e, s in lines.items()}
            for engine in engines:
                d = found[engine]
                several |= len(d.get("replicates", [])) > 1
                cells.append(
                    (system, NAMES[engine], f"{d['value']:.4f} ± {d['error']:.4f}",
                     f"{d['block_error']:.4f}", f"{d['tau_ps']:.2g}", f"{d['effective_samples']:.0f}",
                     f"{quantity(d['equilibration_ps'])} + {quantity(d['production_ps'])}")
                )  # fmt: skip
        if rows:
            yield Picture(
                deviations_figure(rows, bands),
                "Deviation of the density. The blue points, from molecular dynamics, decide; green is "
                "the tolerance plus two standard errors. Linear response is an independent "
                "estimate from the covariance of volume and energy difference; it is exact for small "
                "shifts.",
                "density deviations with tolerances",
            )
        if history:
            yield Picture(
                history_figure(history, measured),
                "Density during the NPT runs; lines and bands are means and standard errors after "
                "the detected equilibration.",
                "density against time",
            )
        if cells:
            caption = "Errors from the integrated autocorrelation time; block averages beside them"
            if several:
                caption += ". Of replicates, what stands behind the density is of the one with the fewest samples"
            yield Table(
                ("system", "engine", "density (g/cm³)", "block error", "correlation time (ps)",
                 "independent samples", "equilibration + production (ps)"), cells,
                caption, range(2, 7),
            )  # fmt: skip

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """All is in the overview."""
        return ()


# Estimates without MD of the potential, by their key in the results of `linear_response`.
RESPONSES = {
    "forward": "linear response, reference frames",
    "backward": "linear response, own frames",
    "estimate": "linear response, both",
}


def from_volume(volumes, masses) -> np.ndarray:
    """Density (g/cm3) of boxes of `volumes` (A^3) that hold atoms of `masses` (g/mol)."""
    return np.sum(masses) / np.asarray(volumes, float) * GRAM_PER_CM3


def measure(times, densities, name: str = "the density") -> dict:
    """Mean density with its error, after the run has equilibrated.

    times : (N,) ps; densities : (N,) g/cm3, evenly spaced.
    The start of production is found from the series itself (statistics.production), the
    error from its autocorrelation time. Returns value, error, block_error (g/cm3), tau_ps,
    effective_samples, equilibration_ps, production_ps, warning (str or None).
    Raises UserError for fewer than 10 samples.
    """
    times, densities = np.asarray(times, float), np.asarray(densities, float)
    if len(densities) < 10:
        raise UserError(f"{name}: {len(densities)} samples are too few for a density; at least 10.")
    start, result = statistics.production(densities, name)
    spacing = float(times[-1] - times[0]) / (len(times) - 1)
    tau, length = result.tau * spacing, float(times[-1] - times[start])
    warning = result.warning and (
        f"{name} rests on {quantity(length)} ps with a correlation time of {tau:.2g} ps: shorter than "
        f"{statistics.SHORTEST_RUN} correlation times, so its error is itself uncertain."
    )
    return {
        "value": result.value,
        "error": result.error,
        "block_error": result.block_error,
        "tau_ps": tau,
        "effective_samples": result.effective,
        "equilibration_ps": float(times[start] - times[0]),
        "production_ps": length,
        "warning": warning,
    }


def from_thermo(path: str | Path, masses, name: str = "the density") -> dict:
    """`measure` on the columns time_ps and volume_A3 of a thermo.tsv; masses (N,) in g/mol.

    From the volume and the real masses, since MD may have run with heavier hydrogens.
    """
    from oligopoly.md.trajectory import read_thermo

    return _from_table(read_thermo(path), path, masses, name)


def _from_table(table: dict, path: str | Path, masses, name: str) -> dict:
    missing = {"time_ps", "volume_A3"} - set(table)
    if missing:
        raise UserError(f"{path} lacks the column {sorted(missing)[0]}; it has {', '.join(table)}.")
    densities = from_volume(table["volume_A3"], masses)
    return measure(table["time_ps"], densities, name)


def deviations_figure(rows: list[tuple[str, str, float, float, bool]], bands: dict[str, float]):
    """Deviation of the density from the reference.

    rows : (system, how it was found, percent, error percent, decisive); bands : {system: allowed
    percent}, shaded behind the system's rows.
    """
    from oligopoly.plotting.style import GOOD, LEARNED, MUTED, REFERENCE, panels

    figure, (ax,) = panels(1, 0.8 + 0.32 * len(rows))
    for k, (system, _, value, error, decisive) in enumerate(rows):
        allowed = bands.get(system)
        if allowed is not None:
            ax.fill_betweenx([k - 0.5, k + 0.5], -allowed, allowed, color=GOOD, alpha=0.14, lw=0)
        colour = LEARNED if decisive else MUTED
        ax.errorbar(
            value, k, xerr=error, fmt="o" if decisive else "D", ms=6 if decisive else 4,
            color=colour, lw=1.6 if decisive else 1.1,
        )  # fmt: skip
    ax.axvline(0, color=REFERENCE, lw=1)
    ax.set_yticks(range(len(rows)), [f"{s}: {how}" for s, how, *_ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("density of the potential relative to the reference (%), one standard error")
    return figure


def history_figure(tables: dict, measured: dict):
    """Density over the NPT runs.

    tables : {system: {engine: (time_ps, g_cm3)}}; measured : {system: {engine: (mean, error)}}.
    """
    from oligopoly.plotting.style import FULL, HALF, LEARNED, REFERENCE, panels

    columns = min(len(tables), ABREAST)
    rows = -(-len(tables) // columns)
    figure, axes = panels(columns, 2.7 * rows, rows, FULL if len(tables) > 1 else HALF * 1.4)
    for ax in axes[len(tables) :]:
        ax.remove()
    for ax, (system, engines) in zip(axes[: len(tables)], tables.items(), strict=True):
        for engine, colour in (("reference", REFERENCE), ("learned", LEARNED)):
            if engine not in engines:
                continue
            time, values = engines[engine]
            ax.plot(time, values, color=colour, lw=0.6, alpha=0.6)
            mean = measured.get(system, {}).get(engine)
            label = NAMES[engine]
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
