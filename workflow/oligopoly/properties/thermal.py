"""Thermal expansion, compressibility and heat capacity, from fluctuations in NPT."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from ase.units import J, kB, kg

from oligopoly.errors import UserError
from oligopoly.plotting.shown import NAMES, Shown, Table, Words
from oligopoly.properties import statistics
from oligopoly.properties.contract import ENGINES, Check, Context, Number, PropertySettings, Run

# Of fewer independent samples nothing is known. In made-up series of 3 to 100 correlation times, two standard errors
# held the true covariance, or there were fewer than these, in 91 % and more.
FEW = statistics.SHORTEST_RUN / 2
BAR = 6.241509074e-7  # eV/A^3
GPA = 160.21766208  # of an eV/A^3
QUANTITIES = {
    "alpha_1e4_K": ("thermal expansion α", "10⁻⁴/K"),
    "beta_GPa": ("compressibility β", "1/GPa"),
    "cp_J_gK": ("heat capacity cp, classical", "J/(g K)"),
}


class Settings(PropertySettings):
    """Thermal expansion, isothermal compressibility and (classical) heat capacity, from fluctuations in NPT."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "npt"

    def create(self) -> "Thermal":
        return Thermal()


class Thermal:
    """The property as `properties.contract.Property` has it."""

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """Each quantity with value, error and effective samples, over the replicates."""
        found = [_of_run(run, context.topology.masses.sum()) for run in runs]
        result: dict[str, Any] = {}
        for key in QUANTITIES:
            value, error = statistics.over_replicates([one[key][0] for one in found], [one[key][1] for one in found])
            result[key] = {"value": value, "error": error}
        samples = min(one["effective_samples"] for one in found)
        return result | {"effective_samples": samples, "known": samples >= FEW}

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """Deviation of each in percent, with its standard error."""
        found = {}
        for key in QUANTITIES:
            one, two = reference[key], learned[key]
            if one["value"] > 0:
                sigma = np.hypot(two["error"], one["error"] * two["value"] / one["value"]) / one["value"]
                deviation = two["value"] / one["value"] - 1
                found[key] = {"deviation_percent": 100 * deviation, "sigma_percent": float(100 * sigma)}
        return found

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """None: second derivatives of the free energy have errors of ten percent and more in runs of a nanosecond."""
        return []

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """All three."""
        for key, (name, unit) in QUANTITIES.items():
            if one := measured.get(key):
                yield Number(name, unit, one["value"], one["error"], measured["known"])

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """A table of all systems."""
        rows = []
        for system, properties in everything.items():
            found = properties.get("thermal", {})
            for engine in ENGINES:
                one = found.get(engine, {})
                if "known" in one:
                    told = [f"{one[key]['value']:.3g} ± {one[key]['error']:.2g}" for key in QUANTITIES]
                    rows.append((system, NAMES[engine], *told, "" if one["known"] else "too short to know"))
        if rows:
            heads = [f"{name} ({unit})" for name, unit in QUANTITIES.values()]
            yield Table(
                ("system", "", *heads, ""), rows,
                "Second derivatives of the free energy, from fluctuations of volume and enthalpy in NPT. The heat "
                "capacity is classical: bonds vibrate with kT each, so that it is well above a measured one; compare "
                "it between potentials.",
                range(2, 2 + len(heads)),
            )  # fmt: skip

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """What could not be measured, and why."""
        for engine in ENGINES:
            if missing := found.get(engine, {}).get("missing"):
                yield Words(f"Fluctuations by the {NAMES[engine]}: {missing}", soft=True)


def _of_run(run: Run, mass: float) -> dict[str, Any]:
    """(value, error) by quantity of one run; mass in g/mol of its box."""
    table = run.thermo
    if "total_eV" not in table:
        raise UserError("fluctuations need energies beside the volume: they stand in thermo.tsv of oligopoly's own MD")
    start = statistics.equilibrated_from(table["volume_A3"])
    kept = {name: column[start:] for name, column in table.items()}
    return from_series(kept["volume_A3"], kept["total_eV"], kept["pressure_bar"], kept["temperature_K"], mass)


def from_series(volume, energy, pressure, temperature, mass: float) -> dict[str, Any]:
    """(value, error) of alpha in 1e-4/K, beta in 1/GPa and cp in J/(g K), and `effective_samples`.

    volume (n,) A^3, energy (n,) eV in total, pressure (n,) bar, temperature (n,) K, mass in g/mol of the box. With the
    enthalpy H = E + <P> V: alpha = cov(V, H) / (k T^2 <V>), beta = var(V) / (k T <V>), Cp = var(H) / (k T^2) (M. P.
    Allen, D. J. Tildesley, Computer Simulation of Liquids (2017), section 2.5). Raises UserError for a constant volume.
    """
    volume = np.asarray(volume, float)
    if len(volume) < 8 or np.ptp(volume) < 1e-9 * volume.mean():
        raise UserError("fluctuations need a volume that changes, and eight samples of it")
    enthalpy = np.asarray(energy, float) + np.mean(pressure) * BAR * volume
    kt, middle = kB * np.mean(temperature), volume.mean()
    pairs = {
        "alpha_1e4_K": (volume, enthalpy, 1e4 / (kt * np.mean(temperature) * middle)),
        "beta_GPa": (volume, volume, 1 / (kt * middle) / GPA),
        "cp_J_gK": (enthalpy, enthalpy, 1 / (kt * np.mean(temperature)) / J / (mass / kg * 1000)),
    }
    found: dict[str, Any] = {}
    samples = []
    for key, (one, two, factor) in pairs.items():
        value, error, effective = covariance(one, two)
        found[key] = (float(factor * value), float(factor * error))
        samples.append(effective)
    return found | {"effective_samples": min(samples)}


def covariance(one: np.ndarray, two: np.ndarray) -> tuple[float, float, float]:
    """Covariance of two correlated series (n,), its standard error, and how many independent samples they have.

    The mean of the sample is nearer to it than the true one; by how much follows from the longer correlation time.
    """
    tau = max(statistics.longest_time(one), statistics.longest_time(two))
    product = (one - one.mean()) * (two - two.mean())
    found = statistics.mean(product, quiet=True, tau=max(statistics.longest_time(product), tau / 2))
    share = max(1 - 2 * tau / len(one), 0.25)
    return found.value / share, found.error / share, len(one) / (2 * tau)
