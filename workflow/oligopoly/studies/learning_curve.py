"""How the errors fall with the number of labels, for members that differ in how labels are chosen, say."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from oligopoly.plotting.shown import Picture, Shown, Table, Words
from oligopoly.studies.contract import Members, StudySettings, group_of

if TYPE_CHECKING:
    import pandas

    from oligopoly.report.results import Generation, Results

MEASURES = {
    "force_meV_A": "force RMSE, test frames of the pool (meV/Å)",
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
        """`errors`: a row per member and generation. `groups`: mean and standard error over seeds, by generation.
        `last`: the same of each member's last generation."""
        import pandas

        rows = [
            {"member": name, "group": group_of(members[name]), **_of(generation, following)}
            for name, found in results.items()
            for generation, following in zip_longest(found.generations, found.generations[1:])
            if generation.metrics
        ]
        errors = pandas.DataFrame(rows)
        if not len(errors):
            return {"errors": errors, "groups": errors, "last": errors}
        last = errors.sort_values("generation", kind="stable").groupby("member", sort=False).tail(1)
        return {
            "errors": errors,
            "groups": _over_seeds(errors, ["group", "generation"]),
            "last": _over_seeds(last, ["group"]),
        }

    def draw(self, tables: "Mapping[str, pandas.DataFrame]", members: Members) -> Iterable[Shown]:
        """Curves with bands of one standard error over seeds, and each member's last generation as a table."""
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
        last = tables["last"]
        rows = [
            (row["group"], f"{row['labels']:.0f}", int(row["seeds"]), *(_told(row, key) for key in MEASURES))
            for _, row in last.iterrows()
        ]
        header = ("member", "training structures", "seeds", *MEASURES.values())
        yield Table(header, rows, "Last generations, with standard errors over seeds", range(1, len(header)))
        yield from map(Words, _sentences(last))
        earlier = [one for _, one in groups.groupby("generation")][:-1]
        looked_at = sum(_comparisons(one) for one in earlier)
        sure = [
            f"Generation {one['generation'].iloc[0]}. {told}"
            for one in earlier
            for told in _sentences(one, looked_at, sure_only=True)
        ]
        if looked_at:
            found = "these differ" if sure else "none differs"
            yield Words(
                f"Of {looked_at} comparisons in earlier generations, {found} beyond 95 % of chance for all of them "
                "together."
            )
        yield from map(Words, sure)


def _over_seeds(errors: "pandas.DataFrame", by: list[str]) -> "pandas.DataFrame":
    """Means, their standard errors (`..._error`) of so many seeds (`..._seeds`), and the number of all `seeds`."""
    numbers = ["labels", *MEASURES]
    grouped = errors.astype(dict.fromkeys(numbers, float)).groupby(by, sort=False)[numbers]
    mean, count = grouped.mean(), grouped.count()
    spread = grouped.std(ddof=1) / np.sqrt(count)
    measures = list(MEASURES)
    errors, seeds = spread[measures].add_suffix("_error"), count[measures].add_suffix("_seeds")
    return mean.join([errors, seeds, count["labels"].rename("seeds")]).reset_index()


def _of(generation: "Generation", following: "Generation | None") -> dict[str, Any]:
    test = generation.metrics["test"]
    # frames that exploration met are held out too, but each member meets others
    sets = {name: one for name, one in test.get("by_test_set", {}).items() if name != "exploration"}
    known = [one for one in sets.values() if one["force_rmse_meV_A"] is not None]
    atoms = [one["atoms"] for one in known]
    squares = [one["force_rmse_meV_A"] ** 2 for one in known]
    # its potential explores for the next one
    ends = ((following and following.assess) or {}).get("md") or {}
    return {
        "generation": generation.number,
        "labels": generation.trained_on,
        "force_meV_A": float(np.sqrt(np.average(squares, weights=atoms))) if known else None,
        "contact_force_meV_A": sets.get("contacts", {}).get("force_rmse_meV_A"),
        "largest_force_eV_A": max(one["force_max_meV_A"] for one in known) / 1000 if known else None,
        "completed_percent": 100 * ends["completed"] / ends["runs"] if ends.get("runs") else None,
    }


def _told(row: Any, key: str) -> str:
    value, error = row[key], row[f"{key}_error"]
    if value is None or np.isnan(value):
        return ""
    return f"{value:.3g}" + ("" if error is None or np.isnan(error) else f" ± {error:.2g}")


def _known(found: Any, key: str) -> Any:
    """Groups whose `key` has an error."""
    return found[found[key].notna() & found[f"{key}_error"].notna()]


def _comparisons(found: Any) -> int:
    """How many `_sentences` makes."""
    return sum(max(len(_known(found, key)) - 1, 0) for key in MEASURES)


def _sentences(found: Any, comparisons: int = 1, sure_only: bool = False) -> Iterator[str]:
    """Than which groups the best one is better, with 95 % confidence, for all `comparisons` that are looked at.

    Student's t with the degrees of freedom of B. L. Welch, Biometrika 34 (1947) 28, since groups scatter unlike;
    many comparisons share the 5 % (Bonferroni).
    """
    from scipy import stats

    for key, name in MEASURES.items():
        known = _known(found, key)
        if len(known) < 2:
            continue
        ordered = known.sort_values(key, ascending=key != "completed_percent")
        best, told = ordered.iloc[0], []
        for _, other in ordered.iloc[1:].iterrows():
            apart = abs(other[key] - best[key])
            parts = [float(one[f"{key}_error"]) ** 2 for one in (best, other)]
            error = float(np.sqrt(sum(parts)))
            least = [part**2 / (one[f"{key}_seeds"] - 1) for part, one in zip(parts, (best, other), strict=True)]
            limit = stats.t.ppf(1 - 0.025 / comparisons, sum(parts) ** 2 / sum(least)) * error if error else 0.0
            sure = error > 0 and apart > limit
            why = f"95 % of chance lies within {limit:.2g}" if error > 0 else "its seeds do not differ"
            if sure:
                told.append(f"better than {other['group']} by {apart:.3g} ± {error:.2g}")
            elif not sure_only:
                told.append(f"not surely better than {other['group']} ({apart:.3g} ± {error:.2g}; {why})")
        if told:
            yield f"{name[:1].upper()}{name[1:]}: {best['group']} is {', and '.join(told)}."


def figure(groups: Any):
    """A panel for each measure that is known."""
    from oligopoly.plotting.style import SERIES, panels

    measures = {key: name for key, name in MEASURES.items() if groups[key].notna().any()}
    columns = min(len(measures), 2)
    rows = -(-len(measures) // columns)
    drawn, axes = panels(columns, 2.6 * rows + 0.4, rows=rows)
    for ax in axes[len(measures) :]:
        ax.set_visible(False)
    axes = axes[: len(measures)]
    for k, (group, found) in enumerate(groups.groupby("group", sort=False)):
        style = {"color": SERIES[k % len(SERIES)], "marker": "os^Dv"[k % 5], "ls": ("-", "--", ":", "-.")[k % 4]}
        for ax, key in zip(axes, measures, strict=True):
            known = found[found[key].notna()]
            x, y = known["labels"].to_numpy(float), known[key].to_numpy(float)
            error = known[f"{key}_error"].fillna(0).to_numpy(float)
            ax.plot(x, y, **style, label=group)
            ax.fill_between(x, y - error, y + error, color=style["color"], alpha=0.15, lw=0)
    first, last = groups["labels"].min(), groups["labels"].max()
    for ax, name in zip(axes, measures.values(), strict=True):
        ax.set_ylabel(name)
        ax.set_xlabel("training structures")
        ax.set_ylim(bottom=0)
        ax.set_xlim(first - 0.05 * (last - first) - 0.5, last + 0.05 * (last - first) + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return drawn
