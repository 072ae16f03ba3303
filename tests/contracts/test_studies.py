"""What every study keeps: tables of what there is, and something to show of them, also of nothing."""

import json

import pytest

from oligopoly.config.members import combinations
from oligopoly.plotting import style
from oligopoly.report import results
from oligopoly.report.page import shown
from oligopoly.studies.page import write

from .examples import finished_run, kinds, settings

VARY = {"select.kind": ["random", "extrapolation_grade"], "loop.seed": [1, 2]}
MEMBERS = combinations(VARY)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run for each member; only the first two learn for three generations, and the last has not begun."""
    here = tmp_path_factory.mktemp("results")
    found = {name: here / name for name in MEMBERS}
    for seed, folder in enumerate(list(found.values())[:3]):
        more = {"seed": seed, "generations": 3 if seed < 2 else 2, "factor": 1 + 0.1 * seed, "production": False}
        finished_run(folder, **more)
    next(reversed(found.values())).mkdir()
    return found


@pytest.fixture(params=kinds("studies"))
def study(request):
    return settings("studies", request.param, vary=VARY)


def of(folders):
    return {name: results.read(folder) for name, folder in folders.items()}


def test_tables_are_of_the_members_that_there_are(study, folders):
    tables = study.create().collect(of(folders), MEMBERS)
    assert tables and all(isinstance(name, str) for name in tables)
    for frame in tables.values():
        kept = json.loads(frame.to_json(orient="records"))
        assert len(kept) == len(frame)
        assert not len(frame) or frame.columns.is_unique
    assert any(len(frame) for frame in tables.values())


def test_the_same_results_the_same_tables(study, folders):
    one, two = (study.create().collect(of(folders), MEMBERS) for _ in "12")
    assert {name: frame.to_json() for name, frame in one.items()} == {name: f.to_json() for name, f in two.items()}


def test_it_is_shown(study, folders):
    made = study.create()
    with style.styled():
        pieces = list(made.draw(made.collect(of(folders), MEMBERS), MEMBERS))
        assert pieces and all("<" in shown(piece) for piece in pieces)


def test_nothing_is_shown_as_nothing(study, tmp_path):
    """Before any member has begun."""
    folders = {name: tmp_path / name for name in MEMBERS}
    for folder in folders.values():
        folder.mkdir()
    made = study.create()
    with style.styled():
        pieces = list(made.draw(made.collect(of(folders), MEMBERS), MEMBERS))
        assert pieces and all("<" in shown(piece) for piece in pieces)


def test_a_whole_run_is_shown(study, finished):
    """With production and properties, for studies that look at them."""
    made = study.create()
    with style.styled():
        members = {"one": {"seed": 1}}
        assert list(made.draw(made.collect({"one": results.read(finished)}, members), members))


def test_its_page_has_its_numbers(study, folders, tmp_path):
    write(study, folders, MEMBERS, tmp_path / "index.html", tmp_path / "tables.json", title="a study")
    page = (tmp_path / "index.html").read_text()
    assert page.startswith("<!doctype html>") and all(name in page for name in MEMBERS)
    kept = json.loads((tmp_path / "tables.json").read_text())
    assert list(kept["members"]) == list(MEMBERS) and kept["tables"]
