"""Finished runs of the version before, in tests/data/earlier_run, stay readable with all their numbers.

That is a part of the run of tests/workflow/tiny.yaml at commit 0a1776d; of its frames and predictions a few are kept.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from report_run import words

from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.operations import usage
from oligopoly.operations.explain import explain
from oligopoly.operations.status import status
from oligopoly.properties.contacts import scan_holes
from oligopoly.properties.registry import PROPERTIES
from oligopoly.report import build, earlier, results, verdict
from oligopoly.report.sections import registry

EARLIER = Path(__file__).parents[1] / "data" / "earlier_run"
UP_TO_DATE = ["echo", "Nothing to be done"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(EARLIER, Path("results") / "tiny"))


@pytest.fixture(scope="module")
def config():
    """The config as it was written then, without what is not asked here."""
    return check(
        {
            "run": "tiny",
            "systems": {
                "butane": {"role": "train", "repeat_unit": "*CC*", "degree_of_polymerisation": 2, "chains": 8},
                "hexane": {"role": "transfer", "repeat_unit": "*CC*", "degree_of_polymerisation": 3, "chains": 6},
            },
            "reference": {"states": {"liquid": {"ensemble": "npt", "duration": "3 ps"}}},
            "explore": {
                "walkers": {"npt": {"ensemble": "npt", "duration": "300 fs"},
                            "hot": {"temperature": "600 K", "duration": "300 fs"}},
                "gamma_break": 50,
            },
            "loop": {"mode": "fixed", "generations": 1},
            "produce": {"npt": "1 ps", "nvt": "1 ps", "density_tolerance_percent": {"train": 2, "transfer": 4}},
        },
        quiet=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    html = tmp_path_factory.mktemp("report") / "index.html"
    build.build(EARLIER, html)
    return html.read_text()


def test_its_config_has_todays_keys():
    found = results.read(EARLIER).config
    assert found["explore"]["uncertainty"] == {"every": 10, "select": 2.0, "stop": 50.0}
    assert found["produce"]["runs"]["npt"]["duration"] == 1000.0 and "npt" not in found["produce"]
    assert found["properties"]["density"]["tolerance_percent"] == {"train": 2.0, "transfer": 4.0}
    then = yaml.safe_load((EARLIER / "config.yaml").read_text())
    assert "gamma_break" in then["explore"] and "npt" in then["produce"]


def test_every_section_is_written(page):
    for section in registry.SECTIONS:
        assert f'<section id="{section}">' in page
    # the bar chart of what was selected needs codes, which ledgers had not; torsions and internal distances were not
    # measured; butane and hexane differ in length alone
    assert page.count("<figure>") == 2 + 2 + 0 + 2 + 1 + 2 + 1 + 2 * 2 + 1
    told = words(page)
    for sentence in ("could not be measured", "No potential has been fitted", "has been made yet", "not known"):
        assert sentence not in told, sentence


def test_the_verdict_is_what_it_was(page):
    judged = verdict.judge(results.read(EARLIER))
    assert judged.holds is False
    assert judged.headline == (
        "Do not trust this potential yet: 2 of 12 checks failed "
        "(generation 001: held-out force error; butane: density)."
    )
    assert judged.headline in words(page)
    found = {check.what: check for check in judged.checks}
    assert found["butane: density"].found == "+23.6 ± 4.2 %"
    assert found["butane: density"].required == "within 2 % + 2σ = 10.5 %"
    assert found["hexane: density"].found == "+4.2 ± 2.0 %" and found["hexane: density"].passed is True
    assert found["generation 001: held-out force error"].found == "9.4 %"
    assert {check.passed for check in judged.checks} == {True, False}


def test_histories_of_the_density_are_found_in_the_tables_of_the_runs():
    density = results.read(EARLIER).properties["hexane"]["properties"]["density"]
    with open(EARLIER / "produce" / "hexane" / "ace" / "npt" / "thermo.tsv") as file:
        rows = [line.split() for line in file]
    column = rows[0].index("density_g_cm3")
    assert density["learned"]["series"]["density_g_cm3"] == [float(row[column]) for row in rows[1:]]
    assert len(density["reference"]["series"]["time_ps"]) == 51


def test_its_numbers_are_shown(page):
    told = words(page)
    for number in (
        "0.5397 ± 0.0122", "0.6669 ± 0.0172", "0.6266 ± 0.0052", "0.6529 ± 0.0111",  # densities
        "14.28 ± 0.05", "12.53 ± 0.12", "0.31 ± 0.03",  # chains
        "C-C inter 13.7 %", "H-H intra 18.1 %",  # g(r)
        "99.2", "536", "70.9",  # errors
        "no hole behind less than 1 eV in 2 pairs", "2 of 2 exploration runs went to their end",
        "reason without a code (earlier version) (left out) 53", "labelled 45 7",
        "0a1776d3b32599ac25bab7ba4ac6eb2ee83aa17b",
    ):  # fmt: skip
        assert number in told, number


def test_gamma_then_is_a_score_now(page):
    read = results.read(EARLIER)
    walkers = read.generations[1].walkers
    assert set(walkers) == {"butane.hot", "butane.npt"}
    for name, walker in walkers.items():
        with np.load(EARLIER / "gen_001" / "explore" / name / "gamma.npz") as then:
            np.testing.assert_array_equal(walker["scores"]["largest"], then["gamma_max"])
        assert walker["scores"]["kind"] == "gamma" and walker["stop"]["outcome"] == "completed"
    assert "Extrapolation grade met by MD" in page and "distributions of the extrapolation grade" in page


def test_the_contact_scan_has_todays_keys():
    (scan,) = results.read(EARLIER).scans.values()
    then = json.loads((EARLIER / "final" / "contact_scan.butane.json").read_text())
    for pair, before in zip(scan["pairs"], then["pairs"], strict=True):
        assert pair["learned_eV"] == before["ace_eV"] and pair["reference_eV"] == before["reference_eV"]
        assert "ace_eV" not in pair
    assert scan_holes(scan) == []


def test_properties_have_todays_form():
    for path in (EARLIER / "properties").glob("*.json"):
        then = json.loads(path.read_text())
        found = earlier.current_properties(then)
        assert set(found["properties"]) == set(PROPERTIES) - {"torsions", "internal_distances", "thermal"}
        for kind in ("density", "rdf", "msd", "dimensions"):
            assert {"reference", "learned"} <= set(found["properties"][kind])
        density = found["properties"]["density"]
        assert density["learned"] == then["density"]["ace"]
        assert density["comparison"]["deviation_percent"] == then["density"]["deviation_percent"]
        response = found["properties"]["linear_response"]["comparison"]
        assert response["estimate"] == then["linear_response"]["estimate"]
        curves = found["properties"]["rdf"]
        assert curves["learned"]["pairs"]["C-H"]["inter"] == then["rdf"]["pairs"]["C-H"]["inter"]["ace"]
        assert curves["comparison"]["pairs"]["C-H"]["inter"]["share"] == then["rdf"]["pairs"]["C-H"]["inter"]["share"]
        assert found["stability"]["learned"] == then["stability"]["ace"] and found["stability"]["completed"]
        assert earlier.current_properties(found) == found, "today's form is left alone"


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        ({"density": {"missing": "no thermo.tsv"}}, [("not measured", False)]),
        ({"compared": False, "density": {"ace": {"value": 0.65, "error": 0.01}}}, [("0.6500 ± 0.0100 g/cm³", None)]),
        ({"compared": False, "density": {"missing": "no thermo.tsv"}}, [("not measured", None)]),
    ],
)
def test_what_was_not_measured_then(change, checks):
    found = json.loads((EARLIER / "properties" / "hexane.json").read_text()) | change
    found = earlier.current_properties(found | {"rdf": {"missing": "no trajectory"}, "linear_response": None})
    assert [(check["found"], check["passed"]) for check in found["checks"]] == checks
    assert found["properties"]["rdf"] == {"missing": "no trajectory"}
    assert "linear_response" not in found["properties"]


def test_status_reads_it(run, config):
    told = status(config, {"tiny": config})
    assert told.startswith("Run tiny: generation 1 of exactly 1; no Snakemake is at work on it")
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "+23.6 %" in lines["butane"] and "ace, reference" in lines["butane"] and "+4.2 %" in lines["hexane"]
    assert lines["000"].split()[1:6] == ["45", "0", "0", "10.9", "%"] and "go on" in lines["000"]
    assert "2/2" in lines["001"] and "last generation (not met: held-out force error)" in lines["001"]
    assert "52 labels; production 0.00" in lines["Spent:"]


def test_usage_counts_its_jobs(run):
    done = usage.jobs(run)
    assert len(done) == 31 and sum(use.rule == "produce" for use in done) == 4
    assert {use.name for use in done if use.rule == "produce"} == {
        f"{system}.{engine}" for system in ("butane", "hexane") for engine in ("ace", "reference")
    }
    assert usage.computed(run, "results/store") == 52


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("results/tiny/final/potential.yaml", ["made by: final.", "potential.yaml: sha256 77830acb60e1d306",
                                               "- 12 of butane, generation 0, dense-contact0, contact",
                                               "001: 7 labels computed; last generation"]),
        ("gen_001/potential/potential.yaml", ["made by: fit 001.", "1 of butane, generation 1, hot, explored",
                                              "000: 45 labels computed; go on"]),
        ("gen_000/labels/0.extxyz", ["Of 22 structures: 22 labelled; 0 from the store."]),
        ("gen_001/selection/ledger.tsv", ["60 candidates", "53 left: reason without a code (earlier version)",
                                          "7 taken: reason without a code"]),
        ("gen_001/assess.json", ["Verdict: last generation.", "puts the density of butane +7.8 +- 3.5 % off"]),
        ("gen_001/explore/butane.hot/candidates.extxyz", ["The run ended as 'completed': ran to its end"]),
        ("butane.hot/candidates/0", ["butane/gen_001/hot/30", "taken, score 2.0232. 4 atoms enter the active set."]),
        ("butane/gen_001/hot/30", ["labelled (0.0 s, key e9dee2b2048e"]),
    ],
)  # fmt: skip
def test_explain_reads_it(run, config, target, told):
    said = explain({"tiny": config}, target, UP_TO_DATE)
    for sentence in told:
        assert sentence in said, said


def test_explain_says_what_can_be_asked(run, config):
    assert "snakemake explain results/tiny/final/manifest.json" in explain({"tiny": config}, None, UP_TO_DATE)
    with pytest.raises(UserError, match="no file that a rule of this run makes"):
        explain({"tiny": config}, "nonsense", UP_TO_DATE)
