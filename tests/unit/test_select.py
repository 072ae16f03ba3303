"""Selection takes what is new, leaves what is known, and says why."""

import csv
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.ace import active_set
from oligopoly.ace.fit import basis
from oligopoly.ace.potential import write_yaml
from oligopoly.potentials.registry import open_potential
from oligopoly.selectors import extrapolation_grade, random
from oligopoly.selectors.chunks import select_generation, take_pool
from oligopoly.selectors.registry import SELECTORS
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

SEED = 5
HEXANE = Path(__file__).parents[1] / "data" / "hexane"


def chain(seed, stretch=0.05):
    """A zigzag of carbons with hydrogens, shaken."""
    rng = np.random.default_rng(seed)
    n = 6
    carbons = np.c_[1.27 * np.arange(n), 0.42 * (-1.0) ** np.arange(n), np.zeros(n)]
    side = np.c_[np.zeros(n), 0.6 * (-1.0) ** np.arange(n), np.full(n, 0.9)]
    x = np.concatenate([carbons, carbons + side, carbons + side * [1, 1, -1]])
    atoms = Atoms("C" * n + "H" * (2 * n), positions=x + rng.normal(0, stretch, x.shape))
    frame_files.set_origin(atoms, "chain", 1, "test", seed)
    return atoms


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    folder = tmp_path_factory.mktemp("potential")
    model = basis(["C", "H"], 20, 4.0, [12, 5, 3], [0, 5, 4])
    write_yaml(model, folder / "p.yaml")
    active = active_set.build(model, [chain(k) for k in range(40)])
    active.write(folder / "p.asi")
    return open_potential(folder / "p.yaml"), model, active


def explored(tmp_path, candidates, audit, stop=None):
    folder = tmp_path / "chain.hot"
    folder.mkdir(exist_ok=True)
    for k, atoms in enumerate(candidates):
        atoms.info |= {"score_kind": "gamma", "score_max": 2.0 + 0.01 * k}
    if stop is not None:
        why = {"stopped": True, "stop_outcome": "broken_bond", "stop_reason": "broken_bond: the bond C1-C2 is 4 A long"}
        candidates[stop].info |= why
    frame_files.write(folder / "candidates.extxyz", candidates)
    frame_files.write(folder / "audit.extxyz", audit)
    return [str(folder)]


def select(tmp_path, walkers, potential, kind=extrapolation_grade, budget=5, audit=3, **more):
    chunks = [str(tmp_path / f"{k}.extxyz") for k in range(2)]
    settings = SELECTORS.read({"kind": kind.__name__.rpartition(".")[2], "budget": budget, "audit": audit})
    assert isinstance(settings, kind.Settings)
    select_generation(
        walkers, chunks, str(tmp_path / "ledger.tsv"), 1, select=settings, potential=potential[0], seed=SEED, **more
    )
    return [atoms for chunk in chunks for atoms in frame_files.read(chunk)], ledger_of(tmp_path)


def ledger_of(folder):
    with open(folder / "ledger.tsv") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def codes(ledger):
    """Code of each candidate by the step that it comes from."""
    return {int(row["step"]): row["code"] for row in ledger}


def test_what_is_new_is_chosen_and_what_is_known_is_not(tmp_path, potential):
    known, new = [chain(k) for k in range(10)], [chain(100 + k, stretch=0.3) for k in range(3)]
    taken, ledger = select(tmp_path, explored(tmp_path, known + new, []), potential, audit=0)
    assert {atoms.info["origin_step"] for atoms in taken} == {100, 101, 102}
    assert len(ledger) == 13
    assert sum("no atom enters" in row["reason"] for row in ledger) == 10
    assert codes(ledger) == dict.fromkeys(range(10), "known") | dict.fromkeys((100, 101, 102), "enters_active_set")
    assert all(atoms.info["split"] == "train" for atoms in taken)


def test_chosen_frames_leave_nothing_extrapolating(tmp_path, potential):
    """MaxVol's promise: with the winners in the active set, no candidate has a grade above 1."""
    new = [chain(100 + k, stretch=0.2) for k in range(8)]
    taken, _ = select(tmp_path, explored(tmp_path, new, []), potential, audit=0, budget=99)
    model = potential[1]
    extended = active_set.build(model, [chain(k) for k in range(40)] + taken)
    from oligopoly.ace.design import Design

    design = Design(model)
    grades = [
        extended.gamma(element, rows).max() for atoms in new for element, rows in design.projections(atoms).items()
    ]
    assert max(grades) < 1.05


def test_the_budget_is_kept_and_the_moment_that_stopped_a_run_comes_first(tmp_path, potential):
    new = [chain(100 + k, stretch=0.3) for k in range(9)]
    new.append(chain(3))  # known geometry, but here the run stopped
    taken, ledger = select(tmp_path, explored(tmp_path, new, [], stop=9), potential, audit=0)
    assert len(taken) == 5
    (moment,) = [atoms for atoms in taken if atoms.info["origin_step"] == 3]
    assert moment.info["stop_outcome"] == "broken_bond" and moment.info["score_max"] == pytest.approx(2.09)
    assert sum("budget of 5 spent" in row["reason"] for row in ledger) >= 1
    assert sum("stopped a run" in row["reason"] for row in ledger) == 1
    found = codes(ledger)
    assert found[3] == "stopped.broken_bond"
    assert sorted(found[100 + k] for k in range(9)) == ["enters_active_set"] * 4 + ["over_budget"] * 5


def test_the_audit_draws_from_what_was_not_chosen(tmp_path, potential):
    walkers = explored(tmp_path, [chain(k) for k in range(4)], [chain(20 + k) for k in range(6)])
    taken, ledger = select(tmp_path, walkers, potential)
    assert len(taken) == 3 and all(atoms.info["split"] == "test" for atoms in taken)
    assert sum(row["reason"].startswith("audit") for row in ledger) == 3
    assert sum(row["code"] == "audit" for row in ledger) == 3
    for row in ledger:
        if row["code"] != "audit":
            assert row["chosen"] == "0"
            assert row["code"] == ("known" if "/candidates/" in row["candidate"] else "below_threshold")
            assert row["reason"]
    again, _ = select(tmp_path, walkers, potential)
    assert [a.info["origin_step"] for a in again] == [a.info["origin_step"] for a in taken]


def test_random_selection_draws_the_budget(tmp_path, potential):
    walkers = explored(tmp_path, [chain(k) for k in range(12)], [])
    taken, ledger = select(tmp_path, walkers, potential, kind=random, audit=0)
    assert len(taken) == 5
    assert sorted(row["code"] for row in ledger) == ["drawn"] * 5 + ["not_drawn"] * 7
    assert {int(row["step"]) for row in ledger if row["code"] == "drawn"} == {a.info["origin_step"] for a in taken}


def test_random_selection_needs_no_scores(tmp_path, potential):
    """Frames of an exploration without scores have none, nor an atom that is worse than others."""
    walkers = explored(tmp_path, [chain(k) for k in range(8)], [])
    bare = frame_files.read(Path(walkers[0]) / "candidates.extxyz")
    for atoms in bare:
        del atoms.info["score_max"], atoms.info["score_kind"]
    frame_files.write(Path(walkers[0]) / "candidates.extxyz", bare)
    taken, ledger = select(tmp_path, walkers, potential, kind=random, audit=2)
    assert len(taken) == 7 and {row["score"] for row in ledger} == {"0.0000"}
    assert sorted(row["code"] for row in ledger) == ["audit"] * 2 + ["drawn"] * 5 + ["not_drawn"]


def test_the_pool_is_taken_whole(tmp_path):
    """Generation 0: what is held out and what is not have codes of their own."""
    pool = [chain(k) for k in range(6)]
    for k, atoms in enumerate(pool):
        atoms.info["split"] = "test" if k % 3 == 0 else "train"
    frame_files.write(tmp_path / "pool.extxyz", pool)
    take_pool([tmp_path / "pool.extxyz"], [tmp_path / "0.extxyz"], tmp_path / "ledger.tsv")
    assert len(frame_files.read(tmp_path / "0.extxyz")) == 6
    found = codes(ledger_of(tmp_path))
    assert found == {k: "pool_test" if k % 3 == 0 else "pool_train" for k in range(6)}


def test_a_frame_offered_twice_is_considered_once(tmp_path, potential):
    walkers = explored(tmp_path, [chain(100, 0.3), chain(100, 0.3)], [])
    _, ledger = select(tmp_path, walkers, potential, audit=0)
    assert len(ledger) == 1


def test_clusters_are_cut_around_the_worst_atom(tmp_path, potential):
    """Periodic candidates become whole molecules around the atom with the largest score."""
    topology = Topology.read(HEXANE / "system.json")
    box = read_box(HEXANE / "equilibrated.data", topology)
    frames = []
    for k, worst in enumerate((3, 77, 150)):
        atoms = box.copy()
        atoms.positions += np.random.default_rng(k).normal(0, 0.05, atoms.positions.shape)
        frame_files.set_origin(atoms, "hexane", 1, "npt", k)
        atoms.info |= {"score_kind": "gamma", "score_max": 5.0 + k, "score_atom": worst}
        frames.append(atoms)
    walkers = explored(tmp_path, frames[:2], frames[2:])
    taken, ledger = select(
        tmp_path, walkers, potential, kind=random, audit=1, topologies={"hexane": topology}, molecules=3,
        cost=lambda atoms: len(atoms) ** 2,
    )  # fmt: skip
    assert len(taken) == len(ledger) == 3
    for atoms in taken:
        step = atoms.info["origin_step"]
        assert len(atoms) == 60 and not atoms.pbc.any() and atoms.info["config_type"] == "cluster"
        worst = (3, 77, 150)[step]
        # the molecule of the worst atom comes first, its shape untouched
        whole = topology.unwrap(frames[step].positions, frames[step].cell.array)
        own = whole[topology.molecules == topology.molecules[worst]]
        np.testing.assert_allclose(
            atoms.positions[:20] - atoms.positions[0], own - own[0], atol=1e-6
        )  # fmt: skip
    assert {atoms.info["split"] for atoms in taken} == {"train", "test"}
