"""Is there enough left of the budget for another generation?"""

from pathlib import Path

from oligopoly.operations import usage

UNITS = {"core_hours": "core-hours", "gpu_hours": "GPU-hours", "labels": "labels"}


def judge(limits: dict[str, float], run: str | Path, store: str | Path, generation: int, next_labels: int) -> dict:
    """What generations 0 to `generation` have used, what one more would take, and whether that fits `limits`.

    limits: what the config's `budget` block limits; store: the folder of the label store. One more generation takes as
    many core-hours and GPU-hours as this one and at most `next_labels` labels. `sentence` says it in words. The final
    production runs are not counted: they come after the loop, whatever ends it.
    """
    done = [use for use in usage.jobs(run) if (use.generation or 0) <= generation and use.rule != "produce"]
    this = [use for use in done if use.generation == generation]
    labels = sum(usage.computed(run, store, number) for number in range(generation + 1))
    spent = {
        "core_hours": sum(use.core_hours for use in done),
        "gpu_hours": sum(use.gpu_hours for use in done),
        "labels": labels,
    }
    more = {
        "core_hours": sum(use.core_hours for use in this),
        "gpu_hours": sum(use.gpu_hours for use in this),
        "labels": next_labels,
    }
    short = [name for name, limit in limits.items() if spent[name] + more[name] > limit]
    told = ", ".join(f"{amount(spent[name])} of {limit:g} {UNITS[name]}" for name, limit in limits.items())
    needs = ", ".join(f"{amount(more[name])} {UNITS[name]}" for name in (short or limits))
    end = f"{needs} more for another generation do not fit" if short else f"another generation takes about {needs}"
    return {
        "limits": limits, "spent": spent, "next": more, "exhausted": bool(short),
        "sentence": f"Of the budget {told} are spent; {end}",
    }  # fmt: skip


def amount(value: float) -> str:
    """Hours and counts as people read them: 0.12, 3.4, 1250."""
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
