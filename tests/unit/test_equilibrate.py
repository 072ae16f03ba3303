import json
from pathlib import Path

import numpy as np
import pytest
from killing import killed_at

from oligopoly.errors import UserError
from oligopoly.forcefields import gaff2
from oligopoly.forcefields.registry import of_system
from oligopoly.md.equilibrate import COLUMNS, equilibrate, stages
from oligopoly.md.lammps import start
from oligopoly.md.piecewise import PiecewiseRun
from oligopoly.systems import datafile
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hexane")
    build_system(
        folder / "built.data",
        folder / "system.json",
        repeat_unit="*CC*",
        end_groups=("*[H]", "*[H]"),
        degree_of_polymerisation=3,
        chains=4,
        force_field=gaff2.Settings(),
        seed=5,
    )
    return folder


def run(built: Path, out: Path, **changes):
    settings = dict(temperature=300.0, pressure_atm=1.0, scale=1e-4, seed=1, timestep_fs=1.0, hydrogen_mass=4.0)
    return equilibrate(
        built / "built.data",
        built / "system.json",
        out / "equilibrated.data",
        of_system(built / "system.json"),
        thermo=out / "thermo.tsv",
        summary=out / "summary.json",
        **({"log": lambda line: None} | settings | changes),
    )


def test_full_scale_is_the_published_scheme():
    plan = stages(300.0, 1.0, 1.0, 600.0, 50000.0)
    assert len(plan) == 21
    assert sum(stage.picoseconds for stage in plan) == pytest.approx(1560.0)
    assert [s.temperature for s in plan[:3]] == [600.0, 300.0, 300.0]
    pressures = [s.pressure for s in plan if s.pressure is not None]
    assert pressures == pytest.approx([1000, 30000, 50000, 25000, 5000, 500, 1])
    assert plan[-1].picoseconds == 800.0


def test_short_schemes_keep_their_last_stage():
    plan = stages(300.0, 1.0, 0.01, 600.0, 50000.0)
    assert plan[-1].picoseconds == 8.0 and sum(s.picoseconds for s in plan) < 20
    assert min(s.picoseconds for s in plan) >= 0.2


@pytest.mark.slow
def test_a_dilute_box_becomes_a_liquid_of_whole_molecules(built, tmp_path):
    result = run(built, tmp_path)
    topology = Topology.read(built / "system.json")
    chain, x, cell = datafile.read(tmp_path / "equilibrated.data", topology.atoms_per_chain)
    built_chain, _, _ = datafile.read(built / "built.data", topology.atoms_per_chain)
    assert chain.coefficients == built_chain.coefficients  # the true mass of hydrogen, too
    np.testing.assert_array_equal(chain.types, built_chain.types)

    density = topology.masses.sum() / np.linalg.det(cell) / 0.602214076
    assert density == pytest.approx(result["density_g_cm3"], rel=1e-4)
    assert 0.5 < density < 0.85
    assert len(topology.broken_bonds(x)) == 0
    assert len(topology.close_contacts(x, cell)) == 0
    middles = x.reshape(4, -1, 3).mean(axis=1) @ np.linalg.inv(cell)
    assert (middles >= 0).all() and (middles < 1).all()

    rows = (tmp_path / "thermo.tsv").read_text().splitlines()
    assert rows[0].split("\t") == list(COLUMNS)
    assert {row.split("\t")[0] for row in rows[1:]} >= {"squeeze", "1-hot", "7-npt", "settle"}
    assert json.loads((tmp_path / "summary.json").read_text()) == result
    assert max(float(row.split("\t")[6]) for row in rows[1:]) > 0.8  # it was compressed


@pytest.mark.slow
def test_same_seed_same_liquid(built, tmp_path, monkeypatch):
    boxes = []
    monkeypatch.setattr("oligopoly.md.equilibrate.SHORTEST_LAST", 0.5)
    for name in "ab":
        (tmp_path / name).mkdir()
        run(built, tmp_path / name, max_pressure_atm=5000.0)
        boxes.append((tmp_path / name / "equilibrated.data").read_text())
    assert boxes[0] == boxes[1]


@pytest.mark.slow
def test_an_equilibration_that_was_killed_goes_on_with_the_same_bytes(built, tmp_path, monkeypatch):
    """Twice in its last stage; before, in the third of its first; nothing is left behind."""
    monkeypatch.setattr("oligopoly.md.equilibrate.SHORTEST_LAST", 1.0)
    monkeypatch.setattr("oligopoly.md.piecewise.ATOM_STEPS", 80 * 450)  # 450 steps
    outputs = []
    for name, kills in (("whole", []), ("killed", [47, 38, 5, 1])):  # pieces until each kill
        folder = tmp_path / name
        folder.mkdir()
        for pieces in kills:
            killed_at(pieces + 1, PiecewiseRun, "_record", run, built, folder, max_pressure_atm=5000.0)
        lines = []
        run(built, folder, max_pressure_atm=5000.0, log=lines.append)
        assert any("goes on" in line for line in lines) == bool(kills)
        outputs.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert outputs[0] == outputs[1] and len(outputs[0]) == 3


def test_a_restart_file_holds_the_whole_force_field(built, tmp_path):
    """Every part of energy and pressure is the same before and behind it."""
    lmp = start()

    def prepare():
        for command in [*gaff2.GAFF2().commands("md", True, impropers=False), "timestep 0.5"]:
            lmp.command(command)

    def parts():
        lmp.command("thermo_style custom step temp ebond eangle edihed evdwl ecoul elong press vol")
        lmp.command("run 0 post no")
        return list(lmp.last_thermo().values())

    prepare()
    lmp.command(f"read_data {built / 'built.data'}")
    lmp.command("velocity all create 300 5")
    run = PiecewiseRun(lmp, prepare, 0.5, 1.0, tmp_path, "")
    run.move("hot", 50, "npt temp 300 300 100 iso 1 1 1000")
    before = parts()
    run._load(run._save())
    assert len(before) == 10 and before[2] > 1
    np.testing.assert_allclose(parts(), before, rtol=1e-6)
    lmp.close()


def test_a_motion_that_blows_up_is_said_so(built, tmp_path):
    with pytest.raises(UserError, match="time step"):
        run(built, tmp_path, timestep_fs=12.0, hydrogen_mass=None)
    assert not (tmp_path / "equilibrated.data").exists()
