"""What MD with the potentials met, and how it ended."""

import numpy as np

from oligopoly import quantities
from oligopoly.plotting.style import FRESH, LEARNED, REFERENCE, SERIES, panels
from oligopoly.potentials.uncertainty import SCALES, Scale
from oligopoly.report.page import Html, Section, details, missing, paragraph, section, show, table
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    parts = [_scores(run, kind) for kind in SCALES]
    stops = [(g.name, name, w["stop"]) for g in run.generations for name, w in g.walkers.items() if w["stop"]]
    if not stops:
        parts.append(missing("No exploration has been run: generation 0 is drawn from reference MD."))
        return section("exploration", "Exploration and stability", *parts)
    bars = [
        (f"{g} {name}", s["time_fs"] / 1000, s["planned_fs"] / 1000, s["outcome"])
        for g, name, s in stops
        if s["planned_fs"]
    ]
    done = sum(s["outcome"] == "completed" for *_, s in stops)
    parts += [
        paragraph(f"{done} of {len(stops)} exploration runs went to their end."),
        show(
            exploration(bars),
            "How long each exploration run lasted, and what ended it. A run that stops has found "
            "something to learn; later generations should stop less.",
            "time to the end of every exploration run",
        ),
    ]
    broken = [(g, n, s["outcome"].replace("_", " "), f"{s['time_fs'] / 1000:.2f}", s["reason"])
              for g, n, s in stops if s["outcome"] != "completed"]  # fmt: skip
    if broken:
        body = table(("generation", "run", "ended by", "at (ps)", "reason"), broken, numbers=(3,))
        parts.append(details(f"Why {len(broken)} runs stopped", body))
    return section("exploration", "Exploration and stability", *parts)


def _scores(run: Results, kind: str) -> Html:
    """The scores of a kind in each generation, if there are any."""
    found: dict[int, list] = {}
    for g in run.generations:
        for walker in g.walkers.values():
            scores = walker["scores"]
            if scores and scores["kind"] == kind and len(scores["largest"]):
                found.setdefault(g.number, []).append(scores["largest"])
    if not found:
        return Html()
    name, symbol = SCALES[kind].name, SCALES[kind].symbol
    beyond = (
        f"Beyond {symbol} = 1 an atom's surroundings lie outside what was trained on. "
        if kind == "gamma"
        else "It is the largest of a frame's atoms, of what the members of the committee make of its force. "
    )
    by_generation = {number: np.concatenate(series) for number, series in found.items()}
    return show(
        score_distributions(by_generation, SCALES[kind], *_thresholds(run.config, kind)),
        f"{name.capitalize()} met by MD with the potential of the generation before. {beyond}Frames beyond “select” "
        "become candidates, and beyond “stop” the run ends. Learning moves the curves to the left.",
        f"distributions of the {name} by generation",
    )


def _thresholds(config: dict, kind: str) -> tuple[float | None, float | None]:
    """Of the run's config, as numbers in the score's unit."""
    asked = (config.get("explore") or {}).get("uncertainty") or {}
    found = []
    for name in ("select", "stop"):
        value = asked.get(name)
        if isinstance(value, str):
            value = quantities.parse(value, "force")
        found.append(getattr(SCALES[kind], name) if value is None else value)
    return found[0], found[1]


def score_distributions(by_generation: dict, scale: Scale, select: float | None, stop: float | None):
    """Largest scores of exploration frames, by generation.

    by_generation : {generation: (M,)}. Left their distribution, right the share above.
    """
    figure, (left, right) = panels(2, 3.0)
    everything = np.concatenate([v for v in by_generation.values()])
    everything = everything[np.isfinite(everything) & (everything > 0)]
    shown = [everything.min(), everything.max(), *(value for value in (select, stop) if value)]
    low = max(min(shown) * 0.9, 1e-3)
    high = min(max(shown) * 1.2, low * 1e8)
    bins = np.geomspace(low, high, 40)
    shades = np.linspace(1, 0.3, len(by_generation))[::-1]
    for shade, (generation, values) in zip(shades, sorted(by_generation.items()), strict=True):
        colour = _towards_white(LEARNED, shade)
        finite = values[np.isfinite(values)]
        counts, _ = np.histogram(np.clip(finite, low, high), bins)
        left.stairs(counts / max(counts.sum(), 1), bins, color=colour, lw=1.3)
        ordered = np.sort(finite)
        right.step(
            ordered, 1 - np.arange(len(ordered)) / len(ordered), where="pre", color=colour,
            label=f"generation {generation} ({len(finite)} frames)",
        )  # fmt: skip
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        for value, name in ((select, "select"), (stop, "stop")):
            if value:
                ax.axvline(value, color=FRESH, lw=0.9, ls=":" if name == "select" else "--")
                ax.text(
                    value, 1.0, f" {name}", color=FRESH, fontsize=8.5, va="bottom", ha="center",
                    transform=ax.get_xaxis_transform(),
                )  # fmt: skip
        ax.set_xlabel(f"largest {scale.name} of a frame" + (f" ({scale.unit.replace('A', 'Å')})" if scale.unit else ""))
    left.set_ylabel("share of frames per bin")
    right.set_ylabel(f"share of frames above {scale.symbol}")
    right.set_yscale("log")
    right.legend()
    return figure


def _towards_white(colour: str, shade: float):
    from matplotlib.colors import to_rgb

    return tuple(1 - shade * (1 - c) for c in to_rgb(colour))


def exploration(runs: list[tuple[str, float, float, str]]):
    """How far each exploration run came: (name, ps, planned ps, outcome), in the order to show."""
    outcomes = list(dict.fromkeys(outcome for *_, outcome in runs))
    colours = {"completed": LEARNED}
    spare = iter([c for c in SERIES if c not in (LEARNED, REFERENCE)] * 3)
    for outcome in outcomes:
        colours.setdefault(outcome, next(spare))
    figure, (ax,) = panels(1, 0.8 + 0.2 * len(runs))
    y = np.arange(len(runs))
    ax.barh(y, [planned for _, _, planned, _ in runs], color="#E8E8E8", height=0.7)
    ax.barh(y, [t for _, t, _, _ in runs], color=[colours[o] for *_, o in runs], height=0.7)
    ax.set_yticks(y, [name for name, *_ in runs], fontsize=8)
    ax.set_ylim(len(runs) - 0.4, -0.6)
    ax.set_xlabel("time until the end of the run (ps); grey: planned")
    for outcome in outcomes:
        ax.barh([0], [0], color=colours[outcome], label=outcome.replace("_", " "))
    figure.legend(loc="outside upper center", ncols=5)
    return figure
