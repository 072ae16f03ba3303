"""What took how long."""

import numpy as np

from oligopoly import layout
from oligopoly.plotting.style import HALF, LEARNED, panels
from oligopoly.report.page import Section, missing, paragraph, section, show, table
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    jobs = [job for job in run.timings if job["seconds"] is not None]
    if not jobs:
        return section("timings", "Time", missing("No job has left its timing yet."))
    stages: dict = {}
    order = list(layout.BY_RULE)
    for job in sorted(jobs, key=lambda j: order.index(j["stage"]) if j["stage"] in order else len(order)):
        stages.setdefault(job["stage"], []).append(job)
    total = [(name, sum(j["seconds"] for j in those), len(those)) for name, those in stages.items()]
    rows = []
    for name, seconds, number in total:
        longest = max(stages[name], key=lambda j: j["seconds"])
        memory = max((j["memory"] or 0 for j in stages[name]), default=0)
        rows.append((name, number, f"{seconds:.0f}", f"{longest['seconds']:.0f} ({longest['job'] or name})",
                     f"{memory:.0f}" if memory else ""))  # fmt: skip
    everything = sum(seconds for _, seconds, _ in total)
    return section(
        "timings",
        "Time",
        paragraph(
            f"{len(jobs)} jobs took {everything / 60:.1f} minutes together; jobs that ran side by side "
            "are counted each."
        ),
        show(timings(total), "Wall-clock time of all jobs of a stage.", "time per stage"),
        table(("stage", "jobs", "seconds", "longest (s)", "peak memory (MB)"), rows, numbers=(1, 2, 3, 4)),
    )


def timings(stages: list[tuple[str, float, int]]):
    """Wall-clock time per stage: (stage, seconds, jobs)."""
    figure, (ax,) = panels(1, 0.7 + 0.25 * len(stages), width=HALF * 1.6)
    y = np.arange(len(stages))
    ax.barh(y, [s / 60 for _, s, _ in stages], color=LEARNED, height=0.7)
    ax.set_yticks(y, [name for name, _, _ in stages])
    ax.invert_yaxis()
    ax.set_xlabel("time of all its jobs together (minutes)")
    return figure
