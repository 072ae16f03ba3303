"""One system, measured with ACE and with the reference, and whether the two agree."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from oligopoly import files
from oligopoly.errors import UserError
from oligopoly.md import trajectory
from oligopoly.properties import density, linear_response, msd, rdf, structure
from oligopoly.systems.topology import Topology

LINEAR_RESPONSE_FRAMES = 400  # evenly spaced at most: later frames repeat the earlier ones
# Order parameter above which chains are not a liquid's, however few they are.
FROZEN = 0.75


def compare(
    reference_dir: str | Path | None,
    ace_dir: str | Path,
    system_json: str | Path,
    out_json: str | Path,
    *,
    temperature: float,
    tolerance_percent: float,
    evaluate_reference: Callable[[list], np.ndarray] | None = None,
    evaluate_ace: Callable[[list], np.ndarray] | None = None,
    role: str = "train",
    sigmas: float = 2.0,
) -> dict:
    """Measure both engines' production runs, compare, and write the result as JSON.

    reference_dir, ace_dir : each holds npt/ and nvt/ with thermo.tsv and trajectory.extxyz, and
    status.json. reference_dir None: the reference cannot run MD, so that ACE is measured alone and
    nothing passes or fails by it. temperature : K. tolerance_percent : allowed deviation of the density, beyond
    `sigmas` standard errors of the difference. evaluate_* : frames -> energies (F,) eV of whole
    boxes; without both there is no linear-response estimate. role : "train" or "transfer".

    A run that stopped early, or a property that cannot be measured, is a sentence in the result
    ({"missing": "..."}) and not an exception: the comparison of the rest still has its worth.
    """
    ace_dir = Path(ace_dir)
    reference_dir = None if reference_dir is None else Path(reference_dir)
    folders = {"ace": ace_dir} if reference_dir is None else {"reference": reference_dir, "ace": ace_dir}
    topology = Topology.read(system_json)
    system = json.loads(Path(system_json).read_text())
    result = {
        "system": Path(system_json).parent.name,
        "role": role,
        "temperature_K": temperature,
        "chains": topology.n_molecules,
        "atoms": len(topology),
        "degree_of_polymerisation": system.get("degree_of_polymerisation"),
        "repeat_unit": system.get("repeat_unit"),
        "compared": reference_dir is not None,
        "stability": stability(folders),
        "density": _attempt(_density, folders, topology, tolerance_percent, sigmas),
        "linear_response": {"missing": "No energies of both potentials were at hand."},
    }
    if reference_dir and evaluate_reference and evaluate_ace:
        result["linear_response"] = _attempt(
            _linear_response, reference_dir, ace_dir, topology, temperature,
            evaluate_reference, evaluate_ace,
        )  # fmt: skip
    runs = {
        name: _attempt(_trajectory, folder / "nvt" / "trajectory.extxyz", len(topology))
        for name, folder in folders.items()
    }
    missing = next((run for run in runs.values() if isinstance(run, dict)), None)
    if missing:
        result |= {"rdf": missing, "msd": missing, "structure": missing}
    else:
        result["rdf"] = _attempt(_rdf, runs, topology)
        ring = system.get("end_groups") == "ring"
        result["msd"] = {k: _attempt(_msd, run, topology) for k, run in runs.items()}
        result["structure"] = {
            k: structure.dimensions(
                run.positions, topology.masses, topology.molecules, topology.numbers,
                topology.bonds, ring,
            )
            for k, run in runs.items()
        }  # fmt: skip
    result["passed"], result["sentences"] = _verdict(result)
    files.write_text(out_json, json.dumps(result, indent=1))
    return result


def stability(folders: dict[str, Path]) -> dict:
    """How the engines' runs ended: {"completed", "reference_completed", "reference", "ace"}; None: not run."""
    ends = {}
    for name, folder in folders.items():
        path = folder / "status.json"
        ends[name] = json.loads(path.read_text()) if path.exists() else {}
    ended = {name: set(_outcomes(status)) == {"completed"} for name, status in ends.items()}
    return {"completed": ended["ace"], "reference_completed": ended.get("reference"), **ends}


def _outcomes(status):
    """Every "outcome" in a status, wherever the run keeps them (one per ensemble)."""
    if isinstance(status, dict):
        if isinstance(status.get("outcome"), str):
            yield status["outcome"]
        for value in status.values():
            yield from _outcomes(value)


def _attempt(measure, *arguments):
    try:
        return measure(*arguments)
    except (UserError, FileNotFoundError) as error:
        return {"missing": str(error)}


def _density(folders, topology, tolerance, sigmas) -> dict:
    two = density.from_thermo(folders["ace"] / "npt" / "thermo.tsv", topology.masses, "The ACE density")
    if "reference" not in folders:
        return {"missing": "The reference method runs no MD, so that there is no density to compare with.", "ace": two}
    one = density.from_thermo(folders["reference"] / "npt" / "thermo.tsv", topology.masses, "The reference density")
    deviation = 100 * (two["value"] / one["value"] - 1)
    sigma = 100 * np.hypot(two["error"] / one["value"], one["error"] * two["value"] / one["value"] ** 2)
    allowed = tolerance + sigmas * sigma
    return {
        "reference": one,
        "ace": two,
        "deviation_percent": deviation,
        "sigma_percent": float(sigma),
        "tolerance_percent": tolerance,
        "sigmas": sigmas,
        "allowed_percent": float(allowed),
        "passed": bool(abs(deviation) <= allowed),
    }


def _linear_response(reference_dir, ace_dir, topology, temperature, evaluate_reference, evaluate_ace):
    slopes = []
    for folder in (reference_dir, ace_dir):
        run = _trajectory(folder / "npt" / "trajectory.extxyz", len(topology))
        volumes = np.abs(np.linalg.det(run.cells))
        measured = density.measure(run.times / 1000, density.from_volume(volumes, topology.masses))
        settled = run.times >= run.times[0] + 1000 * measured["equilibration_ps"] - 1e-6
        chosen = np.flatnonzero(settled)
        chosen = chosen[:: -(-len(chosen) // LINEAR_RESPONSE_FRAMES)]
        frames = [run.atoms(k) for k in chosen]
        slopes.append(
            linear_response.slope(volumes[chosen], evaluate_reference(frames), evaluate_ace(frames), temperature)
        )
    return linear_response.shift(*slopes)


def _trajectory(path, atoms) -> trajectory.Trajectory:
    run = trajectory.read(path)
    if len(run.numbers) != atoms:
        raise UserError(f"{path}: its frames have {len(run.numbers)} atoms, the system {atoms}")
    return run


def _rdf(runs, topology) -> dict:
    r_max = min(12.0, 0.999 * min(rdf.largest_radius(run.cells) for run in runs.values()))
    measured = {
        name: rdf.pair_distributions(run.positions, run.cells, topology.numbers, topology.molecules, r_max)
        for name, run in runs.items()
    }
    r = measured["ace"]["r_A"]
    pairs = {}
    for pair, kinds in measured["ace"]["pairs"].items():
        pairs[pair] = {}
        for kind, two in kinds.items():
            if "reference" not in runs:
                pairs[pair][kind] = {"ace": two}
                continue
            one = measured["reference"]["pairs"][pair][kind]
            pairs[pair][kind] = {"reference": one, "ace": two} | rdf.difference(r, one, two, within=kind == "intra")
    return {"r_A": r, "pairs": pairs}


def _msd(run, topology) -> dict:
    return msd.displacements(
        run.positions, run.cells, run.times, topology.masses, topology.molecules,
        topology.repeat_units,
    )  # fmt: skip


def _verdict(result) -> tuple[bool | None, list[str]]:
    """Did ACE hold for this system (None: nothing to compare with), and why, in sentences."""
    sentences = []
    stability = result["stability"]
    if not result["compared"]:
        if not stability["completed"]:
            reasons = "; ".join(_reasons(stability["ace"]))
            sentences.append("ACE did not run to its end" + (f": {reasons}." if reasons else "."))
            return False, sentences
        value = result["density"]
        sentences.append("ACE ran to its end.")
        if "ace" in value:
            found = value["ace"]
            sentences.append(f"Its density is {found['value']:.4f} ± {found['error']:.4f} g/cm³.")
        sentences.append(value["missing"])
        return None, sentences
    stable = stability["completed"] and stability["reference_completed"]
    for engine, name, ended in (
        ("ace", "ACE", stability["completed"]),
        ("reference", "The reference", stability["reference_completed"]),
    ):
        if not ended:
            reasons = "; ".join(_reasons(stability[engine]))
            sentences.append(f"{name} did not run to its end" + (f": {reasons}." if reasons else "."))
    if stable:
        sentences.append("Every run went to its end.")
    value = result["density"]
    if "missing" in value:
        sentences.append(f"The density could not be compared. {value['missing']}")
        return False, sentences
    sentences.append(
        f"The density deviates by {value['deviation_percent']:+.1f} ± {value['sigma_percent']:.1f} % "
        f"from the reference; {value['tolerance_percent']:g} % and {value['sigmas']:g} standard errors "
        f"allow {value['allowed_percent']:.1f} %."
    )
    for name in ("reference", "ace"):
        if value[name]["warning"]:
            sentences.append(value[name]["warning"])
    for name, engine in (("the reference", "reference"), ("ACE", "ace")):
        aligned = result["structure"].get(engine, {}).get("alignment")
        if aligned and aligned["value"] > FROZEN:
            sentences.append(
                f"The chains of {name} have aligned (order parameter {aligned['value']:.2f}): the box is "
                "freezing, and its density is not that of a liquid. Choose a higher temperature or a larger box."
            )
    return stable and value["passed"], sentences


def _reasons(status):
    if isinstance(status, dict):
        if status.get("outcome", "completed") not in ("completed", "not_run"):
            yield str(status.get("reason", status["outcome"])).rstrip(".")
        for value in status.values():
            yield from _reasons(value)
