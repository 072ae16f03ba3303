"""The comparison of two engines on synthetic liquids of known density."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from oligopoly.properties import compare, linear_response
from oligopoly.report import build


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
    liquid(tmp_path / "reference", 18.0, 1)
    liquid(tmp_path / "ace", 18.0 * 0.98 ** (1 / 3), 2)
    return tmp_path, system


def run(runs, **more):
    folder, system = runs
    return compare.compare(
        folder / "reference", folder / "ace", system, folder / "out" / "ethane.json",
        temperature=300.0, **more,
    )  # fmt: skip


def test_everything_is_measured(runs):
    slope = 1e-4  # eV/A^3
    result = run(
        runs,
        tolerance_percent=4,
        evaluate_reference=lambda frames: np.zeros(len(frames)),
        evaluate_ace=lambda frames: slope * np.array([f.get_volume() for f in frames]),
    )
    assert json.loads((runs[0] / "out" / "ethane.json").read_text()) == result
    assert result["density"]["deviation_percent"] == pytest.approx(2.0, abs=1.2)
    assert result["density"]["passed"] and result["stability"]["completed"] and result["passed"]
    variance = (0.03 * 18**3) ** 2
    expected = slope * variance / (linear_response.BOLTZMANN * 300 * 18**3)
    response = result["linear_response"]
    assert response["forward"] == pytest.approx(expected, abs=4 * response["forward_error"])
    assert response["estimate"] > 0
    pair = result["rdf"]["pairs"]["C-C"]
    assert set(pair) == {"inter", "intra"} and pair["inter"]["share"] < 3 * pair["inter"]["noise"]
    assert len(result["msd"]["ace"]["chains"]["msd_A2"]) == len(result["msd"]["ace"]["lag_ps"])
    assert result["structure"]["ace"]["end_to_end_A2"]["value"] == pytest.approx(1.53**2)
    assert result["degree_of_polymerisation"] == 1


def test_a_wrong_density_fails(runs):
    result = run(runs, tolerance_percent=0.01, sigmas=0)
    assert not result["passed"] and "missing" in result["linear_response"]
    assert "deviates by +" in result["sentences"][1]


def test_a_run_that_broke_is_a_sentence(runs):
    folder, _ = runs
    status = {"npt": {"outcome": "close_contact", "reason": "atoms 3 and 9 came within 1.1 A"}}
    (folder / "ace" / "status.json").write_text(json.dumps(status))
    for path in (folder / "ace" / "nvt").iterdir():
        path.unlink()
    result = run(runs, tolerance_percent=4)
    assert not result["passed"]
    assert "within 1.1 A" in result["sentences"][0]
    assert "nvt" in result["msd"]["missing"]


def test_without_a_reference_ace_is_measured_alone(runs):
    folder, system = runs
    result = compare.compare(
        None, folder / "ace", system, folder / "out" / "ethane.json", temperature=300.0, tolerance_percent=4,
    )  # fmt: skip
    assert result["passed"] is None and result["compared"] is False
    assert result["density"]["ace"]["value"] == pytest.approx(0.055, rel=0.1) and "missing" in result["density"]
    assert set(result["rdf"]["pairs"]["C-C"]["inter"]) == {"ace"} and set(result["msd"]) == {"ace"}
    assert result["sentences"][0] == "ACE ran to its end."

    properties = folder / "results" / "alone" / "properties" / "ethane.json"
    properties.parent.mkdir(parents=True)
    properties.write_text(json.dumps(result))
    run_folder = folder / "results" / "alone"
    build.build(run_folder, run_folder / "report" / "index.html")
    page = (run_folder / "report" / "index.html").read_text()
    assert "are the potential&#x27;s own word" in page or "are the potential's own word" in page
    assert "pair distribution functions of ethane" in page and "nothing to compare with" in page


def test_ace_alone_fails_where_it_broke(runs):
    folder, system = runs
    status = {"npt": {"outcome": "close_contact", "reason": "atoms 3 and 9 came within 1.1 A"}}
    (folder / "ace" / "status.json").write_text(json.dumps(status))
    result = compare.compare(
        None, folder / "ace", system, folder / "out" / "ethane.json", temperature=300.0, tolerance_percent=4,
    )  # fmt: skip
    assert result["passed"] is False and "within 1.1 A" in result["sentences"][0]
