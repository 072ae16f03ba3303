"""`oligopoly export`: the folder runs as it is, goes on after a kill, and writes over nothing."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import HEXANE

from oligopoly.commands.main import main
from oligopoly.config.load import check
from oligopoly.md import anywhere, dump
from oligopoly.md.simulation import BAROSTAT, THERMOSTAT

DATA = Path(__file__).parents[1] / "data"
LAMMPS = "from oligopoly.md.lammps import start; lmp = start(); lmp.file('in.lammps'); lmp.close()"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of one system, as far as an export needs it."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/tiny")
    shutil.copytree(HEXANE, folder / "systems" / "hexane")
    (folder / "final").mkdir()
    for path in (DATA / "pace").glob("ch_sbessel_r3.*"):
        shutil.copy(path, folder / "final" / path.name)
    return folder


def configured(run, **produce):
    """The config of the run, as `provenance` writes it."""
    system = {"role": "train", "repeat_unit": "*CC*", "degree_of_polymerisation": 3, "chains": 10}
    system |= {"temperature": "350 K", "pressure": "20 atm"}
    walkers = {"npt": {"kind": "md", "ensemble": "npt", "duration": "1 ps"}}
    states = {"liquid": {"ensemble": "npt", "duration": "1 ps"}}
    config = check(
        {
            "run": "tiny", "systems": {"hexane": system}, "reference": {"states": states},
            "explore": {"walkers": walkers}, "produce": produce,
        }
    )  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def exported(*arguments):
    assert main(["export", *map(str, arguments)]) == 0
    return Path(arguments[arguments.index("--lammps") + 1])


def lammps(folder, **more):
    return subprocess.run([sys.executable, "-c", LAMMPS], cwd=folder, capture_output=True, text=True, **more)


def shortened(folder, settle, steps):
    """The user's own changes at the top of the input."""
    path = folder / "in.lammps"
    text = re.sub(r"(?m)^(variable settle +equal) \d+", rf"\1 {settle}", path.read_text())
    path.write_text(re.sub(r"(?m)^(variable steps +equal) \d+", rf"\1 {steps}", text))


POTENTIAL = "results/tiny/final/ch_sbessel_r3.yaml"


def test_the_input_for_ml_pace_is_the_one_that_was_looked_at(run):
    configured(run, hydrogen_mass="4.03 g/mol", timestep="2 fs")
    folder = exported(POTENTIAL, "--lammps", "melt", "--duration", "10 ns")
    assert {path.name for path in folder.iterdir()} == {
        "in.lammps", "system.data", "potential.yace", "system.json", "slurm.sh", "README.md",
    }  # fmt: skip
    assert (folder / "potential.yace").read_bytes() == (DATA / "pace" / "ch_sbessel_r3.yace").read_bytes()
    golden = DATA / "handover" / "in.lammps"
    assert re.sub(r"oligopoly [\d.]+\w*", "oligopoly", (folder / "in.lammps").read_text()) == golden.read_text()
    readme = (folder / "README.md").read_text()
    assert "lmp -in in.lammps" in readme and "ML-PACE" in readme and "hydrogens of 4.03 g/mol" in readme
    assert "srun lmp -in in.lammps" in (folder / "slurm.sh").read_text()
    assert subprocess.run(["bash", "-n", folder / "slurm.sh"]).returncode == 0


def test_what_is_run_is_production_as_the_config_has_it(run):
    configured(run)
    text = (exported(POTENTIAL, "--lammps", "npt") / "in.lammps").read_text()
    assert "temperature equal 350 " in text and "pressure    equal 20.265 " in text  # bar
    assert "timestep 0.001\n" in text and "steps       equal 200000 " in text and "settle      equal 10000 " in text
    assert f"{THERMOSTAT / 1000:g} iso ${{pressure}} ${{pressure}} {BAROSTAT / 1000:g}\n" in text
    text = (exported(POTENTIAL, "--lammps", "nvt", "--ensemble", "nvt") / "in.lammps").read_text()
    assert "fix integrate all nvt temp ${temperature} ${temperature} 0.1\n" in text and "pressure " not in text
    assert "timestep 0.0005\n" in text and "every       equal 500 " in text
    text = (
        exported(POTENTIAL, "--lammps", "own", "--temperature", "400 K", "--pressure", "1 MPa") / "in.lammps"
    ).read_text()
    assert "temperature equal 400 " in text and "pressure    equal 10 " in text


@pytest.fixture
def force_field(run):
    return exported(
        run / "final", "--lammps", "ff", "--reference", "--temperature", "300 K", "--timestep", "1 fs",
        "--every", "10 fs", "--duration", "4 ps",
    )  # fmt: skip


def test_the_force_field_runs_as_it_is_and_goes_on_after_a_kill(run, force_field, topology, capsys):
    shortened(force_field, 50, 1200)
    first = subprocess.Popen([sys.executable, "-c", LAMMPS], cwd=force_field)
    try:
        began = time.monotonic()
        # LAMMPS writes restart files in place: what is killed just then leaves half a one, to be removed by hand
        sizes: list[int] = []
        while (len(sizes) < 4 or len(set(sizes)) > 1) and time.monotonic() - began < 120:
            time.sleep(0.02)
            sizes = [path.stat().st_size for path in force_field.glob("run.*.restart")]
    finally:
        first.kill()
        first.wait()
    assert not (force_field / "end.data").exists()
    again = lammps(force_field)
    assert again.returncode == 0, again.stdout + again.stderr
    frames = sorted(force_field.glob("frames.*.lammpstrj"))
    assert len(frames) == 2 and (force_field / "end.data").exists()
    found, notes = anywhere.read(frames, topology)
    assert found.steps.tolist() == list(range(0, 1201, 10)) and found.times == pytest.approx(found.steps)
    # it goes on from where it was: no atom jumps, and the temperature stays
    moves = np.abs(np.diff(np.asarray(found.positions), axis=0)).max(axis=(1, 2))
    assert moves.max() < 2.0
    assert main(["analyse", *map(str, frames), "-o", "analysis"]) == 0
    out, err = capsys.readouterr()
    assert "the system is that of" in err
    measured = json.loads(Path("analysis/properties.json").read_text())
    assert measured["properties"]["density"]["value"] == pytest.approx(0.66, abs=0.1)
    third = lammps(force_field)  # there is nothing left to do
    assert third.returncode == 0 and len(dump.read(frames, topology, [])) == 121


def test_the_box_is_brought_to_a_density(run, topology):
    folder = exported(
        run / "final", "--lammps", "nvt", "--reference", "--ensemble", "nvt", "--temperature", "300 K",
        "--density", 0.6, "--timestep", "1 fs", "--every", "20 fs", "--duration", "0.1 ps",
    )  # fmt: skip
    shortened(folder, 20, 100)
    done = lammps(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found, _ = anywhere.read([folder / "frames.000000000000.lammpstrj"], topology)
    volumes = np.linalg.det(found.cells)
    assert len(found) == 6 and np.ptp(volumes) < 1e-3
    assert topology.masses.sum() * 1.66053906660 / volumes[0] == pytest.approx(0.6, rel=1e-5)


def test_the_input_for_ml_pace_runs_with_another_pair_style(run, topology):
    folder = exported(POTENTIAL, "--lammps", "melt", "--temperature", "50 K", "--every", "5 fs", "--duration", "50 fs")
    shortened(folder, 10, 100)
    path = folder / "in.lammps"
    text = path.read_text().replace("pair_style pace\n", "pair_style zero 5.0\n")
    path.write_text(re.sub("pair_coeff .*", "pair_coeff * *", text))
    done = lammps(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    frames = folder / "frames.000000000000.lammpstrj"
    found, _ = anywhere.read([frames], topology)
    assert found.times == pytest.approx(5.0 * np.arange(11))
    again = lammps(folder)
    assert again.returncode == 0, again.stdout + again.stderr


def said(capsys, *arguments):
    assert main(["export", *map(str, arguments)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("oligopoly: ")
    return err


def test_every_mistake_is_one_line_and_leaves_nothing(run, capsys):
    kelvin = ["--temperature", "300 K"]
    assert "config.yaml that says it" in said(capsys, POTENTIAL, "--lammps", "x")
    assert "manifest.json: no such file" in said(capsys, run / "final", "--lammps", "x", *kelvin)
    assert "systems here are hexane" in said(capsys, POTENTIAL, "--lammps", "x", *kelvin, "--system", "octane")
    assert "belongs to npt" in said(
        capsys, POTENTIAL, "--lammps", "x", *kelvin, "--ensemble", "nvt", "--pressure", "1 atm"
    )
    assert "finds its own" in said(capsys, POTENTIAL, "--lammps", "x", *kelvin, "--density", "0.7")
    assert "too far" in said(capsys, POTENTIAL, "--lammps", "x", *kelvin, "--density", "7", "--ensemble", "nvt")
    assert "longer than the run" in said(
        capsys, POTENTIAL, "--lammps", "x", *kelvin, "--every", "1 ns", "--duration", "1 ps"
    )
    shutil.copytree(run / "systems" / "hexane", run / "systems" / "other")
    assert "one of " in said(capsys, POTENTIAL, "--lammps", "x", *kelvin)
    own = ["--system", "hexane"]
    (run / "final" / "ch_sbessel_r3.yace").unlink()
    assert "LAMMPS reads no other form" in said(capsys, POTENTIAL, "--lammps", "x", *kelvin, *own)
    assert not Path("x").exists()
    Path("x").write_text("")
    arguments = [run / "final", "--reference", *kelvin, *own, "--lammps", "x"]
    assert "is a file" in said(capsys, *arguments)
    Path("x").unlink()
    Path("x").mkdir()
    Path("x/in.lammps").write_text("mine")
    assert "is not empty" in said(capsys, *arguments)
    assert Path("x/in.lammps").read_text() == "mine"
    exported(*arguments, "--force")
    capsys.readouterr()
    Path("x/run.0.restart").write_text("")
    assert "holds a run" in said(capsys, *arguments, "--force")
    (run / "systems" / "hexane" / "equilibrated.data").unlink()
    assert "must have been equilibrated" in said(capsys, *arguments)


def test_a_potential_of_other_elements_is_refused(run, capsys):
    path = run / "systems" / "hexane" / "system.json"
    content = json.loads(path.read_text())
    content["numbers"] = [8 if number == 6 else number for number in content["numbers"]]
    path.write_text(json.dumps(content))
    told = said(capsys, POTENTIAL, "--lammps", "x", "--temperature", "300 K")
    assert "knows C, H, and hexane has O too" in told


def test_a_config_of_another_time_is_left_aside_and_that_is_said(run, capsys):
    (run / "config.yaml").write_text("nothing: of use\n")
    exported(POTENTIAL, "--lammps", "x", "--temperature", "300 K")
    assert "left aside" in capsys.readouterr().err
