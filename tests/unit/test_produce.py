"""Production: runs that follow each other, kills in any of them, replicates, and followers of a run that broke."""

import json
from typing import get_args

import numpy as np
import pytest
from killing import killed_at, lose_outputs
from md_systems import LennardJones, argon

from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.md import trajectory
from oligopoly.md.external import External
from oligopoly.md.outcomes import Outcome, OutcomeName
from oligopoly.md.produce import Run, produce, seed_of
from oligopoly.md.simulation import Conditions
from oligopoly.md.watch import Watch
from oligopoly.properties.contract import Context
from oligopoly.properties.density import Settings as Density

RUNS = {
    "npt": Run(Conditions("npt", 90, 2.0, 200.0), 400.0),
    "nvt": Run(Conditions("nvt", 90, 1.0), 100.0, after="npt"),
    "hot": Run(Conditions("nvt", 160, 2.0), 120.0, volume_ratio=1.05),
}


def go(folder, runs=RUNS, start=None, seed=4, leg_fs=80.0):
    atoms, topology = argon()
    return produce(
        External(LennardJones), atoms if start is None else start, topology, folder, runs,
        settle_fs=20.0, sample_every_fs=20.0, seed=seed, leg_fs=leg_fs,
    )  # fmt: skip


def volumes(folder):
    return trajectory.read_thermo(folder / "thermo.tsv")["volume_A3"]


def test_three_runs_each_from_where_it_should(tmp_path):
    status = go(tmp_path)
    assert status == json.loads((tmp_path / "status.json").read_text())
    assert list(status) == ["npt", "nvt", "hot"]
    assert {one["outcome"] for one in status.values()} == {"completed"}
    assert [one["planned_fs"] for one in status.values()] == [400.0, 100.0, 120.0]
    npt, nvt, hot = (volumes(tmp_path / name) for name in RUNS)
    assert len(npt) == 21 and len(nvt) == 6 and len(hot) == 7 and np.ptp(npt) > 1
    assert nvt == pytest.approx(npt.mean(), rel=1e-6) and status["nvt"]["volume_A3"] == pytest.approx(npt.mean())
    assert hot == pytest.approx(1.05 * argon()[0].get_volume(), rel=1e-6)
    temperature = {name: trajectory.read_thermo(tmp_path / name / "thermo.tsv")["temperature_K"] for name in RUNS}
    assert temperature["hot"].mean() > 1.3 * temperature["nvt"].mean()
    last = trajectory.read(tmp_path / "npt" / "trajectory.extxyz").positions[-1]
    first = trajectory.read(tmp_path / "nvt" / "trajectory.extxyz").positions[0]
    # settled for 20 fs and scaled over 1 ps after it, from the same moment
    assert np.abs(first - last).max() < 8 < np.abs(first - argon(seed=1)[0].positions).max()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hot", "npt", "nvt", "status.json"]
    assert not list(tmp_path.rglob("unfinished"))


def test_a_run_does_not_depend_on_those_it_does_not_follow(tmp_path):
    go(tmp_path / "three")
    go(tmp_path / "alone", {"hot": RUNS["hot"]})
    for file in ("trajectory.extxyz", "thermo.tsv"):
        one, two = (tmp_path / name / "hot" / file for name in ("three", "alone"))
        assert one.read_bytes() == two.read_bytes()


def test_killed_in_any_of_them_it_goes_on_with_the_same_bytes(tmp_path):
    go(tmp_path / "whole")
    for countdown in (7, 16, 3, 4, 3):  # twice in the npt run; in the nvt run; in the hot one, twice
        killed_at(countdown, trajectory.FrameWriter, "write", go, tmp_path / "killed")
        lose_outputs(tmp_path / "killed")
    go(tmp_path / "killed")
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.*"))
    assert len(files) == 7
    assert files == sorted(path.relative_to(tmp_path / "killed") for path in (tmp_path / "killed").rglob("*.*"))
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes(), file


def test_followers_of_a_run_that_broke_are_not_run_and_the_others_are(tmp_path, monkeypatch):
    runs = {
        "npt": RUNS["npt"],
        "nvt": RUNS["nvt"],
        "later": Run(Conditions("npt", 90, 2.0, 1.0), 40.0, after="nvt"),
        "hot": RUNS["hot"],
    }

    def breaks(self, sample, score=None):
        if self.temperature == 90 and sample.step > 50:
            return Outcome("close_contact", sample.step, sample.time_fs, "Ar1 and Ar2 are 0.9 A apart", [1, 2], 0.9)

    monkeypatch.setattr(Watch, "check", breaks)
    status = go(tmp_path, runs)
    assert {name: one["outcome"] for name, one in status.items()} == {
        "npt": "close_contact", "nvt": "not_run", "later": "not_run", "hot": "completed",
    }  # fmt: skip
    assert set(one["outcome"] for one in status.values()) <= set(get_args(OutcomeName))
    assert status["nvt"]["reason"] == "the run npt before it ended: Ar1 and Ar2 are 0.9 A apart"
    assert status["later"]["reason"].startswith("the run nvt before it ended: the run npt before it ended")
    for name in ("nvt", "later"):  # Snakemake waits for these files
        assert (tmp_path / name / "trajectory.extxyz").stat().st_size == 0
        assert len((tmp_path / name / "thermo.tsv").read_text().splitlines()) == 1
    assert len(volumes(tmp_path / "hot")) == 7


def test_replicates_are_independent_and_the_same_again(tmp_path):
    seeds = [seed_of(3, "argon", "learned", str(number)) for number in (1, 2, 3)]
    assert len(set(seeds)) == 3 and seeds == [seed_of(3, "argon", "learned", str(number)) for number in (1, 2, 3)]
    assert seed_of(3, "argon", "reference", "1") not in seeds
    short = {"npt": Run(Conditions("npt", 90, 2.0, 200.0), 200.0)}
    for number, seed in enumerate(seeds[:2], 1):
        go(tmp_path / str(number), short, seed=seed)
    go(tmp_path / "again", short, seed=seeds[1])
    one, two, again = (volumes(tmp_path / name / "npt") for name in ("1", "2", "again"))
    assert (two == again).all() and not np.allclose(one[1:], two[1:])
    _, topology = argon()
    from oligopoly.properties.contract import Run as Measured

    context = Context("argon", topology, {}, "train", 90.0)
    measured = [Measured(tmp_path / name / "npt", len(topology)) for name in ("1", "2")]
    found = Density().create().measure(measured, context, "learned")
    each = [Density().create().measure([run], context, "learned") for run in measured]
    assert found["value"] == pytest.approx(np.mean([run["value"] for run in each]))
    assert found["error"] == pytest.approx(np.hypot(*(run["error"] for run in each)) / 2)
    assert found["effective_samples"] == min(run["effective_samples"] for run in each)
    assert len(found["replicates"]) == 2


BASE = {
    "run": "x",
    "systems": {"h": {"role": "train", "repeat_unit": "*CC*", "degree_of_polymerisation": 3, "chains": 4}},
    "reference": {"states": {"liquid": {"ensemble": "npt", "duration": "1 ps"}}},
    "explore": {"walkers": {"npt": {"ensemble": "npt", "duration": "1 ps"}}},
}
NPT = {"ensemble": "npt", "duration": "20 ps"}
HOT = {"ensemble": "nvt", "duration": "5 ps", "temperature": "600 K"}


def config(runs, **more):
    return check(BASE | {"produce": {"runs": runs}} | more)


def test_runs_of_the_config_become_arguments():
    runs = {
        "heat": HOT | {"volume_ratio": 1.1},
        "npt": NPT,
        "nvt": {"duration": "2 ps", "after": "npt", "timestep": "0.5 fs", "real_masses": True},
    }
    found = config(runs, produce={"runs": runs, "hydrogen_mass": "4 u", "timestep": "2 fs", "replicates": 3})
    assert found.produce.replicates == 3
    settings = found.produce.arguments(found.systems["h"])
    heat, npt, nvt = (Run(**run | {"conditions": Conditions(**run["conditions"])}) for run in settings["runs"].values())
    assert (heat.volume_ratio, heat.conditions.temperature, heat.after) == (1.1, 600.0, None)
    assert (npt.conditions.pressure_atm, npt.conditions.hydrogen_mass, npt.duration_fs) == (1.0, 4.0, 20000.0)
    assert (nvt.after, nvt.conditions.timestep_fs, nvt.conditions.hydrogen_mass) == ("npt", 0.5, None)


def test_properties_are_measured_at_the_systems_own_state_point_whatever_comes_first():
    runs = {"heat": HOT, "press": NPT | {"pressure": "900 atm"}, "npt": NPT, "nvt": HOT | {"temperature": None}}
    found = config(runs | {"other": NPT})
    assert found.produce.by_ensemble() == {"npt": "npt", "nvt": "nvt"}
    assert set(found.properties.chosen({"npt"})) == {"density", "linear_response", "thermal"}
    assert config({"heat": HOT, "npt": NPT}).produce.by_ensemble() == {"npt": "npt"}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (
            {"npt": NPT, "nvt": HOT | {"after": "nonsense"}},
            "'nonsense': must be a run that stands before it: one of npt",
        ),
        ({"nvt": HOT | {"after": "npt"}, "npt": NPT}, "must be a run that stands before it: null, for it is the first"),
        ({"npt": NPT, "nvt": HOT | {"after": "nvt"}}, "must be a run that stands before it"),
        ({"npt": NPT, "nvt": HOT | {"after": "npt", "volume_ratio": 1.1}}, "takes its volume from that"),
        ({"npt": NPT | {"volume_ratio": 1.1}}, "volume_ratio belongs to ensemble nvt"),
        ({"hot": HOT}, "one must be at the system's own temperature and pressure"),
        ({}, "produce.runs: given an empty block: must not be empty"),
    ],
)
def test_runs_that_cannot_be_are_told(runs, message):
    with pytest.raises(UserError, match=message):
        config(runs)


def test_a_property_without_a_run_is_told():
    with pytest.raises(UserError, match="properties.density: is measured in npt"):
        config({"nvt": {"duration": "5 ps"}}, properties={"density": {}})
    found = config({"nvt": {"duration": "5 ps"}})
    assert "density" not in found.properties.chosen(set(found.produce.by_ensemble()))


def test_motion_is_measured_with_real_masses():
    nvt = {"duration": "5 ps", "timestep": "1 fs"}
    heavy = {"runs": {"npt": NPT, "nvt": nvt}, "hydrogen_mass": "4 u"}
    with pytest.raises(UserError, match=r"properties.msd: is measured in produce.runs.nvt, .*real_masses: true"):
        config({}, produce=heavy)
    assert config({}, produce=heavy, properties={"msd": None}).properties.msd is None
    assert "msd" in config({"npt": NPT, "nvt": nvt}).properties.chosen({"npt", "nvt"})
