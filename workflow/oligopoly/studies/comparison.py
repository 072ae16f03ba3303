"""Finished runs side by side: errors, densities, verdicts, and what they took."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from oligopoly.plotting.shown import Picture, Shown, Table, Words
from oligopoly.studies.contract import Members, StudySettings

if TYPE_CHECKING:
    import pandas

    from oligopoly.report.results import Results


class Settings(StudySettings):
    """Whole runs side by side: their errors, densities and verdicts."""

    whole_runs: ClassVar[bool] = True

    kind: Literal["comparison"]

    def create(self) -> "Comparison":
        return Comparison()


class Comparison:
    """The study as `studies.contract.Study` has it."""

    def collect(self, results: "Mapping[str, Results]", members: Members) -> "dict[str, pandas.DataFrame]":
        """`runs`: a row per member; `densities`: a row per member and system."""
        import pandas

        runs = [{"member": name, **_of(found)} for name, found in results.items()]
        densities = [
            {"member": name, "system": system, **_density(found["properties"].get("density", {}))}
            for name, run in results.items()
            for system, found in run.properties.items()
        ]
        return {"runs": pandas.DataFrame(runs), "densities": pandas.DataFrame(densities)}

    def draw(self, tables: "Mapping[str, pandas.DataFrame]", members: Members) -> Iterable[Shown]:
        """A table of the runs, and a picture of the densities."""
        runs, densities = tables["runs"], tables["densities"]
        header = ("run", "generations", "training structures", "force RMSE (meV/Å)", "(% of RMS)",
                  "energy RMSE (meV/atom)", "checks passed / failed / unknown", "core-hours of its own")  # fmt: skip
        rows = [
            (row["member"], row["generations"], row["labels"], _n(row["force_meV_A"]), _n(row["force_percent"]),
             _n(row["energy_meV_atom"]), f"{row['passed']} / {row['failed']} / {row['unknown']}",
             _n(row["core_hours"]))
            for _, row in runs.iterrows()
        ]  # fmt: skip
        yield Table(
            header,
            rows,
            "Errors on each run's own held-out frames; core-hours of jobs in its own folder, not of what is shared",
            range(1, len(header)),
        )
        known = densities.dropna(subset=["deviation_percent"]) if len(densities) else densities
        if not len(known):
            yield Words("No run has densities that were compared with a reference.", soft=True)
            return
        yield Picture(
            figure(known),
            "Deviation of the density from the reference, with one standard error; each run against its own reference.",
            "densities of all runs",
        )


def _of(found: "Results") -> dict[str, Any]:
    from oligopoly.report.verdict import judge

    last = found.fitted
    test = last.metrics["test"]["all"] if last else {}
    checks = judge(found).checks
    seconds = sum((job["seconds"] or 0) * job["cores"] for job in found.timings)
    return {
        "generations": len(found.generations),
        "labels": last.trained_on if last else 0,
        "force_meV_A": test.get("force_rmse_meV_A"),
        "force_percent": test.get("force_rmse_percent"),
        "energy_meV_atom": test.get("energy_rmse_meV_atom"),
        "passed": sum(check.passed is True for check in checks),
        "failed": sum(check.passed is False for check in checks),
        "unknown": sum(check.passed is None for check in checks),
        "core_hours": seconds / 3600,
    }


def _density(found: Mapping[str, Any]) -> dict[str, Any]:
    comparison = found.get("comparison") or {}
    return {
        "density_g_cm3": found.get("learned", {}).get("value"),
        "deviation_percent": comparison.get("deviation_percent"),
        "sigma_percent": comparison.get("sigma_percent"),
    }


def _n(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.3g}"


def figure(densities: Any):
    """A row for each run and system."""
    from oligopoly.plotting.style import LEARNED, REFERENCE, panels

    rows = [(f"{row['member']}: {row['system']}", row) for _, row in densities.iterrows()]
    drawn, (ax,) = panels(1, 0.8 + 0.3 * len(rows))
    for k, (_, row) in enumerate(rows):
        ax.errorbar(row["deviation_percent"], k, xerr=row["sigma_percent"], fmt="o", color=LEARNED)
    ax.axvline(0, color=REFERENCE, lw=1)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("density relative to the reference (%), one standard error")
    return drawn
