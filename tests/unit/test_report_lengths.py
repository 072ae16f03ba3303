"""What a report shows of chains of one kind at several lengths."""

import json
import re

import pytest
import report_run
import yaml
from report_run import words

from oligopoly.plotting import style
from oligopoly.plotting.shown import Words
from oligopoly.report import build, lengths, results

KIND = {"repeat_unit": "*CC*", "end_groups": ["*[H]", "*[H]"], "temperature": 400.0}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Two systems of one kind, of 3 and 6 units."""
    run = tmp_path_factory.mktemp("results") / "series"
    report_run.write(run, generations=1)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["systems"] = {"dodecane": {**KIND, "role": "transfer", "chains": 20}, "hexane": {**KIND, "role": "train"}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for system, n in (("hexane", 3), ("dodecane", 6)):
        path = run / "properties" / f"{system}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "degree_of_polymerisation": n}))
    return run


def test_each_number_is_drawn_against_the_number_of_units(series):
    found = results.read(series)
    with style.styled():
        picture, *_ = lengths.pieces(found)
        axes = {ax.get_ylabel(): ax for ax in picture.figure.axes}
        for name in ("density (g/cm³)", "radius of gyration² / n (Å²)", "trans (%)", "diffusion of chains (Å²/ps)"):
            reference, learned = axes[name].get_lines()[0], axes[name].get_lines()[-1]
            assert list(reference.get_xdata()) == [3, 6] and axes[name].get_xlabel() == "repeat units n"
            assert len(learned.get_xdata()) <= 2
        drawn = axes["radius of gyration² / n (Å²)"].get_lines()[0].get_ydata()
        measured = [
            found.properties[s]["properties"]["dimensions"]["reference"]["gyration_A2"]["value"]
            for s in ("hexane", "dodecane")
        ]
        assert list(drawn) == pytest.approx([measured[0] / 3, measured[1] / 6])
    assert picture.caption.startswith(
        "hexane, dodecane by their number n of repeat units; the potential was trained on n = 3;"
    )


def test_it_stands_in_the_report_between_all_systems_and_each(series):
    build.build(series, series / "report" / "index.html")
    content = (series / "report" / "index.html").read_text()
    caption = "by their number n of repeat units"
    assert caption in words(content)
    liquids = content[content.index('<section id="liquids">') :]
    assert liquids.index(caption) < liquids.index("<h3>hexane</h3>")


@pytest.mark.parametrize("change", [{"temperature": 300.0}, {"repeat_unit": "*CCO*"}, {"end_groups": "ring"}])
def test_others_are_no_series(series, change):
    found = results.read(series)
    found.config["systems"]["hexane"].update(change)
    assert not list(lengths.pieces(found))


def test_what_was_too_short_to_know_is_open_and_told(series):
    found = results.read(series)
    for engine in ("reference", "learned"):
        found.properties["hexane"]["properties"]["torsions"][engine]["trans"]["known"] = False
    with style.styled():
        picture, *_ = lengths.pieces(found)
    assert re.search(r"open symbols .* too short to know", picture.caption)


def distances(short, long, error):
    """Measurements of two melts, R²(s)/s given at 1, 2, 4, ... bonds."""
    return (
        {"bonds": [2**k for k in range(len(ratios))], "ratio_A2": list(ratios), "error_A2": [error] * len(ratios)}
        for ratios in (short, long)
    )


@pytest.mark.parametrize(
    ("long", "wrong"),
    [
        ((10, 12, 14, 15, 16, 17), None),
        ((10, 12, 14.6, 30, 40, 50), None),  # beyond half of the shorter chain, its ends matter
        ((10, 12, 15.8, 16, 16, 16), 4),  # 12.9 %, of which 5 % and two errors of 3.2 % are allowed
        ((10, 9.0, 14, 15, 16, 17), 2),
    ],
)
def test_chains_that_are_not_as_shorter_ones_are_told(long, wrong):
    found = lengths.farthest(*distances((10, 12, 14, 15), long, error=0.3))
    assert (found and found[0]) == wrong


def test_a_melt_that_is_not_equilibrated_is_told_in_the_report(series):
    found = results.read(series)
    measured = found.properties["dodecane"]["properties"]["internal_distances"]["reference"]
    measured["ratio_A2"] = [0.7 * one for one in measured["ratio_A2"]]
    with style.styled():
        said = [piece.text for piece in lengths.pieces(found) if isinstance(piece, Words)]
    assert len(said) == 1 and said[0].startswith("dodecane, reference: R²(s)/s at s = ")
    assert re.search(r"is -3\d\.\d ± \d\.\d % off that of hexane: the melt is not equilibrated", said[0])
