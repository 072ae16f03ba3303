"""Exploration: MD with a learned potential that looks for what the potential does not know."""

import json
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.files import atomic, write_text
from oligopoly.md.engine import Engine, Score
from oligopoly.md.outcomes import Failed, Outcome
from oligopoly.md.run import as_atoms, check_fits, from_failure
from oligopoly.md.simulation import Conditions, Sample, Simulation, open_simulation
from oligopoly.md.trajectory import writers
from oligopoly.md.watch import Watch
from oligopoly.potentials.uncertainty import SCALES, Uncertainty
from oligopoly.progress import Progress
from oligopoly.samplers.contract import Origin
from oligopoly.samplers.thinning import Drawn, Moment, Thinned
from oligopoly.systems.topology import BROKEN, Topology

# Frames handed over from before a stop, besides the last one: the way into the trouble.
BEFORE_STOP = 4
SCORE_BINS = np.geomspace(1e-3, 1e4, 141)


class ScoreLog:
    """Scores over a run, condensed."""

    def __init__(self):
        self.kind = "none"
        self.rows: list[tuple] = []
        self.counts = np.zeros(len(SCORE_BINS) + 1, int)

    def add(self, moment: Moment) -> None:
        """Note the scores of a moment."""
        if moment.score is None:
            return
        self.kind = moment.score.kind
        values = moment.score.per_atom
        median, q95 = np.quantile(values, [0.5, 0.95])
        self.rows.append((moment.sample.step, moment.sample.time_fs, values.max(), int(values.argmax()), median, q95))
        self.counts += np.bincount(np.searchsorted(SCORE_BINS, values), minlength=len(self.counts))

    def write(self, path: Path) -> None:
        """As npz: `kind`; step, time_fs, largest, atom, median, q95 (one per check); `counts` (142,) of all atoms of
        all checks below, between and above `bins` (141,)."""
        names = ("step", "time_fs", "largest", "atom", "median", "q95")
        columns = np.array(self.rows, float).reshape(-1, len(names)).T
        named: dict[str, Any] = dict(zip(names, columns, strict=True))
        with atomic(path) as temporary:
            np.savez(
                temporary,
                kind=np.array(self.kind),
                bins=SCORE_BINS,
                counts=self.counts,
                **named,
            )


def explore(
    engine: Engine,
    start: Atoms,
    topology: Topology,
    out_dir: str | Path,
    *,
    conditions: Conditions,
    duration_fs: float,
    uncertainty: Uncertainty,
    candidates: int,
    seed: int,
    origin: Origin,
    audit: int = 30,
    volume_ratio: float | None = None,
    scaling_fs: float = 2000.0,
    sample_every_fs: float = 200.0,
    bond_factor: float = BROKEN,
    contact_scale: float = 1.0,
    label: str = "exploring",
    log: str | Path | None = None,
) -> Outcome:
    """MD with the potential, every `uncertainty.every` steps checked; never an exception of the motion.

    The run stops on a score above `uncertainty.stop`, a broken bond, atoms of different molecules too
    close (`watch.Watch`), or motion that is no longer physics. With `volume_ratio` the volume is
    brought to that times the start's over the first `scaling_fs`, checked all the same.

    Writes into `out_dir`:
    candidates.extxyz  frames whose largest score is at least `uncertainty.select`: at most `candidates`,
        the worst of each time window (`Thinned`), or, without scores, the first of each; then the last moment of a run
        that stopped and the `BEFORE_STOP` checks before it, with `stop_outcome` and `stop_reason` in their info. Info
        `config_type` (explored, or stopped for these last ones), `score_kind`, `score_max`,
        `score_atom` (index), `step`, `time_fs` and the origin; array `score`.
    audit.extxyz  of the other frames, one drawn by lot from each of `audit` equal spans of time
    stop.json  how the run ended (`outcomes.Outcome`)
    scores.npz  scores over time and their distribution (`ScoreLog.write`)
    thermo.tsv, trajectory.extxyz  every check, and every `sample_every_fs`

    Raises UserError for wrong input only.
    """
    check_fits(topology, start)
    start = topology.weighed(start)
    out_dir = Path(out_dir)
    every = uncertainty.every
    watch = Watch(
        topology,
        conditions.temperature,
        start.get_volume() if start.pbc.any() else 0.0,
        periodic=bool(start.pbc.all()),
        bond_factor=bond_factor,
        contact_scale=contact_scale,
        largest_score=uncertainty.stop,
    )
    total = conditions.steps(duration_fs) // every * every
    scaling = 0
    if volume_ratio not in (None, 1.0):
        scaling = min(total, conditions.steps(scaling_fs) // every * every)
    store_every = max(1, round(sample_every_fs / (every * conditions.timestep_fs)))

    thinned = Thinned(candidates)
    drawn = Drawn(audit, duration_fs, seed)
    scores = ScoreLog()
    recent: deque[Moment] = deque(maxlen=BEFORE_STOP + 1)
    outcome = None
    checks = 0
    with (
        writers(out_dir, start.numbers, topology.masses, watch.periodic) as (frames, thermo),
        open_simulation(engine, start, conditions, seed, log) as simulation,
    ):
        try:
            for moment in _moments(simulation, total, scaling, volume_ratio, uncertainty, label):
                thermo.write(moment.sample)
                scores.add(moment)
                outcome = watch.check(moment.sample, moment.score)
                if checks % store_every == 0 or outcome:
                    frames.write(moment.sample)
                checks += 1
                recent.append(moment)
                if outcome is not None:
                    break
                offered = moment.score is None or moment.worst >= uncertainty.select
                (thinned if offered else drawn).offer(moment)
        except Failed as failure:
            outcome = from_failure(failure, recent[-1].sample if recent else None)
        except Exception as error:
            outcome = unforeseen(error, recent[-1].sample if recent else None)
    if outcome is None:
        outcome = Outcome("completed", total, total * conditions.timestep_fs, "ran to its end")
        recent.clear()

    as_frame = _Framer(start, origin)
    stop_steps = {moment.sample.step for moment in recent}
    found = [
        as_frame(thinned.kept[key]) for key in sorted(thinned.kept) if thinned.kept[key].sample.step not in stop_steps
    ]
    found += [as_frame(moment, outcome) for moment in recent]
    frame_files.write(out_dir / "candidates.extxyz", found)
    rest = [drawn.kept[key] for key in sorted(drawn.kept)]
    frame_files.write(out_dir / "audit.extxyz", [as_frame(m) for m in rest if m.sample.step not in stop_steps])
    planned_fs = total * conditions.timestep_fs
    write_end(out_dir, outcome, scores, uncertainty, checks=checks, candidates=len(found), planned_fs=planned_fs)
    return outcome


def unforeseen(error: Exception, last: Sample | None) -> Outcome:
    """Outcome of what went wrong in a way that nobody knows; the log tells where."""
    traceback.print_exc()
    return from_failure(Failed("error", f"{type(error).__name__}: {error}"), last)


def write_end(
    folder: Path, outcome: Outcome, scores: ScoreLog, uncertainty: Uncertainty, *, checks: int, candidates: int,
    planned_fs: float,
) -> None:  # fmt: skip
    """scores.npz and stop.json of a sampler that is through."""
    scores.write(folder / "scores.npz")
    numbers = {
        "checks": checks,
        "candidates": candidates,
        "score_kind": uncertainty.kind,
        "score_max": max((row[2] for row in scores.rows), default=None),
        "planned_fs": planned_fs,
    }
    write_text(folder / "stop.json", json.dumps(outcome.to_dict() | numbers, indent=1) + "\n")


def note_score(atoms: Atoms, score: Score | None) -> None:
    """Put a score, if there is one, into a frame."""
    if score is None:
        return
    atoms.info |= {"score_kind": score.kind, "score_max": score.frame, "score_atom": score.atom}
    atoms.set_array("score", score.per_atom)


def _moments(simulation: Simulation, total: int, scaling: int, volume_ratio, uncertainty: Uncertainty, label: str):
    """Checked moments at steps 0, every, ... total, the first `scaling` steps changing the volume."""
    every = uncertainty.every
    progress = Progress(total, label, "steps")
    done = 0
    if scaling:
        simulation.ensemble(scaling, volume_ratio)
    else:
        simulation.ensemble(total)
    simulation.advance(0)
    yield _moment(simulation, uncertainty.kind)
    while done < total:
        if scaling and done == scaling:
            simulation.ensemble(total - scaling)
        simulation.advance(every)
        done += every
        progress.update(every)
        yield _moment(simulation, uncertainty.kind)


def _moment(simulation: Simulation, kind: str) -> Moment:
    score = simulation.score() if kind != "none" else None
    if score is None and kind != "none":
        raise RuntimeError(f"the engine gave no {SCALES[kind].name}")
    if score is not None and not np.isfinite(score.per_atom).all():
        raise Failed("non_finite", f"the {score.name} of an atom is not a number")
    return Moment(simulation.sample(), score)


@dataclass
class _Framer:
    """Moments as frames with their origin."""

    template: Atoms
    origin: Origin

    def __call__(self, moment: Moment, stop: Outcome | None = None) -> Atoms:
        sample = moment.sample
        atoms = as_atoms(self.template, sample)
        o = self.origin
        frame_files.set_origin(atoms, o.system, o.generation, o.sampler, sample.step)
        atoms.info["config_type"] = "explored" if stop is None else "stopped"
        atoms.info["step"] = sample.step
        atoms.info["time_fs"] = sample.time_fs
        note_score(atoms, moment.score)
        if stop is not None:
            before = stop.time_fs - sample.time_fs
            when = f", {before:.0f} fs later" if before > 0 else ""
            atoms.info["stopped"] = before == 0
            atoms.info["stop_outcome"] = stop.outcome
            atoms.info["stop_reason"] = f"{stop.outcome}{when}: {stop.reason}"
        return atoms
