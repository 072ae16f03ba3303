"""Counting atoms, jobs and hours before anything runs."""

from pathlib import Path

import pytest
import yaml

from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.preflight import findings
from oligopoly.preflight.findings import Finding, attempt
from oligopoly.preflight.forecast import atoms, compare, forecast
from oligopoly.preflight.probe import probe
from oligopoly.preflight.report import report

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
    found = config(systems={"butane": system}).systems["butane"]
    assert atoms(found) == number


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
def test_the_probe_runs_everything_for_real():
    found, measured = probe("cpu", config().model_dump(mode="json"), threads=1)
    assert [finding for finding in found if finding.problem] == []
    assert {"tiny label", "tiny MD with the force field", "tiny MD with a learned potential", "gamma", "LAMMPS"} <= {
        finding.what for finding in found
    }
    assert 1e-8 < measured["classical"] < 1e-3 and 1e-7 < measured["learned"] < 1e-2
    assert measured["label"] > 0 and measured["label_atoms"] == 14


@pytest.mark.slow
def test_the_probe_says_what_is_wrong():
    """A GPU node without a GPU; an engine that this LAMMPS lacks or not."""
    data = config(cluster={"sampling": "gpu"}).model_dump(mode="json")
    found, _ = probe("gpu", data, threads=1)
    problems = [finding for finding in found if finding.problem]
    assert any("sees no GPU" in finding.problem and "gpu_partition" in finding.remedy for finding in problems)
