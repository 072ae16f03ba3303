"""May this potential be trusted? In a sentence, with every check it rests on."""

from dataclasses import dataclass

from oligopoly.properties.contacts import hole
from oligopoly.report.results import Results


@dataclass(frozen=True)
class Check:
    """One thing that was required: what was found, what was allowed, and whether it held."""

    what: str
    found: str
    required: str
    passed: bool | None


@dataclass(frozen=True)
class Verdict:
    """`holds` is None when the run is not far enough to say."""

    holds: bool | None
    headline: str
    sentences: list[str]
    checks: list[Check]


def judge(results: Results) -> Verdict:
    """The verdict on the final potential of a run."""
    checks = [*_loop(results), *_contacts(results), *_liquids(results)]
    if not results.properties:
        return Verdict(
            None,
            "Not decided yet: no production run has been compared with the reference.",
            _story(results),
            checks,
        )
    failed = [c for c in checks if c.passed is False]
    systems = ", ".join(results.properties)
    if failed:
        headline = (
            f"Do not trust this potential yet: {len(failed)} of {len(checks)} checks failed "
            f"({'; '.join(c.what for c in failed)})."
        )
    else:
        headline = f"The potential holds for {systems}: all {len(checks)} checks passed."
    words = [f"{name}: {' '.join(p['sentences'])}" for name, p in results.properties.items()]
    return Verdict(not failed, headline, _story(results) + words, checks)


def _story(results: Results) -> list[str]:
    last = results.last
    if last is None:
        return ["No generation has been started."]
    story = [
        f"{len(results.generations)} generations were run (000 to {last.name}); the last potential "
        f"was trained on {last.trained_on} structures, with {last.held_out} held out."
    ]
    if last.assess:
        decision = {
            "converged": "The loop converged",
            "last generation": "The loop ended because its last generation was reached"
            + (", with every criterion met" if last.assess.get("converged") else ""),
            "go on": "The loop has not converged yet",
        }.get(last.assess.get("decision"), "The loop was assessed")
        reasons = " ".join(_sentence(r) for r in last.assess.get("reasons", []))
        story.append(f"{decision}. {reasons}".strip())
    return story


def _sentence(words: str) -> str:
    words = words.strip()
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else words + "."


def _loop(results: Results) -> list[Check]:
    last = results.last
    if not (last and last.assess):
        return []
    return [
        Check(
            f"last generation: {c['name']}",
            quantity(c.get("value"), c.get("error"), c.get("unit", "")),
            f"at most {c['limit']:g} {c.get('unit') or ''}".strip()
            if isinstance(c.get("limit"), int | float)
            else str(c.get("limit", "")),
            c.get("passed"),
        )
        for c in last.assess.get("criteria", [])
    ]


def _contacts(results: Results) -> list[Check]:
    checks = []
    for system, scan in results.scans.items():
        holes = scan_holes(scan)
        found = "none"
        if holes:
            low = min(h["barrier_eV"] for h in holes)
            found = f"{len(holes)} of {len(scan['pairs'])} pairs, behind {low:.2f} eV"
        checks.append(
            Check(f"{system}: no hole between molecules", found, "none behind 1 eV", not holes)
        )
    return checks


def scan_holes(scan: dict) -> list[dict]:
    """Holes of the pairs of a contact scan."""
    found = [
        hole(pair["distances"], pair["reference_eV"], pair["ace_eV"]) for pair in scan["pairs"]
    ]
    return [h for h in found if h]


def _liquids(results: Results) -> list[Check]:
    checks = []
    for system, properties in results.properties.items():
        checks.append(
            Check(
                f"{system}: ACE runs to their end",
                "yes" if properties["stability"]["completed"] else "no",
                "yes",
                properties["stability"]["completed"],
            )
        )
        value = properties["density"]
        if "missing" in value:
            checks.append(Check(f"{system}: density", "not measured", "", False))
            continue
        checks.append(
            Check(
                f"{system}: density",
                f"{value['deviation_percent']:+.1f} ± {value['sigma_percent']:.1f} %",
                f"within {value['tolerance_percent']:g} % + {value['sigmas']:g}σ = "
                f"{value['allowed_percent']:.1f} %",
                value["passed"],
            )
        )
    return checks


def quantity(value, error=None, unit: str = "") -> str:
    """A number with its error and unit, as people write it."""
    if value is None:
        return "not known"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if error is not None:
        text += f" ± {error:.2g}"
    return f"{text} {unit or ''}".strip()
