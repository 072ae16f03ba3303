"""Results of earlier versions, in today's form: finished runs stay readable."""

from pathlib import Path
from typing import Any

KINDS = {
    "density": "density",
    "linear_response": "linear_response",
    "rdf": "rdf",
    "msd": "msd",
    "structure": "dimensions",
}
DENSITY = ("deviation_percent", "sigma_percent", "tolerance_percent", "sigmas", "allowed_percent", "passed")


def current_properties(found: dict[str, Any]) -> dict[str, Any]:
    """properties/{system}.json, whichever version wrote it."""
    if "properties" in found:
        return found
    properties: dict[str, Any] = {}
    for old, kind in KINDS.items():
        block = found.get(old)
        if block is not None:
            properties[kind] = _block(kind, block)
    stability = found.get("stability", {})
    result = {key: value for key, value in found.items() if key not in KINDS}
    density = properties.get("density", {})
    comparison = density.get("comparison")
    checks = []
    if comparison:
        checks.append(
            {
                "code": "density",
                "what": "density",
                "found": f"{comparison['deviation_percent']:+.1f} ± {comparison['sigma_percent']:.1f} %",
                "required": f"within {comparison['tolerance_percent']:g} % + {comparison['sigmas']:g}σ "
                f"= {comparison['allowed_percent']:.1f} %",
                "passed": comparison["passed"],
            }
        )
    elif found.get("compared", True):
        checks.append({"code": "density", "what": "density", "found": "not measured", "required": "", "passed": False})
    else:
        own = density.get("learned", {})
        told = f"{own['value']:.4f} ± {own['error']:.4f} g/cm³" if "value" in own else "not measured"
        checks.append(
            {"code": "density", "what": "density", "found": told, "required": "nothing to compare with", "passed": None}
        )
    return result | {
        "stability": {("learned" if key == "ace" else key): value for key, value in stability.items()},
        "properties": properties,
        "checks": checks,
    }


def density_series(run: Path, found: dict[str, Any]) -> None:
    """Put histories of the density where they are today, from the runs' own tables, where `found` (in today's form) is
    of a version whose report read those."""
    from oligopoly.md.trajectory import read_thermo
    from oligopoly.properties.density import SHOWN

    density = found["properties"].get("density", {})
    for engine, folder in (("reference", "reference"), ("learned", "ace")):
        table = run / "produce" / found["system"] / folder / "npt" / "thermo.tsv"
        if "value" in density.get(engine, {}) and "series" not in density[engine] and table.exists():
            columns = read_thermo(table)
            every = -(-len(columns["time_ps"]) // SHOWN)
            density[engine]["series"] = {
                key: columns[key][::every].tolist() for key in ("time_ps", "density_g_cm3") if key in columns
            }


def _block(kind: str, block: dict[str, Any]) -> dict[str, Any]:
    if "missing" in block and "ace" not in block:
        return {"missing": block["missing"]}
    if kind == "linear_response":
        return {"comparison": block}
    if kind == "rdf":
        pairs, engines = block["pairs"], ("reference", "ace")
        result: dict[str, Any] = {
            _name(engine): {
                "r_A": block["r_A"],
                "pairs": {
                    pair: {k: curves[engine] for k, curves in kinds.items() if engine in curves}
                    for pair, kinds in pairs.items()
                },
            }
            for engine in engines
            if any(engine in curves for kinds in pairs.values() for curves in kinds.values())
        }
        shares = {
            pair: {k: {"share": c["share"], "noise": c["noise"]} for k, c in kinds.items() if "share" in c}
            for pair, kinds in pairs.items()
        }
        return result | ({"comparison": {"pairs": shares}} if any(shares.values()) else {})
    result = {_name(engine): block[engine] for engine in ("reference", "ace") if engine in block}
    if kind == "density" and "deviation_percent" in block:
        result["comparison"] = {key: block[key] for key in DENSITY}
    if "missing" in block:
        result["missing"] = block["missing"]
    return result


def _name(engine: str) -> str:
    return "learned" if engine == "ace" else engine


def current_scan(found: dict[str, Any]) -> dict[str, Any]:
    """final/contact_scan.*.json, whichever version wrote it."""
    pairs = [
        {("learned_eV" if key == "ace_eV" else key): value for key, value in pair.items()} for pair in found["pairs"]
    ]
    return found | {"pairs": pairs}
