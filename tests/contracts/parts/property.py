"""A property: the mean pressure at constant volume.

To use it: copy it to workflow/oligopoly/properties/pressure.py, and add
    "pressure": "oligopoly.properties.pressure",
to properties/registry.py. It is measured, compared and shown in the report from then on; `properties: {pressure: null}`
leaves it out.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.plotting.shown import NAMES, Shown, Table
from oligopoly.properties import statistics
from oligopoly.properties.contract import ENGINES, Check, Context, Number, PropertySettings, Run, allowed

FEW = 5  # independent samples, of fewer of which no error is known


class Settings(PropertySettings):
    """Mean pressure in NVT."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"

    tolerance_bar: float = Field(500.0, gt=0, description="largest deviation from the reference, beyond its error")

    def create(self) -> "Pressure":
        return Pressure(self)


class Pressure:
    """The property."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """Of one engine: a mean with its error, over replicates."""
        found = []
        for run in runs:
            series = run.thermo["pressure_bar"]
            if len(series) < 4:
                raise UserError(f"{run.folder}: {len(series)} samples are too few for a mean with an error")
            found.append(statistics.mean(series, f"the pressure by the {NAMES[engine]}", quiet=True))
        value, error = statistics.over_replicates([one.value for one in found], [one.error for one in found])
        return {"value": value, "error": error, "effective_samples": min(one.effective for one in found)}

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """What the two say about each other; a difference that the runs are too short to know is neither."""
        deviation = learned["value"] - reference["value"]
        sigma = float(np.hypot(learned["error"], reference["error"]))
        limit, passed = allowed(deviation, sigma, self.settings.tolerance_bar)
        known = min(learned["effective_samples"], reference["effective_samples"]) >= FEW
        return {
            "deviation_bar": deviation,
            "sigma_bar": sigma,
            "allowed_bar": limit,
            "passed": passed if known or not passed else None,
        }

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """What must hold for the potential to be trusted."""
        if "comparison" not in found or "missing" in found["comparison"]:
            return [Check("pressure", "pressure", "not compared", "", None)]
        c = found["comparison"]
        said = f"{c['deviation_bar']:+.0f} ± {c['sigma_bar']:.0f} bar"
        return [Check("pressure", "pressure", said, f"within {c['allowed_bar']:.0f} bar", c["passed"])]

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """What is worth drawing against chain length, for chains of `units` repeat units."""
        return [Number("pressure", "bar", measured["value"], measured["error"], measured["effective_samples"] >= FEW)]

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """A table of all systems."""
        rows = [
            (system, NAMES[engine], f"{one['value']:.0f} ± {one['error']:.0f}")
            for system, properties in everything.items()
            for engine in ENGINES
            if "value" in (one := properties.get("pressure", {}).get(engine, {}))
        ]
        return (
            [Table(("system", "engine", "pressure (bar)"), rows, "Pressure at constant volume", (2,))] if rows else []
        )

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """All is in the overview."""
        return ()
