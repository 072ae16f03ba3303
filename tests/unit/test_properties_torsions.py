"""Torsions: angles, the share of trans, the backbone of a molecule, and what turning one costs."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.labelers.registry import create
from oligopoly.labelling.run import energies_of
from oligopoly.plotting import style
from oligopoly.plotting.shown import Picture, Table, Words
from oligopoly.properties import torsions
from oligopoly.properties.contract import Context, Run
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


def chain(angles, bond=1.53, bend=112.0):
    """Carbons (len(angles) + 3) in a row whose torsions (degrees) are these, by ASE's own convention."""
    atoms = Atoms("C", positions=[[0.0, 0, 0]])
    x = bond * np.sin(np.radians(bend / 2)) * np.arange(1, len(angles) + 3)
    y = bond * np.cos(np.radians(bend / 2)) * (np.arange(1, len(angles) + 3) % 2)
    atoms += Atoms(["C"] * len(x), np.stack([x, y, 0 * x], axis=1))
    for k, angle in enumerate(angles):
        atoms.set_dihedral(k, k + 1, k + 2, k + 3, angle, indices=list(range(k + 3, len(atoms))))
    return atoms.positions


def in_a_row(count):
    return np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)


def test_angles_are_those_of_ase_with_their_sign():
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(5, 12, 3))
    quadruples = np.array([[[0, 1, 2, 3], [1, 2, 3, 4]], [[6, 7, 8, 9], [11, 7, 10, 6]]])
    found = torsions.angles(positions, quadruples)
    assert found.shape == (5, 2, 2)
    for frame in range(5):
        atoms = Atoms(["C"] * 12, positions[frame])
        for m in range(2):
            for t in range(2):
                ase = atoms.get_dihedral(*quadruples[m, t])
                assert found[frame, m, t] == pytest.approx((ase + 180) % 360 - 180, abs=1e-9)


def test_the_sign_is_that_of_iupac():
    """Looking along the middle bond, the far end of a positive torsion lies clockwise of the near one."""
    # from +z down: near end at 12 o'clock, far end at 3 o'clock
    points = np.array([[[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0]]], float)
    assert torsions.angles(points, np.array([[[0, 1, 2, 3]]]))[0, 0, 0] == pytest.approx(90)


def test_a_chain_that_is_all_trans():
    positions = chain([180] * 4)
    quadruples = torsions.backbone_torsions(np.full(7, 6), in_a_row(7), np.zeros(7, int))
    assert quadruples.shape == (1, 4, 4)
    assert np.abs(torsions.angles(positions[None], quadruples)) == pytest.approx(180)


def run_of(folder, frames, molecules=1):
    """A run of equal chains of carbons; frames (F, N, 3), a picosecond apart."""
    size = frames.shape[1] // molecules
    bonds = np.concatenate([in_a_row(size) + size * m for m in range(molecules)])
    numbers, owner = np.full(frames.shape[1], 6), np.repeat(np.arange(molecules), size)
    topology = Topology(numbers, owner, owner * 0, bonds, np.full(len(numbers), 12.0))
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "trajectory.extxyz", "w") as file:
        for k, positions in enumerate(frames):
            file.write(f'{len(numbers)}\nLattice="50 0 0 0 50 0 0 0 50" Properties=species:S:1:pos:R:3 step={k} ')
            file.write(f'time_fs={1000 * k} pbc="T T T"\n')
            file.writelines("C {:16.8f}{:16.8f}{:16.8f}\n".format(*row) for row in positions)
    return Run(folder, len(numbers)), Context("x", topology, {}, "train", 300.0)


def property_(**tolerance):
    return torsions.Settings(**({"tolerance_percent": tolerance} if tolerance else {})).create()


def test_the_share_of_trans_of_frames_made_by_hand(tmp_path):
    """In frame k of 100, one of three chains has k % 3 torsions of two that are gauche."""
    frames = []
    for k in range(100):
        own = [(180, 180), (180, 65), (-65, 65)][k % 3]
        others = [chain([180, 170]), chain([-170, 130])]  # all beyond 120 degrees
        frames.append(np.concatenate([chain(own), *(other + [0, 20 * n + 20, 0] for n, other in enumerate(others))]))
    run, context = run_of(tmp_path / "nvt", np.array(frames), molecules=3)
    found = property_().measure([run], context, "reference")
    gauche = sum(k % 3 for k in range(100)) / 100
    assert found["trans"]["value"] == pytest.approx(1 - gauche / 6)
    assert found["trans"]["samples"] == 300 and found["profile"] is None
    degrees, density = (np.array(found["distribution"][key]) for key in ("degrees", "density_per_degree"))
    assert density.sum() * 10 == pytest.approx(1)
    at_65 = density[np.argmin(abs(degrees - 65))] * 10
    assert at_65 == pytest.approx(sum((0, 1, 1)[k % 3] for k in range(100)) / 600, abs=1e-6)
    assert density[(abs(degrees) < 60)].sum() == 0


def test_chains_of_the_same_kind_agree_and_others_do_not(tmp_path):
    rng = np.random.default_rng(2)

    def measured(name, trans, frames=200, often=1):
        """Ten chains whose two torsions are drawn anew in every `often`-th frame."""
        found = []
        for k in range(frames):
            if k % often == 0:
                now = [chain(np.where(rng.random(2) < trans, 180, 65)) + [0, 15.0 * m, 0] for m in range(10)]
            found.append(np.concatenate(now))
        run, context = run_of(tmp_path / name, np.array(found), molecules=10)
        return property_().measure([run], context, "reference"), context

    def check(one, two, **tolerance):
        context = measured_context
        found = {"reference": one, "learned": two, "comparison": property_(**tolerance).compare(one, two, context)}
        (check,) = property_().checks(found, context)
        return check

    reference, measured_context = measured("reference", 0.7)
    assert reference["trans"]["known"] and reference["trans"]["value"] == pytest.approx(0.7, abs=0.04)
    same = check(reference, measured("same", 0.7)[0])
    assert same.passed is True and same.code == "torsions" and "points" in same.found
    other = check(reference, measured("other", 0.5)[0])
    assert other.passed is False and other.found.startswith("-")
    slow = check(reference, measured("slow", 0.7, often=200)[0])
    assert slow.passed is None and "runs too short (torsions relax in" in slow.found
    assert property_().checks({"reference": reference}, measured_context) == []


def test_replicates_are_joined(tmp_path):
    runs = []
    for k, angle in enumerate((180, 65)):
        run, context = run_of(tmp_path / str(k), np.array([chain([angle])] * 20))
        runs.append(run)
    found = property_().measure(runs, context, "reference")
    assert found["trans"]["value"] == 0.5 and found["trans"]["error_chains"] == pytest.approx(0.5)
    assert found["trans"]["known"] is False


def test_the_backbone_of_a_branched_chain():
    """3-ethyl-2-methylhexane with its hydrogens left out but one: the longest way, branches and hydrogen aside.

    0-1(6)-2(7-8)-3-4-5, and H9 on 5.
    """
    bonds = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [1, 6], [2, 7], [7, 8], [5, 9]])
    numbers = np.array([6] * 9 + [1])
    found = torsions.backbone_torsions(numbers, bonds, np.zeros(10, int))
    assert found.shape == (1, 3, 4)
    way = [*found[0, 0], *found[0, 1:, 3]]
    way = way if way[0] < way[-1] else way[::-1]
    assert way[1:] == [1, 2, 3, 4, 5] and way[0] in (0, 6)
    both = torsions.backbone_torsions(np.tile(numbers, 2), np.concatenate([bonds, bonds + 10]), np.repeat([0, 1], 10))
    assert (both[1] - 10 == both[0]).all() and (both[0] == found[0]).all()


def test_the_backbone_of_hexane(topology):
    found = torsions.backbone_torsions(topology.numbers, topology.bonds, topology.molecules)
    assert found.shape == (10, 3, 4)
    assert (topology.numbers[found] == 6).all()
    for m, of_chain in enumerate(found):
        assert (topology.molecules[of_chain] == m).all() and len(np.unique(of_chain)) == 6
    bonded = {tuple(sorted(bond)) for bond in topology.bonds.tolist()}
    assert all(tuple(sorted(pair)) in bonded for q in found.reshape(-1, 4) for pair in zip(q, q[1:], strict=False))


def test_the_profile_of_the_force_field_against_itself_is_no_difference(topology, box, tmp_path):
    labeler = create({"kind": "classical"}, data=HEXANE / "equilibrated.data", system=HEXANE / "system.json")

    def energies(frames):
        return energies_of(labeler, frames)

    def measured(learned):
        run = Run(tmp_path / "nvt", len(topology))
        run.folder.mkdir(exist_ok=True)
        from ase.io import write

        write(run.folder / "trajectory.extxyz", [box.copy(), box.copy()])
        described = json.loads((HEXANE / "system.json").read_text())
        context = Context("hexane", topology, described, "train", 300.0, {"reference": energies, "learned": learned})
        return torsions.Settings().create().measure([run], context, "learned")["profile"]

    profile = measured(energies)
    assert profile["degrees"] == pytest.approx(np.arange(-180, 181, 15))
    assert profile["learned"] == profile["reference"] and min(profile["reference"]) == 0
    assert profile["reference"][0] == pytest.approx(profile["reference"][-1], abs=1e-6)
    assert torsions._largest_difference(profile) == 0
    energy = dict(zip(profile["degrees"], profile["reference"], strict=True))
    assert energy[0] > energy[120] > energy[180] and 0.1 < energy[0] < 1  # cis, eclipsed, trans

    wrong = measured(lambda frames: 1.1 * energies(frames))
    expected = 100 * max(e for e in profile["reference"] if e < torsions.REACHABLE)
    assert torsions._largest_difference(wrong) == pytest.approx(expected, rel=0.01)
    assert measured(lambda frames: np.full(len(frames), np.nan)) is None
    some = measured(lambda frames: np.where(np.arange(len(frames)) == 3, np.nan, energies(frames)))
    assert some["learned"][3] is None and torsions._largest_difference(some) == 0


def test_turning_moves_one_side_as_a_whole(topology, box):
    quadruples = torsions.backbone_torsions(topology.numbers, topology.bonds, topology.molecules)
    frames = torsions.turned(box, quadruples, topology.molecules, topology.bonds)
    assert len(frames) == 25 and len(frames[0]) == 20
    own = topology.bonds[(topology.molecules[topology.bonds] == topology.molecules[topology.bonds[0, 0]]).all(axis=1)]
    lengths = [np.linalg.norm(np.diff(frame.positions[own], axis=1), axis=-1) for frame in frames]
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], np.shape(lengths)), atol=1e-8)
    np.testing.assert_allclose(frames[0].positions, frames[-1].positions, atol=1e-8)


def test_a_bond_in_a_ring_is_not_turned():
    """p-xylene, its hydrogens left out: the middle of the longest way lies in the ring."""
    bonds = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 1], [4, 7]])
    numbers, molecules = np.full(8, 6), np.zeros(8, int)
    quadruples = torsions.backbone_torsions(numbers, bonds, molecules)
    frame = Atoms(numbers, np.random.default_rng(0).normal(size=(8, 3)))
    assert torsions.turned(frame, quadruples, molecules, bonds) == []


def test_rings_and_short_chains_are_told_in_words(tmp_path):
    run, context = run_of(tmp_path / "short", np.array([chain([])] * 3))
    with pytest.raises(UserError, match="fewer than four heavy atoms"):
        property_().measure([run], context, "reference")
    run, context = run_of(tmp_path / "ring", np.array([chain([180])] * 3))
    ring = Context("x", context.topology, {"end_groups": "ring"}, "train", 300.0)
    with pytest.raises(UserError, match="ring"):
        property_().measure([run], ring, "reference")
    (words,) = property_().details("x", {"reference": {"missing": "no"}, "missing": "no such thing"})
    assert isinstance(words, Words) and "no such thing" in words.text


def test_what_is_shown(tmp_path):
    run, context = run_of(tmp_path, np.array([chain([180]), chain([65])] * 20))
    one = property_().measure([run], context, "reference")
    profile = {"degrees": torsions.profile_degrees().tolist(), "reference": [0.1] * 25, "learned": [None] + [0.2] * 24}
    with style.styled():
        shown = list(property_().details("x", {"reference": one, "learned": one | {"profile": profile}}))
        picture, table = shown
        assert isinstance(picture, Picture) and len(picture.figure.axes) == 2
        assert isinstance(table, Table) and [row[0] for row in table.rows] == ["reference", "learned potential"]
        (alone, _) = property_().details("x", {"learned": one})
        assert len(alone.figure.axes) == 1
    assert list(property_().overview({})) == []
