"""The report: whole runs, runs that stopped anywhere, and nothing that comes from outside."""

import re
import shutil

import pytest
import report_run

from oligopoly.report import build, results, verdict


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


def test_a_finished_run(run):
    content = written(run)
    assert content.count("<figure>") == 15
    assert "The potential holds for hexane, dodecane" in content
    # self-contained: no address outside, everything embedded
    assert not re.findall(r'(?:src|href)="(?!data:|#)', content)
    assert "<script" not in content and not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", content))
    assert "stopped a run: gamma break (labelled)" in content


@pytest.mark.slow
def test_the_same_results_give_the_same_page(run):
    assert written(run) == written(run)


def test_nothing_but_a_folder(tmp_path):
    content = written(tmp_path / "empty")
    assert "Not decided yet" in content and "No potential has been fitted yet" in content


@pytest.mark.parametrize(
    "gone",
    [["properties", "final", "gen_*/explore", "gen_000/assess.json"],
     ["produce", "benchmarks", "config.yaml", "gen_003/potential", "gen_*/selection", "gen_*/labels"],
     ["gen_*/assess.json", "gen_*/dataset", "gen_*/explore/*/gamma.npz", "properties/hexane.json"]],
)  # fmt: skip
def test_missing_pieces_leave_a_page(run, gone):
    for pattern in gone:
        for path in run.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "</html>" in written(run)


def test_verdict_names_what_failed(run):
    read = results.read(run)
    read.properties["hexane"]["density"]["passed"] = False
    read.properties["dodecane"]["stability"]["completed"] = False
    judged = verdict.judge(read)
    assert judged.holds is False
    assert "hexane: density" in judged.headline and "dodecane: ACE runs" in judged.headline


def test_a_hole_fails_the_potential(run):
    read = results.read(run)
    pair = read.scans["hexane"]["pairs"][2]
    pair["ace_eV"] = [e if d > 2.4 else -1.0 for d, e in zip(pair["distances"], pair["ace_eV"], strict=True)]
    judged = verdict.judge(read)
    assert judged.holds is False and "no hole between molecules" in judged.headline


def test_composition_is_counted_by_origin(run):
    last = results.read(run).fitted
    assert last.trained_on == 200 + 3 * 40 and last.held_out == 50
    assert last.composition[("hexane", 3, "npt-0")] == 14
