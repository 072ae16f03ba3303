"""Exploration: MD with a learned potential that looks for what the potential does not know."""

import json
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.files import atomic, write_text
from oligopoly.md.engines import Engine, learned
from oligopoly.md.outcomes import Failed, Outcome
from oligopoly.md.run import as_atoms, check_fits, from_failure
from oligopoly.md.simulation import Conditions, Sample, Simulation, open_simulation
from oligopoly.md.trajectory import writers
from oligopoly.md.watch import Watch
from oligopoly.progress import Progress
from oligopoly.systems.topology import BROKEN, Topology

# Frames handed over from before a stop, besides the last one: the way into the trouble.
BEFORE_STOP = 4
# Shortest time between two candidates, fs: about a vibration of a C-C bond.
SPACING = 25.0
GAMMA_BINS = np.geomspace(1e-3, 1e4, 141)


@dataclass(frozen=True)
class Origin:
    """Where the frames of a run come from: system, generation, and walker."""

    system: str
    generation: int
    sampler: str


@dataclass(frozen=True)
class Moment:
    """A sample with its extrapolation grades (N,)."""

    sample: Sample
    gamma: np.ndarray

    @property
    def worst(self) -> float:
        """Largest grade."""
        return float(self.gamma.max())


class Thinned:
    """Of the frames offered, the worst of each window of time; at most `limit` windows.

    The window starts as `spacing` fs and doubles whenever there would be more than `limit` frames,
    so they cover the whole time in which frames were offered, whether that is 1 or 100 ps.
    """

    def __init__(self, limit: int, spacing: float = SPACING):
        self.limit, self.window = limit, spacing
        self.kept: dict[int, Moment] = {}

    def offer(self, moment: Moment) -> None:
        """Consider a frame."""
        self._keep(self.kept, moment)
        while len(self.kept) > self.limit:
            self.window *= 2
            wider: dict[int, Moment] = {}
            for kept in self.kept.values():
                self._keep(wider, kept)
            self.kept = wider

    def _keep(self, kept: dict[int, Moment], moment: Moment) -> None:
        key = int(moment.sample.time_fs // self.window)
        if key not in kept or moment.worst > kept[key].worst:
            kept[key] = moment


class Drawn:
    """Of the frames offered, one by lot from each of `count` equal spans of the run."""

    def __init__(self, count: int, duration_fs: float, seed: int):
        self.span = duration_fs / max(count, 1)
        self.count = count
        self.random = np.random.default_rng(seed)
        self.kept: dict[int, Moment] = {}
        self._seen: dict[int, int] = {}

    def offer(self, moment: Moment) -> None:
        """Consider a frame."""
        if not self.count:
            return
        key = min(int(moment.sample.time_fs // self.span), self.count - 1)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self.random.integers(self._seen[key]) == 0:
            self.kept[key] = moment


class GammaLog:
    """Extrapolation grades over a run, condensed."""

    def __init__(self):
        self.rows: list[tuple] = []
        self.counts = np.zeros(len(GAMMA_BINS) + 1, int)

    def add(self, moment: Moment) -> None:
        """Note the grades of a moment."""
        g = moment.gamma
        median, q95 = np.quantile(g, [0.5, 0.95])
        self.rows.append((moment.sample.step, moment.sample.time_fs, g.max(), int(g.argmax()), median, q95))
        self.counts += np.bincount(np.searchsorted(GAMMA_BINS, g), minlength=len(self.counts))

    def write(self, path: Path) -> None:
        """As npz: step, time_fs, gamma_max, gamma_atom, gamma_median, gamma_q95 (one per check);
        `counts` (142,) of all atoms of all checks below, between and above `bins` (141,)."""
        names = ("step", "time_fs", "gamma_max", "gamma_atom", "gamma_median", "gamma_q95")
        columns = np.array(self.rows, float).reshape(-1, len(names)).T
        with atomic(path) as temporary:
            np.savez(
                temporary,
                bins=GAMMA_BINS,
                counts=self.counts,
                **dict(zip(names, columns, strict=True)),
            )


def explore(
    potential: str | Path,
    active_set: str | Path,
    start: Atoms,
    topology: Topology,
    out_dir: str | Path,
    *,
    conditions: Conditions,
    duration_fs: float,
    gamma_every: int,
    gamma_select: float,
    gamma_break: float,
    candidates: int,
    seed: int,
    origin: Origin,
    audit: int = 30,
    volume_ratio: float | None = None,
    scaling_fs: float = 2000.0,
    sample_every_fs: float = 200.0,
    bond_factor: float = BROKEN,
    contact_scale: float = 1.0,
    engine: str | Engine = "auto",
    label: str = "exploring",
    log: str | Path | None = None,
) -> Outcome:
    """MD with the potential, every `gamma_every` steps checked; never an exception of the motion.

    The run stops on a grade above `gamma_break`, a broken bond, atoms of different molecules too
    close (`watch.Watch`), or motion that is no longer physics. With `volume_ratio` the volume is
    brought to that times the start's over the first `scaling_fs`, checked all the same.

    Writes into `out_dir`:
    candidates.extxyz  frames whose largest grade is at least `gamma_select`: at most `candidates`,
        the worst of each time window (`Thinned`); then the last moment of a run that stopped and
        the `BEFORE_STOP` checks before it, with `stop_reason` in their info. Info `config_type`
        (explored, or stopped for these last ones), `gamma_max`,
        `gamma_atom` (index), `step`, `time_fs` and the origin; array `gamma`.
    audit.extxyz  of the other frames, one drawn by lot from each of `audit` equal spans of time
    stop.json  how the run ended (`outcomes.Outcome`)
    gamma.npz  grades over time and their distribution (`GammaLog.write`)
    thermo.tsv, trajectory.extxyz  every check, and every `sample_every_fs`

    Raises UserError for wrong input only.
    """
    check_fits(topology, start)
    out_dir = Path(out_dir)
    if isinstance(engine, str):
        engine = learned(engine, potential, active_set, gamma_every)
    watch = Watch(
        topology,
        conditions.temperature,
        start.get_volume() if start.pbc.any() else 0.0,
        periodic=bool(start.pbc.all()),
        bond_factor=bond_factor,
        contact_scale=contact_scale,
        gamma_break=gamma_break,
    )
    total = conditions.steps(duration_fs) // gamma_every * gamma_every
    scaling = 0
    if volume_ratio not in (None, 1.0):
        scaling = min(total, conditions.steps(scaling_fs) // gamma_every * gamma_every)
    store_every = max(1, round(sample_every_fs / (gamma_every * conditions.timestep_fs)))

    thinned = Thinned(candidates)
    drawn = Drawn(audit, duration_fs, seed)
    grades = GammaLog()
    recent: deque[Moment] = deque(maxlen=BEFORE_STOP + 1)
    outcome = None
    checks = 0
    with (
        writers(out_dir, start.numbers, topology.masses, watch.periodic) as (frames, thermo),
        open_simulation(engine, start, conditions, seed, log) as simulation,
    ):
        try:
            for moment in _moments(simulation, total, scaling, volume_ratio, gamma_every, label):
                thermo.write(moment.sample)
                grades.add(moment)
                outcome = watch.check(moment.sample, moment.gamma)
                if checks % store_every == 0 or outcome:
                    frames.write(moment.sample)
                checks += 1
                recent.append(moment)
                if outcome is not None:
                    break
                (thinned if moment.worst >= gamma_select else drawn).offer(moment)
        except Failed as failure:
            outcome = from_failure(failure, recent[-1].sample if recent else None)
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}"
            last = recent[-1].sample if recent else None
            outcome = from_failure(Failed("error", reason), last)
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
    grades.write(out_dir / "gamma.npz")
    numbers = {
        "checks": checks,
        "candidates": len(found),
        "gamma_max": max((row[2] for row in grades.rows), default=None),
        "planned_fs": total * conditions.timestep_fs,
    }
    write_text(out_dir / "stop.json", json.dumps(outcome.to_dict() | numbers, indent=1) + "\n")
    return outcome


def _moments(simulation: Simulation, total: int, scaling: int, volume_ratio, every: int, label: str):
    """Checked moments at steps 0, every, ... total, the first `scaling` steps changing the volume."""
    progress = Progress(total, label, "steps")
    done = 0
    if scaling:
        simulation.ensemble(scaling, volume_ratio)
    else:
        simulation.ensemble(total)
    simulation.advance(0)
    yield _moment(simulation)
    while done < total:
        if scaling and done == scaling:
            simulation.ensemble(total - scaling)
        simulation.advance(every)
        done += every
        progress.update(every)
        yield _moment(simulation)


def _moment(simulation: Simulation) -> Moment:
    gamma = simulation.gamma()
    if gamma is None:
        raise RuntimeError("the engine gave no extrapolation grades: has it an active set?")
    if not np.isfinite(gamma).all():
        raise Failed("non_finite", "an extrapolation grade is not a number")
    return Moment(simulation.sample(), gamma)


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
        atoms.info["gamma_max"] = moment.worst
        atoms.info["gamma_atom"] = int(moment.gamma.argmax())
        atoms.set_array("gamma", moment.gamma)
        if stop is not None:
            before = stop.time_fs - sample.time_fs
            when = f", {before:.0f} fs later" if before > 0 else ""
            atoms.info["stopped"] = before == 0
            atoms.info["stop_reason"] = f"{stop.outcome}{when}: {stop.reason}"
        return atoms
