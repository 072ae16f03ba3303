"""Labelling a chunk of structures: each ends with one outcome, and none stops the others."""

import contextlib
import math
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import psutil
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.labelers import outcomes
from oligopoly.labelers.contract import Label, Labeler, LabelFailure
from oligopoly.labelers.outcomes import RETRIED, Outcome, Verdict
from oligopoly.labelling import checks, cost
from oligopoly.labelling.cost import Costs
from oligopoly.labelling.crew import Crew, Factory, Result
from oligopoly.labelling.store import Record, Store, key
from oligopoly.labelling.theory import name_of
from oligopoly.progress import clock
from oligopoly.systems.topology import Topology

# A structure that crashes its code, or asks for more than there is, is tried this often, over all jobs.
ATTEMPTS = 3
# What becomes of a structure at its level of theory. Flaws of the geometry are found anew each time, which costs
# nothing, and with the thresholds of the day.
KEPT = RETRIED - {Outcome.DEFERRED} | {Outcome.LABELLED, Outcome.UNCONVERGED}
# Before the deadline, to write what there is: s, and at most this share of the time.
RESERVE_S, RESERVE_SHARE = 60.0, 0.1
# How long to wait for room on a full disk, s. A label in memory may have cost hours.
DISK_PATIENCE_S = 120.0
EVERY_S = 10.0


class Unfinished(UserError):
    """Structures are left that another attempt, with more time and memory, may label."""


def label_chunk(
    frames: list[Atoms],
    factories: Mapping[str, Factory],
    store: Store,
    labelled_path: str | Path,
    outcomes_path: str | Path,
    *,
    min_distance: float,
    max_bond: float,
    max_force: float,
    max_net_force: float,
    costs: Costs,
    topologies: Mapping[str, Topology] | None = None,
    cores: int = 1,
    memory_mb: float | None = None,
    seconds_left: float | None = None,
    last_attempt: bool = True,
    disk_patience_s: float = DISK_PATIENCE_S,
) -> list[Verdict]:
    """Label `frames` and write those that succeed, with their labels, and every outcome, in the order given.

    factories: makers of labelers by system name (`origin_system` of a frame), run in processes of their own.
    topologies: by system name, where the molecules are known. min_distance in A, max_bond in sums of covalent radii,
    forces in eV/A. memory_mb: what may be used, by default what is free. seconds_left: the job stops by itself before,
    and what it did not reach is deferred.

    Each label is in the store as soon as it is made. A structure that is there is not computed again, nor one that did
    not converge; one whose code crashed or lacked memory or time is, up to ATTEMPTS times.

    Raises Unfinished, before anything but the store is written, where structures are left and it is not the
    `last_attempt`; UserError where the code cannot start, fails for everything, or the disk stays full.
    """
    chunk = _Chunk(frames, factories, store)
    chunk.look_for_flaws(min_distance, max_bond, topologies or {})
    chunk.look_up()
    if chunk.todo:
        size = cost.side_by_side([frames[k] for k in chunk.todo], costs, cores, memory_mb or _free_mb())
        with Crew(factories, size, max(1, cores // size)) as crew:
            try:
                chunk.work(crew, costs, seconds_left, disk_patience_s)
            finally:
                with contextlib.suppress(OSError):  # only statistics
                    costs.add(chunk.timings)
    verdicts = chunk.verdicts(max_force, max_net_force)
    left = [v for v in verdicts if v.outcome in RETRIED and v.attempts < ATTEMPTS]
    if left and not last_attempt:
        raise Unfinished(
            f"{outcomes_path}: {_counts(verdicts)}; {len(left)} of {len(verdicts)} structures are left for the next "
            f"attempt, which gets more time and memory. {_first(left)}"
        )
    crashed = [v for v in verdicts if v.outcome is Outcome.CRASHED]
    if len(crashed) >= ATTEMPTS and not any(record.label for record in chunk.records.values()):
        raise UserError(f"{outcomes_path}: the code crashed for every structure it was given. {_first(crashed)}")
    labelled = []
    for k, atoms in enumerate(frames):
        if verdicts[k].outcome is Outcome.LABELLED:
            record = chunk.records[k]
            assert record.label is not None  # that is what labelled says
            labelled.append(attach(atoms, record.label, name_of(record.settings)))
    try:
        frame_files.write(labelled_path, labelled)
        outcomes.write(outcomes_path, verdicts)
    except OSError as error:
        raise UserError(
            f"{labelled_path}: cannot be written ({error.strerror}). All labels are in the store {store.folder}; make "
            "room and run the same command again."
        ) from error
    print(f"labels: {_counts(verdicts)}", file=sys.stderr, flush=True)
    return verdicts


def energies(frames: list[Atoms], factories: Mapping[str, Factory], store: Store, **options) -> np.ndarray:
    """Energies (eV) of `frames` through the store, NaN where there is no label. `options` go to `label_chunk`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labelled.extxyz"
        verdicts = label_chunk(frames, factories, store, path, Path(folder) / "outcomes.tsv", **options)
        labelled = iter(frame_files.read(path))
    return np.array([next(labelled).info["REF_energy"] if v.outcome is Outcome.LABELLED else np.nan for v in verdicts])


def energies_of(labeler: Labeler, frames: Iterable[Atoms]) -> np.ndarray:
    """Energies (eV) of frames by a labeler that needs no store, NaN where it gives none."""

    def energy(atoms: Atoms) -> float:
        try:
            return labeler.label(atoms).energy
        except LabelFailure:
            return np.nan

    return np.array([energy(atoms) for atoms in frames])


def attach(atoms: Atoms, label: Label, method: str) -> Atoms:
    """A copy of `atoms` that carries `label` in the REF_ keys, and the level of theory (`theory.name_of`)."""
    copy = atoms.copy()
    copy.calc = None
    for found in (copy.info, copy.arrays):  # labels of another method, which may have more to say
        for name in [name for name in found if name.startswith("REF_")]:
            del found[name]
    copy.info["REF_energy"] = label.energy
    copy.info["REF_method"] = method
    copy.arrays["REF_forces"] = np.asarray(label.forces)
    if label.stress is not None:
        copy.info["REF_stress"] = np.asarray(label.stress)
    if label.charges is not None:
        copy.arrays["REF_charges"] = np.asarray(label.charges)
    return copy


class _Chunk:
    """The structures of a job and what is known of each, by their place in the chunk."""

    def __init__(
        self,
        frames: list[Atoms],
        factories: Mapping[str, Factory],
        store: Store,
    ):
        self.frames, self.store = frames, store
        self.names = [str(atoms.info.get("origin_system", "")) for atoms in frames]
        theories = {}
        for name in dict.fromkeys(self.names):
            if name not in factories:
                raise UserError(f"a structure is of the system '{name}'; labels are made for {', '.join(factories)}")
            labeler = factories[name](threads=1)
            theories[name] = labeler.settings()
            labeler.close()
        self.settings = [theories[name] for name in self.names]
        self.keys = [key(atoms, settings) for atoms, settings in zip(frames, self.settings, strict=True)]
        self.flaws: dict[int, checks.Flaw] = {}
        self.records: dict[int, Record] = {}
        self.reused: set[int] = set()
        self.todo: list[int] = []
        self.timings: list[tuple[int, float, float]] = []
        self._predicted = 0.0  # core seconds of what has been labelled, as it was thought before
        self._doubted: list[int] = []  # crashed, before the code has labelled anything

    def look_for_flaws(self, min_distance: float, max_bond: float, topologies: Mapping[str, Topology]) -> None:
        """Find what no code should see, since most would label it without a word."""
        for k, atoms in enumerate(self.frames):
            flaw = checks.geometry(atoms, min_distance)
            # A force field's bonds hold, however long: its energies teach how to get back.
            if not flaw and self.settings[k]["kind"] != "classical":
                flaw = checks.molecules(atoms, topologies.get(self.names[k]), max_bond)
            if flaw:
                self.flaws[k] = flaw

    def look_up(self) -> None:
        """Take from the store what it has; the rest is to do."""
        for k in range(len(self.frames)):
            if k not in self.flaws and not self._found(k):
                self.todo.append(k)

    def work(self, crew: Crew, costs: Costs, seconds_left: float | None, disk_patience_s: float) -> None:
        """Label what is to do, the costliest first, until nothing is left or the time is up."""
        begin = time.monotonic()
        stop = math.inf
        if seconds_left is not None:
            stop = begin + seconds_left - min(RESERVE_S, RESERVE_SHARE * max(seconds_left, 0.0))
        progress = _Progress(self, costs, crew.size, begin)
        expected = {k: costs.seconds(self.frames[k]) for k in self.todo}
        waiting = sorted(self.todo, key=lambda k: (-expected[k], k))
        first = set(waiting[: crew.size])  # no job gives them more time than this one, so they are always tried
        self.todo = []
        while waiting or crew.busy:
            for k in list(waiting):
                if not crew.free or time.monotonic() >= stop:
                    break
                if self.keys[k] in {self.keys[other] for other in crew.busy}:
                    continue
                if k not in first and time.monotonic() + self._pace() * expected[k] / crew.threads > stop:
                    continue
                waiting.remove(k)
                # By another job, or by this one as a copy of it
                if not self._found(k):
                    crew.start(k, self.names[k], self.frames[k])
            if not crew.busy:
                break  # what waits would not end in time
            for result in crew.results(max(0.0, min(EVERY_S, stop - time.monotonic()))):
                self._take(result, crew.threads, disk_patience_s)
                self._predicted += expected[result.number] if result.label else 0.0
            if time.monotonic() >= stop:
                self._out_of_time(crew, begin, disk_patience_s)
            progress.show(waiting, crew)
        self.todo = waiting

    def verdicts(self, max_force: float, max_net_force: float) -> list[Verdict]:
        """One per structure. Thresholds are applied to stored labels too: changing one needs no new calculation."""
        found = []
        for k, atoms in enumerate(self.frames):
            record, seconds, attempts = self.records.get(k), 0.0, 0
            if k in self.flaws:
                outcome, reason = self.flaws[k]
            elif record is None:
                outcome, reason = Outcome.DEFERRED, "the job's time was up before its turn"
            else:
                outcome, reason = record.outcome, record.reason
                seconds, attempts = record.facts["seconds"], record.facts["attempts"]
                if record.label:
                    reason = str(record.label.notes.get("scf", ""))
                    outcome, reason = checks.label(record.label, max_force, max_net_force) or (outcome, reason)
            name = frame_files.describe_origin(atoms)
            found.append(Verdict(self.keys[k], name, outcome, reason, seconds, k in self.reused, attempts))
        return found

    def _pace(self) -> float:
        """By how much this job has been slower than predicted so far."""
        return sum(seconds for _, seconds, _ in self.timings) / self._predicted if self.timings else 1.0

    def _found(self, k: int) -> bool:
        """Is there a record of structure `k` that stands?"""
        record = self.store.get(self.frames[k], self.settings[k])
        if record is None:
            return False
        self.records[k] = record
        if record.outcome in RETRIED and record.facts["attempts"] < ATTEMPTS:
            return False
        self.reused.add(k)
        return True

    def _take(self, result: Result, threads: int, disk_patience_s: float) -> None:
        k = result.number
        outcome, reason = result.outcome, result.reason
        if result.label is not None and not _finite(result.label):
            outcome, reason = Outcome.CRASHED, "the energy, a force or another value is not a finite number"
        before = self.records.get(k)
        facts = {
            "seconds": round(result.seconds, 3),
            "threads": threads,
            "megabytes": round(result.megabytes),
            "attempts": 1 + (before.facts["attempts"] if before else 0),
            "host": socket.gethostname(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        label = result.label if outcome is Outcome.LABELLED else None
        self.records[k] = Record(self.frames[k], self.settings[k], outcome, reason, label, facts)
        if outcome is Outcome.CRASHED and not self.timings:
            # It may be the installation. Held against the structure only once the code has labelled another one.
            self._doubted.append(k)
            return
        if label:
            self.timings.append(
                (cost.size(self.frames[k]), round(result.seconds * threads, 4), round(result.megabytes))
            )
        for number in [k, *(self._doubted if self.timings else [])]:
            self._keep(number, disk_patience_s)
        if self.timings:
            self._doubted.clear()

    def _out_of_time(self, crew: Crew, begin: float, disk_patience_s: float) -> None:
        started = crew.busy
        now = time.monotonic()
        for k in crew.abandon():
            # One that had most of the job's time would not have ended in another such job either.
            if now - started[k] > 0.8 * (now - begin):
                reason = f"not done after {clock(now - started[k])}"
                self._take(Result(k, Outcome.OUT_OF_TIME, reason, None, now - started[k], 0.0), crew.threads,
                           disk_patience_s)  # fmt: skip
            else:
                self.records.pop(k, None)

    def _keep(self, k: int, disk_patience_s: float) -> None:
        record = self.records[k]
        if record.outcome not in KEPT:
            return
        give_up = time.monotonic() + disk_patience_s
        while True:
            try:
                other = self.store.put(record)
                if other:  # another job was first, and the code does not give the same number twice
                    print(f"{self.store.path(key(record.atoms, record.settings))}: stays: {other}", file=sys.stderr)
                return
            except OSError as error:
                if time.monotonic() >= give_up:
                    raise UserError(
                        f"{error.filename or self.store.folder}: the label store cannot be written to "
                        f"({error.strerror}). All labels before this one are in it; make room and run the same "
                        "command again."
                    ) from error
                print(f"{self.store.folder}: {error.strerror}; trying again", file=sys.stderr, flush=True)
                time.sleep(min(5.0, max(0.1, disk_patience_s / 10)))


class _Progress:
    """Prints done / failed / left and the predicted end, at most every EVERY_S seconds."""

    def __init__(self, chunk: _Chunk, costs: Costs, size: int, begin: float):
        self.chunk, self.costs, self.size, self.begin = chunk, costs, size, begin
        self.shown = begin
        self.before = set(chunk.records) - set(chunk.todo)

    def show(self, waiting: list[int], crew: Crew) -> None:
        now = time.monotonic()
        if now - self.shown < EVERY_S:
            return
        self.shown = now
        chunk, left = self.chunk, [*waiting, *crew.busy]
        done = [k for k in chunk.records if k not in self.before and k not in left]
        spent, remaining = (sum(self.costs.seconds(chunk.frames[k]) for k in part) for part in (done, left))
        elapsed = now - self.begin
        end = clock(elapsed * remaining / spent) if spent else clock(remaining / self.size)
        labelled = sum(record.label is not None for record in chunk.records.values())
        failed = len(chunk.flaws) + sum(record.label is None for k, record in chunk.records.items() if k not in left)
        print(
            f"labels: {labelled} done, {failed} failed, {len(left)} left, {clock(elapsed)} so far, ends in about {end}",
            file=sys.stderr,
            flush=True,
        )


def _finite(label: Label) -> bool:
    return checks.label(label, math.inf, math.inf) is None


def _counts(verdicts: list[Verdict]) -> str:
    counts = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in Outcome}
    return ", ".join(f"{n} {outcome.value}" for outcome, n in counts.items() if n) or "nothing to do"


def _first(verdicts: list[Verdict]) -> str:
    return f"The first: {verdicts[0].frame}, {verdicts[0].outcome.value}: {verdicts[0].reason}"


def _free_mb() -> float:
    return psutil.virtual_memory().available / 2**20
