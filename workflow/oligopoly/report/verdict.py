"""May this potential be trusted? In a sentence, with every check it rests on."""

from dataclasses import dataclass

from oligopoly.properties.contacts import hole
from oligopoly.report.numbers import quantity
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
    compared = all(p.get("compared", True) for p in results.properties.values())
    if not compared and not failed:
        decided = sum(c.passed is not None for c in checks)
        headline = (
            f"All {decided} checks passed that can be made without MD of the reference method: the liquids of "
            f"{systems} are the potential's own word."
        )
    words = [f"{name}: {' '.join(p['sentences'])}" for name, p in results.properties.items()]
    return Verdict(not failed if compared or failed else None, headline, _story(results) + words, checks)


def _story(results: Results) -> list[str]:
    last, judged = results.fitted, results.assessed
    if last is None:
        return ["No potential has been fitted yet."]
    story = [
        f"The last potential, of generation {last.name}, was trained on {last.trained_on} structures, "
        f"with {last.held_out} held out."
    ]
    if judged:
        decision = {
            "converged": "The loop converged",
            "last generation": "The loop ended because its last generation was reached"
            + (", with every criterion met" if judged.assess["converged"] else ""),
            "budget spent": "The loop ended because its budget was spent",
            "go on": f"After generation {judged.name} the loop goes on",
        }[judged.assess["decision"]]
        reasons = " ".join(_sentence(r) for r in judged.assess["reasons"])
        story.append(f"{decision}. {reasons}".strip())
    return story


def _sentence(words: str) -> str:
    words = words.strip()
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else words + "."


def _loop(results: Results) -> list[Check]:
    last = results.assessed
    if last is None:
        return []
    return [
        Check(
            f"generation {last.name}: {c['name']}",
            quantity(c["value"], c["error"], c["unit"]),
            f"limit {quantity(c['limit'], unit=c['unit'])}",
            c["passed"],
        )
        for c in last.assess["criteria"]
    ]


def _contacts(results: Results) -> list[Check]:
    checks = []
    for system, scan in results.scans.items():
        holes = scan_holes(scan)
        found = "none"
        if holes:
            low = min(h["barrier_eV"] for h in holes)
            found = f"{len(holes)} of {len(scan['pairs'])} pairs, behind {low:.2f} eV"
        checks.append(Check(f"{system}: no hole between molecules", found, "none behind 1 eV", not holes))
    return checks


def scan_holes(scan: dict) -> list[dict]:
    """Holes of the pairs of a contact scan."""
    found = [hole(pair["distances"], pair["reference_eV"], pair["ace_eV"]) for pair in scan["pairs"]]
    return [h for h in found if h]


def _liquids(results: Results) -> list[Check]:
    checks = []
    for system, properties in results.properties.items():
        for engine, key in (("ACE", "completed"), ("reference", "reference_completed")):
            ended = properties["stability"][key]
            if ended is None:
                continue
            found = "yes" if ended else "no"
            checks.append(Check(f"{system}: {engine} runs to their end", found, "yes", ended))
        value = properties["density"]
        if not properties.get("compared", True):
            found = "not measured"
            if "ace" in value:
                found = f"{value['ace']['value']:.4f} ± {value['ace']['error']:.4f} g/cm³"
            checks.append(Check(f"{system}: density", found, "nothing to compare with", None))
            continue
        if "missing" in value:
            checks.append(Check(f"{system}: density", "not measured", "", False))
            continue
        checks.append(
            Check(
                f"{system}: density",
                f"{value['deviation_percent']:+.1f} ± {value['sigma_percent']:.1f} %",
                f"within {value['tolerance_percent']:g} % + {value['sigmas']:g}σ = {value['allowed_percent']:.1f} %",
                value["passed"],
            )
        )
    return checks
