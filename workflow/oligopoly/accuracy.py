"""Errors of predicted energies, forces and pressures against reference labels."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.files import as_json, atomic, beside, write_text
from oligopoly.progress import Progress

# Frames of each part whose predictions are kept one by one, evenly spaced.
DRAWN = 2000
EV_PER_A3_IN_BAR = 1.602176634e6


class Labels(NamedTuple):
    """energy in eV, forces (N, 3) in eV/A, stress (6,) in eV/A^3 (Voigt, ASE's sign); None where there is none."""

    energy: float | None
    forces: np.ndarray | None
    stress: np.ndarray | None


class Said(Protocol):
    """What is compared with labels: the same of a prediction."""

    @property
    def energy(self) -> float | None:
        """In eV."""

    @property
    def forces(self) -> np.ndarray | None:
        """(N, 3) in eV/A."""

    @property
    def stress(self) -> np.ndarray | None:
        """(6,) in eV/A^3."""


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


def predictions(evaluator, frames: Iterable[Atoms]) -> Iterator[Labels]:
    """What `evaluator`, with the `compute` of `ace.evaluator.Evaluator`, says of each frame."""
    for atoms in frames:
        found = evaluator.compute(atoms.numbers, atoms.positions, np.asarray(atoms.cell), atoms.pbc)
        stress = voigt(found.virial / atoms.get_volume()) if atoms.pbc.all() else None
        yield Labels(found.energy, found.forces, stress)


def errors(frames: Iterable[Atoms], predictions: Iterable[Said]) -> dict:
    """Errors over all frames (`all`), by `config_type` (`by_config_type`, frames without one as "none") and by
    `test_set` (`by_test_set`, of frames that have one).

    Each entry: `frames`, `atoms`; `force_rmse_meV_A`, `force_mae_meV_A` per component, `force_max_meV_A` the largest
    of an atom's force, `force_rms_meV_A` of the reference, `force_rmse_percent` = 100 RMSE / RMS;
    `energy_rmse_meV_atom`, `energy_mae_meV_atom`; `pressure_rmse_bar`, `pressure_bias_bar` (mean of predicted -
    reference) of the frames with a reference stress. None where there is no reference.
    """
    sums = _Sums()
    for atoms, predicted in zip(frames, predictions, strict=True):
        sums.add(atoms, predicted)
    return sums.errors()


def beyond_spread(found: Mapping[str, Any], frames: Iterable[Atoms]) -> list[str]:
    """A sentence for each error in `found`, one entry of `errors`, that is larger than the references' own spread.

    That of forces is their RMS; that of energies per atom their standard deviation after the best energy per element.
    """
    said = []
    percent = found["force_rmse_percent"]
    if percent is not None and percent > 100:
        said.append(
            f"its force error of {found['force_rmse_meV_A']:.0f} meV/A is {percent:.0f} % of the references' RMS: "
            "no force at all would be nearer"
        )
    energies = [(atoms, labels(atoms).energy) for atoms in frames]
    known = [(atoms, energy / len(atoms)) for atoms, energy in energies if energy is not None and len(atoms) > 1]
    if found["energy_rmse_meV_atom"] is None or len(known) < 5:
        return said
    elements = sorted({symbol for atoms, _ in known for symbol in atoms.symbols})
    shares = np.array([[np.mean(np.array(atoms.symbols) == e) for e in elements] for atoms, _ in known])
    energy = np.array([one for _, one in known])
    spread = 1000 * float(np.std(energy - shares @ np.linalg.lstsq(shares, energy, rcond=1e-8)[0]))
    if found["energy_rmse_meV_atom"] > max(spread, 0.01):
        said.append(
            f"its energy error of {found['energy_rmse_meV_atom']:.4g} meV/atom is beyond the {spread:.4g} meV/atom "
            "by which the references differ among themselves"
        )
    return said


def parity(frames: Iterable[Atoms], predictions: Iterable[Said]) -> dict[str, np.ndarray]:
    """Flat arrays for parity plots: `{energy,force,pressure}_{reference,predicted}` in eV/atom, eV/A, bar."""
    pairs = _Pairs()
    for atoms, predicted in zip(frames, predictions, strict=True):
        pairs.add(atoms, predicted)
    return pairs.arrays()


def record(
    prefix: str | Path, parts: Mapping[str, Sequence[Atoms]], predicted: Mapping[str, Iterable[Said]], facts: dict
) -> dict:
    """Write `{prefix}.metrics.json`, the errors of each part (train, test) and `facts`, and `{prefix}.predictions.npz`
    with `{part}_*` of `parity`, at most `DRAWN` frames of each; returns what `.metrics.json` holds."""
    arrays: dict[str, Any] = {}
    result: dict[str, Any] = {}
    for part, frames in parts.items():
        sums, pairs = _Sums(), _Pairs()
        every = -(-len(frames) // DRAWN)
        progress = Progress(len(frames), f"errors of the {part} frames", "frames")
        for number, (atoms, found) in enumerate(zip(frames, predicted[part], strict=True)):
            sums.add(atoms, found)
            if number % every == 0:
                pairs.add(atoms, found)
            progress.update()
        result[part] = sums.errors()
        arrays |= {f"{part}_{name}": values for name, values in pairs.arrays().items()}
    with atomic(beside(prefix, ".predictions.npz")) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    result |= facts
    write_text(beside(prefix, ".metrics.json"), as_json(result))
    return result


def pressure_bar(stress: np.ndarray) -> float:
    """Pressure in bar of a Voigt stress in eV/A^3."""
    return -float(np.mean(stress[:3])) * EV_PER_A3_IN_BAR


class _Pairs:
    """Collects what `parity` returns."""

    def __init__(self):
        quantities = ("energy", "force", "pressure")
        self._parts: dict[str, list] = {f"{q}_{side}": [] for q in quantities for side in ("reference", "predicted")}

    def add(self, atoms: Atoms, predicted: Said) -> None:
        reference = labels(atoms)
        if reference.energy is not None and predicted.energy is not None:
            self._put("energy", [reference.energy / len(atoms)], [predicted.energy / len(atoms)])
        if reference.forces is not None and predicted.forces is not None:
            self._put("force", reference.forces.ravel(), predicted.forces.ravel())
        if reference.stress is not None and predicted.stress is not None:
            self._put("pressure", [pressure_bar(reference.stress)], [pressure_bar(predicted.stress)])

    def _put(self, quantity: str, reference: Sequence[float] | np.ndarray, predicted: Sequence[float] | np.ndarray):
        self._parts[f"{quantity}_reference"].append(reference)
        self._parts[f"{quantity}_predicted"].append(predicted)

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in self._parts.items()}


class _Sums:
    """Collects what `errors` returns, in memory that does not grow with the number of frames."""

    def __init__(self):
        self._kinds: dict[str, Counter] = {}
        self._largest: dict[str, float] = {}

    def add(self, atoms: Atoms, predicted: Said) -> None:
        reference = labels(atoms)
        found: Counter[Any] = Counter(frames=1, atoms=len(atoms))
        if reference.energy is not None and predicted.energy is not None:
            _count(found, "energy", 1e3 * (predicted.energy - reference.energy) / len(atoms))
        if reference.forces is not None and predicted.forces is not None:
            _count(found, "force", 1e3 * (predicted.forces - reference.forces))
            _count(found, "force_reference", 1e3 * reference.forces)
            largest = 1e3 * float(np.linalg.norm(predicted.forces - reference.forces, axis=1).max())
        else:
            largest = 0.0
        if reference.stress is not None and predicted.stress is not None:
            _count(found, "pressure", pressure_bar(predicted.stress) - pressure_bar(reference.stress))
        names = ["all", "by " + str(atoms.info.get("config_type", "none"))]
        if "test_set" in atoms.info:
            names.append("set " + str(atoms.info["test_set"]))
        for name in names:
            self._kinds.setdefault(name, Counter()).update(found)
            self._largest[name] = max(self._largest.get(name, 0.0), largest)

    def errors(self) -> dict:
        def of(prefix: str) -> dict:
            names = sorted(name for name in self._kinds if name.startswith(prefix))
            return {name.removeprefix(prefix): self._summary(name) for name in names}

        return {"all": self._summary("all"), "by_config_type": of("by "), "by_test_set": of("set ")}

    def _summary(self, name: str) -> dict:
        found = _summary(self._kinds.get(name, Counter()))
        return found | {"force_max_meV_A": self._largest.get(name) if found["force_rmse_meV_A"] is not None else None}


def _count(found: MutableMapping[Any, Any], name: str, values) -> None:
    values = np.asarray(values, float)
    found[name, "number"] = values.size
    found[name, "sum"] = float(values.sum())
    found[name, "absolute"] = float(np.abs(values).sum())
    found[name, "squares"] = float((values**2).sum())


def _summary(found: Counter) -> dict:
    def mean(name: str, of: str) -> float | None:
        return found[name, of] / found[name, "number"] if found[name, "number"] else None

    def rms(name: str) -> float | None:
        squares = mean(name, "squares")
        return None if squares is None else float(np.sqrt(squares))

    force_rmse, force_rms = rms("force"), rms("force_reference")
    return {
        "frames": found["frames"],
        "atoms": found["atoms"],
        "force_rmse_meV_A": force_rmse,
        "force_mae_meV_A": mean("force", "absolute"),
        "force_rms_meV_A": force_rms,
        "force_rmse_percent": 100.0 * force_rmse / force_rms if force_rmse is not None and force_rms else None,
        "energy_rmse_meV_atom": rms("energy"),
        "energy_mae_meV_atom": mean("energy", "absolute"),
        "pressure_rmse_bar": rms("pressure"),
        "pressure_bias_bar": mean("pressure", "sum"),
    }
