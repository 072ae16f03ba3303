"""What every property keeps: plain results, checks that never fail for want of data, and something to show."""

import json
import math

import pytest

from oligopoly.errors import UserError
from oligopoly.plotting import style
from oligopoly.properties.contract import Check, Context, Number, Run
from oligopoly.report.page import shown
from oligopoly.systems.topology import Topology

from .examples import kinds, settings

ENGINES = ("reference", "learned")


@pytest.fixture(scope="module")
def context(finished):
    system = finished / "systems" / "hexane" / "system.json"
    energies = {
        engine: lambda frames, slope=slope: [slope * atoms.get_volume() if atoms.pbc.any() else 0.0 for atoms in frames]
        for engine, slope in (("reference", 0.0), ("learned", 1e-5))
    }
    return Context("hexane", Topology.read(system), json.loads(system.read_text()), "train", 300.0, energies)


@pytest.fixture(scope="module", params=kinds("properties"))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def part(kind):
    return settings("properties", kind).create()


@pytest.fixture(scope="module")
def measured(kind, part, finished, context):
    """By engine."""
    return {engine: part.measure(runs(kind, finished, context, engine), context, engine) for engine in ENGINES}


def runs(kind, run, context, engine="reference"):
    ensemble = settings("properties", kind).ensemble
    return [Run(run / "produce" / "hexane" / engine / "1" / ensemble, len(context.topology))]


@pytest.fixture(scope="module")
def found(part, measured, context):
    """As it stands in properties/{system}.json."""
    compared = part.compare(measured["reference"], measured["learned"], context)
    return json.loads(json.dumps({**measured, "comparison": compared}))


def finite(value):
    """Has plain data no number that JSON does not know?"""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_it_is_measured_in_a_run_that_there_is(kind):
    assert settings("properties", kind).ensemble in ("npt", "nvt")


def test_results_are_plain_data(measured, found):
    assert set(found) == {*ENGINES, "comparison"} and finite(found)
    assert json.loads(json.dumps(measured, allow_nan=False)) == {engine: found[engine] for engine in ENGINES}


def test_the_same_runs_give_the_same_result(kind, part, finished, context, measured):
    assert part.measure(runs(kind, finished, context), context, "reference") == measured["reference"]


def test_checks_say_what_was_found_and_what_was_required(kind, part, found, context):
    for check in part.checks(found, context):
        assert isinstance(check, Check) and check.code.partition(".")[0] == kind
        assert check.what and check.found and check.passed in (True, False, None)
        assert json.loads(json.dumps(check.to_dict())) == check.to_dict()


def test_the_reference_never_fails_against_itself(part, measured, context):
    """It passes, or is not known."""
    own = measured["reference"]
    same = {"reference": own, "learned": own, "comparison": part.compare(own, own, context)}
    assert all(check.passed is not False for check in part.checks(same, context))


def test_nothing_is_known_without_a_reference(part, measured, context):
    assert all(check.passed is None for check in part.checks({"learned": measured["learned"]}, context))


def test_a_potential_alone_is_shown(part, measured):
    with style.styled():
        alone = {"learned": measured["learned"]}
        assert all(map(shown, part.details("hexane", alone)))
        list(map(shown, part.overview({"hexane": {}})))


def test_its_numbers_are_drawn_against_chain_length(part, measured):
    for one in part.numbers(measured["reference"], 3):
        assert isinstance(one, Number) and one.name and math.isfinite(one.value) and one.known in (True, False)
        assert one.error is None or one.error >= 0


def test_it_is_shown_in_the_report(kind, part, found):
    """In the overview of all systems, with the details of one, or beside another property."""
    with style.styled():
        pieces = [*part.overview({"hexane": {kind: found}, "other": {}}), *part.details("hexane", found)]
        assert all("<" in shown(piece) for piece in pieces)


def test_what_is_missing_is_told_and_fails_nothing_else(kind, part, context):
    missing = {engine: {"missing": "The run broke."} for engine in ENGINES} | {"missing": "The run broke."}
    for check in part.checks(missing, context):
        assert check.passed in (False, None)
    with style.styled():
        for found in (missing, {}):
            list(map(shown, part.overview({"hexane": {kind: found}})))
            list(map(shown, part.details("hexane", found)))


def test_a_run_that_is_missing_is_the_users_to_know(kind, part, context, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        part.measure([Run(tmp_path / "nowhere", len(context.topology))], context, "learned")


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_a_run_that_is_short_is_told_or_measured(kind, part, finished, context, tmp_path, frames):
    """As one that was stopped early is."""
    (whole,) = runs(kind, finished, context)
    table = (whole.folder / "thermo.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "thermo.tsv").write_text("".join(table[: 1 + frames]))
    text = (whole.folder / "trajectory.extxyz").read_text().splitlines(keepends=True)
    (tmp_path / "trajectory.extxyz").write_text("".join(text[: frames * (2 + len(context.topology))]))
    try:
        short = part.measure([Run(tmp_path, len(context.topology))], context, "learned")
    except UserError as error:
        assert str(error)
    else:
        assert finite(json.loads(json.dumps(short)))
        checks = part.checks(
            {"reference": short, "learned": short, "comparison": part.compare(short, short, context)}, context
        )
        assert all(check.passed is not False for check in checks)


def test_replicates_are_measured_together(kind, part, finished, context, measured):
    """Two of the same have the same shape of result, in the same words."""
    two = runs(kind, finished, context) * 2
    together = part.measure(two, context, "reference")
    assert together.keys() <= measured["reference"].keys() | {"replicates"}
    assert finite(json.loads(json.dumps(together, allow_nan=False)))
