"""Errors of predicted energies, forces and pressures against reference labels."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.files import atomic, beside, write_text

EV_PER_A3_IN_BAR = 1.602176634e6


class Labels(NamedTuple):
    """energy in eV, forces (N, 3) in eV/A, stress (6,) in eV/A^3 (Voigt, ASE's sign); None where there is none."""

    energy: float | None
    forces: np.ndarray | None
    stress: np.ndarray | None


def labels(atoms: Atoms) -> Labels:
    """Reference values of a frame: `REF_energy`, `REF_forces`, `REF_stress`.

    Each key that is missing falls back to what ASE read as `energy`, `forces` or `stress`. The stress of frames that
    are not periodic in all directions does not count. Raises UserError for values that are not finite or of the
    wrong shape.
    """
    results = atoms.calc.results if atoms.calc is not None else {}
    energy = atoms.info.get("REF_energy", results.get("energy", atoms.info.get("energy")))
    forces = atoms.arrays.get("REF_forces", results.get("forces", atoms.arrays.get("forces")))
    stress = atoms.info.get("REF_stress", results.get("stress", atoms.info.get("stress")))
    if forces is not None:
        forces = np.asarray(forces, dtype=float)
    stress = None if stress is None or not atoms.pbc.all() else voigt(stress)
    for name, value in (("energy", energy), ("forces", forces), ("stress", stress)):
        if value is not None and not np.all(np.isfinite(value)):
            raise UserError(f"A frame ({atoms.symbols}) has a reference {name} that is not finite.")
    return Labels(None if energy is None else float(energy), forces, stress)


def voigt(stress) -> np.ndarray:
    """xx yy zz yz xz xy from a 3x3 matrix, nine numbers, or six in that order."""
    stress = np.asarray(stress, dtype=float)
    if stress.size == 6:
        return stress.ravel()
    if stress.size != 9:
        raise UserError(f"A stress has 6 or 9 components, not {stress.size}.")
    s = stress.reshape(3, 3)
    s = 0.5 * (s + s.T)
    return np.array([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]])


def predictions(evaluator, frames: Sequence[Atoms]) -> list[Labels]:
    """What `evaluator`, with the `compute` of `ace.evaluator.Evaluator`, says of each frame."""
    predicted = []
    for atoms in frames:
        found = evaluator.compute(atoms.numbers, atoms.positions, np.asarray(atoms.cell), atoms.pbc)
        stress = voigt(found.virial / atoms.get_volume()) if atoms.pbc.all() else None
        predicted.append(Labels(found.energy, found.forces, stress))
    return predicted


def errors(frames: Sequence[Atoms], predictions: Sequence[Labels]) -> dict:
    """Errors over all frames (`all`) and by `config_type` (`by_config_type`, frames without one as "none").

    Each entry: `frames`, `atoms`; `force_rmse_meV_A`, `force_mae_meV_A` per component, `force_rms_meV_A` of the
    reference, `force_rmse_percent` = 100 RMSE / RMS; `energy_rmse_meV_atom`, `energy_mae_meV_atom`;
    `pressure_rmse_bar`, `pressure_bias_bar` (mean of predicted - reference) of the frames with a reference stress.
    None where there is no reference.
    """
    table = [_differences(atoms, predicted) for atoms, predicted in zip(frames, predictions, strict=True)]
    kinds = [str(atoms.info.get("config_type", "none")) for atoms in frames]
    return {
        "all": _summary(table),
        "by_config_type": {
            kind: _summary([row for row, its in zip(table, kinds, strict=True) if its == kind])
            for kind in sorted(set(kinds))
        },
    }


def parity(frames: Sequence[Atoms], predictions: Sequence[Labels]) -> dict[str, np.ndarray]:
    """Flat arrays for parity plots: `{energy,force,pressure}_{reference,predicted}` in eV/atom, eV/A, bar."""
    collected: dict[str, list] = {
        f"{q}_{side}": [] for q in ("energy", "force", "pressure") for side in ("reference", "predicted")
    }
    for atoms, predicted in zip(frames, predictions, strict=True):
        for side, values in (("reference", labels(atoms)), ("predicted", predicted)):
            if labels(atoms).energy is not None:
                collected[f"energy_{side}"].append([values.energy / len(atoms)])
            if labels(atoms).forces is not None:
                collected[f"force_{side}"].append(values.forces.ravel())
            if labels(atoms).stress is not None:
                collected[f"pressure_{side}"].append([pressure_bar(values.stress)])
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in collected.items()}


def record(
    prefix: str | Path, parts: Mapping[str, Sequence[Atoms]], predicted: Mapping[str, Sequence[Labels]], facts: dict
) -> dict:
    """Write `{prefix}.metrics.json`, the errors of each part (train, test) and `facts`, and `{prefix}.predictions.npz`
    with `{part}_*` of `parity`; returns what `.metrics.json` holds."""
    arrays = {
        f"{part}_{name}": values
        for part, frames in parts.items()
        for name, values in parity(frames, predicted[part]).items()
    }
    with atomic(beside(prefix, ".predictions.npz")) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    result = {part: errors(frames, predicted[part]) for part, frames in parts.items()} | facts
    write_text(beside(prefix, ".metrics.json"), json.dumps(result, indent=1) + "\n")
    return result


def pressure_bar(stress: np.ndarray) -> float:
    """Pressure in bar of a Voigt stress in eV/A^3."""
    return -float(np.mean(stress[:3])) * EV_PER_A3_IN_BAR


def _differences(atoms: Atoms, predicted: Labels) -> dict:
    reference = labels(atoms)
    row: dict = {"atoms": len(atoms)}
    if reference.energy is not None:
        row["energy"] = 1e3 * (predicted.energy - reference.energy) / len(atoms)
    if reference.forces is not None:
        row["force"] = 1e3 * (predicted.forces - reference.forces).ravel()
        row["force_reference"] = 1e3 * reference.forces.ravel()
    if reference.stress is not None and predicted.stress is not None:
        row["pressure"] = pressure_bar(predicted.stress) - pressure_bar(reference.stress)
    return row


def _summary(table: list[dict]) -> dict:
    def gathered(name: str) -> np.ndarray:
        parts = [np.atleast_1d(row[name]) for row in table if name in row]
        return np.concatenate(parts) if parts else np.zeros(0)

    energy, force, pressure = gathered("energy"), gathered("force"), gathered("pressure")
    force_rmse, force_rms = _rms(force), _rms(gathered("force_reference"))
    return {
        "frames": len(table),
        "atoms": sum(row["atoms"] for row in table),
        "force_rmse_meV_A": force_rmse,
        "force_mae_meV_A": _mean(np.abs(force)),
        "force_rms_meV_A": force_rms,
        "force_rmse_percent": 100.0 * force_rmse / force_rms if force_rms else None,
        "energy_rmse_meV_atom": _rms(energy),
        "energy_mae_meV_atom": _mean(np.abs(energy)),
        "pressure_rmse_bar": _rms(pressure),
        "pressure_bias_bar": _mean(pressure),
    }


def _rms(values: np.ndarray) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def _mean(values: np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None
