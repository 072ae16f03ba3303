"""One system, measured with the learned potential and with the reference, and whether the two agree."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from oligopoly import files
from oligopoly.errors import UserError
from oligopoly.properties.contract import ENGINES, Context, PropertySettings, Run
from oligopoly.properties.kept import Kept
from oligopoly.systems.topology import Topology

NOT_COMPARED = "The reference method runs no MD, so that there is nothing to compare with."


def compare(
    replicates: Mapping[str, Sequence[str | Path]],
    runs: Mapping[str, str],
    system_json: str | Path,
    out_json: str | Path,
    *,
    properties: Mapping[str, PropertySettings],
    temperature: float,
    role: Literal["train", "transfer"] = "train",
    energies: Mapping[str, Callable] | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Measure the production runs of both engines, compare, and write the result as JSON.

    replicates : by engine ("learned", and "reference" if that can run MD), the folders of its replicates, each with
    status.json and a folder per run. runs : name of the run by ensemble. temperature : K. role : "train" or
    "transfer". energies : by engine, frames -> energies (F,) eV of whole boxes; with both there is linear response.

    A run that stopped early, or a property that cannot be measured, is a sentence in the result
    ({"missing": "..."}) and not an exception: the comparison of the rest still has its worth.
    """
    topology = Topology.read(system_json)
    system = json.loads(Path(system_json).read_text())
    context = Context(Path(system_json).parent.name, topology, system, role, temperature, dict(energies or {}), threads)
    result: dict[str, Any] = {
        "system": context.name,
        "role": role,
        "temperature_K": temperature,
        "chains": topology.n_molecules,
        "atoms": len(topology),
        "degree_of_polymerisation": system.get("degree_of_polymerisation"),
        "repeat_unit": system.get("repeat_unit"),
        "replicates": len(replicates["learned"]),
        "compared": "reference" in replicates,
        "stability": stability(replicates),
        "properties": {},
    }
    opened = {
        (engine, name): [Run(Path(folder) / name, len(topology)) for folder in folders]
        for engine, folders in replicates.items()
        for name in {*runs.values(), *(one.run for one in properties.values() if one.run)}
    }
    checks, kept = [], Kept(out_json)
    for kind, settings in properties.items():
        found: dict[str, Any] = {}
        one, name = settings.create(), settings.run or runs.get(settings.ensemble, "")
        for engine in ENGINES:
            if (engine, name) in opened:
                measure = partial(attempt, one.measure, opened[engine, name], context, engine)
                of = (settings.model_dump(), temperature, role, sorted(context.energies))
                found[engine] = kept.measure(f"{kind}.{engine}", of, opened[engine, name], measure)
        missing = next((found[engine]["missing"] for engine in found if "missing" in found[engine]), None)
        if missing:
            found["missing"] = missing
        elif len(found) == len(ENGINES):
            found["comparison"] = attempt(one.compare, found["reference"], found["learned"], context)
        result["properties"][kind] = found
        checks += [check.to_dict() for check in one.checks(found, context)]
    result["checks"] = checks
    result["passed"], result["sentences"] = _verdict(result)
    files.write_text(out_json, files.as_json(result))
    kept.clear()
    return result


def stability(replicates: Mapping[str, Sequence[str | Path]]) -> dict[str, Any]:
    """How the engines' runs ended: {"completed", "reference_completed", and by engine the statuses of its replicates};
    None: not run."""
    ends: dict[str, Any] = {}
    for engine, folders in replicates.items():
        paths = [Path(folder) / "status.json" for folder in folders]
        ends[engine] = [json.loads(path.read_text()) if path.exists() else {} for path in paths]
    ended = {engine: all(set(_outcomes(one)) == {"completed"} for one in statuses) for engine, statuses in ends.items()}
    return {"completed": ended["learned"], "reference_completed": ended.get("reference"), **ends}


def _outcomes(status: Any) -> Iterator[str]:
    """Every "outcome" in a status, one per run."""
    if isinstance(status, dict):
        if isinstance(status.get("outcome"), str):
            yield status["outcome"]
        for value in status.values():
            yield from _outcomes(value)


def attempt(measure: Callable, *arguments: Any) -> dict[str, Any]:
    """What is measured, or {"missing": why it cannot be}."""
    try:
        return measure(*arguments)
    except (UserError, FileNotFoundError) as error:
        return {"missing": str(error)}


def _verdict(result: dict[str, Any]) -> tuple[bool | None, list[str]]:
    """Did the potential hold for this system (None: nothing to compare with, or not known), and why, in sentences."""
    sentences = []
    stable = result["stability"]
    for engine, name, ended in (
        ("learned", "The potential", stable["completed"]),
        ("reference", "The reference", stable["reference_completed"]),
    ):
        if ended is False:
            reasons = "; ".join(dict.fromkeys(_reasons(stable[engine])))
            sentences.append(f"{name} did not run to its end" + (f": {reasons}." if reasons else "."))
    if stable["completed"] and stable["reference_completed"] is not False:
        sentences.append("Every run went to its end.")
    density = result["properties"].get("density", {})
    if "missing" in density:
        sentences.append(f"The density could not be measured. {density['missing']}")
    elif not result["compared"] and "value" in density.get("learned", {}):
        own = density["learned"]
        sentences.append(f"The density is {own['value']:.4f} ± {own['error']:.4f} g/cm³.")
    if c := density.get("comparison"):
        sentences.append(
            f"The density deviates by {c['deviation_percent']:+.1f} ± {c['sigma_percent']:.1f} % "
            f"from the reference; {c['tolerance_percent']:g} % and {c['sigmas']:g} standard errors "
            f"allow {c['allowed_percent']:.1f} %."
        )
    for engine in ENGINES:
        if warning := density.get(engine, {}).get("warning"):
            sentences.append(warning)
    sentences += _frozen(result["properties"].get("dimensions", {}))
    if not result["compared"]:
        sentences.append(NOT_COMPARED)
        return (None if stable["completed"] else False), sentences
    ran = stable["completed"] and stable["reference_completed"]
    verdicts = [check["passed"] for check in result["checks"]]
    unknown = [check["what"] for check in result["checks"] if check["passed"] is None]
    if unknown:
        sentences.append(f"Not known yet: {', '.join(unknown)}.")
    if not ran or "missing" in density or False in verdicts:
        return False, sentences
    return (None if unknown else True), sentences


def _frozen(dimensions: dict[str, Any]) -> Iterator[str]:
    from oligopoly.properties.dimensions import FROZEN

    for engine, name in (("reference", "the reference"), ("learned", "the potential")):
        aligned = (dimensions.get(engine) or {}).get("alignment")
        if aligned and aligned["value"] > FROZEN:
            yield (
                f"The chains of {name} have aligned (order parameter {aligned['value']:.2f}): the box is "
                "freezing, and its density is not that of a liquid. Choose a higher temperature or a larger box."
            )


def _reasons(status: Any) -> Iterator[str]:
    if isinstance(status, list):
        for one in status:
            yield from _reasons(one)
    if isinstance(status, dict):
        if status.get("outcome", "completed") not in ("completed", "not_run"):
            yield str(status.get("reason", status["outcome"])).rstrip(".")
        for value in status.values():
            yield from _reasons(value)
