"""Counting atoms, jobs and hours before anything runs."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from md_systems import PairLJ, argon

from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.preflight import findings, speed
from oligopoly.preflight.findings import Finding, attempt
from oligopoly.preflight.forecast import compare, forecast
from oligopoly.preflight.probe import probe
from oligopoly.preflight.report import report
from oligopoly.preflight.speed import enlarged, measured_on, scaling, ways
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"
TINY = Path(__file__).parents[1] / "workflow" / "tiny.yaml"
MEASURED = {"classical": 1e-6, "learned": 1e-5}


def config(**changes):
    data = yaml.safe_load(TINY.read_text())
    for key, value in changes.items():
        data[key] = {**data.get(key, {}), **value}
    return check(data)


@pytest.mark.parametrize(
    ("unit", "ends", "length", "number"),
    [
        ("*CC*", ["*[H]", "*[H]"], 3, 20),  # hexane
        ("*CCO*", ["*C", "*O"], 2, 20),  # CH3-(CH2CH2O)2-OH
        ("*CC*", "ring", 3, 18),  # cyclohexane
        ("*C(C)C*", ["*[H]", "*C"], 1, 14),  # isopentane and the like
    ],
)
def test_atoms_of_a_chain(unit, ends, length, number):
    system = {"role": "train", "repeat_unit": unit, "end_groups": ends, "degree_of_polymerisation": length, "chains": 4}
    found = config(systems={"butane": system})
    numbers, chains = found.force_field.chain_of(found.systems["butane"])
    assert (len(numbers), chains) == (number, 4)


def test_jobs_are_those_of_the_plan():
    """32 in the dry-run of the tiny config, less the target rule `all`."""
    found = forecast(config(), MEASURED, {})
    assert found.jobs.total() == 31
    assert found.jobs["label"] == 4 and found.jobs["produce"] == 4 and found.jobs["explore"] == 2


def test_replicates_are_boxes_of_their_own():
    """40 in the dry-run, less `all`: of both systems one more box, its equilibration, and two more productions."""
    found = forecast(config(produce={"replicates": 2}), MEASURED, {})
    assert found.jobs["build"] == found.jobs["equilibrate"] == 4 and found.jobs["produce"] == 8
    assert found.jobs.total() == 39


def test_md_hours_follow_atoms_steps_and_gpus():
    once = forecast(config(cluster={"sampling": "gpu"}), MEASURED, {})
    size = 8 * 14
    seconds = [forecast(config(explore={"walkers": {"npt": {"duration": f"{ns} ns"}}}), MEASURED, {}) for ns in (1, 3)]
    gained = (seconds[1].core_hours["explore"] - seconds[0].core_hours["explore"]) * 3600
    assert gained == pytest.approx(2e6 * size * 1e-5)
    assert once.gpu_hours == pytest.approx(
        sum(once.core_hours[rule] for rule in ("equilibrate", "reference", "explore", "produce"))
    )
    assert forecast(config(), MEASURED, {}).gpu_hours == 0


def test_a_budget_that_is_too_small_is_a_problem_with_a_remedy():
    small = config(budget={"labels": 10, "core_hours": 1000})
    labels, hours = sorted(compare(small, forecast(small, MEASURED, {})), key=lambda finding: finding.what)[::-1]
    assert labels.problem.startswith("all generations take about") and "select.budget" in labels.remedy
    assert not hours.problem


def test_an_error_in_a_check_becomes_a_problem():
    def broken():
        raise UserError("there is no LAMMPS")

    (found,) = attempt("software", broken, "install it")
    assert found == Finding("software", "", "there is no LAMMPS", "install it")


def test_the_report_ends_with_an_error_when_there_are_problems(tmp_path):
    path = tmp_path / "node.json"
    data = yaml.safe_load(TINY.read_text())
    findings.write(path, [Finding("node", "8 cores")], measured=MEASURED)
    assert "Ready" in report([str(path)], data, {})
    findings.write(
        path, [Finding("node", "8 cores"), Finding("gamma", "", "is zero", "use another engine")], measured={}
    )
    with pytest.raises(UserError, match=r"PROBLEM  gamma: is zero\n +-> use another engine(.|\n)*1 problems"):
        report([str(path)], data, {})


@pytest.mark.slow
def test_the_probe_runs_everything_for_real(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0.05)
    ways = {"reference": Hardware(1, 2, "mpiexec"), "explore": Hardware(2)}
    found, measured = probe("cpu", config().model_dump(mode="json"), 1, ways)
    found = [one for one in found if " on 2 " not in one.what]  # which on a busy machine are slower than one core
    assert [finding for finding in found if finding.problem] == []
    assert {"tiny label", "tiny MD with the force field", "tiny MD with a learned potential", "gamma", "LAMMPS"} <= {
        finding.what for finding in found
    }
    assert 1e-8 < measured["classical"] < 1e-3 and 1e-7 < measured["learned"] < 1e-2
    assert measured["label"] > 0 and measured["label_atoms"] == 14
    assert measured_on(measured["speeds"]["classical"], ways["reference"]) > 0
    assert measured_on(measured["speeds"]["learned"], ways["explore"]) > 0


@pytest.mark.slow
def test_the_probe_says_what_is_wrong():
    """A GPU node without a GPU; an engine that this LAMMPS lacks or not."""
    data = config(cluster={"sampling": "gpu"}).model_dump(mode="json")
    found, _ = probe("gpu", data, threads=1)
    problems = [finding for finding in found if finding.problem]
    assert any("sees no GPU" in finding.problem and "gpu_partition" in finding.remedy for finding in problems)


def test_the_forecast_takes_the_speed_of_the_way_that_a_rule_goes():
    two, ranks, gpu = Hardware(2), Hardware(1, 16, "srun"), Hardware(gpus=1)
    speeds = [{**vars(ONE_CORE), "seconds": 1e-6}, {**vars(ranks), "seconds": 1e-7}, {**vars(gpu), "seconds": 1e-9}]
    measured = MEASURED | {"speeds": {"classical": speeds}}

    def seconds(hardware, count=2):
        found = forecast(config(), measured, {"equilibrate": hardware})
        return (found.core_hours["equilibrate"] * 3600 / hardware.cores - count * 8.0) / count

    once = seconds(ONE_CORE)
    assert seconds(two) == pytest.approx(once / 2)  # not measured: as fast as can be
    assert seconds(ranks) == pytest.approx(once / 10) and seconds(gpu) == pytest.approx(once / 1000)


@pytest.mark.parametrize("interfaces", [["cuda"], []])
def test_gpus_are_timed_where_lammps_knows_them(interfaces, monkeypatch):
    monkeypatch.setattr(speed, "gpu_interfaces", lambda: interfaces)
    assert ways([Hardware(gpus=2), Hardware(gpus=1)])[1:] == [Hardware(gpus=n) for n in (2, 1) if interfaces]


def test_what_preflight_times_is_what_the_profile_names():
    cores = len(os.sched_getaffinity(0))
    assert ways([ONE_CORE, ONE_CORE]) == []
    assert ways([ONE_CORE, Hardware(1, 6, "srun")]) == [ONE_CORE, *(Hardware(1, n, "srun") for n in (2, 4, 6))]
    assert ways([Hardware(4 * cores)])[-1] == Hardware(cores) if cores > 1 else True


def test_md_is_timed_on_one_core_and_on_ranks(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0.05)
    atoms, _ = argon()
    speeds, asked = [], [ONE_CORE, Hardware(1, 2, "mpiexec"), Hardware(1, 2, "no-such-launcher")]
    one, two, wrong = scaling("MD", PairLJ, atoms, asked, speeds)
    assert re.match(r"[\d.]+ us per atom and step of 64 atoms$", one.found) and one.what == "MD on one core"
    assert re.search(r"times as fast as one core, \d+ % of ideal", two.found + two.problem)
    assert wrong.problem.startswith("resource mpi: there is no program 'no-such-launcher'")
    assert measured_on(speeds, asked[1]) > 0 and measured_on(speeds, Hardware(1, 4, "mpiexec")) is None


def test_a_large_box_is_the_small_one_repeated(tmp_path):
    data = Path(shutil.copy(HEXANE / "equilibrated.data", tmp_path))
    topology = Topology.read(HEXANE / "system.json")
    large, path = enlarged(read_box(data, topology), data, topology.atoms_per_chain, 1_000_000)
    assert len(large) == 64 * 200  # the nearest to 10,000
    with open_simulation(
        Classical(path, of_system(HEXANE / "system.json")), large, Conditions("nvt", 300.0, 1.0), 1
    ) as simulation:
        simulation.advance(0)
        energy = simulation.sample().potential / 64
    small = Classical(data, of_system(HEXANE / "system.json"))
    with open_simulation(small, read_box(data, topology), Conditions("nvt", 300.0, 1.0), 1) as simulation:
        simulation.advance(0)
        assert energy == pytest.approx(simulation.sample().potential, rel=1e-3)
