"""A store looked into: what it holds, what is broken in it, and what contradicts."""

import json

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from oligopoly.commands.main import main
from oligopoly.labelers.contract import Label
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling import inspection
from oligopoly.labelling.geometry import ALIKE, fingerprints, invariants
from oligopoly.labelling.store import Record, Store, key, theory_of
from oligopoly.labelling.theory import name_of

THEORY = {"kind": "vasp", "method": "PBE"}
OTHER = {"kind": "vasp", "method": "RPBE"}


def record(seed, theory=THEORY, energy=None, turned=False):
    atoms = molecule("CH3OH")
    atoms.positions += 0.05 * np.random.default_rng(seed).normal(size=(6, 3))
    forces = np.random.default_rng(seed + 1).normal(size=(6, 3))
    if turned:
        atoms.rotate(40, "z")
        forces = forces @ np.array([[np.cos(a := np.radians(40)), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    label = Label(-30.0 + 0.01 * seed if energy is None else energy, forces)
    return Record(Atoms(atoms.numbers, atoms.positions), theory, Outcome.LABELLED, "", label, {})


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for seed in range(20):
        store.put(record(seed))
    for seed in range(5):
        store.put(record(seed, OTHER, energy=-31.0))
    return store


def test_a_sound_store(store, capsys):
    assert main(["store", "check", str(store.folder)]) == 0
    assert (
        "25 labels and 0 failures; 0 corrupt, 0 contradictions, 0 outliers, 0 files left over"
        in capsys.readouterr().out
    )
    assert main(["store", "list", str(store.folder)]) == 0
    said = capsys.readouterr().out
    assert f"{name_of(THEORY)}: 20 labels, 0 failures, 120 atoms" in said and f"{name_of(OTHER)}: 5 labels" in said


def test_what_another_job_computed_differently_is_told(store):
    assert store.put(record(3)) is None
    assert "energy -29.97 eV is there, -12 is given" in store.put(record(3, energy=-12.0))
    assert store.get(record(3).atoms, THEORY).label.energy == -29.97


def damage(store, how):
    path = store.path(key(record(7).atoms, THEORY))
    envelope = json.loads(path.read_text())
    if how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "changed":
        path.write_text(path.read_text().replace("-29.93", "-29.94"))
    elif how == "renamed":
        path = path.rename(path.with_name("0" * 64 + ".json"))
        return path
    else:  # with a checksum of its own
        body = json.loads(envelope["record"])
        if how == "not finite":
            body["forces"][0][0] = float("nan")
        elif how == "shape":
            body["forces"] = body["forces"][:-1]
        else:
            body["positions"][0][0] += 0.5
        import hashlib

        text = json.dumps(body)
        path.write_text(json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "record": text}))
    return path


@pytest.mark.parametrize("how", ["cut", "empty", "changed", "renamed", "not finite", "shape", "moved"])
def test_a_broken_record_is_named_set_aside_and_never_returned(store, how, capsys):
    path = damage(store, how)
    assert main(["store", "check", str(store.folder)]) == 1
    said = capsys.readouterr().out
    assert f"corrupt: {path}: " in said and "24 labels" in said and "1 corrupt" in said
    assert not path.exists() and path.with_suffix(".torn").exists()
    assert store.get(record(7).atoms, THEORY) is None
    assert main(["store", "check", str(store.folder)]) == 0  # one file left over, and told
    assert "1 files left over" in capsys.readouterr().out


def test_contradictions_outliers_and_leftovers(store, capsys):
    store.put(record(4, energy=-29.96 * 23.06, turned=True))
    failed = record(5)
    path = store.path(key(failed.atoms, THEORY)).with_suffix(".failed.json")
    path.write_text(store.path(key(failed.atoms, THEORY)).read_text())
    (store.folder / "notes.txt").write_text("mine")
    (path.parent / ".abc.json").write_text("half")
    assert main(["store", "check", str(store.folder)]) == 1
    said = capsys.readouterr().out
    assert "are one structure at one level of theory, and differ: energy" in said and "kcal/mol?" in said
    assert "outliers: " in said and "eV an atom, where CH4O of vasp PBE" in said
    assert "notes.txt: does not belong to a store" in said and ".abc.json: a writer was killed" in said


@pytest.mark.parametrize("periodic", [False, True])
def test_invariants_of_one_structure_are_alike_and_tell_others_apart(periodic):
    rng = np.random.default_rng(4)
    for _ in range(20):
        places = np.array(list(np.ndindex(3, 3, 3))) * 1.6 + rng.normal(scale=0.15, size=(27, 3))
        atoms = Atoms(rng.choice([1, 6, 8, 16], 27), places, cell=[4.8] * 3, pbc=periodic)
        same, other = atoms.copy(), atoms.copy()
        same.positions += rng.uniform(-1e-7, 1e-7, (27, 3))  # ten times what files keep
        same.rotate(50, (1, 2, 3), rotate_cell=True)
        same = same[rng.permutation(27)]
        other.positions += rng.normal(scale=0.01, size=(27, 3))
        own = invariants(atoms)
        assert np.abs(invariants(same) - own).max() < ALIKE < np.abs(invariants(other) - own).max()


def test_a_contradiction_across_a_step_of_the_fingerprint(store, capsys):
    """Two copies that differ by less than a file keeps, and round to different fingerprints."""
    first = record(40).atoms
    text = theory_of(first, THEORY)

    def scaled(factor):
        return Atoms(first.numbers, factor * first.positions)

    low, high = 1.0, 1.001
    assert fingerprints(scaled(low), text)[0] != fingerprints(scaled(high), text)[0]
    while high - low > 1e-9:
        middle = (low + high) / 2
        same = fingerprints(scaled(middle), text)[0] == fingerprints(scaled(low), text)[0]
        low, high = (middle, high) if same else (low, middle)
    for factor, energy in ((low, -30.0), (high, -31.0)):
        label = Label(energy, np.zeros((6, 3)))
        store.put(Record(scaled(factor), THEORY, Outcome.LABELLED, "", label, {}))
    assert main(["store", "check", str(store.folder)]) == 1
    said = capsys.readouterr().out
    assert "energy -30 eV is there, -31 is given" in said or "energy -31 eV is there, -30 is given" in said


def test_export_and_prune_by_level_of_theory(store, tmp_path, capsys):
    folder, one = str(store.folder), name_of(OTHER)
    assert main(["store", "export", folder, "--method", one, "-o", str(tmp_path / "out.extxyz")]) == 0
    assert len(ase.io.read(tmp_path / "out.extxyz", index=":")) == 5
    capsys.readouterr()
    assert main(["store", "prune", folder, "--method", one]) == 1
    assert "5 labels and 0 failures" in capsys.readouterr().out and sum(1 for _ in store.records()) == 25
    assert main(["store", "prune", folder, "--method", one[:-3], "--yes"]) == 1
    assert f"did you mean '{one}'?" in capsys.readouterr().err
    assert main(["store", "prune", folder, "--method", one, "--yes"]) == 0
    assert set(inspection.holdings(store)) == {name_of(THEORY)}
    for folder, said in ((tmp_path, "is no label store"), (tmp_path / "gone", "no such folder")):
        assert main(["store", "check", str(folder)]) == 1
        assert said in capsys.readouterr().err
