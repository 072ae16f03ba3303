"""The liquids: the potential against the reference, property by property."""

from typing import Any

from oligopoly.plotting.shown import Shown
from oligopoly.properties.registry import PROPERTIES
from oligopoly.report import lengths
from oligopoly.report.page import Html, Section, missing, paragraph, section, shown, text
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    """What each property shows of all systems, how it goes with the length of chains, then each system."""
    title = "The liquid: the potential against the reference"
    if not run.properties:
        return section("liquids", title, missing("No production run has been compared yet."))
    parts: list[Html] = []
    everything = {system: found["properties"] for system, found in run.properties.items()}
    properties = {kind: PROPERTIES.settings(kind)().create() for kind in PROPERTIES}
    for one in properties.values():
        parts += map(shown, one.overview(everything))
    parts += map(shown, lengths.pieces(run))
    for system, found in run.properties.items():
        parts += [Html(f"<h3>{text(system)}</h3>"), paragraph(*found["sentences"])]
        for kind, one in properties.items():
            parts += map(shown, _details(one, system, found["properties"].get(kind)))
    return section("liquids", title, *parts)


def _details(one: Any, system: str, found: dict[str, Any] | None) -> list[Shown]:
    return [] if found is None else list(one.details(system, found))
