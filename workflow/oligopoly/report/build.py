"""The report of a run: one self-contained page for a colleague."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oligopoly import files
from oligopoly.plotting import style
from oligopoly.report import results, verdict
from oligopoly.report.page import Html, mark, page, table, text
from oligopoly.report.results import Results
from oligopoly.report.sections import registry


def build(run_dir: str | Path, out_html: str | Path, owners: Mapping[str, tuple[str, str]] | None = None) -> None:
    """Write the report of `results/{run}` as one HTML file with everything in it.

    Whatever the run has not reached is named in a sentence where it would stand. owners: where a member of a study
    finds what others made (`layout.owners`).
    """
    run = results.read(run_dir, owners)
    with style.styled():
        content = page(f"oligopoly: {run.name}", _opening(run), registry.write(run))
    files.write_text(out_html, content)


def _made_of(system: dict[str, Any]) -> str:
    if system.get("repeat_unit") is None:
        return f"{system['atoms'] // system['chains']} atoms (a data file of the user's)"
    return f"{system['degree_of_polymerisation']} × {system['repeat_unit']}"


def _opening(run: Results) -> Html:
    """The verdict, with every check it rests on."""
    judged = verdict.judge(run)
    side = {True: "good-side", False: "bad-side", None: ""}[judged.holds]
    items = "".join(f"<li>{text(s)}</li>" for s in judged.sentences)
    checks = ""
    if judged.checks:
        rows = [(c.what, c.found, c.required, mark(c.passed)) for c in judged.checks]
        checks = table(("check", "found", "required", ""), rows)
    systems = "; ".join(
        f"{name}: {p['chains']} chains of {_made_of(p)} at "
        f"{p['temperature_K']:g} K ({'trained on' if p['role'] == 'train' else 'never trained on'})"
        for name, p in run.properties.items()
    )
    return Html(
        f"<h1>{text(run.name)}</h1>"
        f'<p class="soft">{text(_kind(run))} learned actively by oligopoly. {text(systems)}</p>'
        f'<div class="verdict {side}"><strong>{text(judged.headline)}</strong><ul>{items}</ul></div>'
        f"{checks}"
    )


def _kind(run: Results) -> str:
    """What was learned, as a title has it."""
    trainer = (run.config.get("trainer") or {}).get("kind", "ace")
    return "An ACE potential" if trainer in ("ace", "pacemaker") else f"A potential by the trainer {trainer}"
