"""What every section of the report keeps: there is one, of an empty folder as of a finished run."""

import re
from importlib import import_module

import pytest

from oligopoly.plotting import style
from oligopoly.report import results
from oligopoly.report.page import Section
from oligopoly.report.sections.registry import SECTIONS, write


@pytest.fixture(params=SECTIONS)
def name(request):
    return request.param


def section(name, folder):
    with style.styled():
        return import_module(f"oligopoly.report.sections.{name}").write(results.read(folder))


def text(html):
    return re.sub(r"<[^>]+>", " ", html)


def well_formed(one):
    assert isinstance(one, Section) and re.fullmatch(r"[a-z-]+", one.identifier) and one.title
    assert one.body.startswith(f'<section id="{one.identifier}"><h2>') and one.body.endswith("</section>")
    for tag in ("section", "table", "tbody", "figure", "details", "p", "ul"):
        assert len(re.findall(f"<{tag}[ >]", one.body)) == one.body.count(f"</{tag}>"), tag
    assert not re.search(r"\b(nan|None|inf)\b", text(one.body)), "a number that there is not"
    return text(one.body)


def test_of_an_empty_folder_it_says_that_there_is_nothing(name, tmp_path):
    assert len(well_formed(section(name, tmp_path))) > 10


def test_of_a_finished_run_it_shows_more(name, finished, tmp_path):
    assert len(well_formed(section(name, finished))) > len(text(section(name, tmp_path).body))


def test_a_run_on_its_way_is_shown(name, finished, tmp_path):
    """Whatever of its files are there yet: here one kind after the other."""
    import shutil

    for number, part in enumerate(("gen_000", "gen_001", "properties", "final", "benchmarks", "config.yaml")):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = finished / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        well_formed(section(name, folder))


def test_sections_have_names_of_their_own(finished):
    with style.styled():
        found = write(results.read(finished))
    assert len({one.identifier for one in found}) == len({one.title for one in found}) == len(SECTIONS)
