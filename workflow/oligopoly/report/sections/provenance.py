"""Where the potential came from."""

from collections import Counter

import yaml

from oligopoly.report.page import Html, Section, details, missing, section, table, text
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    parts = []
    if run.provenance:
        parts.append(_tree(run.provenance))
    else:
        parts.append(missing("There is no final potential yet, so nothing to say about its origin."))
    last = run.fitted
    if last and last.composition:
        counts: Counter = Counter()
        for (system, generation, sampler), number in last.composition.items():
            counts[generation, system, sampler] += number
        rows = [(f"{g:03d}", s, sampler, n) for (g, s, sampler), n in sorted(counts.items())]
        parts.append(
            details(
                f"The {last.trained_on} training structures of generation {last.name} by origin",
                table(("generation", "system", "sampler", "frames"), rows, numbers=(3,)),
            )
        )
    if run.config:
        dump = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)
        parts.append(details("The resolved config", Html(f"<pre>{text(dump)}</pre>")))
    return section("provenance", "Provenance", *parts)


def _tree(content: dict) -> Html:
    """A nested dictionary as a table of two columns."""
    rows = []
    for key, value in content.items():
        if isinstance(value, dict):
            shown = _tree(value) if value else ""
            if len(value) > 8:
                shown = details(f"{len(value)} entries", shown)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            shown = table(list(value[0]), [list(map(str, v.values())) for v in value])
        elif isinstance(value, list):
            shown = ", ".join(map(str, value))
        else:
            shown = Html(f"<code>{text(value)}</code>") if len(str(value)) > 30 else value
        rows.append((key.replace("_", " "), shown if value is not None else "not known"))
    return table(("", ""), rows)
