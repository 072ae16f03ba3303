"""Mode `until`: one verdict after the other, until one says that the potential holds."""

import json
import shutil

import pytest

from .conftest import snakemake
from .test_plan import jobs, variant

pytestmark = pytest.mark.slow

# So lax that every potential holds that has explored.
LAX = {
    "force_rmse_percent": 500.0,
    "fresh_force_rmse_percent": 500.0,
    "audit_force_error": "50 eV/A",
    "audit_wrong_share": 1.0,
    "completed_share": 0.0,
    "density_shift_percent": 500.0,
}
TARGET = "results/tiny/final/provenance.json"


@pytest.fixture
def begun(finished, tmp_path):
    """The tiny run up to the potential of generation 0."""
    folder = tmp_path / "begun"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("gen_001", "final", "report", "assess.json"))
    return folder


def test_it_ends_with_the_first_potential_that_holds(begun, tmp_path):
    config = variant(tmp_path, loop={"mode": "until", "generations": 3}, assess=LAX)
    done = snakemake(begun, "--", TARGET, config=config)
    assert done.returncode == 0, done.stderr[-5000:]
    run = begun / "results/tiny"
    said = [json.loads((run / f"gen_{n:03d}/assess.json").read_text()) for n in (0, 1)]
    assert [verdict["decision"] for verdict in said] == ["go on", "converged"], said[1]["reasons"]
    assert not (run / "gen_002").exists()
    facts = json.loads((run / "final/provenance.json").read_text())
    assert facts["generation"] == 1 and facts["decision"] == "converged"
    for name in ("manifest.json", "potential.yaml"):
        assert (run / "final" / name).read_bytes() == (run / "gen_001/potential" / name).read_bytes()
    again = snakemake(begun, "-n", "--", TARGET, config=config)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_budget_that_is_spent_ends_it_too(begun, tmp_path):
    config = variant(tmp_path, loop={"mode": "until", "generations": 3}, budget={"labels": 1})
    done = snakemake(begun, "--", TARGET, config=config)
    assert done.returncode == 0, done.stderr[-5000:]
    verdict = json.loads((begun / "results/tiny/gen_000/assess.json").read_text())
    assert verdict["decision"] == "budget spent" and "explore" not in jobs(done.stdout + done.stderr)
    assert json.loads((begun / TARGET).read_text())["generation"] == 0
