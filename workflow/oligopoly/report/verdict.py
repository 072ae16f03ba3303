"""May this potential be trusted? In a sentence, with every check it rests on."""

from dataclasses import dataclass

from oligopoly.plotting.numbers import quantity
from oligopoly.properties.contacts import scan_holes
from oligopoly.properties.contract import Check
from oligopoly.report.results import Results


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
    unknown = [c for c in checks if c.passed is None]
    passed = len(checks) - len(failed) - len(unknown)
    systems = ", ".join(results.properties)
    compared = all(found.get("compared", True) for found in results.properties.values())
    if failed:
        headline = (
            f"Do not trust this potential yet: {len(failed)} of {len(checks)} checks failed "
            f"({'; '.join(c.what for c in failed)})" + (f", {_count(unknown)} not known." if unknown else ".")
        )
    elif not compared:
        headline = (
            f"All {passed} checks passed that can be made without MD of the reference method: the liquids of "
            f"{systems} are the potential's own word."
        )
    elif unknown:
        headline = (
            f"Nothing failed for {systems}: {passed} of {len(checks)} checks passed, and {_count(unknown)} not known "
            f"({'; '.join(c.what for c in unknown)})."
        )
    else:
        headline = f"The potential holds for {systems}: all {len(checks)} checks passed."
    words = [f"{name}: {' '.join(found['sentences'])}" for name, found in results.properties.items()]
    holds = False if failed else None if unknown or not compared else True
    return Verdict(holds, headline, _story(results) + words, checks)


def _count(checks: list[Check]) -> str:
    return f"{len(checks)} {'is' if len(checks) == 1 else 'are'}"


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
    checks = []
    for c in last.assess["criteria"]:
        # shares as people read them
        factor, unit = (100, "%") if c["unit"] == "share" else (1, c["unit"])
        value, error = (None if one is None else factor * one for one in (c["value"], c["error"]))
        found = quantity(value, error, unit)
        limit = quantity(factor * c["limit"], unit=unit)
        name = f"generation {last.name}: {c['name']}"
        checks.append(Check(c.get("code", "criterion"), name, found, f"limit {limit}", c["passed"]))
    return checks


def _contacts(results: Results) -> list[Check]:
    checks = []
    for system, scan in results.scans.items():
        holes = scan_holes(scan)
        found = "none"
        if holes:
            low = min(h["barrier_eV"] for h in holes)
            found = f"{len(holes)} of {len(scan['pairs'])} pairs, behind {low:.2f} eV"
        checks.append(Check("contacts", f"{system}: no hole between molecules", found, "none behind 1 eV", not holes))
    return checks


def _liquids(results: Results) -> list[Check]:
    checks = []
    for system, found in results.properties.items():
        for engine, key in (("learned potential", "completed"), ("reference", "reference_completed")):
            ended = found["stability"].get(key)
            if ended is None:
                continue
            checks.append(
                Check(f"{key}.{system}", f"{system}: {engine} runs to its end", "yes" if ended else "no", "yes", ended)
            )
        for check in found["checks"]:
            checks.append(Check(**check | {"what": f"{system}: {check['what']}"}))
    return checks
