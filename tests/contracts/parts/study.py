"""A study: what the members took, stage by stage.

To use it: copy it to workflow/oligopoly/studies/cost.py, and add
    "cost": "oligopoly.studies.cost",
to studies/registry.py. Then `study: {kind: cost, vary: {trainer.functions: [100, 200, 400]}}`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from oligopoly.plotting.shown import Shown, Table, Words
from oligopoly.studies.contract import Members, StudySettings


class Settings(StudySettings):
    """Core-hours of each member, stage by stage; what another member made for it does not count."""

    kind: Literal["cost"]

    def create(self) -> "Cost":
        return Cost()


class Cost:
    """The study."""

    def collect(self, results: Mapping, members: Members) -> dict:
        """`stages`: a row per member and stage."""
        import pandas

        rows = [
            {"member": name, "stage": job["stage"], "core_hours": (job["seconds"] or 0) * job["cores"] / 3600}
            for name, found in results.items()
            for job in found.timings
        ]
        table = pandas.DataFrame(rows, columns=["member", "stage", "core_hours"])
        return {"stages": table.groupby(["member", "stage"], as_index=False, sort=False).sum()}

    def draw(self, tables: Mapping, members: Members) -> Iterable[Shown]:
        """A table with a column per stage."""
        found = tables["stages"]
        if not len(found):
            yield Words("No member has finished a job yet.", soft=True)
            return
        wide = found.pivot(index="member", columns="stage", values="core_hours").fillna(0)
        rows = [(member, *(f"{value:.3g}" for value in row)) for member, row in wide.iterrows()]
        yield Table(("member", *wide.columns), rows, "Core-hours", range(1, len(wide.columns) + 1))
