"""Density of a liquid from NPT molecular dynamics."""

from pathlib import Path

import numpy as np

from oligopoly.errors import UserError
from oligopoly.md.trajectory import read_thermo
from oligopoly.properties import statistics

GRAM_PER_CM3 = 1.66053906660  # one atomic mass unit per cubic Angstrom, in g/cm3 (CODATA 2018)


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
        f"{name} rests on {length:.0f} ps with a correlation time of {tau:.1f} ps: shorter than "
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
    table = read_thermo(path)
    missing = {"time_ps", "volume_A3"} - set(table)
    if missing:
        raise UserError(f"{path} lacks the column {sorted(missing)[0]}; it has {', '.join(table)}.")
    densities = from_volume(table["volume_A3"], masses)
    return measure(table["time_ps"], densities, name)
