"""`oligopoly analyse` on what LAMMPS writes: every format gives the same numbers, every mistake one line."""

import json
import shutil

import ase.io
import numpy as np
import pytest
from conftest import HEXANE
from mdtraj.formats import XTCTrajectoryFile

from oligopoly.commands.main import main
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md import anywhere, trajectory
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.systems.from_data import topology_of

FRAMES, EVERY = 24, 10  # of 1 fs
COLUMNS = {
    "unwrapped": "id element xu yu zu",
    "scaled": "id type xs ys zs ix iy iz",
    "images": "ix iy iz x y z vx type id",
    "wrapped": "id type x y z",
    "scaled_unwrapped": "xsu ysu zsu id",
}
SYSTEM = ["--system", str(HEXANE / "system.json")]


@pytest.fixture(scope="module")
def written(tmp_path_factory, box, topology):
    """One NVT run, in all formats."""
    folder = tmp_path_factory.mktemp("dumps")
    engine = Classical(HEXANE / "equilibrated.data", of_system(HEXANE / "system.json"))
    box = box.copy()
    box.positions += 5.0  # across the faces of the box
    with (
        open_simulation(engine, box, Conditions("nvt", 300.0, 1.0), 1) as simulation,
        trajectory.writers(folder / "own", box.numbers, topology.masses, True) as (frames, _),
    ):
        simulation.ensemble(FRAMES * EVERY)
        simulation.advance(0)
        for name, columns in COLUMNS.items():
            simulation.lmp.command(f"dump {name} all custom {EVERY} {folder / name}.lammpstrj {columns}")
            simulation.lmp.command(f"dump_modify {name} format float %.8f")
        simulation.lmp.command("dump_modify unwrapped time yes units yes sort id element H C")
        simulation.lmp.command(f"dump dcd all dcd {EVERY} {folder}/run.dcd")
        simulation._ready = False
        frames.write(simulation.sample())
        for _ in range(FRAMES - 1):
            simulation.advance(EVERY)
            frames.write(simulation.sample())
        simulation.lmp.command("undump dcd")
    shutil.copy(folder / "own" / "trajectory.extxyz", folder / "own.extxyz")
    through_ase = ase.io.read(folder / "own.extxyz", ":")
    for frame in through_ase:
        frame.wrap()
        frame.set_array("charge", np.zeros(len(frame)))
    ase.io.write(folder / "ase.extxyz", through_ase)
    with XTCTrajectoryFile(str(folder / "run.xtc"), "w") as file:  # LAMMPS leaves the end of one in memory
        for k, frame in enumerate(through_ase):
            file.write(frame.positions[None] / 10, [0.01 * k], [k], frame.cell.array[None] / 10)
    return folder


HOW = {
    "own.extxyz": [],
    "unwrapped.lammpstrj": [],
    "scaled.lammpstrj": ["--timestep", "1 fs"],
    "images.lammpstrj": ["--timestep", "1 fs"],
    "wrapped.lammpstrj": ["--timestep", "1 fs"],
    "scaled_unwrapped.lammpstrj": ["--spacing", "10 fs"],
    "run.xtc": [],
    "run.dcd": ["--spacing", "0.01 ps"],
    "ase.extxyz": [],
}


@pytest.fixture(scope="module")
def expected(written):
    assert main(["analyse", str(written / "own.extxyz"), *SYSTEM, "-o", str(written / "expected")]) == 0
    return json.loads((written / "expected" / "properties.json").read_text())


@pytest.mark.parametrize("name", list(HOW)[1:])
def test_every_format_gives_the_same(name, written, expected, tmp_path, capsys):
    assert main(["analyse", str(written / name), *SYSTEM, *HOW[name], "-o", str(tmp_path)]) == 0
    assert "wrote" in capsys.readouterr().out
    found = json.loads((tmp_path / "properties.json").read_text())
    assert found["frames"] == FRAMES and found["spacing_ps"] == pytest.approx(0.01) and found["constant_volume"]
    one, other = found["properties"], expected["properties"]
    assert set(one) == set(other) == {"rdf", "msd", "dimensions", "internal_distances", "torsions"}
    rough = 5e-3 if name.endswith(("xtc", "dcd")) else 1e-5
    for kind in ("segments", "chains"):
        np.testing.assert_allclose(one["msd"][kind]["msd_A2"], other["msd"][kind]["msd_A2"], rtol=10 * rough)
    for key in ("gyration_A2", "end_to_end_A2"):
        assert one["dimensions"][key]["value"] == pytest.approx(other["dimensions"][key]["value"], rel=rough)
    assert one["internal_distances"]["ratio_A2"] == pytest.approx(other["internal_distances"]["ratio_A2"], rel=0.01)
    assert one["torsions"]["trans"]["value"] == pytest.approx(other["torsions"]["trans"]["value"], abs=0.002)
    for pair, kinds in other["rdf"]["pairs"].items():
        for kind, curve in kinds.items():
            apart = np.abs(np.subtract(one["rdf"]["pairs"][pair][kind]["g"], curve["g"])).mean()
            assert apart < 0.02 * np.mean(curve["g"])


def test_the_page_has_all_figures_and_they_stand_beside_it(written, expected):
    folder = written / "expected"
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "properties.json", "rdf.svg", "msd.svg", "internal_distances.svg", "torsions.svg",
    }  # fmt: skip
    page = (folder / "index.html").read_text()
    assert page.count("<img") == 4 and "this run" in page and "learned potential" not in page
    assert expected["mean_density_g_cm3"] == pytest.approx(0.66, abs=0.02) and expected["chains"] == 10


def test_a_data_file_says_as_much_as_a_system(written, expected, topology, tmp_path):
    found = topology_of(HEXANE / "equilibrated.data")
    np.testing.assert_array_equal(found.numbers, topology.numbers)
    np.testing.assert_array_equal(found.molecules, topology.molecules)
    assert len(found.bonds) == len(topology.bonds) and found.masses == pytest.approx(topology.masses, abs=1e-3)
    data = ["--data", str(HEXANE / "equilibrated.data")]
    assert main(["analyse", str(written / "unwrapped.lammpstrj"), *data, "-o", str(tmp_path)]) == 0
    measured = json.loads((tmp_path / "properties.json").read_text())["properties"]
    assert measured["dimensions"]["gyration_A2"]["value"] == pytest.approx(
        expected["properties"]["dimensions"]["gyration_A2"]["value"], rel=1e-4
    )
    np.testing.assert_allclose(
        measured["msd"]["chains"]["msd_A2"], expected["properties"]["msd"]["chains"]["msd_A2"], rtol=1e-3
    )


def head(path, frames, out, cut=0):
    """The first frames of a dump, less some bytes."""
    text = path.read_text()
    parts = text.split("ITEM: TIMESTEP\n")
    whole = parts[0] + "".join(f"ITEM: TIMESTEP\n{part}" for part in parts[1 : 1 + frames])
    out.write_text(whole[: len(whole) - cut] if cut else whole)
    return out


def part(path, first, last, out):
    """Frames first to last of a dump without head."""
    parts = path.read_text().split("ITEM: TIMESTEP\n")
    out.write_text("".join(f"ITEM: TIMESTEP\n{part}" for part in parts[1 + first : 1 + last]))
    return out


def test_a_run_that_was_killed_is_read_as_one(written, topology, tmp_path):
    """Of steps that were run twice, those of the run that went on count."""
    whole, _ = anywhere.read([written / "scaled.lammpstrj"], topology, timestep_fs=1.0)
    one = part(written / "scaled.lammpstrj", 0, 15, tmp_path / "a")
    two = part(written / "scaled.lammpstrj", 10, 24, tmp_path / "b")
    found, notes = anywhere.read([one, two], topology, timestep_fs=1.0)
    np.testing.assert_array_equal(np.asarray(found.positions), np.asarray(whole.positions))
    np.testing.assert_array_equal(found.times, whole.times)
    assert len(notes) == 1 and "5 frames before are left out" in notes[0]


@pytest.mark.parametrize("cut", [1, 30, 6000, 7990])
def test_a_last_frame_that_was_cut_short_is_left_out_and_that_is_said(written, topology, tmp_path, cut):
    path = head(written / "wrapped.lammpstrj", 10, tmp_path / "x", cut)
    found, notes = anywhere.read([path], topology, timestep_fs=1.0)
    assert len(found) == 9 and len(notes) == 1 and "ends within" in notes[0]


@pytest.mark.parametrize("name", ["own.extxyz", "run.xtc", "run.dcd"])
def test_other_files_that_were_cut_short(written, topology, tmp_path, name):
    path = tmp_path / name
    path.write_bytes((written / name).read_bytes()[:-100])
    found, notes = anywhere.read([path], topology, spacing_fs=10.0)
    assert len(found) == FRAMES - 1 and len(notes) == 1 and "ends within" in notes[0]
    assert len(np.asarray(found.positions)) == FRAMES - 1


def said(capsys, *arguments):
    assert main(["analyse", *map(str, arguments)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("oligopoly: ")
    return err


def changed(path, out, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    out.write_text(text)
    return out


def test_every_mistake_is_one_line(written, tmp_path, capsys):
    xu, x = written / "unwrapped.lammpstrj", written / "wrapped.lammpstrj"
    other = tmp_path / "system.json"
    content = json.loads((HEXANE / "system.json").read_text())

    def system(**more):
        other.write_text(json.dumps(content | more))
        return ["--system", other]

    assert "no such file" in said(capsys, tmp_path / "none", *SYSTEM)
    assert "is a folder" in said(capsys, tmp_path, *SYSTEM)
    assert "give the system.json" in said(capsys, xu)
    assert "give one of them" in said(capsys, xu, *SYSTEM, "--data", HEXANE / "equilibrated.data")
    assert "not readable" in said(capsys, xu, "--system", xu)
    assert "no LAMMPS data file" in said(capsys, xu, "--data", HEXANE / "system.json")
    fewer = {key: content[key][:180] for key in ("numbers", "molecules", "repeat_units", "masses")}
    bonds = [pair for pair in content["bonds"] if max(pair) < 180]
    assert "200 atoms, and the system has 180" in said(capsys, xu, *system(**fewer, bonds=bonds))
    for name in ("run.xtc", "run.dcd", "own.extxyz"):
        told = said(capsys, written / name, "--system", other, "--spacing", "1 ps")
        assert "200 atoms, and the system has 180" in told
    swapped = content["numbers"][1:] + content["numbers"][:1]
    assert "not the same system or order" in said(capsys, xu, *system(numbers=swapped))
    assert "not the same system or order" in said(capsys, x, "--timestep", "1 fs", "--system", other)
    assert "not the same system or order" in said(capsys, written / "own.extxyz", "--system", other)
    moved = [[a, (b + 20) % 200] for a, b in content["bonds"]]
    assert "bonds of the system are torn" in said(capsys, xu, *system(bonds=moved))
    assert "give --timestep" in said(capsys, x, *SYSTEM)
    assert "give --spacing" in said(capsys, written / "run.dcd", *SYSTEM)
    gap = changed(xu, tmp_path / "gap", ("ITEM: TIMESTEP\n90\n", "ITEM: TIMESTEP\n95\n"))
    assert "even intervals" in said(capsys, gap, *SYSTEM)
    open_ = changed(xu, tmp_path / "open", ("pp pp pp", "ff pp pp"))
    assert "not periodic" in said(capsys, open_, *SYSTEM)
    lj = changed(xu, tmp_path / "lj", ("ITEM: UNITS\nreal", "ITEM: UNITS\nlj"))
    assert "units lj" in said(capsys, lj, *SYSTEM)
    nameless = changed(x, tmp_path / "nameless", ("ATOMS id type", "ATOMS mol type"))
    assert "no column id" in said(capsys, nameless, "--timestep", "1 fs", *SYSTEM)
    placeless = changed(x, tmp_path / "placeless", ("type x y z", "type vx vy vz"))
    assert "to place atoms by" in said(capsys, placeless, "--timestep", "1 fs", *SYSTEM)
    twice = changed(xu, tmp_path / "twice", ("\n18 H", "\n17 H"))
    assert "each once" in said(capsys, twice, *SYSTEM)
    words = tmp_path / "words"
    words.write_text("what is this\n")
    assert "is no trajectory" in said(capsys, words, *SYSTEM)
    words.write_bytes(b"")
    assert "is empty" in said(capsys, words, *SYSTEM)
    for suffix in (".xtc", ".dcd"):
        path = words.with_suffix(suffix)
        path.write_text("what is this, and why is it so long that it could be a file?\n" * 20)
        assert "not readable as" in said(capsys, path, *SYSTEM)
    one = head(xu, 1, tmp_path / "one")
    assert "single frame" in said(capsys, one, *SYSTEM, "--spacing", "1 ps")
    assert "is a file" in said(capsys, xu, *SYSTEM, "-o", words)
    assert "only LAMMPS dumps" in said(capsys, xu, written / "run.xtc", *SYSTEM)


def test_a_frame_that_is_damaged_within_says_where(written, tmp_path, capsys):
    damaged = changed(written / "unwrapped.lammpstrj", tmp_path / "damaged", ("\n77 H ", "\n77 H x"))
    assert "step 0: not readable as id element xu yu zu" in said(capsys, damaged, *SYSTEM)


def test_wrapped_frames_too_far_apart_have_no_displacements(written, tmp_path, capsys):
    """But shapes and distances, for which nobody needs to be followed."""
    frames = ase.io.read(written / "own.extxyz", ":")
    rng = np.random.default_rng(1)
    for frame in frames:
        shifts = rng.uniform(0, 13, (10, 3))
        frame.positions += np.repeat(shifts, 20, axis=0)
        frame.wrap()
    ase.io.write(tmp_path / "far.extxyz", frames)
    assert main(["analyse", str(tmp_path / "far.extxyz"), *SYSTEM, "-o", str(tmp_path / "out")]) == 0
    assert "of the box between two frames" in capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "properties.json").read_text())["properties"]
    assert "of the box" in found["msd"]["missing"] and found["dimensions"]["gyration_A2"]["value"] > 1
    assert "store frames more often" in (tmp_path / "out" / "index.html").read_text()
