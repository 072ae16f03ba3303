"""Radial functions of pacemaker's ACE: closed forms, first derivatives, and tables of them.

Formulas: ChebExpCos: Drautz, Phys. Rev. B 99, 014104 (2019), Eq. 24-26. SBessel: the simplified
spherical Bessel functions of Kocer et al., J. Chem. Phys. 150, 154102 (2019). Distances in Angstrom.
"""

import numpy as np

from oligopoly.ace.potential import Bond
from oligopoly.errors import UserError


def base(bond: Bond, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Base functions g_k(r) and dg_k/dr, each (nradbase, len(r)), inner and outer cutoff included.

    Raises `UserError` for a kind of radial function that is not known here.
    """
    r = np.asarray(r, dtype=float)
    try:
        kind = KINDS[bond.radbase]
    except KeyError:
        raise UserError(f"radbase '{bond.radbase}' is not known; known are {sorted(KINDS)}.") from None
    g, dg = kind(r, bond)
    if bond.inner_cutoff_type == "distance" and bond.r_in > 0:
        f, df = inner_cutoff(r, bond.r_in, bond.delta_in)
        g, dg = g * (1 - f), dg * (1 - f) - g * df
    if bond.inner_cutoff_type == "zbl" and bond.delta_in == 0:
        # pacemaker and ML-PACE cut the functions of such a pair off at 1 A, whatever its r_in
        g[:, r <= 1.0] = 0.0
        dg[:, r <= 1.0] = 0.0
    outside = r >= bond.rcut
    g[:, outside] = 0.0
    dg[:, outside] = 0.0
    return g, dg


def knots(bond: Bond, delta: float) -> np.ndarray:
    """Knots of the table of a bond, 0 to rcut; as in pacemaker a bin is `delta` or slightly more."""
    return np.linspace(0.0, bond.rcut, int(bond.rcut / delta) + 1)


def tabulate(bond: Bond, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """`base` on the `knots`: values and derivatives, each (nradbase, knots).

    Between knots the functions are the cubic Hermite polynomials, as in pacemaker. The first knot
    (r = 0) repeats the second, and the last is exactly zero.
    """
    r = knots(bond, delta)
    r[0] = r[1]
    return base(bond, r)


def inner_cutoff(r: np.ndarray, r_in: float, delta_in: float) -> tuple[np.ndarray, np.ndarray]:
    """Polynomial step, 1 below r_in - delta_in and 0 above r_in, and its derivative."""
    r = np.asarray(r, dtype=float)
    if delta_in == 0:
        return np.where(r < r_in, 1.0, 0.0), np.zeros_like(r)
    x = np.clip(1.0 - 2.0 * (1.0 + (r - r_in) / delta_in), -1.0, 1.0)
    f = 0.5 + 3.75 * (x / 4 - x**3 / 6 + x**5 / 20)
    df = -7.5 / delta_in * (0.25 - x**2 / 2 + x**4 / 4)
    return f, df


def _chebyshev(count: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T_0 ... T_{count-1} and their derivatives at x."""
    t, dt = np.ones((count, len(x))), np.zeros((count, len(x)))
    if count > 1:
        t[1], dt[1] = x, 1.0
    for n in range(2, count):
        t[n] = 2 * x * t[n - 1] - t[n - 2]
        dt[n] = 2 * t[n - 1] + 2 * x * dt[n - 1] - dt[n - 2]
    return t, dt


def _cosine(r: np.ndarray, start: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """(1 + cos(pi (r - start) / width)) / 2 and its derivative."""
    phase = np.pi * (r - start) / width
    return 0.5 * (1 + np.cos(phase)), -0.5 * np.pi / width * np.sin(phase)


def _cheb_exp_cos(r: np.ndarray, bond: Bond) -> tuple[np.ndarray, np.ndarray]:
    rate = bond.radparameters[0]
    y, floor = np.exp(-rate * r / bond.rcut), np.exp(-rate)
    x = 1 - 2 * (y - floor) / (1 - floor)
    dx = 2 * rate / bond.rcut * y / (1 - floor)
    t, dt = _chebyshev(bond.nradbase, x)
    g, dg = 0.5 - 0.5 * t, -0.5 * dt * dx
    g[0], dg[0] = 1.0, 0.0
    envelope, slope = _cosine(r, 0.0, bond.rcut)
    g, dg = g * envelope, dg * envelope + g * slope
    if bond.dcut > 0:
        start = bond.rcut - bond.dcut
        f, df = _cosine(r, start, bond.dcut)
        f, df = np.where(r > start, f, 1.0), np.where(r > start, df, 0.0)
        g, dg = g * f, dg * f + g * df
    return g, dg


def _cheb_pow(r: np.ndarray, bond: Bond) -> tuple[np.ndarray, np.ndarray]:
    power = bond.radparameters[0]
    s = np.maximum(1 - r / bond.rcut, 0.0)
    x = 1 - 2 * s**power
    dx = 2 * power / bond.rcut * s ** (power - 1)
    t, dt = _chebyshev(bond.nradbase + 1, x)
    return 0.5 - 0.5 * t[1:], -0.5 * dt[1:] * dx


def _cheb_linear(r: np.ndarray, bond: Bond) -> tuple[np.ndarray, np.ndarray]:
    t, dt = _chebyshev(bond.nradbase + 1, 1 - r / bond.rcut)
    return 0.5 - 0.5 * t[1:], 0.5 * dt[1:] / bond.rcut


def _sinc(r: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray]:
    """sin(k r)/(k r) and its derivative with respect to r (r > 0)."""
    x = k * r
    return np.sin(x) / x, k * (np.cos(x) * x - np.sin(x)) / x**2


def _sbessel(r: np.ndarray, bond: Bond) -> tuple[np.ndarray, np.ndarray]:
    rc = bond.rcut
    g, dg = np.zeros((bond.nradbase, len(r))), np.zeros((bond.nradbase, len(r)))
    previous = 1.0
    for n in range(bond.nradbase):
        a, b = n + 1, n + 2
        scale = (-1) ** n * np.sqrt(2) * np.pi / rc**1.5 * a * b / np.hypot(a, b)
        sa, dsa = _sinc(r, a * np.pi / rc)
        sb, dsb = _sinc(r, b * np.pi / rc)
        g[n], dg[n] = scale * (sa + sb), scale * (dsa + dsb)
        if n:
            # orthogonalisation to the function before, Eq. 8 and 9 there
            e = n**2 * (n + 2) ** 2 / (4.0 * (n + 1) ** 4 + 1)
            d = 1 - e / previous
            g[n] = (g[n] + np.sqrt(e / previous) * g[n - 1]) / np.sqrt(d)
            dg[n] = (dg[n] + np.sqrt(e / previous) * dg[n - 1]) / np.sqrt(d)
            previous = d
    return g, dg


KINDS = {
    "ChebExpCos": _cheb_exp_cos,
    "ChebPow": _cheb_pow,
    "ChebLinear": _cheb_linear,
    "SBessel": _sbessel,
}
