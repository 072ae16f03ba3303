"""The report of a run: one self-contained page for a colleague."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import yaml

from oligopoly import files
from oligopoly.report import figures, results, style, verdict
from oligopoly.report.numbers import quantity
from oligopoly.report.page import (
    Html,
    details,
    figure,
    mark,
    missing,
    page,
    paragraph,
    section,
    table,
    text,
)
from oligopoly.report.results import Results

# Of a frame's config_type; frames of runs made with older versions have none.
KINDS = {"explored": "found by exploration", "stopped": "where exploration stopped", "none": "found by exploration"}

FAILED, REASON = 40, 300  # structures without a label that are listed, and characters of their reasons


def build(run_dir: str | Path, out_html: str | Path) -> None:
    """Write the report of `results/{run}` as one HTML file with everything in it.

    Whatever the run has not reached is named in a sentence where it would stand.
    """
    run = results.read(run_dir)
    with style.styled():
        sections = [
            _learning(run),
            _exploration(run),
            _selection(run),
            _accuracy(run),
            _contacts(run),
            _liquids(run),
            _timings(run),
            _provenance(run),
        ]
        content = page(f"oligopoly: {run.name}", _opening(run), sections)
    files.write_text(out_html, content)


def _show(made, caption: str, alt: str) -> Html:
    return figure(style.data_uri(made), caption, alt)


def _opening(run: Results) -> Html:
    judged = verdict.judge(run)
    side = {True: "good-side", False: "bad-side", None: ""}[judged.holds]
    items = "".join(f"<li>{text(s)}</li>" for s in judged.sentences)
    checks = ""
    if judged.checks:
        rows = [(c.what, c.found, c.required, mark(c.passed)) for c in judged.checks]
        checks = table(("check", "found", "required", ""), rows)
    systems = "; ".join(
        f"{name}: {p['chains']} chains of {p['degree_of_polymerisation']} × {p['repeat_unit']} at "
        f"{p['temperature_K']:g} K ({'trained on' if p['role'] == 'train' else 'never trained on'})"
        for name, p in run.properties.items()
    )
    return Html(
        f"<h1>{text(run.name)}</h1>"
        f'<p class="soft">An ACE potential learned actively by oligopoly. {text(systems)}</p>'
        f'<div class="verdict {side}"><strong>{text(judged.headline)}</strong><ul>{items}</ul></div>'
        f"{checks}"
    )


def _learning(run: Results):
    held_out = {g.number: g.metrics["test"]["all"] for g in run.generations if g.metrics}
    fresh = {g.number: g.assess["fresh_errors"] for g in run.generations if (g.assess or {}).get("fresh_errors")}
    if not held_out and not fresh:
        return section("learning", "Learning curve", missing("No potential has been fitted yet."))
    liquid = {
        g.number: g.metrics["test"]["by_config_type"]["bulk"]
        for g in run.generations
        if g.metrics and "bulk" in g.metrics["test"]["by_config_type"]
    }
    parts = [
        _show(
            figures.learning_curve(held_out, fresh, liquid, _force_limit(run, held_out)),
            "Errors of each generation's potential on frames that are never trained on (all of them, "
            "and the periodic ones alone, without clusters and molecules pushed together), and of the "
            "potential before on the structures just selected for this generation, before they were "
            "trained on. That is what meets the unknown: it should come down towards the others.",
            "force, energy and pressure errors over generations",
        )
    ]
    header = ("generation", "training frames", "force RMSE (meV/Å)", "(% of force RMS)",
              "energy RMSE (meV/atom)", "pressure RMSE (bar)", "fresh: force (meV/Å)",
              "fresh: energy (meV/atom)")  # fmt: skip
    rows = []
    for g in run.generations:
        one, two = held_out.get(g.number, {}), fresh.get(g.number, {})
        if not one and not two:
            continue
        rows.append(
            (g.name, g.trained_on or "", _n(one.get("force_rmse_meV_A")),
             _n(one.get("force_rmse_percent")), _n(one.get("energy_rmse_meV_atom")),
             _n(one.get("pressure_rmse_bar")), _n(two.get("force_rmse_meV_A")),
             _n(two.get("energy_rmse_meV_atom")))
        )  # fmt: skip
    parts.append(table(header, rows, numbers=range(1, 8)))
    shifts: dict = {}
    for g in run.generations:
        for system, r in ((g.assess or {}).get("linear_response") or {}).items():
            if r and r.get("forward") is not None:
                value = r.get("estimate", r["forward"])
                error = r.get("estimate_error", r.get("forward_error")) or 0
                shifts.setdefault(system, []).append((g.number, 100 * value, 100 * error))
    if shifts:
        allowed = (run.config.get("assess") or {}).get("density_shift_percent")
        parts.append(
            _show(
                figures.density_shift_curve(shifts, allowed),
                "How far each generation's potential would move the density, estimated by linear "
                "response without production MD (band: what assess allows beyond two standard "
                "errors). Force errors cannot see this.",
                "density shift by linear response over generations",
            )
        )
    return section("learning", "Learning curve", *parts)


def _force_limit(run: Results, held_out: dict) -> float | None:
    """The config's limit is in percent of the force RMS; in meV/A it is this."""
    limit = (run.config.get("assess") or {}).get("force_rmse_percent")
    last = held_out.get(max(held_out)) if held_out else None
    if not limit or not last or not last.get("force_rmse_percent"):
        return None
    return limit * last["force_rmse_meV_A"] / last["force_rmse_percent"]


def _n(value) -> str:
    return "" if value is None else quantity(value)


def _exploration(run: Results):
    parts = []
    gammas = {}
    for g in run.generations:
        series = [w["gamma"]["gamma_max"] for w in g.walkers.values() if w["gamma"] is not None]
        series = [s for s in series if len(s)]
        if series:
            gammas[g.number] = np.concatenate(series)
    settings = run.config.get("explore") or {}
    if gammas:
        parts.append(
            _show(
                figures.gamma_distributions(gammas, settings.get("gamma_select"), settings.get("gamma_break")),
                "Extrapolation grade met by MD with the potential of the generation before. Beyond "
                "γ = 1 an atom's surroundings lie outside what was trained on; frames beyond "
                "“select” become candidates, and beyond “stop” the run ends. Learning moves the "
                "curves to the left.",
                "distributions of the extrapolation grade by generation",
            )
        )
    stops = [(g.name, name, w["stop"]) for g in run.generations for name, w in g.walkers.items() if w["stop"]]
    if not stops:
        parts.append(missing("No exploration has been run: generation 0 is drawn from reference MD."))
        return section("exploration", "Exploration and stability", *parts)
    bars = [(f"{g} {name}", s["time_fs"] / 1000, s["planned_fs"] / 1000, s["outcome"]) for g, name, s in stops]
    done = sum(s["outcome"] == "completed" for *_, s in stops)
    parts += [
        paragraph(f"{done} of {len(stops)} exploration runs went to their end."),
        _show(
            figures.exploration(bars),
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


def _selection(run: Results):
    counts, kinds = [], {}
    for g in run.generations:
        if not g.ledger:
            continue
        audit = sum(r["reason"].startswith("audit") for r in g.ledger)
        held_out = sum(r["reason"].endswith("held out") for r in g.ledger)
        chosen = sum(r["chosen"] == "1" for r in g.ledger) - audit - held_out
        rest = len(g.ledger) - chosen - audit - held_out
        counts.append((f"generation {g.name}", chosen, held_out, audit, rest))
        kinds[g.name] = Counter((_kind(r["reason"]), r["chosen"] == "1") for r in g.ledger)
    if not counts:
        return section("selection", "What was selected, and why", missing("Nothing was selected yet."))
    parts = [
        _show(
            figures.selection(counts),
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
            outcomes[g.name]["of all these, from the store"] = sum(r["reused"] == "1" for r in g.outcomes)
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
        name.startswith("of all"), -max(c[name] for c in counts.values()), name))  # fmt: skip
    rows = [(name, *(c.get(name, "") for c in counts.values())) for name in names]
    return table((what, *counts), rows, numbers=range(1, len(counts) + 1), caption=caption)


def _kind(reason: str) -> str:
    """A ledger's reason without what differs from frame to frame, so that it can be counted."""
    if reason.startswith("audit"):
        return "random audit"
    if stopped := re.search(r"stopped a run: (\w+)", reason):
        return f"stopped a run: {stopped[1].replace('_', ' ')}"
    if pool := re.match(r"(initial pool): .*, (.*)", reason):
        return f"{pool[1]}, {pool[2]}"
    if "enter the active set" in reason:
        return "enters the active set"
    return re.sub(r" of \d+", "", re.split(r"[:(]", reason)[0]).replace("gamma_select", "γ select").strip()


def _accuracy(run: Results):
    last = run.fitted
    if last is None:
        return section("accuracy", "Accuracy on held-out frames", missing("Nothing was fitted yet."))
    parts = []
    pairs = parity_pairs(last.predictions)
    if pairs:
        parts.append(
            _show(
                figures.parity(pairs),
                f"ACE of generation {last.name} against the reference on held-out frames: every "
                "force component, energies per atom "
                "around their mean, and the virial part of the pressure of periodic frames.",
                "parity plots of energy, force and pressure",
            )
        )
    rows = []
    for part in ("train", "test"):
        one = last.metrics[part]
        for name, m in {"all": one["all"], **one["by_config_type"]}.items():
            if not m["frames"]:
                continue
            rows.append(
                ("training" if part == "train" else "held out",
                 KINDS.get(name, name), m.get("frames", ""),
                 _n(m.get("force_rmse_meV_A")), _n(m.get("force_rmse_percent")),
                 _n(m.get("energy_rmse_meV_atom")), _n(m.get("pressure_rmse_bar")))
            )  # fmt: skip
    parts.append(
        table(
            ("frames", "kind", "number", "force RMSE (meV/Å)", "(% of RMS)", "energy RMSE (meV/atom)",
             "pressure RMSE (bar)"),
            rows, numbers=range(2, 7), caption=f"Root mean square errors, generation {last.name}",
        )
    )  # fmt: skip
    found = last.metrics.get("calibration") or {}
    if "force" in found:
        parts.append(
            _show(
                figures.calibration({"": (found["force"]["predicted"], found["force"]["true"])}),
                "Force errors that the posterior of the fit expects, in ten bins, against true ones, on "
                f"{found['frames']} held-out frames. {100 * found['force']['within'][0]:.0f} % of the components lie "
                f"within one expected error and {100 * found['force']['within'][1]:.0f} % within two (68 and 95 % if "
                f"they were normal). The bare posterior is multiplied by {found['force_factor']:.1f}, from "
                f"{found['factors_from']}.",
                "expected against true force errors",
            )
        )
    return section("accuracy", "Accuracy on held-out frames", *parts)


def parity_pairs(predictions: dict | None) -> list:
    """(quantity, unit, reference, ACE) of the held-out part of a predictions.npz (ace.metrics.parity).

    Energies in meV/atom around the mean of the reference.
    """
    if not predictions:
        return []
    pairs = []
    for key, unit, factor in (("energy", "meV/atom", 1000.0), ("force", "eV/Å", 1.0), ("pressure", "bar", 1.0)):
        one, two = predictions[f"test_{key}_reference"], predictions[f"test_{key}_predicted"]
        if len(one):
            zero = one.mean() if key == "energy" else 0.0
            pairs.append((key, unit, factor * (one - zero), factor * (two - zero)))
    return pairs


def _contacts(run: Results):
    title = "Molecules pushed together"
    if not run.scans:
        return section("contacts", title, missing("No contact scan has been made yet."))
    words = []
    for system, scan in run.scans.items():
        holes = verdict.scan_holes(scan)
        if holes:
            worst = min(holes, key=lambda h: h["barrier_eV"])
            words.append(
                f"{system}: {len(holes)} of {len(scan['pairs'])} pairs show a hole; the lowest opens "
                f"behind {worst['barrier_eV']:.2f} eV at {worst['distance_A']:.2f} Å."
            )
        else:
            words.append(f"{system}: no hole behind less than 1 eV in {len(scan['pairs'])} pairs.")
    return section(
        "contacts",
        title,
        paragraph(*words),
        _show(
            figures.contacts({s: scan["pairs"] for s, scan in run.scans.items()}),
            "Energy of pairs of molecules that are moved rigidly towards each other, against the "
            "closest distance between their atoms. A potential that turns over at short distance "
            "lets atoms fuse in a long run, however good its errors look.",
            "energy of molecular pairs against their closest distance",
        ),
    )


def _liquids(run: Results):
    title = "The liquid: ACE against the reference"
    if not run.properties:
        return section("liquids", title, missing("No production run has been compared yet."))
    rows, bands, cells = [], {}, []
    history, measured = {}, {}
    for system, p in run.properties.items():
        value = p["density"]
        if "missing" not in value:
            bands[system] = value["allowed_percent"]
            rows.append((system, "molecular dynamics", value["deviation_percent"], value["sigma_percent"], True))
        engines = [engine for engine in ("reference", "ace") if engine in value]
        measured[system] = {e: (value[e]["value"], value[e]["error"]) for e in engines}
        for engine in engines:
            d = value[engine]
            cells.append(
                (system, "ACE" if engine == "ace" else engine, f"{d['value']:.4f} ± {d['error']:.4f}",
                 f"{d['block_error']:.4f}", f"{d['tau_ps']:.1f}", f"{d['effective_samples']:.0f}",
                 f"{d['equilibration_ps']:.0f} + {d['production_ps']:.0f}")
            )  # fmt: skip
        response = p["linear_response"]
        for key, how in (("forward", "linear response, reference frames"),
                         ("backward", "linear response, ACE frames"),
                         ("estimate", "linear response, both")):  # fmt: skip
            if response.get(key) is not None:
                rows.append((system, how, 100 * response[key], 100 * response[f"{key}_error"], False))
        runs = run.production.get(system, {})
        lines = {e: (t["time_ps"], t["density_g_cm3"]) for e, t in runs.items() if len(t["time_ps"]) > 1}
        if lines:
            history[system] = lines
    parts = []
    if rows:
        parts.append(
            _show(
                figures.density_deviations(rows, bands),
                "Deviation of the density. The blue points, from molecular dynamics, decide; green is "
                "the tolerance plus two standard errors. Linear response is an independent "
                "estimate from the covariance of volume and energy difference; it is exact for small "
                "shifts.",
                "density deviations with tolerances",
            )
        )
    if history:
        parts.append(
            _show(
                figures.density_history(history, measured),
                "Density during the NPT runs; lines and bands are means and standard errors after "
                "the detected equilibration.",
                "density against time",
            )
        )
    if cells:
        parts.append(
            table(("system", "engine", "density (g/cm³)", "block error", "correlation time (ps)",
                   "independent samples", "equilibration + production (ps)"), cells,
                  numbers=range(2, 7),
                  caption="Errors from the integrated autocorrelation time; block averages beside them")
        )  # fmt: skip
    for system, p in run.properties.items():
        parts += [Html(f"<h3>{text(system)}</h3>"), *_one_liquid(system, p)]
    return section("liquids", title, *parts)


def _one_liquid(system: str, p: dict) -> list[Html]:
    parts = [paragraph(*p["sentences"])]
    if "missing" in p["density"]:
        parts.append(missing(p["density"]["missing"]))
    if "missing" in p["linear_response"] and p.get("compared", True):
        parts.append(missing(f"Linear response: {p['linear_response']['missing']}"))
    if "missing" in p["rdf"]:
        parts.append(missing(f"g(r) could not be measured: {p['rdf']['missing']}"))
    else:
        parts.append(
            _show(
                figures.pair_distributions(p["rdf"]),
                f"{system}: pair distribution functions between molecules (normalised to 1 for "
                "uncorrelated molecules) and within them (density of partners over the element's mean "
                "density). Bands: one standard error from the autocorrelation time of each bin.",
                f"pair distribution functions of {system}",
            )
        )
        rows = [
            (pair, kind, f"{100 * c['share']:.1f} %", f"{100 * c['noise']:.1f} %")
            for pair, kinds in reversed(p["rdf"]["pairs"].items())
            for kind, c in kinds.items()
            if "share" in c
        ]
        parts.append(
            table(("pair", "molecules", "pairs elsewhere", "of which noise"), rows, numbers=(2, 3),
                  caption="Share of pairs that ACE puts at another distance, and what statistics alone give")
            if rows else Html()
        )  # fmt: skip
    curves = {k: v for k, v in p["msd"].items() if isinstance(v, dict) and "missing" not in v}
    if curves:
        parts.append(
            _show(
                figures.displacements(curves),
                f"{system}: mean squared displacement of repeat units and of chain centres of mass in "
                "NVT with real masses, motion of the whole box removed; errors over chains.",
                f"mean squared displacements of {system}",
            )
        )
    else:
        parts.append(missing("The mean squared displacement could not be measured."))
    sizes = p["structure"]
    if "missing" not in sizes:
        rows = []
        for key, name in (
            ("gyration_A2", "radius of gyration² (Å²)"),
            ("end_to_end_A2", "end-to-end distance² (Å²)"),
            ("alignment", "alignment of the chains (1: parallel)"),
        ):
            found = [sizes[e].get(key) for e in sizes]
            if all(found):
                rows.append((name, *(f"{m['value']:.2f} ± {m['error']:.2f}" for m in found)))
        names = ["ACE" if engine == "ace" else engine for engine in sizes]
        parts.append(table(("chains", *names), rows, numbers=range(1, 1 + len(names))))
    return parts


def _timings(run: Results):
    jobs = [job for job in run.timings if job["seconds"] is not None]
    if not jobs:
        return section("timings", "Time", missing("No job has left its timing yet."))
    stages: dict = {}
    for job in sorted(jobs, key=lambda j: j["ended"]):
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
        _show(figures.timings(total), "Wall-clock time of all jobs of a stage.", "time per stage"),
        table(("stage", "jobs", "seconds", "longest (s)", "peak memory (MB)"), rows, numbers=(1, 2, 3, 4)),
    )


def _provenance(run: Results):
    parts = []
    if run.provenance:
        parts.append(_tree(run.provenance))
    else:
        parts.append(missing("There is no final potential yet, so nothing to say about its origin."))
    last = run.fitted
    if last and last.composition:
        counts: Counter = Counter()
        for (system, generation, sampler), number in last.composition.items():
            counts[generation, system, sampler] += number
        rows = [(f"{g:03d}", s, sampler, n) for (g, s, sampler), n in sorted(counts.items())]
        parts.append(
            details(
                f"The {last.trained_on} training structures of generation {last.name} by origin",
                table(("generation", "system", "sampler", "frames"), rows, numbers=(3,)),
            )
        )
    if run.config:
        dump = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)
        parts.append(details("The resolved config", Html(f"<pre>{text(dump)}</pre>")))
    return section("provenance", "Provenance", *parts)


def _tree(content: dict) -> Html:
    """A nested dictionary as a table of two columns."""
    rows = []
    for key, value in content.items():
        if isinstance(value, dict):
            shown = _tree(value) if value else ""
            if len(value) > 8:
                shown = details(f"{len(value)} entries", shown)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            shown = table(list(value[0]), [list(map(str, v.values())) for v in value])
        elif isinstance(value, list):
            shown = ", ".join(map(str, value))
        else:
            shown = Html(f"<code>{text(value)}</code>") if len(str(value)) > 30 else value
        rows.append((key.replace("_", " "), shown if value is not None else "not known"))
    return table(("", ""), rows)
