"""MD of hexane with the force field: conservation, whole molecules, determinism, files."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from killing import killed_at, lose_outputs

from oligopoly.ace.potential import read_yaml, write_yaml
from oligopoly.errors import UserError
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md import legs, trajectory
from oligopoly.md.hardware import Hardware
from oligopoly.md.produce import Run, produce
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.md.watch import Watch
from oligopoly.potentials.pace import PairPACE
from oligopoly.potentials.registry import open_potential
from oligopoly.samplers.force_field_md import force_field_md
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = Path(__file__).parent.parent / "data" / "hexane"
BOX = DATA / "equilibrated.data"


def classical(**more):
    return Classical(BOX, of_system(DATA / "system.json"), **more)


def both(temperature, npt_fs, nvt_fs, timestep, nvt_timestep):
    """NPT with heavy hydrogens, and NVT with real masses at its mean volume."""
    npt = Conditions("npt", temperature, timestep, pressure_atm=1.0, hydrogen_mass=4.03)
    return {"npt": Run(npt, npt_fs), "nvt": Run(Conditions("nvt", temperature, nvt_timestep), nvt_fs, after="npt")}


@pytest.fixture(scope="module")
def hexane():
    topology = Topology.read(DATA / "system.json")
    return read_box(BOX, topology), topology


def test_classical_conserves_energy(hexane):
    atoms, topology = hexane
    with open_simulation(classical(), atoms, Conditions("nve", 300, 0.5), seed=1) as simulation:
        simulation.ensemble(1000)
        simulation.advance(0)
        total = []
        for _ in range(20):
            simulation.advance(50)
            sample = simulation.sample()
            total.append(sample.potential + sample.kinetic)
    slope = np.polyfit(np.arange(20) * 25.0, total, 1)[0] * 1e6 / len(atoms)  # eV/atom/ns
    assert abs(slope) < 0.3
    assert np.std(total) / len(atoms) < 5e-5


def test_energy_is_that_of_the_units(hexane):
    """Kinetic energy and velocities of 300 K, in eV and A/fs, from an engine in units real."""
    atoms, _ = hexane
    with open_simulation(classical(), atoms, Conditions("nve", 300, 0.5), seed=1) as simulation:
        simulation.ensemble(1)
        simulation.advance(0)
        first = simulation.sample()
        simulation.advance(1)
        second = simulation.sample()
    assert first.kinetic == pytest.approx(1.5 * (200 - 1) * 8.617333e-5 * 300, rel=1e-4)
    np.testing.assert_allclose(first.positions, atoms.positions, atol=1e-9)
    speed2 = ((second.positions - first.positions) / 0.5) ** 2
    kinetic = 0.5 * (atoms.get_masses()[:, None] * speed2).sum() / 9.648533e-3
    assert kinetic == pytest.approx(0.5 * (first.kinetic + second.kinetic), rel=0.02)


def test_run_writes_whole_molecules_and_is_deterministic(hexane, tmp_path):
    atoms, topology = hexane
    conditions = Conditions("npt", 350, 1.5, pressure_atm=1.0, hydrogen_mass=4.03)
    for name in "ab":
        outcome, last = run_md(
            classical(),
            atoms,
            topology,
            conditions,
            duration_fs=300,
            sample_every_fs=30,
            settle_fs=60,
            seed=7,
            out_dir=tmp_path / name,
            watch=Watch(topology, 350, atoms.get_volume()),
        )
        assert outcome.outcome == "completed"
    for file in ("trajectory.extxyz", "thermo.tsv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    run = trajectory.read(tmp_path / "a" / "trajectory.extxyz")
    assert run.positions.shape == (11, 200, 3)
    np.testing.assert_allclose(run.times, np.arange(11) * 30.0)
    for positions, cell in zip(run.positions, run.cells, strict=True):
        assert len(topology.broken_bonds(positions)) == 0  # whole without a cell
        np.testing.assert_allclose(topology.unwrap(positions, cell), positions, atol=1e-6)
    assert np.abs(np.diff(run.positions, axis=0)).max() < 2.0  # continuous
    np.testing.assert_allclose(run.positions[-1], last.positions, atol=1e-7)
    thermo = trajectory.read_thermo(tmp_path / "a" / "thermo.tsv")
    np.testing.assert_allclose(thermo["volume_A3"], np.linalg.det(run.cells), rtol=1e-6)
    grams = 10 * 86.178 * 1.66053907
    np.testing.assert_allclose(thermo["density_g_cm3"], grams / thermo["volume_A3"], rtol=1e-4)
    np.testing.assert_allclose(thermo["time_ps"], run.times / 1000)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["classical", "ace"])
def test_a_run_that_was_killed_goes_on_with_the_same_bytes(kind, threads, hexane, tmp_path, monkeypatch, capsys):
    """Also when kills follow each other, in both ensembles; and nothing is left behind."""
    atoms, topology = hexane
    model = read_yaml(DATA.parent / "pace" / "ch_sbessel_r3.yaml")
    for functions in model.functions.values():
        functions[:] = [replace(f, c=1e-3 * f.c) for f in functions]
    write_yaml(model, tmp_path / "weak.yaml")
    calm = Atoms(topology.numbers, atoms.positions, cell=atoms.cell, pbc=True)

    def go(name):
        ace = open_potential(tmp_path / "weak.yaml")
        hardware = Hardware(threads)
        if kind == "classical":
            engine = classical(hardware=hardware)
        else:
            engine = ace.engine(choice="built-in", hardware=hardware)
        runs = both(300.0 if kind == "classical" else 1.0, 31.0, 24.0, 1.0, 0.5)
        produce(engine, calm, topology, tmp_path / name, runs, settle_fs=4.0, sample_every_fs=2.0, seed=3, leg_fs=9.0)

    monkeypatch.setattr(Watch, "check", lambda self, sample, score=None: None)
    go("whole")
    for countdown in (11, 4, 13, 2, 7):  # twice in the third leg; in the NVT run; in its second leg; in its last
        killed_at(countdown, trajectory.FrameWriter, "write", go, "killed")
        lose_outputs(tmp_path / "killed")
    go("killed")
    assert "npt: goes on from 0.0 ps" in capsys.readouterr().err
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*"))
    assert files == sorted(path.relative_to(tmp_path / "killed") for path in (tmp_path / "killed").rglob("*"))
    for file in files:
        if (tmp_path / "whole" / file).is_file():
            assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes(), file
    run = trajectory.read(tmp_path / "whole" / "npt" / "trajectory.extxyz")
    np.testing.assert_allclose(run.times, 2.0 * np.arange(16))
    assert np.abs(np.diff(run.positions, axis=0)).max() < 1.0


def test_what_another_run_left_does_not_count(hexane, tmp_path, monkeypatch, capsys):
    atoms, topology = hexane

    def go(name, seed=1):
        run_md(
            classical(), atoms, topology, Conditions("nvt", 300, 1.0), duration_fs=12, sample_every_fs=2,
            seed=seed, out_dir=tmp_path / name, leg_fs=4,
        )  # fmt: skip
        return (tmp_path / name / "trajectory.extxyz").read_bytes()

    first, other = go("a"), go("b", seed=2)
    assert first != other and go("a", seed=2) == other
    assert "goes on" not in capsys.readouterr().err
    mark = tmp_path / "a" / legs.FOLDER / "mark.npz"
    mark.write_bytes(mark.read_bytes()[:300])  # a torn one
    assert go("a", seed=2) == other


@pytest.mark.parametrize("links", [True, False])
def test_a_finished_run_is_published_again_as_new(links, hexane, tmp_path, monkeypatch):
    """After its outputs were removed; also where the file system has no hard links."""
    atoms, topology = hexane

    def no_link(source, target):
        raise PermissionError("Operation not permitted")

    def go():
        run_md(
            classical(), atoms, topology, Conditions("nvt", 300, 1.0), duration_fs=4, sample_every_fs=2, seed=1,
            out_dir=tmp_path, leg_fs=4,
        )  # fmt: skip
        return path.read_bytes()

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    path = tmp_path / "trajectory.extxyz"
    first = go()
    path.unlink()
    begun = time.time()
    assert go() == first
    assert path.stat().st_mtime >= begun - 0.1
    assert len(list(tmp_path.iterdir())) == 3  # nothing temporary beside both files and the folder


def test_trajectory_reads_as_ase_reads_it(hexane, tmp_path):
    atoms, topology = hexane
    run_md(
        classical(),
        atoms,
        topology,
        Conditions("nvt", 300, 1.0),
        duration_fs=10,
        sample_every_fs=5,
        seed=1,
        out_dir=tmp_path,
    )
    path = tmp_path / "trajectory.extxyz"
    ours, theirs = trajectory.read(path), ase.io.read(path, ":")
    assert len(ours) == len(theirs) == 3
    for frame, other in enumerate(theirs):
        mine = ours.atoms(frame)
        np.testing.assert_array_equal(mine.numbers, other.numbers)
        np.testing.assert_array_equal(mine.positions, other.positions)
        np.testing.assert_allclose(mine.cell.array, other.cell.array)
        assert mine.info == {k: other.info[k] for k in ("step", "time_fs")} and other.pbc.all()
    for other in theirs:
        other.set_array("charge", np.zeros(200))
    ase.io.write(tmp_path / "other.extxyz", theirs)
    through_ase = trajectory.read(tmp_path / "other.extxyz", every=2)
    np.testing.assert_allclose(through_ase.positions, ours.positions[::2])
    np.testing.assert_allclose(through_ase.times, ours.times[::2])
    path.write_text(path.read_text()[:-200])
    with pytest.raises(UserError, match="frame 2 is cut short"):
        trajectory.read(path)


def test_force_field_md_scales_the_volume_gradually(hexane, tmp_path):
    atoms, topology = hexane
    last = force_field_md(
        classical(),
        atoms,
        topology,
        tmp_path,
        conditions=Conditions("nvt", 300, 1.5, hydrogen_mass=4.03),
        duration_fs=75,
        sample_every_fs=75,
        settle_fs=150,
        volume_ratio=0.9,
        seed=3,
    )
    assert last.get_volume() / atoms.get_volume() == pytest.approx(0.9, rel=1e-6)
    assert len(topology.broken_bonds(last.positions)) == 0


def test_force_field_md_that_explodes_says_so(hexane, tmp_path):
    atoms, topology = hexane
    with pytest.raises(UserError, match="shorter timestep"):
        force_field_md(
            classical(),
            atoms,
            topology,
            tmp_path,
            conditions=Conditions("nvt", 300, 25.0),
            duration_fs=50000,
            sample_every_fs=1000,
            settle_fs=0,
            seed=3,
        )


def test_production_runs_both_ensembles(hexane, tmp_path):
    atoms, topology = hexane
    runs = both(300, 150, 50, 1.5, 1.0)
    settings = {"sample_every_fs": 30, "seed": 2}
    status = produce(classical(), atoms, topology, tmp_path, runs, settle_fs=30, **settings)
    assert status == json.loads((tmp_path / "status.json").read_text())
    assert {status[e]["outcome"] for e in ("npt", "nvt")} == {"completed"}
    npt = trajectory.read_thermo(tmp_path / "npt" / "thermo.tsv")["volume_A3"]
    nvt = trajectory.read_thermo(tmp_path / "nvt" / "thermo.tsv")["volume_A3"]
    assert nvt == pytest.approx(npt.mean(), rel=1e-6)

    stretched = atoms.copy()
    stretched.positions[topology.molecules == 0] += [0.0, 0.0, 8.0]
    stretched.positions[0] += [0, 0, 1.2]
    status = produce(classical(), stretched, topology, tmp_path / "bad", runs, settle_fs=0, **settings)
    assert status["npt"]["outcome"] in ("broken_bond", "close_contact", "exploded", "non_finite")
    assert status["nvt"]["outcome"] == "not_run"
    assert (tmp_path / "bad" / "nvt" / "trajectory.extxyz").exists()


def test_wrong_input_is_a_user_error(hexane, tmp_path):
    atoms, _ = hexane
    with pytest.raises(UserError, match="needs a pressure"):
        Conditions("npt", 300, 1.0)
    with pytest.raises(UserError, match="belongs to ensemble npt"):
        Conditions("nvt", 300, 1.0, pressure_atm=1.0)
    with (
        pytest.raises(UserError, match="same system"),
        open_simulation(classical(), atoms[:180], Conditions("nvt", 300, 1.0), 1),
    ):
        pass
    with pytest.raises(UserError, match="'lammps' is not known"):
        open_potential(DATA.parent / "pace" / "ch_sbessel_r3.yaml").engine(choice="lammps")
    with pytest.raises(UserError, match="no such file"):
        open_potential(tmp_path / "potential.yaml")


def test_ml_pace_commands():
    engine = PairPACE("gen/potential.yaml", "gen/potential.asi", every=20)
    assert engine.commands(["C", "H"])[:3] == [
        "pair_style pace/extrapolation",
        "pair_coeff * * gen/potential.yaml gen/potential.asi C H",
        "fix gamma all pair 20 pace/extrapolation gamma 1",
    ]
    assert PairPACE("gen/potential.yaml").commands(["C", "H"])[:2] == [
        "pair_style pace",
        "pair_coeff * * gen/potential.yace C H",
    ]
