"""How the errors fall with the number of labels, for members that differ in how labels are chosen, say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from oligopoly.plotting.shown import Picture, Shown, Table, Words
from oligopoly.studies.contract import Members, StudySettings, group_of

if TYPE_CHECKING:
    import pandas

    from oligopoly.report.results import Generation, Results

MEASURES = {
    "force_meV_A": "force RMSE, all held out (meV/Å)",
    "contact_force_meV_A": "force RMSE, contacts (meV/Å)",
    "largest_force_eV_A": "largest force error (eV/Å)",
    "completed_percent": "exploration runs to their end (%)",
}


class Settings(StudySettings):
    """Errors against labels. Members share what does not differ, and production is left out."""

    kind: Literal["learning_curve"]

    def create(self) -> "LearningCurve":
        return LearningCurve()


class LearningCurve:
    """The study as `studies.contract.Study` has it."""

    def collect(self, results: "Mapping[str, Results]", members: Members) -> "dict[str, pandas.DataFrame]":
        """`errors`: a row per member and generation. `groups`: mean and standard error over seeds."""
        import pandas

        rows = [
            {"member": name, "group": group_of(members[name]), **_of(generation)}
            for name, found in results.items()
            for generation in found.generations
            if generation.metrics
        ]
        errors = pandas.DataFrame(rows)
        if not len(errors):
            return {"errors": errors, "groups": errors}
        numbers = ["labels", *MEASURES]
        grouped = errors.groupby(["group", "generation"], sort=False)[numbers]
        mean, count = grouped.mean(), grouped.count()
        spread = grouped.std(ddof=1) / np.sqrt(count)
        groups = mean.join(spread[list(MEASURES)], rsuffix="_error").join(count["labels"].rename("seeds"))
        return {"errors": errors, "groups": groups.reset_index()}

    def draw(self, tables: "Mapping[str, pandas.DataFrame]", members: Members) -> Iterable[Shown]:
        """Curves with bands of one standard error over seeds, and the last generation as a table."""
        groups = tables["groups"]
        if not len(groups):
            yield Words("No member has fitted a potential yet.", soft=True)
            return
        yield Picture(
            figure(groups),
            "Errors against the number of training structures. Lines are means over seeds, bands one standard error "
            "of the mean.",
            "learning curves",
        )
        last = groups[groups["generation"] == groups["generation"].max()]
        rows = [
            (row["group"], f"{row['labels']:.0f}", int(row["seeds"]), *(_told(row, key) for key in MEASURES))
            for _, row in last.iterrows()
        ]
        header = ("member", "training structures", "seeds", *MEASURES.values())
        yield Table(header, rows, "The last generation, with standard errors over seeds", range(1, len(header)))
        yield from map(Words, _sentences(last))


def _of(generation: "Generation") -> dict[str, Any]:
    test = generation.metrics["test"]
    contact = test["by_config_type"].get("contact") or {}
    ends = (generation.assess or {}).get("md") or {}
    predictions = generation.predictions or {}
    largest = None
    if len(predictions.get("test_force_reference", ())):
        largest = float(np.abs(predictions["test_force_predicted"] - predictions["test_force_reference"]).max())
    return {
        "generation": generation.number,
        "labels": generation.trained_on,
        "force_meV_A": test["all"]["force_rmse_meV_A"],
        "contact_force_meV_A": contact.get("force_rmse_meV_A"),
        "largest_force_eV_A": largest,
        "completed_percent": 100 * ends["completed"] / ends["runs"] if ends.get("runs") else None,
    }


def _told(row: Any, key: str) -> str:
    value, error = row[key], row[f"{key}_error"]
    if value is None or np.isnan(value):
        return ""
    return f"{value:.3g}" + ("" if error is None or np.isnan(error) else f" ± {error:.2g}")


def _sentences(last: Any) -> Iterator[str]:
    """Which group is better by more than two standard errors, and that none is where that is so."""
    for key, name in MEASURES.items():
        known = last.dropna(subset=[key, f"{key}_error"])
        if len(known) < 2:
            continue
        ordered = known.sort_values(key, ascending=key != "completed_percent")
        best, next_best = ordered.iloc[0], ordered.iloc[1]
        apart = abs(next_best[key] - best[key])
        error = float(np.hypot(best[f"{key}_error"], next_best[f"{key}_error"]))
        if apart > 2 * error:
            yield (f"{name}: {best['group']} is better than {next_best['group']} by {apart:.3g} ± {error:.2g}.")
        else:
            yield f"{name}: no member is better than the next by two standard errors ({apart:.2g} ± {error:.2g})."


def figure(groups: Any):
    """A panel for each measure that is known."""
    from oligopoly.plotting.style import FULL, SERIES, panels

    measures = {key: name for key, name in MEASURES.items() if groups[key].notna().any()}
    drawn, axes = panels(len(measures), 3.0, width=FULL * max(len(measures), 2) / 4 * 1.2)
    for k, (group, rows) in enumerate(groups.groupby("group", sort=False)):
        colour = SERIES[k % len(SERIES)]
        for ax, key in zip(axes, measures, strict=True):
            known = rows[rows[key].notna()]
            x, y = known["labels"].to_numpy(float), known[key].to_numpy(float)
            error = known[f"{key}_error"].fillna(0).to_numpy(float)
            ax.plot(x, y, "o-", color=colour, label=group)
            ax.fill_between(x, y - error, y + error, color=colour, alpha=0.15, lw=0)
    for ax, name in zip(axes, measures.values(), strict=True):
        ax.set_ylabel(name)
        ax.set_xlabel("training structures")
        ax.set_ylim(bottom=0)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return drawn
