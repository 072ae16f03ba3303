"""The sections of the report, in their order: modules with a function `write(Results) -> Section`."""

import importlib

from oligopoly.report.page import Section
from oligopoly.report.results import Results

SECTIONS = (
    "learning",
    "exploration",
    "selection",
    "accuracy",
    "contacts",
    "liquids",
    "timings",
    "provenance",
)


def write(run: Results) -> list[Section]:
    """All of them."""
    return [importlib.import_module(f"oligopoly.report.sections.{name}").write(run) for name in SECTIONS]
