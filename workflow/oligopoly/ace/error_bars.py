"""How wrong a fitted potential expects to be: the posterior of its coefficients, calibrated on held-out frames.

What a linear potential gets wrong is mostly what its basis cannot express, not noise of the labels, and that is alike
in neighbouring rows: the rows say less than as many independent ones would, and the bare posterior is over-confident
by about (rows / parameters)^1/2. Where it expects larger errors there they are, though. So its standard deviations are
multiplied by one factor for forces and one for energies: the root mean square of true error / standard deviation over
held-out frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from oligopoly.accuracy import labels
from oligopoly.ace import fingerprint
from oligopoly.ace.checkpoint import Checkpoint
from oligopoly.ace.design import Design
from oligopoly.ace.potential import Potential
from oligopoly.ace.regression import Posterior, Problem
from oligopoly.progress import Progress

# Fewer held-out frames than this cannot calibrate anything.
FEW = 8
# Most frames to calibrate on and to check that with: their rows have to be built.
ENOUGH = 100


class Deviations(NamedTuple):
    """One standard deviation: `energy` in eV per atom, `forces` (N, 3) in eV/A."""

    energy: float
    forces: np.ndarray


@dataclass
class ErrorBars:
    """Of the potential with the coefficients `posterior.mean` of `design`, relative to `E0` (eV)."""

    design: Design
    posterior: Posterior
    E0: dict[str, float]
    force_factor: float = 1.0
    energy_factor: float = 1.0

    @classmethod
    def load(cls, path: str | Path, potential: Potential | None = None) -> "ErrorBars":
        """From the `.factor.npz` of a fit. Raises UserError for a file that is none, or not of `potential`."""
        left = Checkpoint.load(path)
        if potential is not None:
            fingerprint.check(potential, left.fit, path, "error bars")
        posterior = Problem(left.factor).posterior(left.ridge)
        return cls(Design(left.basis), posterior, left.E0, left.factors["force"], left.factors["energy"])

    def of(self, atoms: Atoms) -> Deviations:
        """Standard deviations of what the potential says of a frame."""
        energy, forces = self._rows(atoms)
        return Deviations(
            self.energy_factor * float(self.posterior.deviations(energy[None])[0]) / len(atoms),
            self.force_factor * self.posterior.deviations(forces).reshape(-1, 3),
        )

    def errors(self, atoms: Atoms) -> Deviations:
        """True errors in the same units, not a number where there is no reference."""
        reference, fixed = labels(atoms), self.design.fixed(atoms)
        energy, forces = self._rows(atoms)
        wrong = Deviations(np.nan, np.full((len(atoms), 3), np.nan))
        if reference.energy is not None:
            isolated = sum(self.E0[symbol] for symbol in atoms.symbols)
            found = float(energy @ self.posterior.mean) + fixed.energy + isolated
            wrong = wrong._replace(energy=(found - reference.energy) / len(atoms))
        if reference.forces is not None:
            found = (forces @ self.posterior.mean).reshape(-1, 3) + fixed.forces
            wrong = wrong._replace(forces=found - reference.forces)
        return wrong

    def calibrate(self, frames: Sequence[Atoms], rows: int) -> dict:
        """Set the factors by every other of some held-out frames; how the error bars do on the others.

        Without enough frames the factors are (rows / parameters)^1/2, with the number of training rows. Returns
        `frames` (to check with), the factors and by what they were chosen, and for `force` (meV/A) and `energy`
        (meV/atom): `predicted` and `true` root mean square errors of ten bins of ascending predicted error (energies:
        of all), `ratio` = RMS of true error / predicted, `within` one and two standard deviations (shares).
        """
        chosen = frames[:: max(1, -(-len(frames) // ENOUGH))]
        parts: list[list[tuple[Deviations, Deviations]]] = [[], []]
        progress = Progress(len(chosen), "error bars", "frames")
        self.force_factor = self.energy_factor = 1.0
        for number, atoms in enumerate(chosen):
            parts[number % 2].append((self.of(atoms), self.errors(atoms)))
            progress.update()
        estimate, check = (self._collected(part) for part in parts)
        enough = len(chosen) >= FEW
        fallback = float(np.sqrt(max(rows / max(self.posterior.parameters(), 1.0), 1.0)))
        found: dict = {
            "frames": len(parts[1]),
            "factors_from": f"{len(parts[0])} held-out frames" if enough else "rows / parameters",
        }
        for name, bins in (("force", 10), ("energy", 1)):
            predicted, true = estimate[name]
            factor = float(np.sqrt(np.mean((true / predicted) ** 2))) if enough and len(true) else fallback
            setattr(self, f"{name}_factor", factor)
            found[f"{name}_factor"] = factor
            predicted, true = check[name]
            if len(true):
                found[name] = _checked(1e3 * factor * predicted, 1e3 * np.abs(true), bins)
        return found

    def _rows(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the energy (K,) and the forces (3N, K), shifts of E0 included where the posterior has them."""
        rows = self.design.rows(atoms)
        shifts = len(self.posterior.mean) - self.design.size
        symbols = np.array(atoms.get_chemical_symbols())
        counts = [float(np.sum(symbols == element)) for element in self.design.elements][:shifts]
        return np.append(rows.energy, counts), np.pad(rows.forces, ((0, 0), (0, shifts)))

    @staticmethod
    def _collected(part: list[tuple[Deviations, Deviations]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """(predicted, true) errors of all force components and all energies with a reference."""
        found = {}
        for name, of in (("force", lambda d: np.ravel(d.forces)), ("energy", lambda d: np.ravel(d.energy))):
            predicted, true = (np.concatenate([of(pair[i]) for pair in part] or [np.zeros(0)]) for i in (0, 1))
            known = np.isfinite(true) & (predicted > 0)
            found[name] = predicted[known], true[known]
        return found


def _checked(predicted: np.ndarray, true: np.ndarray, bins: int) -> dict:
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return {
        "predicted": [float(np.sqrt(np.mean(predicted[part] ** 2))) for part in parts],
        "true": [float(np.sqrt(np.mean(true[part] ** 2))) for part in parts],
        "ratio": float(np.sqrt(np.mean((true / predicted) ** 2))),
        "within": [float(np.mean(true < n * predicted)) for n in (1, 2)],
    }
