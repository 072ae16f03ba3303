"""Does the potential of a generation hold? The verdict of the loop's only checkpoint.

Force errors alone cannot tell: two potentials with the same force error can differ by a third in
density (facts in README, "What is checked and why"). So the verdict asks five things: errors on
held-out frames, errors on what was just bought, an audit of what was thought harmless, MD that
reaches its end, and the density by linear response.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.accuracy import errors
from oligopoly.files import as_json, write_text
from oligopoly.labelers.contract import Labeler
from oligopoly.md import trajectory
from oligopoly.operations import budget
from oligopoly.potentials.contract import Potential
from oligopoly.potentials.registry import open_potential
from oligopoly.properties import linear_response
from oligopoly.properties.statistics import share

# Fewer audited frames than this say nothing about a share.
FEW = 5
# Fewer frames of an NPT run than this say nothing about its volume.
MANY = 20


def assess(
    verdict_file: str | Path,
    *,
    generation: int,
    last: int,
    criteria: dict,
    metrics_file: str | Path,
    potential_file: str | Path,
    potential_before: str | Path | None,
    labelled: list[str],
    stops: list[str],
    liquids: dict[str, tuple[str, str]],
    temperatures: dict[str, float],
    own_liquids: dict[str, str] | None = None,
    labelers: dict[str, Labeler] | None = None,
    limits: dict[str, float] | None = None,
    next_labels: int = 0,
    store: str | Path = "results/store",
) -> dict:
    """Judge a generation and write `assess.json`: decision, reasons in words, and every number.

    labelled: chunks labelled in this generation. stops: `stop.json` of its exploration runs, made
    with the potential before. liquids: by system, trajectory and thermo table of NPT MD with the
    reference itself; temperatures in K. own_liquids: by system, trajectory of NPT exploration at
    the same temperature and pressure (with the potential before), and `labelers` for its reference
    energies. criteria: the config's `assess` block; limits: its `budget` block, for the run folder that the verdict's
    generation lies in, where another generation takes at most `next_labels`; store: of its labels.
    """
    own_liquids, labelers = own_liquids or {}, labelers or {}
    potential = open_potential(potential_file)
    before = open_potential(potential_before) if potential_before is not None else None
    verdict: dict = {"generation": generation}
    tests = [_held_out(json.loads(Path(metrics_file).read_text()), criteria)]
    if before is not None:
        bought = [atoms for path in labelled for atoms in frame_files.read(path)]
        chosen = [atoms for atoms in bought if atoms.info["split"] == "train"]
        audited = [atoms for atoms in bought if atoms.info["split"] == "test"]
        fresh, verdict["fresh_errors"] = _fresh(chosen, before, criteria)
        audit, verdict["audit"] = _audit(audited, before, criteria)
        stability, verdict["md"] = _stability(stops, criteria)
        tests += [fresh, audit, stability]
    verdict["linear_response"] = {}
    for system, (run, thermo) in liquids.items():
        temperature = temperatures[system]
        test, forward = _density(system, run, thermo, potential, temperature, criteria)
        tests.append(test)
        backward = None
        if system in own_liquids and before is not None:
            found = _density_on_own_frames(system, own_liquids[system], labelers[system], before, temperature, criteria)
            # Exploration that failed early leaves too little to judge the density by; it fails by itself.
            if found is not None and found[0]["error"] <= criteria["density_shift_percent"]:
                tests.append(found[0])
            backward = found and found[1]
        verdict["linear_response"][system] = linear_response.shift(forward, backward)
    verdict["criteria"] = tests
    verdict["converged"] = potential_before is not None and all(test["passed"] for test in tests)
    verdict["decision"] = "converged" if verdict["converged"] else "last generation" if generation >= last else "go on"
    verdict["reasons"] = [test["sentence"] for test in tests]
    if limits:
        verdict["budget"] = budget.judge(limits, Path(verdict_file).parents[1], store, generation, next_labels)
        if verdict["decision"] == "go on" and verdict["budget"]["exhausted"]:
            verdict["decision"] = "budget spent"
        verdict["reasons"].append(verdict["budget"]["sentence"])
    if potential_before is None:
        verdict["reasons"].append("No MD has been run with this potential yet: exploration must come first.")
    write_text(verdict_file, as_json(verdict))
    return verdict


def _criterion(code, name, value, limit, unit, passed, sentence, error=None) -> dict:
    mark = "holds" if passed else "fails"
    return {
        "code": code, "name": name, "value": value, "error": error, "limit": limit, "unit": unit,
        "passed": bool(passed), "sentence": f"{sentence} ({mark}: limit {limit:g} {unit})",
    }  # fmt: skip


def _held_out(metrics: dict, criteria: dict) -> dict:
    test = metrics["test"]["all"]
    value, limit = test["force_rmse_percent"], criteria["force_rmse_percent"]
    return _criterion(
        "held_out_forces", "held-out force error", value, limit, "%", value <= limit,
        f"Forces on held-out frames are wrong by {test['force_rmse_meV_A']:.1f} meV/A, "
        f"{value:.1f} % of their RMS",
    )  # fmt: skip


def _fresh(chosen: list[Atoms], potential: Potential, criteria: dict) -> tuple[dict, dict]:
    limit = criteria["fresh_force_rmse_percent"]
    code, name = "fresh_forces", "force error on newly selected frames"
    if not chosen:
        sentence = "Exploration found nothing that the potential did not know"
        return _criterion(code, name, 0.0, limit, "%", True, sentence), {}
    found = errors(chosen, potential.predict(chosen))["all"]
    value = found["force_rmse_percent"]
    return (
        _criterion(
            code, name, value, limit, "%", value <= limit,
            f"On {len(chosen)} newly selected structures, before training on them, forces were wrong "
            f"by {found['force_rmse_meV_A']:.1f} meV/A, {value:.1f} %",
        ),
        found,
    )  # fmt: skip


def _audit(audited: list[Atoms], potential: Potential, criteria: dict) -> tuple[dict, dict]:
    threshold, limit = criteria["audit_force_error"], criteria["audit_wrong_share"]
    predictions = potential.predict(audited)
    worst = [
        float(np.linalg.norm(p.forces - atoms.arrays["REF_forces"], axis=1).max())
        for p, atoms in zip(predictions, audited, strict=True)
    ]
    wrong = sum(error > threshold for error in worst)
    facts: dict = {"n": len(audited), "wrong": wrong, "threshold_eV_A": threshold, "worst_eV_A": worst}
    code, name = "audit", "audit of frames not selected"
    if len(audited) < FEW:
        sentence = f"Only {len(audited)} frames were audited, too few to judge by"
        return _criterion(code, name, None, limit, "share", False, sentence), facts
    value, low, high = share(wrong, len(audited))
    facts |= {"share": value, "low": low, "high": high}
    return (
        _criterion(
            code, name, value, limit, "share", value <= limit,
            f"Of {len(audited)} frames that were not selected, {wrong} had a force wrong by more than "
            f"{threshold:g} eV/A: {100 * value:.0f} %, between {100 * low:.0f} and {100 * high:.0f} % "
            "with 95 % confidence",
            error=(high - low) / 4,
        ),
        facts,
    )  # fmt: skip


def _stability(stops: list[str], criteria: dict) -> tuple[dict, dict]:
    ends = {Path(path).parent.name: json.loads(Path(path).read_text()) for path in stops}
    outcomes = Counter(end["outcome"] for end in ends.values())
    completed, limit = outcomes["completed"] / len(ends), criteria["completed_share"]
    told = [f"{name}: {end['reason']}" for name, end in ends.items() if end["outcome"] != "completed"]
    return (
        _criterion(
            "completed_runs", "exploration runs that reach their end", completed, limit, "share", completed >= limit,
            f"{outcomes['completed']} of {len(ends)} exploration runs reached their end"
            + (" (" + "; ".join(told) + ")" if told else ""),
        ),
        {"runs": len(ends), "completed": outcomes["completed"], "outcomes": dict(outcomes), "ends": ends},
    )  # fmt: skip


def _density(
    system: str, run: str, thermo: str, potential: Potential, temperature: float, criteria: dict
) -> tuple[dict, dict]:
    table = trajectory.read_thermo(thermo)
    liquid = trajectory.read(run)
    slope = linear_response.slope(
        table["volume_A3"],
        table["potential_eV"],
        [found.energy for found in potential.predict(liquid.frames())],
        temperature,
    )
    return _shift(system, "frames of the reference", slope, criteria), slope


def _density_on_own_frames(
    system: str, run: str, labeler: Labeler, potential: Potential, temperature: float, criteria: dict
) -> tuple[dict, dict] | None:
    """The same from the potential's side: its own NPT exploration, reference energies of which are cheap."""
    explored = trajectory.read(run)
    settled = range(len(explored) // 5, len(explored))
    if len(settled) < MANY:
        return None
    frames = [explored.atoms(k) for k in settled]
    slope = linear_response.slope(
        [atoms.get_volume() for atoms in frames],
        [labeler.label(atoms).energy for atoms in frames],
        [found.energy for found in potential.predict(frames)],
        temperature,
    )
    return _shift(system, "frames of its own", slope, criteria), slope


def _shift(system: str, which: str, slope: dict, criteria: dict) -> dict:
    value, error, limit = 100 * slope["value"], 100 * slope["error"], criteria["density_shift_percent"]
    # An estimate too noisy to judge by must not pass for a good one.
    known = error <= limit
    return _criterion(
        "density_shift", f"density of {system} by linear response, {which}", value, limit, "%",
        known and abs(value) <= limit + 2 * error,
        f"Linear response on {which} puts the density of {system} {value:+.1f} +- {error:.1f} % off"
        + ("" if known else ", too uncertain to judge by: a longer run is needed"),
        error=error,
    )  # fmt: skip
