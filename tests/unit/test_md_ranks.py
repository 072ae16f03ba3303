"""MD on MPI ranks: the same motion, files and outcomes as in one process, and nothing that outlives a kill."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import md_on_ranks
import numpy as np
import psutil
import pytest
from md_systems import PairLJ, argon

from oligopoly import frames
from oligopoly.errors import UserError
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md import piecewise, trajectory
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.lammps import start
from oligopoly.md.outcomes import RanksEnded
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.pace import FIX_GAMMA, PairPACE, available
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import Uncertainty
from oligopoly.samplers.contract import Origin
from oligopoly.samplers.exploration import explore
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

HEXANE, PACE = md_on_ranks.DATA, md_on_ranks.DATA.parent / "pace"
TWO = Hardware(1, 2, "mpiexec")


@pytest.fixture(scope="module")
def hexane():
    topology = Topology.read(HEXANE / "system.json")
    return read_box(HEXANE / "equilibrated.data", topology), topology


def classical(hardware):
    return Classical(HEXANE / "equilibrated.data", of_system(HEXANE / "system.json"), hardware)


def ranks_of(process: psutil.Process) -> list[psutil.Process]:
    return [one for one in process.children(recursive=True) if one.cmdline()[1:3] == ["-m", "oligopoly.md"]]


@dataclass
class ScoredLJ(PairLJ):
    """With a property of each atom in the place of the extrapolation grades of ML-PACE."""

    active_set = "x"
    every = 5
    score = PairPACE.score

    def load(self, lmp, atoms, hydrogen_mass):
        super().load(lmp, atoms, hydrogen_mass)
        lmp.command(f"fix {FIX_GAMMA} all ave/atom 1 1 {self.every} x")


@pytest.mark.parametrize("kind", ["force field", "atoms from Python"])
def test_two_ranks_move_atoms_as_one_does(kind, hexane):
    """Also from places that belong to other ranks than those of the data file; molecules come whole."""
    if kind == "force field":
        atoms, make, temperature = hexane[0].copy(), classical, 300.0
        atoms.positions += [7.0, -30.0, 5.0]
    else:
        atoms, make, temperature = argon(tilted=True)[0], ScoredLJ, 90.0
    found = []
    for hardware in (ONE_CORE, TWO):
        engine = make(hardware)
        with open_simulation(engine, atoms, Conditions("nvt", temperature, 0.5), seed=1) as simulation:
            simulation.ensemble(20)
            simulation.advance(20)
            sample, score = simulation.sample(), simulation.score()
            found.append([sample.positions, simulation.velocities(), sample.potential, sample.kinetic])
            if kind != "force field":
                found[-1].append(score.per_atom)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-7)


def test_exploration_is_watched_and_graded_on_ranks(tmp_path):
    """It hands over the same frames, and stops at the same grade."""
    atoms, topology = argon()

    def run(hardware, stop):
        folder = tmp_path / f"{hardware.ranks} {stop}"
        outcome = explore(
            ScoredLJ(hardware), atoms, topology, folder, conditions=Conditions("nvt", 90.0, 2.0), duration_fs=100.0,
            uncertainty=Uncertainty("gamma", 5, 0.0, stop), candidates=4, seed=2, origin=Origin("argon", 1, "nvt"),
        )  # fmt: skip
        return outcome, frames.read(folder / "candidates.extxyz"), np.load(folder / "scores.npz")["largest"]

    one, whole = run(ONE_CORE, 1e6), run(TWO, 1e6)
    (second, first) = np.sort(one[2])[-2:]
    stopped, stopped_too = (run(hardware, (first + second) / 2) for hardware in (ONE_CORE, TWO))
    assert one[0].outcome == "completed" and stopped[0].outcome == "gamma_break"
    for (mine, ours, scores), (other, theirs, graded) in ((one, whole), (stopped, stopped_too)):
        assert (mine.outcome, mine.step, mine.atoms) == (other.outcome, other.step, other.atoms)
        np.testing.assert_allclose(graded, scores, atol=1e-6)
        assert len(ours) == len(theirs) > 0
        for frame, same in zip(ours, theirs, strict=True):
            assert frame.info["step"] == same.info["step"] and frame.info["score_atom"] == same.info["score_atom"]
            np.testing.assert_allclose(same.positions, frame.positions, atol=1e-6)
            np.testing.assert_allclose(same.arrays["score"], frame.arrays["score"], atol=1e-6)


def test_equilibration_goes_on_ranks(hexane, tmp_path, monkeypatch):
    """In pieces, with restart files between them, which the ranks write together."""
    monkeypatch.setattr(piecewise, "ATOM_STEPS", 200 * 20)
    monkeypatch.setattr(piecewise, "PIECE_FS", 10.0)

    def densities(hardware):
        lmp = start(hardware=hardware)

        def prepare():
            for command in of_system(HEXANE / "system.json").commands("md", True, impropers=False):
                lmp.command(command)
            lmp.command("timestep 1.0")

        mass, folder = hexane[1].masses.sum(), tmp_path / str(hardware.ranks)
        run = piecewise.PiecewiseRun(lmp, prepare, 1.0, mass, folder, "hexane")
        prepare()
        lmp.command(f"read_data {HEXANE / 'equilibrated.data'}")
        lmp.command("velocity all create 300.0 7 dist gaussian mom yes rot yes")
        run.squeeze("squeeze", 20, 300.0, 0.6)
        run.move("npt", 60, "npt temp 300 300 100 iso 1 1 1000")
        assert len(list(folder.glob("*.restart"))) == 1
        lmp.close()
        return [row[6] for row in run.rows]

    np.testing.assert_allclose(densities(TWO), densities(ONE_CORE), rtol=1e-6)


@pytest.mark.slow
def test_a_killed_rank_ends_all_with_one_message_and_the_run_goes_on(tmp_path):
    """kill -9 of a rank, then of the process that leads them; the same bytes as without."""

    def go(name, *, kill=None):
        (tmp_path / name).mkdir(exist_ok=True)
        environment = os.environ | {"PYTHONPATH": str(Path(md_on_ranks.__file__).parents[2] / "workflow")}
        process = subprocess.Popen(
            [sys.executable, md_on_ranks.__file__, str(tmp_path / name), "2"], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        mark, ranks = tmp_path / name / "unfinished" / "mark.npz", []
        earlier = set()
        while kill and process.poll() is None:
            time.sleep(0.02)
            with contextlib.suppress(psutil.NoSuchProcess):
                ranks = ranks_of(psutil.Process(process.pid))
                if not mark.exists():
                    earlier |= set(ranks)
                elif len(ranks) == 2 and not earlier & set(ranks):  # of a leg that comes after one that is saved
                    (ranks[1] if kill == "rank" else psutil.Process(process.pid)).kill()
                    break
        said, _ = process.communicate()
        assert not psutil.wait_procs(ranks, timeout=10)[1]
        return process.returncode, said

    assert go("whole") == (0, "")
    code, said = go("killed", kill="rank")
    assert code == 1 and said.count("\n") == 1  # a rank may be killed as it begins, too
    assert re.search("an MPI rank of .* was killed or lost|0 of 2 ranks of .* began", said)
    code, _ = go("killed", kill="lead")
    assert code == -signal.SIGKILL
    assert go("killed") == (0, "")
    assert "goes on from" in (tmp_path / "killed" / "log").read_text()
    for file in ("trajectory.extxyz", "thermo.tsv"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_atoms_lost_on_one_rank_are_an_outcome(hexane, tmp_path):
    """An error that one rank meets alone, and the others wait for; ranks can begin anew after it."""
    atoms, topology = hexane
    for name, timestep in (("bad", 25.0), ("good", 1.0)):
        outcome, _ = run_md(
            classical(TWO), atoms, topology, Conditions("nvt", 300.0, timestep), duration_fs=20 * timestep,
            sample_every_fs=5 * timestep, seed=1, out_dir=tmp_path / name,
        )  # fmt: skip
        assert (outcome.outcome == "completed") == (name == "good"), outcome
    assert len(trajectory.read(tmp_path / "good" / "trajectory.extxyz")) == 5


def test_an_error_on_a_rank_is_told_once_and_leaves_no_process():
    lmp = start(hardware=TWO)
    with pytest.raises(RuntimeError, match="Unknown command: nonsense"):
        lmp.command("nonsense")
    assert lmp.extract_setting("world_size") == 2  # all have met it, and go on
    me = psutil.Process()
    ranks = ranks_of(me)
    ranks[0].kill()
    with pytest.raises(RanksEnded, match="was killed or lost"):
        lmp.command("units metal")
    lmp.close()
    assert len(ranks) == 2 and not psutil.wait_procs(ranks, timeout=10)[1]


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        ("nothing-of-this-name", "there is no program 'nothing-of-this-name'"),
        ("{folder}/fails", "0 of 2 ranks of .*fails -n 2` began, and it ended with exit code 3"),
        ("{folder}/singles", r"no MPI world of 2 ranks \(one says it is of 1\)"),
    ],
)
def test_a_launcher_that_does_not_fit_is_told(launcher, message, tmp_path):
    scripts = {"fails": "exit 3", "singles": 'shift 2; "$@" & "$@" & wait'}
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(UserError, match=message):
        start(hardware=Hardware(1, 2, launcher.format(folder=tmp_path)))
    assert ranks_of(psutil.Process()) == []


def test_what_cannot_run_on_ranks_says_so():
    with pytest.raises(UserError, match="built-in engine runs on threads of one process, not on 2 MPI ranks"):
        open_potential(PACE / "ch_sbessel_r3.yaml").engine(choice="built-in", hardware=TWO)
    with pytest.raises(UserError, match="produce: has resources tasks: 4 without mpi"):
        Hardware.of_job(1, {"tasks": 4}, "produce")
    with pytest.raises(UserError, match="and one rank: give tasks: 2"):
        Hardware.of_job(1, {"mpi": "srun"})
    assert Hardware.of_job(2, {"mpi": "srun", "tasks": 8, "gpu": 8, "nodes": 2}) == Hardware(2, 8, "srun", 4)
    assert Hardware.of_job(3, {"mem_mb": 100}) == Hardware(3)


@pytest.mark.skipif(not available(extrapolation=True), reason="this LAMMPS has no ML-PACE")
def test_ml_pace_grades_on_ranks_as_on_one(hexane):
    found = []
    for hardware in (ONE_CORE, TWO):
        engine = open_potential(PACE / "ch_sbessel_r3.yaml").engine(Uncertainty("gamma", 5), "pace", hardware)
        with open_simulation(engine, hexane[0], Conditions("nvt", 1.0, 0.1), seed=1) as simulation:
            simulation.ensemble(5)
            simulation.advance(5)
            found.append((simulation.sample().positions, simulation.score().per_atom))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-7)
