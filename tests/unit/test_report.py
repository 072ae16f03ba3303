"""The report: whole runs, runs that stopped anywhere, and nothing that comes from outside."""

import json
import re
import shutil

import numpy as np
import pytest
import report_run
from report_run import words

from oligopoly.properties.registry import PROPERTIES
from oligopoly.report import build, results, verdict
from oligopoly.report.sections import exploration, registry, timings


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("results") / "demo"
    report_run.write(run)
    return run


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "demo")


def written(run):
    build.build(run, run / "report" / "index.html")
    return (run / "report" / "index.html").read_text()


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    return written(shutil.copytree(finished, tmp_path_factory.mktemp("page") / "demo"))


def test_a_finished_run(page):
    content = page
    # learning curve, by test set, and density shift; scores and lengths of exploration; selection; parity and
    # calibration; contacts; densities twice, then g(r), displacements, internal distances and torsions of both
    # systems; time
    assert content.count("<figure>") == 3 + 2 + 1 + 2 + 1 + 2 + 2 * 4 + 1
    assert "The potential holds for hexane, dodecane: all 18 checks passed." in content
    assert '<div class="verdict good-side">' in content and "An ACE potential learned actively" in content
    # self-contained: no address outside, everything embedded
    assert not re.findall(r'(?:src|href)="(?!data:|#)', content)
    assert "<script" not in content and not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", content))
    assert "stopped a run: gamma break (labelled)" in content
    told = words(content)
    for word in ("share of trans", "radius of gyration²", "end-to-end distance²", "linear response", "g(r) between"):
        assert word in told, word
    assert "limit 10 %" in told and "8.33 ± 3 %" in told, "shares are told in percent"
    measured = words(content[: content.index('<section id="provenance">')])
    assert not re.search(r"\bace\b|ACE (?!potential learned)", measured), "any learned potential is meant"


def test_every_section_and_every_property_is_there(run, page):
    for section in registry.SECTIONS:
        assert f'<section id="{section}">' in page and f'<a href="#{section}">' in page
    read = results.read(run)
    assert all(set(found["properties"]) == set(PROPERTIES) for found in read.properties.values())
    assert list(read.properties) == ["hexane", "dodecane"], "those trained on first"


@pytest.mark.slow
def test_the_same_results_give_the_same_page(run):
    assert written(run) == written(run)


def test_nothing_but_a_folder(tmp_path):
    content = written(tmp_path / "empty")
    assert "Not decided yet" in content and "No potential has been fitted yet" in content


@pytest.mark.slow
@pytest.mark.parametrize(
    "gone",
    [["properties", "final", "gen_*/explore", "gen_000/assess.json"],
     ["produce", "benchmarks", "config.yaml", "gen_003/potential", "gen_*/selection", "gen_*/labels"],
     ["gen_*/assess.json", "gen_*/dataset", "gen_*/explore/*/scores.npz", "properties/hexane.json"]],
)  # fmt: skip
def test_missing_pieces_leave_a_page(run, gone):
    for pattern in gone:
        for path in run.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "</html>" in written(run)


def change(run, system, code, passed):
    """Another outcome of a check in properties/{system}.json."""
    path = run / "properties" / f"{system}.json"
    found = json.loads(path.read_text())
    (check,) = [check for check in found["checks"] if check["code"] == code]
    check["passed"] = passed
    path.write_text(json.dumps(found))


def headline(run):
    judged = verdict.judge(results.read(run))
    return judged.holds, judged.headline


def test_verdict_names_what_failed(run):
    change(run, "hexane", "density", False)
    change(run, "dodecane", "torsions", None)
    path = run / "properties" / "dodecane.json"
    found = json.loads(path.read_text())
    found["stability"]["completed"] = False
    path.write_text(json.dumps(found))
    holds, told = headline(run)
    assert holds is False
    assert told.startswith("Do not trust this potential yet: 2 of 18 checks failed (")
    assert "hexane: density" in told and "dodecane: learned potential runs" in told
    assert told.endswith(", 1 is not known.") and "torsions" not in told
    content = written(run)
    assert '<div class="verdict bad-side">' in content and content.count('<span class="bad">fails</span>') == 2
    assert content.count('<span class="unknown">not known</span>') == 1


def test_what_is_not_known_is_no_success(run):
    change(run, "dodecane", "torsions", None)
    change(run, "hexane", "dimensions.gyration_A2", None)
    holds, told = headline(run)
    assert holds is None
    assert told == (
        "Nothing failed for hexane, dodecane: 16 of 18 checks passed, and 2 are not known "
        "(hexane: radius of gyration²; dodecane: share of trans)."
    )
    assert '<div class="verdict ">' in written(run)


def test_all_passed(run):
    holds, told = headline(run)
    assert holds is True and told == "The potential holds for hexane, dodecane: all 18 checks passed."


@pytest.mark.slow
def test_without_a_reference_it_is_the_potentials_own_word(tmp_path):
    run = tmp_path / "alone"
    report_run.write(run, generations=2, compared=False)
    holds, told = headline(run)
    assert holds is None and told.startswith("All ") and "that can be made without MD of the reference method" in told
    content = words(written(run))
    assert "The density is 0.6" in content and "nothing to compare with" in content
    assert "The reference method runs no MD" in content
    path = run / "properties" / "hexane.json"
    found = json.loads(path.read_text())
    found["stability"]["completed"] = False
    path.write_text(json.dumps(found))
    holds, told = headline(run)
    assert holds is False and "hexane: learned potential runs to its end" in told


def test_before_production_nothing_is_decided(tmp_path):
    run = tmp_path / "early"
    report_run.write(run, generations=1, production=False)
    judged = verdict.judge(results.read(run))
    assert judged.holds is None and judged.headline.startswith("Not decided yet") and len(judged.checks) == 4
    content = words(written(run))
    assert "No production run has been compared yet" in content
    assert "No exploration has been run: generation 0" in content


def test_scores_of_a_committee_are_in_its_unit(tmp_path):
    run = tmp_path / "committee"
    report_run.write(run, generations=3, kind="committee", production=False)
    read = results.read(run)
    assert exploration._thresholds(read.config, "committee") == (0.12, 1.5), "meV/A became eV/A"
    content = words(written(run))
    assert "Committee deviation met by MD" in content and "Extrapolation grade met" not in content
    assert "stopped a run: committee break (labelled)" in content and "above 1.5 eV/A" in content
    scores = {g.number: np.concatenate([w["scores"]["largest"] for w in g.walkers.values()])
              for g in read.generations if g.walkers}  # fmt: skip
    drawn = exploration.score_distributions(scores, exploration.SCALES["committee"], 0.12, 1.5)
    left, right = drawn.axes
    assert left.get_xlabel() == "largest committee deviation of a frame (eV/Å)"
    assert right.get_ylabel() == "share of frames above σ(F)"
    assert {line.get_xdata()[0] for line in left.lines} == {0.12, 1.5}
    low, high = left.get_xlim()
    assert low < min(map(np.min, scores.values())) and high > 1.5


def test_thresholds_that_are_not_given_are_those_of_the_kind():
    assert exploration._thresholds({}, "gamma") == (2.0, 25.0)
    config = {"explore": {"uncertainty": {"select": 3, "stop": None}}}
    assert exploration._thresholds(config, "gamma") == (3, 25.0)


@pytest.mark.slow
def test_a_run_without_a_score_does_not_hide_those_of_others(run):
    """One that broke before its first score wrote an empty table of no kind."""
    first = sorted((run / "gen_001" / "explore").iterdir())[0]
    np.savez(first / "scores.npz", kind=np.array("none"), largest=np.zeros(0))
    assert "Extrapolation grade met by MD" in written(run)


def test_a_hole_fails_the_potential(run):
    read = results.read(run)
    pair = read.scans["hexane"]["pairs"][2]
    distances, energies = pair["distances"], pair["learned_eV"]
    pair["learned_eV"] = [e if d > 2.4 else -1.0 for d, e in zip(distances, energies, strict=True)]
    judged = verdict.judge(read)
    assert judged.holds is False and "no hole between molecules" in judged.headline


def test_composition_is_counted_by_origin(run):
    last = results.read(run).fitted
    assert last.trained_on == 200 + 3 * 40 and last.held_out == 50
    assert last.composition[("hexane", 3, "npt-0")] == 14


def test_stages_are_in_the_order_of_the_work_whatever_touched_their_files(run):
    for path in (run / "benchmarks").rglob("*.tsv"):
        path.touch()
    body = timings.write(results.read(run)).body
    order = [body.index(f"<td>{stage}</td>") for stage in ("build", "equilibrate", "fit", "final", "produce")]
    assert order == sorted(order)


def test_systems_of_a_series_come_by_length():
    assert sorted(["long-12", "long-8", "hexane"], key=results._natural) == ["hexane", "long-8", "long-12"]
