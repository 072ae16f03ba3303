"""What was labelled, and why."""

from collections import Counter

import numpy as np

from oligopoly.plotting.style import FRESH, HALF, LEARNED, SERIES, panels
from oligopoly.report.page import Html, Section, details, missing, section, show, table
from oligopoly.report.results import Results
from oligopoly.selectors.ledger import words

FROM_STORE = "of all these, from the store"  # the last row
FAILED, REASON = 40, 300  # structures without a label that are listed, and characters of their reasons


def write(run: Results) -> Section:
    counts, kinds = [], {}
    for g in run.generations:
        if not g.ledger:
            continue
        kinds[g.name] = Counter((words(r.get("code")), r["chosen"] == "1") for r in g.ledger)
        if "code" not in g.ledger[0]:
            continue  # of an earlier version: what was taken for which purpose is not told
        audit = sum(r["code"] == "audit" for r in g.ledger)
        held_out = sum(r["code"] == "pool_test" for r in g.ledger)
        chosen = sum(r["chosen"] == "1" for r in g.ledger) - audit - held_out
        rest = len(g.ledger) - chosen - audit - held_out
        counts.append((f"generation {g.name}", chosen, held_out, audit, rest))
    if not kinds:
        return section("selection", "What was selected, and why", missing("Nothing was selected yet."))
    parts: list = [
        counts
        and show(
            selection(counts),
            "Frames considered in each generation. Audited frames are held out too: the audit is drawn by lot from "
            "what was not selected, to see whether leaving it out was right.",
            "frames chosen, audited and left out per generation",
        ),
        _by_generation(
            "reason",
            {g: Counter({f"{k} ({'labelled' if taken else 'left out'})": n for (k, taken), n in c.items()})
             for g, c in kinds.items()},
            "Frames considered, by the reason in the ledger and generation",
        ),
    ]  # fmt: skip
    outcomes = {}
    for g in run.generations:
        if g.outcomes:
            outcomes[g.name] = Counter(r["outcome"] for r in g.outcomes)
            outcomes[g.name][FROM_STORE] = sum(r["reused"] == "1" for r in g.outcomes)
    if outcomes:
        caption = "What became of the structures sent for labels"
        parts.append(_by_generation("outcome", outcomes, caption))
    failed = [(g.name, r) for g in run.generations for r in g.outcomes if r["outcome"] != "labelled"]
    if failed:
        rows = [(name, r["frame"], r["outcome"], r["reason"][:REASON]) for name, r in failed[:FAILED]]
        caption = f"Structures without a label{'' if len(failed) <= FAILED else f': {FAILED} of {len(failed)}'}"
        parts.append(details(caption, table(("generation", "structure", "outcome", "reason"), rows)))
    audits = [
        (g.name, a["wrong"], a["n"], f"{100 * a['share']:.0f} %",
         f"{100 * a['low']:.0f} to {100 * a['high']:.0f} %")
        for g in run.generations
        if (a := (g.assess or {}).get("audit")) and "share" in a
    ]  # fmt: skip
    if audits:
        parts.append(
            table(("generation", "wrong", "audited", "share", "95 % interval"), audits,
                  numbers=(1, 2, 3, 4),
                  caption="Audit: frames left out whose forces were wrong after all")
        )  # fmt: skip
    return section("selection", "What was selected, and why", *parts)


def _by_generation(what: str, counts: dict[str, Counter], caption: str) -> Html:
    """Counts with one column per generation."""
    names = sorted({name for c in counts.values() for name in c}, key=lambda name: (
        name == FROM_STORE, -max(c[name] for c in counts.values()), name))  # fmt: skip
    rows = [(name, *(c.get(name, "") for c in counts.values())) for name in names]
    return table((what, *counts), rows, numbers=range(1, len(counts) + 1), caption=caption)


def selection(counts: list[tuple[str, int, int, int, int]]):
    """Frames per generation: (name, chosen, held out, audit, left out)."""
    figure, (ax,) = panels(1, 0.8 + 0.26 * len(counts), width=HALF * 1.5)
    y = np.arange(len(counts))
    left = np.zeros(len(counts))
    for k, (label, colour) in enumerate(
        (
            ("chosen for training", LEARNED),
            ("held out", SERIES[5]),
            ("random audit", FRESH),
            ("left out", "#D0D0D0"),
        )
    ):
        width = np.array([row[k + 1] for row in counts], float)
        ax.barh(y, width, left=left, color=colour, label=label, height=0.7)
        left += width
    ax.set_yticks(y, [row[0] for row in counts])
    ax.invert_yaxis()
    ax.set_xlabel("frames considered")
    figure.legend(loc="outside upper center", ncols=4)
    return figure
