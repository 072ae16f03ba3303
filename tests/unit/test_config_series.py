"""A list of chain lengths is a series of systems; its mistakes are told of the block that was written, once."""

import copy
import re

import pytest
from test_config import DEMO

from oligopoly.config.load import check
from oligopoly.config.members import members
from oligopoly.config.models import Config
from oligopoly.errors import UserError


def config(**series):
    data = copy.deepcopy(DEMO)
    data["systems"] = {"hexane": data["systems"]["hexane"], "long": {**data["systems"]["dodecane"], **series}}
    return data


def test_a_list_of_lengths_is_a_system_for_each():
    found = check(config(degree_of_polymerisation=[4, 6, 10])).systems
    assert list(found) == ["hexane", "long-4", "long-6", "long-10"]
    assert [one.degree_of_polymerisation for one in found.values()] == [3, 4, 6, 10]
    assert {one.chains for name, one in found.items() if name != "hexane"} == {12}
    assert all(one.role == "transfer" and one.temperature == 400 for name, one in found.items() if name != "hexane")


def test_each_length_may_have_its_number_of_chains():
    found = check(config(degree_of_polymerisation=[4, 6, 10], chains=[30, 20, 12])).systems
    assert [(one.degree_of_polymerisation, one.chains) for one in found.values()] == [
        (3, 10),
        (4, 30),
        (6, 20),
        (10, 12),
    ]


def test_what_was_read_is_read_back():
    found = check(config(degree_of_polymerisation=[4, 6]))
    assert (
        Config.model_validate(found.model_dump(mode="json"), context={"dumped": True}).systems.keys()
        == found.systems.keys()
    )


def test_a_study_may_vary_a_series():
    data = config(degree_of_polymerisation=[4, 6])
    data["study"] = {"kind": "comparison", "vary": {"systems.long.degree_of_polymerisation": [[4, 6], 8]}}
    found = members(check(data), data)
    assert [list(one.systems) for one in found.values()] == [["hexane", "long-4", "long-6"], ["hexane", "long"]]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ({"degree_of_polymerisation": []}, ["systems.long.degree_of_polymerisation", "[]", "at least one"]),
        ({"degree_of_polymerisation": [4, 4]}, ["systems.long.degree_of_polymerisation", "[4, 4]", "4 twice"]),
        ({"degree_of_polymerisation": [4, [5]]}, ["systems.long.degree_of_polymerisation", "[5]", "whole numbers"]),
        ({"degree_of_polymerisation": [4, "5 nm"]}, ["systems.long.degree_of_polymerisation", "5 nm", "whole number"]),
        ({"degree_of_polymerisation": [4, 0]}, ["systems.long.degree_of_polymerisation", "given 0", "from 1 to 10000"]),
        ({"degree_of_polymerisation": [4, 6], "chains": [8]}, ["systems.long.chains", "list of 1", "list of 2"]),
        ({"degree_of_polymerisation": [4, 6], "chains": [8, 0]}, ["systems.long.chains", "given 0", "from 1 to"]),
        ({"degree_of_polymerisation": 4, "chains": [8, 9]}, ["systems.long.chains", "[8, 9]", "whole number"]),
        ({"degree_of_polymerisation": [4, 6], "chans": 3}, ["systems.long.chans", "unknown key", "'chains'"]),
        ({"degree_of_polymerisation": [4, 6], "repeat_unit": "*CQ*"}, ["systems.long", "CQ"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_and_of_what_was_written(series, words):
    with pytest.raises(UserError) as told:
        check(config(**series))
    lines = str(told.value).splitlines()[1:]
    assert len(lines) == 1 and not re.search(r"long-\d+\.", lines[0]), lines
    assert all(word in lines[0] for word in words), lines


def test_a_name_that_is_taken_is_told():
    data = config(degree_of_polymerisation=[4, 6])
    data["systems"]["long-6"] = data["systems"]["hexane"]
    with pytest.raises(UserError, match=r"systems.long: .*6 units.*'long-6', as another"):
        check(data)
