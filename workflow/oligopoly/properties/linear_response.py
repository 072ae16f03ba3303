r"""Shift of the density between two potentials by linear response, without running MD again.

Mix two potentials, U(l) = U_ref + l D with D = U_ace - U_ref. In the isothermal-isobaric ensemble
p(V, x; l) ~ exp(-(U(l) + P V) / kT), so

    d<V>/dl = -cov_l(V, D) / kT,      d ln rho / dl = + cov_l(V, D) / (kT <V>)

(rho = M / <V>): a potential that is too high in energy where the volume is large (D grows with V)
makes the liquid denser. The whole shift ln(rho_ace / rho_ref) is the integral over l from 0 to 1:
`forward` takes the slope at l = 0 (reference frames), `backward` the slope at l = 1 (ACE frames),
and their mean is the trapezoid rule, whose error is of third order in D. Reference: D. Frenkel,
B. Smit, Understanding Molecular Simulation (2002), section 7.1 (thermodynamic integration).
"""

import numpy as np

from oligopoly.errors import UserError
from oligopoly.properties import statistics

BOLTZMANN = 8.617333262e-5  # eV/K


def slope(volumes, reference_energies, ace_energies, temperature: float) -> dict:
    """d ln rho / d lambda on the frames of one NPT run, at constant temperature and pressure.

    volumes : (N,) A^3; reference_energies, ace_energies : (N,) eV of the whole box, any constant
    may be missing from either; temperature : K. Frames in the order of time.
    The error comes from the autocorrelation time of the covariance's own terms.
    Returns {value, error, effective_samples, warning}: value is a relative density shift, 0.01 for
    an ACE liquid 1 % too dense. Raises UserError for fewer than 10 frames or energies not finite.
    """
    v = np.asarray(volumes, float)
    difference = np.asarray(ace_energies, float) - np.asarray(reference_energies, float)
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
    """Both slopes and the estimate (rho_ace - rho_ref) / rho_ref.

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
