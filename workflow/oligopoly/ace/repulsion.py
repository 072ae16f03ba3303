"""Core repulsion between two atoms: pacemaker's, so that potentials stay repulsive at short range.

`zbl` is the universal screened Coulomb potential (Ziegler, Biersack, Littmark, The Stopping and Range
of Ions in Solids, 1985), half of it to each atom, shifted and smoothed to zero at rcut; the other
inner cutoffs have a Gaussian-screened 1/r. Energies in eV, distances in Angstrom.
"""

import numpy as np
from ase.data import atomic_numbers

from oligopoly.ace.potential import Bond
from oligopoly.ace.radial import inner_cutoff

COULOMB = 14.399645351950543  # e^2 / (4 pi epsilon_0), eV Angstrom
_SCREENING = ((0.18175, -3.19980), (0.50986, -0.94229), (0.28022, -0.40290), (0.02817, -0.20162))


def energy(bond: Bond, a: str, b: str, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Core energy that the atom of element `a` gets from one of `b` at r > 0, and its derivative."""
    r = np.asarray(r, dtype=float)
    prefactor, rate = bond.core_repulsion
    if prefactor == 0:
        return np.zeros_like(r), np.zeros_like(r)
    if bond.inner_cutoff_type == "zbl":
        e, de = _zbl(bond, atomic_numbers[a], atomic_numbers[b], r)
        e, de = prefactor * e, prefactor * de
        # the last width dcut before rcut takes the remainder to zero
        f, df = inner_cutoff(r, bond.rcut, bond.dcut)
    else:
        e, de = _gauss(bond, abs(prefactor), abs(rate), r)
        f, df = np.ones_like(r), np.zeros_like(r)
        if bond.inner_cutoff_type == "distance":
            f, df = inner_cutoff(r, bond.r_in, bond.delta_in)
    e, de = e * f, de * f + e * df
    outside = r >= bond.rcut
    return np.where(outside, 0.0, e), np.where(outside, 0.0, de)


def _zbl(bond: Bond, za: int, zb: int, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = 0.46850 / (za**0.23 + zb**0.23)

    def screened(r):
        """phi(r / length) / r and two derivatives."""
        x = r / length
        phi, d, dd = (sum(c * k**p * np.exp(k * x) for c, k in _SCREENING) for p in range(3))
        d, dd = d / length, dd / length**2
        return phi / r, d / r - phi / r**2, dd / r - 2 * d / r**2 + 2 * phi / r**3

    # a cubic and a quartic term make energy, force and its slope zero at rcut (as LAMMPS pair_style zbl)
    width, start = bond.dcut, bond.rcut - bond.dcut
    ec, dec, ddec = screened(bond.rcut)
    cubic = (-3 * dec + width * ddec) / width**2
    quartic = (2 * dec - width * ddec) / width**3
    shift = -ec + width * dec / 2 - width**2 * ddec / 12
    e, de, _ = screened(r)
    t = np.maximum(r - start, 0.0)
    scale = COULOMB / 2 * za * zb
    return (
        scale * (e + shift + cubic / 3 * t**3 + quartic / 4 * t**4),
        scale * (de + cubic * t**2 + quartic * t**3),
    )


def _gauss(bond: Bond, prefactor: float, rate: float, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = prefactor * np.exp(-rate * r**2)
    e, de = y / r, -y * (2 * rate * r**2 + 1) / r**2
    phase = np.pi * r / bond.rcut
    f, df = 0.5 * (1 + np.cos(phase)), -0.5 * np.pi / bond.rcut * np.sin(phase)
    return e * f, de * f + e * df
