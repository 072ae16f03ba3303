"""What is in a store, and whether it may be relied on: every record is read, none is changed but those that are broken.

A store of a million records is looked through folder by folder, on all cores; memory holds a few numbers of each.
"""

import itertools
import os
from array import array
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from oligopoly.intake.findings import ENERGY_UNITS, likely
from oligopoly.labelling.contradictions import difference
from oligopoly.labelling.geometry import ALIKE, fingerprints, invariants
from oligopoly.labelling.store import Record, Store, named, read, theory_of, turned
from oligopoly.labelling.theory import name_of
from oligopoly.progress import Progress

FAILED = ".failed.json"
FAR = 2.0  # eV an atom, between energies of one composition


@dataclass
class Holding:
    """What a store has of one level of theory."""

    labels: int = 0
    failures: int = 0
    atoms: int = 0
    bytes: int = 0


@dataclass
class Findings:
    """What is wrong in a store, a line each."""

    labels: int = 0
    failures: int = 0
    corrupt: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    outliers: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    def wrong(self) -> bool:
        """Is there anything that should not be? Leftovers of killed writers are none."""
        return bool(self.corrupt or self.contradictions or self.outliers)


@dataclass
class _Seen:
    """Of one folder: its findings, and of each label its fingerprint (the first 16 hex digits of its name, as a
    number), by level and composition, with its energy per atom, eV."""

    findings: Findings
    labels: dict[tuple[str, str], list[tuple[int, float]]]
    # own fingerprint, one beside it under which the same structure may lie, and the invariants
    others: list[tuple[int, int, np.ndarray]]


def holdings(store: Store, cores: int = 1) -> dict[str, Holding]:
    """What there is, by short name of the level of theory."""
    found: dict[str, Holding] = defaultdict(Holding)
    for part in _over_folders(store, _held, cores, "looking through the store"):
        for name, its in part.items():
            held = found[name]
            held.labels += its.labels
            held.failures += its.failures
            held.atoms += its.atoms
            held.bytes += its.bytes
    return dict(sorted(found.items()))


def check(store: Store, cores: int = 1) -> Findings:
    """Read every record: checksum, name, finite numbers of the right shapes, contradictions, energies of another unit,
    files that belong to nothing. Broken records are set aside (`*.torn`) and named."""
    whole = Findings()
    own, beside, places = array("Q"), array("Q"), array("d")
    labels: dict[tuple[str, str], tuple[array, array]] = defaultdict(lambda: (array("Q"), array("d")))
    for seen in _over_folders(store, _checked, cores, "checking the store"):
        for name in ("corrupt", "contradictions", "orphans"):
            getattr(whole, name).extend(getattr(seen.findings, name))
        whole.labels += seen.findings.labels
        whole.failures += seen.findings.failures
        for one, other, place in seen.others:
            own.append(one)
            beside.append(other)
            places.extend(place.tolist())
        for kind, its in seen.labels.items():
            for number, energy in its:
                labels[kind][0].append(number)
                labels[kind][1].append(energy)
    whole.contradictions += _across_borders(store, np.array(own), np.array(beside), np.array(places).reshape(-1, 3))
    for kind, (numbers, energies) in labels.items():
        whole.outliers += _outliers(store, *kind, np.array(numbers), np.array(energies))
    whole.orphans += [f"{path}: does not belong to a store" for path in _strangers(store.folder)]
    return whole


def prune(store: Store, method: str) -> Iterator[Path]:
    """Remove labels and failures of a level of theory one by one; gives what was removed."""
    for folder in _folders(store.folder):
        for path in _files(folder):
            record = read(path)
            if record is not None and name_of(record.settings) == method:
                path.unlink(missing_ok=True)
                yield path


def _over_folders(store: Store, work, cores: int, label: str):
    folders = _folders(store.folder)
    progress = Progress(len(folders), label, "folders")
    if cores == 1 or len(folders) < 64:
        for folder in folders:
            yield work(folder)
            progress.update()
        return
    with ProcessPoolExecutor(cores) as pool:
        for part in pool.map(work, folders, chunksize=8):
            yield part
            progress.update()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9a-f]" * 3) if path.is_dir())


def _files(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".json") and not name.startswith(".")]


def _held(folder: Path) -> dict[str, Holding]:
    found: dict[str, Holding] = defaultdict(Holding)
    for path in _files(folder):
        record = read(path)
        if record is None:
            continue
        held = found[name_of(record.settings)]
        held.atoms += len(record.atoms)
        held.bytes += path.stat().st_size
        if record.label is None:
            held.failures += 1
        else:
            held.labels += 1
    return dict(found)


def _checked(folder: Path) -> _Seen:
    seen = _Seen(Findings(), defaultdict(list), [])
    alike: dict[str, list[tuple[str, Record, np.ndarray]]] = defaultdict(list)
    levels: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name.startswith(".") or not name.endswith((".json", ".torn")):
            seen.findings.orphans.append(f"{path}: a writer was killed before it was whole, or it is no record")
            continue
        if name.endswith(".torn"):
            seen.findings.orphans.append(f"{path}: was broken and set aside earlier; its structure is labelled again")
            continue
        record = read(path)
        text, its, place = "", [""], np.full(3, np.nan)
        flaw: str | None = "cannot be read, or its checksum is another"
        if record is not None:
            text = theory_of(record.atoms, record.settings)
            place = invariants(record.atoms)
            its = fingerprints(record.atoms, text, place)
            flaw = _flaw(path, record, named(its[0], record.atoms, text))
        if record is None or flaw:
            aside = path.with_suffix(".torn")
            if path.exists():
                path.replace(aside)
            seen.findings.corrupt.append(f"{path}: {flaw}; set aside as {aside.name}")
            continue
        if record.label is None:
            seen.findings.failures += 1
            if path.with_name(name.removesuffix(FAILED) + ".json").exists():
                seen.findings.orphans.append(f"{path}: a failure beside a label")
            continue
        seen.findings.labels += 1
        stem = path.name.removesuffix(".json")
        level = levels.setdefault(text, name_of(record.settings))
        number, *near = (int(one, 16) for one in its)
        seen.others += ((number, one, place) for one in near)
        for other, before, its_place in alike[stem[:16]]:
            if np.abs(place - its_place).max() < ALIKE:
                seen.findings.contradictions.extend(_contradiction(other, before, stem, record))
        alike[stem[:16]].append((stem, record, place))
        energy = record.label.energy / len(record.atoms)
        seen.labels[level, record.atoms.get_chemical_formula()].append((number, energy))
    seen.labels = dict(seen.labels)
    return seen


def _flaw(path: Path, record: Record, name: str) -> str | None:
    """What is wrong with a record that was read and whose content has that name."""
    if path.name.split(".")[0] != name:
        return "its name is not the hash of its content"
    label, count = record.label, len(record.atoms)
    if label is None:
        return None if path.name.endswith(FAILED) else "is named as a label and holds none"
    shapes = {"forces": (count, 3), "stress": (3, 3), "charges": (count,)}
    for what, shape in shapes.items():
        value = getattr(label, what)
        if value is not None and np.shape(value) != shape:
            return f"has {what} of shape {np.shape(value)} for {count} atoms"
        if value is not None and not np.isfinite(value).all():
            return f"has {what} that are not finite"
    return None if np.isfinite(label.energy) else "has an energy that is not finite"


def _contradiction(one: str, stored: Record, two: str, given: Record) -> list[str]:
    same = turned(stored, given.atoms, given.settings)
    if same is None or same.label is None or given.label is None:
        return []
    said = difference(same.label, given.label)
    return [f"{one}.json and {two}.json are one structure at one level of theory, and differ: {said}"] if said else []


def _across_borders(store: Store, own: np.ndarray, beside: np.ndarray, places: np.ndarray) -> list[str]:
    """Contradictions of structures whose fingerprints (own, beside: (n,)) fell on two sides of a step: each has the
    other's beside it, and their invariants (n, 3) are alike."""
    there, back = _mixed(own, beside), _mixed(beside, own)
    order = np.argsort(there)
    first, last = (np.searchsorted(there[order], back, side) for side in ("left", "right"))
    pairs = set()
    for k in np.flatnonzero((last > first) & (own < beside)).tolist():
        others = order[first[k] : last[k]]
        if (np.abs(places[others] - places[k]).max(axis=1) < ALIKE).any():
            pairs.add((int(own[k]), int(beside[k])))
    found = []
    for one, two in sorted(pairs):
        for stored_path, given_path in itertools.product(_of_fingerprint(store, one), _of_fingerprint(store, two)):
            stored, given = read(stored_path), read(given_path)
            if stored is not None and given is not None:
                found += _contradiction(stored_path.stem, stored, given_path.stem, given)
    return found


def _mixed(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """One number for each pair of hashes (uint64)."""
    return one * np.uint64(0x9E3779B97F4A7C15) + two


def _of_fingerprint(store: Store, number: int) -> list[Path]:
    digits = f"{number:016x}"
    found = sorted((store.folder / digits[:3]).glob(f"{digits}*.json"))
    return [path for path in found if not path.name.endswith(FAILED)]


def _outliers(store: Store, level: str, formula: str, numbers: np.ndarray, energies: np.ndarray) -> list[str]:
    if len(energies) < 3:
        return []
    middle, found = float(np.median(energies)), []
    for k in np.flatnonzero(np.abs(energies - middle) > FAR):
        energy = float(energies[k])
        unit = likely(energy / middle, ENERGY_UNITS, 1.05) if middle else None
        guess = f": is it in {unit}?" if unit else ""
        names = " or ".join(path.name for path in _of_fingerprint(store, int(numbers[k])))
        found.append(f"{names}: {energy:.6g} eV an atom, where {formula} of {level} has {middle:.6g}{guess}")
    return found


def _strangers(folder: Path) -> list[Path]:
    known = {path.name for path in _folders(folder)} | set(Store.BESIDE)
    return sorted(path for path in folder.iterdir() if path.name not in known)
