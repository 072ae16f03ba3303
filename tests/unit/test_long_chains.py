"""Long chains: torsions by their weights, and overlaps pushed apart without a change of size."""

import json

import numpy as np
import pytest
from killing import killed_at

from oligopoly.forcefields.registry import FORCE_FIELDS, of_system
from oligopoly.forcefields.trappe_ua import TORSION, TraPPE
from oligopoly.md import placement, push_off
from oligopoly.md.equilibrate import equilibrate
from oligopoly.md.lammps import start
from oligopoly.md.piecewise import PiecewiseRun
from oligopoly.systems import datafile, rotamers
from oligopoly.systems.box import read_box
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology
from oligopoly.systems.walk import turned_by

ANGLE = np.radians(112.0)


def zigzag(n):
    """Positions (n, 3) of an all-trans chain, bonds and torsions that turn."""
    x = np.zeros((n, 3))
    x[:, 0] = 1.54 * np.sin(ANGLE / 2) * np.arange(n)
    x[:, 1] = 1.54 * np.cos(ANGLE / 2) * (np.arange(n) % 2)
    return x, np.array([(k, k + 1) for k in range(n - 1)]), [(k, k + 1) for k in range(1, n - 2)]


def local(n, torsion=None, weights=(0.0, 0.0)):
    _, bonds, axes = zigzag(n)
    dihedrals = np.array([(i - 1, i, j, j + 1) for i, j in axes]) if torsion else np.zeros((0, 4), int)
    return rotamers.Local(bonds, dihedrals, [torsion] * len(dihedrals), np.full(n, 3.95), np.full(n, 0.09), weights)


def turned(n, field, temperature, seed):
    x, _, axes = zigzag(n)
    angles = rotamers.angles(x, np.array(axes), field, temperature, np.random.default_rng(seed))
    return turned_by(x, axes, np.arange(n), angles)


def torsions(x):
    return np.array([rotamers._dihedral(*x[k : k + 4]) for k in range(len(x) - 3)])


def energy(angle):
    return TraPPE().torsion(list(TORSION), angle)


def test_torsion_energies_of_trappe():
    """Trans is the minimum, gauche 0.8 kcal/mol above it, and between them lies the barrier (J. Am. Chem. Soc. 106
    (1984) 6638)."""
    trans, gauche, barrier = energy(np.radians([180.0, 67.0, 120.0]))
    assert trans == pytest.approx(0.0, abs=1e-9)
    assert 0.7 < gauche - trans < 0.95 and 2.5 < barrier - trans < 3.5


def test_a_torsion_alone_has_boltzmann_weights():
    n, temperature = 400, 450.0
    found = np.concatenate([torsions(turned(n, local(n, energy), temperature, seed)) for seed in range(5)])
    grid = np.linspace(-np.pi, np.pi, 3600, endpoint=False)
    weights = np.exp(-energy(grid) / (rotamers.GAS * temperature))
    expected = weights[np.abs(grid) > 2 * np.pi / 3].sum() / weights.sum()
    trans = np.abs(found) > 2 * np.pi / 3
    error = np.sqrt(expected * (1 - expected) / len(found))
    assert abs(trans.mean() - expected) < 4 * error, (trans.mean(), expected)


def test_a_freely_rotating_chain_has_its_size():
    """<R^2> = n b^2 ((1 + c)/(1 - c) - 2 c (1 - c^n) / (n (1 - c)^2)), c the cosine of the turn (Flory 1969)."""
    n, c = 30, -np.cos(ANGLE)
    squares = [((x[-1] - x[0]) ** 2).sum() for x in (turned(n + 1, local(n + 1), 450.0, seed) for seed in range(100))]
    expected = n * 1.54**2 * ((1 + c) / (1 - c) - 2 * c * (1 - c**n) / (n * (1 - c) ** 2))
    assert abs(np.mean(squares) - expected) < 3.5 * np.std(squares) / np.sqrt(100)


def test_two_gauche_of_opposite_sign_bump():
    """The pentane effect, of repulsion four bonds apart alone."""
    n = 400
    found = torsions(turned(n, local(n, energy, (0.0, 0.5)), 450.0, 1))
    plus, minus = (found > 0) & (found < 2), (found < 0) & (found > -2)
    unlike = (plus[:-1] & minus[1:]) | (minus[:-1] & plus[1:])
    alike = (plus[:-1] & plus[1:]) | (minus[:-1] & minus[1:])
    assert unlike.sum() < 0.25 * alike.sum()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Eight chains of 66 united atoms, through each other."""
    folder = tmp_path_factory.mktemp("long")
    build(folder)
    return folder


def build(folder):
    build_system(
        folder / "built.data", folder / "system.json", repeat_unit="*CC*", end_groups=("*[H]", "*[H]"),
        degree_of_polymerisation=33, chains=8, force_field=FORCE_FIELDS.read({"kind": "trappe-ua"}), seed=5,
    )  # fmt: skip


def size(positions, topology):
    ends = np.asarray(positions).reshape(topology.n_molecules, -1, 3)[:, [0, -1]]
    return ((ends[:, 0] - ends[:, 1]) ** 2).sum(axis=1)


def run(built, out, monkeypatch):
    monkeypatch.setattr(push_off, "RAMP", 800)
    monkeypatch.setattr(push_off, "SETTLE", 300)
    equilibrate(
        built / "built.data", built / "system.json", out / "equilibrated.data", of_system(built / "system.json"),
        temperature=450.0, pressure_atm=1.0, scale=1e-4, seed=1, timestep_fs=2.0, max_pressure_atm=5000.0,
        log=lambda line: None,
    )  # fmt: skip


def test_they_are_built_dense_and_of_one_seed(built, tmp_path):
    described = json.loads((built / "system.json").read_text())
    assert described["overlapping"] is True
    build(tmp_path)
    assert (tmp_path / "built.data").read_bytes() == (built / "built.data").read_bytes()
    topology = Topology.read(built / "system.json")
    box = read_box(built / "built.data", topology)
    assert topology.masses.sum() / box.get_volume() / 0.602214 == pytest.approx(0.7 * 0.75, rel=1e-3)
    assert len(topology.close_contacts(box.positions, box.cell.array)) > 10, "there is something to push"


def test_overlaps_go_and_chains_keep_their_size(built, monkeypatch):
    monkeypatch.setattr(push_off, "RAMP", 1500)
    monkeypatch.setattr(push_off, "SETTLE", 500)
    topology, force_field = Topology.read(built / "system.json"), of_system(built / "system.json")
    chain, before, _ = datafile.read(built / "built.data", topology.atoms_per_chain)
    commands = force_field.commands("md", True, False)
    lmp = start()
    for command in [*commands, "neighbor 2.0 bin", "neigh_modify delay 0", f"read_data {built / 'built.data'}"]:
        lmp.command(command)
    push_off.push_off(lmp, chain, commands, 450.0, 2.0, seed=1)
    after, cell = placement.unwrapped(lmp, periodic=True)
    lmp.command("run 0")
    assert 200 < lmp.get_thermo("temp") < 900 and np.isfinite(lmp.get_thermo("pe"))
    lmp.close()
    assert len(topology.close_contacts(after, cell)) == 0
    assert len(topology.broken_bonds(after)) == 0
    np.testing.assert_allclose(np.sqrt(size(after, topology)), np.sqrt(size(before, topology)), atol=10.0)
    assert size(after, topology).mean() == pytest.approx(size(before, topology).mean(), rel=0.25)


@pytest.mark.slow
def test_killed_while_pushing_it_begins_again(built, tmp_path, monkeypatch):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    run(built, tmp_path / "whole", monkeypatch)
    for countdown in (1, 3):
        killed_at(countdown, PiecewiseRun, "_piece", lambda name: run(built, tmp_path / name, monkeypatch), "killed")
    run(built, tmp_path / "killed", monkeypatch)
    assert (tmp_path / "killed" / "equilibrated.data").read_bytes() == (
        tmp_path / "whole" / "equilibrated.data"
    ).read_bytes()


def test_short_chains_and_rings_are_placed_apart(tmp_path):
    build_system(
        tmp_path / "built.data", tmp_path / "system.json", repeat_unit="*CC*", end_groups=("*[H]", "*[H]"),
        degree_of_polymerisation=10, chains=4, force_field=FORCE_FIELDS.read({"kind": "trappe-ua"}), seed=5,
    )  # fmt: skip
    assert "overlapping" not in json.loads((tmp_path / "system.json").read_text())
