"""Configs of earlier versions are read, and what they say twice is told."""

import copy

import pytest

from oligopoly.config.load import check
from oligopoly.config.production import RUNS
from oligopoly.config.renamed import MOVED, current
from oligopoly.errors import UserError

BASE = {
    "run": "x",
    "systems": {"h": {"role": "train", "repeat_unit": "*CC*", "degree_of_polymerisation": 3, "chains": 4}},
    "reference": {"states": {"liquid": {"ensemble": "npt", "duration": "1 ps"}}},
    "explore": {"walkers": {"npt": {"ensemble": "npt", "duration": "1 ps"}}},
}


def with_(**blocks):
    data = copy.deepcopy(BASE)
    for key, block in blocks.items():
        data[key] = data.get(key, {}) | block
    return data


def test_todays_config_is_left_as_it_is():
    for data in (BASE, with_(produce={"runs": {"a": {"ensemble": "npt", "duration": "2 ps"}}}), {"produce": None}, {}):
        before = copy.deepcopy(data)
        assert current(data) == (before, []) and data == before


def test_old_keys_of_exploration():
    data, told = current(with_(explore={"gamma_every": 5, "gamma_select": 3, "gamma_break": 30, "engine": "ace"}))
    assert data["explore"]["uncertainty"] == {"every": 5, "select": 3, "stop": 30}
    assert data["explore"]["engine"] == "built-in" and not any(key.startswith("gamma") for key in data["explore"])
    assert set(data) == set(BASE), "nothing is made where nothing was said"
    assert told == [f"explore.gamma_{a} is called explore.uncertainty.{b} now"
                    for a, b in (("every", "every"), ("select", "select"), ("break", "stop"))]  # fmt: skip


def test_old_keys_of_production_change_the_runs_that_were():
    old = {"npt": "20 ps", "nvt_timestep": "1 fs", "density_tolerance_percent": {"train": 1.5}}
    data, told = current(with_(produce=old | {"timestep": "2 fs"}))
    runs = data["produce"]["runs"]
    assert runs["npt"] == RUNS["npt"] | {"duration": "20 ps"} and runs["nvt"] == RUNS["nvt"] | {"timestep": "1 fs"}
    assert data["produce"] == {"timestep": "2 fs", "runs": runs} and len(told) == 3
    assert RUNS["npt"]["duration"] == "200 ps", "the defaults stay"
    config = check(data)
    assert config.produce.runs["npt"].duration == 20e3 and config.produce.runs["nvt"].duration == 100e3
    assert config.produce.runs["nvt"].after == "npt" and config.produce.runs["nvt"].real_masses
    assert config.properties.density.tolerance_percent.train == 1.5


def test_a_tolerance_alone_makes_no_runs():
    data, _ = current(with_(produce={"density_tolerance_percent": {"train": 1.5}}))
    assert data["produce"] == {}


@pytest.mark.parametrize(
    ("blocks", "old"),
    [
        ({"explore": {"gamma_select": 3, "uncertainty": {"select": 4}}}, "explore.gamma_select"),
        ({"produce": {"npt": "1 ps", "runs": {"npt": {"ensemble": "npt", "duration": "2 ps"}}}}, "produce.npt"),
        ({"produce": {"npt": "1 ps", "runs": {"long": {"ensemble": "npt", "duration": "2 ps"}}}}, "produce.npt"),
        ({"produce": {"nvt_timestep": "1 fs", "runs": {"npt": {"ensemble": "npt", "duration": "2 ps"}}}},
         "produce.nvt_timestep"),
        ({"produce": {"density_tolerance_percent": {"train": 1}},
          "properties": {"density": {"tolerance_percent": {"train": 3}}}}, "produce.density_tolerance_percent"),
    ],
)  # fmt: skip
def test_said_in_both_ways_the_old_one_is_an_unknown_key(blocks, old):
    given = with_(**blocks)
    data, told = current(given)
    assert told == [] and data == given
    with pytest.raises(UserError, match=f"{old}: unknown key") as error:
        check(given)
    assert str(error.value).count("\n") == 1, "and nothing else is wrong"


def test_each_old_key_beside_new_ones_that_say_something_else():
    data, told = current(with_(explore={"gamma_every": 4, "gamma_select": 3, "uncertainty": {"select": 4}}))
    assert data["explore"]["uncertainty"] == {"select": 4, "every": 4} and data["explore"]["gamma_select"] == 3
    assert len(told) == 1


def test_moved_keys_lead_to_keys_that_are(capsys):
    values = {"explore.gamma_every": 7, "explore.gamma_select": 2.5, "explore.gamma_break": 40, "produce.npt": "3 ps",
              "produce.nvt": "4 ps", "produce.nvt_timestep": "0.7 fs",
              "produce.density_tolerance_percent": {"train": 1, "transfer": 2}}  # fmt: skip
    assert set(values) == set(MOVED)
    data = copy.deepcopy(BASE)
    for key, value in values.items():
        block, name = key.split(".")
        data.setdefault(block, {})[name] = value
    config = check(data, source="old.yaml")
    told = capsys.readouterr().err
    assert all(f"old.yaml: {old} is called {new} now" in told for old, new in MOVED.items())
    assert (config.uncertainty.every, config.uncertainty.select, config.uncertainty.stop) == (7, 2.5, 40)
    assert [run.duration for run in config.produce.runs.values()] == [3e3, 4e3]
    check(data, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("block", ["text", None, 3, ["a"]])
def test_blocks_that_are_none_are_left_to_validation(block):
    data = BASE | {"explore": block, "produce": block}
    assert current(data) == (data, [])
    data = with_(explore={"uncertainty": block, "gamma_every": 3})
    assert current(data)[0] == data
