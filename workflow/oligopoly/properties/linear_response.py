r"""Shift of the density between two potentials by linear response, without running MD again.

Mix two potentials, U(l) = U_ref + l D with D = U_own - U_ref. In the isothermal-isobaric ensemble
p(V, x; l) ~ exp(-(U(l) + P V) / kT), so

    d<V>/dl = -cov_l(V, D) / kT,      d ln rho / dl = + cov_l(V, D) / (kT <V>)

(rho = M / <V>): a potential that is too high in energy where the volume is large (D grows with V)
makes the liquid denser. The whole shift ln(rho_own / rho_ref) is the integral over l from 0 to 1:
`forward` takes the slope at l = 0 (reference frames), `backward` the slope at l = 1 (frames of its own),
and their mean is the trapezoid rule, whose error is of third order in D. Reference: D. Frenkel,
B. Smit, Understanding Molecular Simulation (2002), section 7.1 (thermodynamic integration).
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.errors import UserError
from oligopoly.plotting.shown import Shown, Words
from oligopoly.properties import density, statistics
from oligopoly.properties.contract import Check, Context, Number, PropertySettings, Run

BOLTZMANN = 8.617333262e-5  # eV/K
FRAMES = 400  # evenly spaced at most: later frames repeat the earlier ones


class Settings(PropertySettings):
    """Shift of the density by linear response: sharper than the densities themselves, where both energies are cheap."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "npt"

    def create(self) -> "LinearResponse":
        return LinearResponse()


class LinearResponse:
    """The property as `properties.contract.Property` has it."""

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """Slope on the frames of one engine (`slope`), over replicates."""
        if not {"reference", "learned"} <= context.energies.keys():
            raise UserError("No energies of both potentials were at hand.")
        slopes = []
        for run in runs:
            frames = run.trajectory
            volumes = np.abs(np.linalg.det(frames.cells))
            measured = density.measure(frames.times / 1000, density.from_volume(volumes, context.topology.masses))
            settled = frames.times >= frames.times[0] + 1000 * measured["equilibration_ps"] - 1e-6
            chosen = np.flatnonzero(settled)
            chosen = chosen[:: -(-len(chosen) // FRAMES)]
            atoms = [frames.atoms(int(k)) for k in chosen]
            reference, learned = (context.energies[name](atoms) for name in ("reference", "learned"))
            slopes.append(slope(volumes[chosen], reference, learned, context.temperature))
        result = dict(slopes[0])
        result["value"], result["error"] = statistics.over_replicates(
            [one["value"] for one in slopes], [one["error"] for one in slopes]
        )
        result["warning"] = next(filter(None, (one["warning"] for one in slopes)), None)
        return result

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """See `shift`."""
        return shift(reference, learned)

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """None: it is beside the density, as a second witness, and in `assess`."""
        return []

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """None: these are differences."""
        return ()

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """It is drawn with the density."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """Why there is none, if so."""
        return [Words(f"Linear response: {found['missing']}", soft=True)] if "missing" in found else []


def slope(volumes, reference_energies, own_energies, temperature: float) -> dict:
    """d ln rho / d lambda on the frames of one NPT run, at constant temperature and pressure.

    volumes : (N,) A^3; reference_energies, own_energies : (N,) eV of the whole box, any constant
    may be missing from either; temperature : K. Frames in the order of time.
    The error comes from the autocorrelation time of the covariance's own terms.
    Returns {value, error, effective_samples, warning}: value is a relative density shift, 0.01 for
    a liquid 1 % too dense. Raises UserError for fewer than 10 frames or energies not finite.
    """
    v = np.asarray(volumes, float)
    difference = np.asarray(own_energies, float) - np.asarray(reference_energies, float)
    if len(v) < 10:
        raise UserError(f"Linear response needs at least 10 frames of an NPT run, not {len(v)}.")
    if not np.isfinite(difference).all():
        raise UserError("Linear response needs finite energies of both potentials on every frame.")
    mean_volume = v.mean()
    dv, dd = v - mean_volume, difference - difference.mean()
    scale = BOLTZMANN * temperature * mean_volume
    volume = statistics.mean(v, "the volume of the NPT run", quiet=True)
    # Deviations from the run's own mean are too small by the mean's error: 10 % in a short run.
    terms = dv * dd / scale / max(1 - 2 * volume.tau / len(v), 0.25)
    covariance = terms.mean()
    # What one frame contributes to the estimate, <V> included (its influence function).
    influence = terms - covariance * dv / mean_volume
    spread = statistics.mean(influence, "the covariance of volume and energy", quiet=True)
    return {
        "value": float(covariance),
        "error": spread.error,
        "effective_samples": spread.effective,
        "warning": volume.warning or spread.warning,
    }


def shift(forward: dict, backward: dict | None = None) -> dict:
    """Both slopes and the estimate (rho_own - rho_ref) / rho_ref.

    With both directions it is exp(mean of the slopes) - 1; `forward` alone is all there is before
    the potential has run an NPT of its own, and says only how a small difference would act.
    Returns forward, forward_error, backward, backward_error, estimate, estimate_error (relative
    shifts; backward None when absent) and warnings (list of str).
    """
    slopes = [s for s in (forward, backward) if s]
    log_shift = float(np.mean([s["value"] for s in slopes]))
    log_error = float(np.sqrt(np.sum([s["error"] ** 2 for s in slopes])) / len(slopes))
    return {
        "forward": forward["value"],
        "forward_error": forward["error"],
        "backward": backward["value"] if backward else None,
        "backward_error": backward["error"] if backward else None,
        "estimate": float(np.expm1(log_shift)),
        "estimate_error": float(np.exp(log_shift) * log_error),
        "warnings": [s["warning"] for s in slopes if s["warning"]],
    }
