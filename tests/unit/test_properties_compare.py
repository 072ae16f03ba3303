"""The comparison of two engines on synthetic liquids of known density."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from oligopoly.config.production import Properties
from oligopoly.plotting import style
from oligopoly.properties import compare, linear_response
from oligopoly.properties.contract import Context
from oligopoly.properties.density import FEW
from oligopoly.properties.registry import PROPERTIES
from oligopoly.report import build
from oligopoly.systems.topology import Topology

RUNS = {"npt": "npt", "nvt": "nvt"}


def liquid(folder, mean_length, seed, frames=120, chains=8):
    """Two-carbon chains that wander in a box whose volume fluctuates around mean_length^3."""
    rng = np.random.default_rng(seed)
    atoms = 2 * chains
    start = rng.uniform(0, mean_length, (chains, 3))
    walk = start + np.cumsum(rng.normal(0, 0.2, (frames, chains, 3)), axis=0)
    bond = np.array([[0, 0, 0], [1.53, 0, 0]])
    for ensemble in ("npt", "nvt"):
        images, rows = [], ["step\ttime_ps\tvolume_A3"]
        for k in range(frames):
            volume = mean_length**3 * (1 + (0.03 * rng.normal() if ensemble == "npt" else 0))
            length = volume ** (1 / 3)
            a = Atoms([6] * atoms, (walk[k][:, None] + bond).reshape(-1, 3), cell=[length] * 3, pbc=True)
            a.info["time_fs"] = 250.0 * k
            images.append(a)
            rows.append(f"{k}\t{0.25 * k}\t{volume}")
        (folder / ensemble).mkdir(parents=True)
        write(folder / ensemble / "trajectory.extxyz", images)
        (folder / ensemble / "thermo.tsv").write_text("\n".join(rows) + "\n")
    ends = {e: {"outcome": "completed", "reason": "ran to its end"} for e in ("npt", "nvt")}
    (folder / "status.json").write_text(json.dumps(ends))


@pytest.fixture
def runs(tmp_path):
    chains = 8
    system = tmp_path / "systems" / "ethane" / "system.json"
    system.parent.mkdir(parents=True)
    numbers = [6] * 2 * chains
    system.write_text(
        json.dumps(
            {
                "numbers": numbers,
                "molecules": np.repeat(np.arange(chains), 2).tolist(),
                "repeat_units": [0] * len(numbers),
                "bonds": [[2 * k, 2 * k + 1] for k in range(chains)],
                "masses": [12.0] * len(numbers),
                "degree_of_polymerisation": 1,
                "repeat_unit": "*CC*",
                "end_groups": ["*[H]", "*[H]"],
            }
        )
    )
    liquid(tmp_path / "reference" / "1", 18.0, 1)
    liquid(tmp_path / "learned" / "1", 18.0 * 0.98 ** (1 / 3), 2)
    return tmp_path, system


def run(runs, engines=("reference", "learned"), tolerance=4.0, **more):
    """With every property, and a tolerance of the density in percent."""
    folder, system = runs
    data = {"density": {"tolerance_percent": {"train": tolerance}}}
    return compare.compare(
        {engine: sorted(path for path in (folder / engine).iterdir()) for engine in engines},
        RUNS, system, folder / "out" / "ethane.json", temperature=300.0,
        **{"properties": Properties.model_validate(data).chosen(set(RUNS))} | more,
    )  # fmt: skip


def checks(result):
    return {check["code"]: check for check in result["checks"]}


def test_everything_is_measured(runs):
    slope = 1e-4  # eV/A^3
    result = run(
        runs,
        energies={
            "reference": lambda frames: np.zeros(len(frames)),
            "learned": lambda frames: slope * np.array([f.get_volume() for f in frames]),
        },
    )
    assert json.loads((runs[0] / "out" / "ethane.json").read_text()) == result
    found = result["properties"]
    assert set(found) == set(PROPERTIES)
    assert found["density"]["comparison"]["deviation_percent"] == pytest.approx(2.0, abs=1.2)
    assert found["density"]["comparison"]["passed"] and result["stability"]["completed"]
    variance = (0.03 * 18**3) ** 2
    expected = slope * variance / (linear_response.BOLTZMANN * 300 * 18**3)
    response = found["linear_response"]["comparison"]
    assert response["forward"] == pytest.approx(expected, abs=4 * response["forward_error"])
    assert response["estimate"] > 0
    pair = found["rdf"]["comparison"]["pairs"]["C-C"]
    assert set(pair) == {"inter", "intra"} and pair["inter"]["share"] < 3 * pair["inter"]["noise"]
    assert len(found["msd"]["learned"]["chains"]["msd_A2"]) == len(found["msd"]["learned"]["lag_ps"])
    assert found["dimensions"]["learned"]["end_to_end_A2"]["value"] == pytest.approx(1.53**2)
    assert result["degree_of_polymerisation"] == 1 and result["replicates"] == 1
    assert "no torsion" in found["torsions"]["missing"]
    assert {"density", "rdf", "dimensions.gyration_A2", "dimensions.end_to_end_A2"} == set(checks(result))
    assert checks(result)["density"]["passed"] is True


def test_a_property_may_name_its_run(runs):
    folder, _ = runs
    for engine in ("reference", "learned"):
        (folder / engine / "1" / "npt").rename(folder / engine / "1" / "hot")
        (folder / engine / "1" / "nvt").rename(folder / engine / "1" / "npt")
    alone = Properties.model_validate({"density": {"run": "hot"}, "msd": {"run": "npt"}})
    result = run(runs, properties={"density": alone.density, "msd": alone.msd})
    assert result["properties"]["density"]["comparison"]["deviation_percent"] == pytest.approx(2.0, abs=1.2)
    assert "lag_ps" in result["properties"]["msd"]["learned"]


def test_what_holds_passes_and_what_is_not_known_does_not(runs):
    """The chains of this liquid are rigid, so that nothing tells how fast they change; its density is well known."""
    alone = {"density": Properties().density}
    result = run(runs, properties=alone)
    assert result["passed"] is True and set(checks(result)) == {"density"}
    result = run(runs, properties=alone | {"rdf": PROPERTIES.settings("rdf")(tolerance_percent={"train": 0.1})})
    assert checks(result)["rdf"]["passed"] is None and result["passed"] is None
    assert "Not known yet: g(r) between molecules." in result["sentences"]


def test_a_wrong_density_fails(runs):
    result = run(runs, tolerance=0.01)
    deviation = result["properties"]["density"]["comparison"]
    assert deviation["allowed_percent"] < 2 or deviation["passed"]
    assert "missing" in result["properties"]["linear_response"]
    assert "deviates by +" in result["sentences"][1]
    liquid(runs[0] / "worse" / "1", 18.0 * 0.9 ** (1 / 3), 3)
    (runs[0] / "learned").rename(runs[0] / "before")
    (runs[0] / "worse").rename(runs[0] / "learned")
    result = run(runs, tolerance=0.01)
    assert result["passed"] is False and checks(result)["density"]["passed"] is False


def density(value, error, samples):
    return {"value": value, "error": error, "effective_samples": samples}


@pytest.mark.parametrize(
    ("deviation", "samples", "passed"),
    [(0.01, FEW, True), (0.01, FEW - 1, None), (0.10, FEW - 1, False), (0.10, FEW, False), (-0.10, 2, False)],
)
def test_a_density_beyond_what_is_allowed_fails_however_short_the_run(runs, deviation, samples, passed):
    """And one that is within it does not pass where the run is too short to know."""
    settings = Properties().density
    context = Context("x", Topology.read(runs[1]), {}, "train", 300.0)
    one, two = density(0.7, 0.007, 100), density(0.7 * (1 + deviation), 0.007, samples)
    found = {"reference": one, "learned": two, "comparison": settings.create().compare(one, two, context)}
    (check,) = settings.create().checks(found, context)
    assert check.passed is passed and check.code == "density"
    assert ("runs too short" in check.found) is (passed is None)


def test_a_run_that_broke_is_a_sentence(runs):
    folder, _ = runs
    status = {"npt": {"outcome": "close_contact", "reason": "atoms 3 and 9 came within 1.1 A"}}
    (folder / "learned" / "1" / "status.json").write_text(json.dumps(status))
    for path in (folder / "learned" / "1" / "nvt").iterdir():
        path.unlink()
    result = run(runs)
    assert result["passed"] is False
    assert "within 1.1 A" in result["sentences"][0]
    assert "nvt" in result["properties"]["msd"]["missing"]
    (folder / "learned" / "1" / "npt" / "thermo.tsv").unlink()
    assert checks(run(runs))["density"]["passed"] is False


def test_one_replicate_that_broke_breaks_all(runs):
    folder, _ = runs
    liquid(folder / "learned" / "2", 18.0 * 0.98 ** (1 / 3), 5)
    result = run(runs, properties={"density": Properties().density})
    assert result["replicates"] == 2 and result["passed"] is True
    assert len(result["stability"]["learned"]) == 2
    status = {"npt": {"outcome": "broken_bond", "reason": "a bond broke"}, "nvt": {"outcome": "not_run"}}
    (folder / "learned" / "2" / "status.json").write_text(json.dumps(status))
    result = run(runs, properties={"density": Properties().density})
    assert result["passed"] is False and result["sentences"][0].endswith("its end: a bond broke.")


def test_a_replicate_that_ended_early_leaves_the_others_as_long_as_itself(runs):
    folder, _ = runs
    liquid(folder / "learned" / "2", 18.0 * 0.98 ** (1 / 3), 5, frames=100)
    found = run(runs, properties={"msd": Properties().msd})["properties"]["msd"]["learned"]
    assert max(found["lag_ps"]) == 0.25 * 50
    assert len(found["chains"]["msd_A2"]) == len(found["chains"]["error_A2"]) == len(found["lag_ps"])


def test_replicates_sharpen_the_density_and_their_scatter_counts(runs):
    folder, _ = runs
    alone = {"density": Properties().density}
    one = run(runs, properties=alone)["properties"]["density"]["learned"]
    for seed in (2, 3, 4):
        liquid(folder / "learned" / str(seed), 18.0 * 0.98 ** (1 / 3), 10 + seed)
    four = run(runs, properties=alone)["properties"]["density"]["learned"]
    assert 0.3 < four["error"] / one["error"] < 0.9
    for measured, said in ((one, False), (four, True)):
        with style.styled():
            *_, table = alone["density"].create().overview({"ethane": {"density": {"learned": measured}}})
        assert ("Of replicates" in table.caption) is said
    assert four["value"] == pytest.approx(np.mean([each["value"] for each in four["replicates"]]))
    liquid(folder / "learned" / "5", 18.0 * 0.9 ** (1 / 3), 20)  # another density altogether
    five = run(runs, properties=alone)["properties"]["density"]["learned"]
    values = [each["value"] for each in five["replicates"]]
    assert five["error"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(5)) and five["error"] > 3 * four["error"]


def test_without_a_reference_the_potential_is_measured_alone(runs):
    folder, _ = runs
    result = run(runs, engines=("learned",))
    found = result["properties"]
    assert result["passed"] is None and result["compared"] is False
    assert found["density"]["learned"]["value"] == pytest.approx(0.055, rel=0.1)
    assert "comparison" not in found["density"] and set(found["msd"]) == {"learned"} == set(found["rdf"])
    assert set(found["rdf"]["learned"]["pairs"]["C-C"]) == {"inter", "intra"}
    assert result["sentences"][0] == "Every run went to its end."
    assert "The density is" in result["sentences"][1] and compare.NOT_COMPARED in result["sentences"]

    properties = folder / "results" / "alone" / "properties" / "ethane.json"
    properties.parent.mkdir(parents=True)
    properties.write_text(json.dumps(result))
    run_folder = folder / "results" / "alone"
    build.build(run_folder, run_folder / "report" / "index.html")
    page = (run_folder / "report" / "index.html").read_text()
    assert "are the potential&#x27;s own word" in page or "are the potential's own word" in page
    assert "pair distribution functions of ethane" in page and "nothing to compare with" in page


def test_the_potential_alone_fails_where_it_broke(runs):
    folder, _ = runs
    status = {"npt": {"outcome": "close_contact", "reason": "atoms 3 and 9 came within 1.1 A"}}
    (folder / "learned" / "1" / "status.json").write_text(json.dumps(status))
    result = run(runs, engines=("learned",))
    assert result["passed"] is False and "within 1.1 A" in result["sentences"][0]
