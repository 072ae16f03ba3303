"""What `snakemake -n` says about trainers that are not there or do not fit the rest."""

import json

import pytest
import yaml

from oligopoly.errors import UserError
from oligopoly.trainers.pacemaker_programs import programs

from .conftest import TINY, snakemake
from .test_plan import variant


def test_a_missing_pacemaker_stops_the_dry_run(tmp_path):
    config = variant(tmp_path, trainer={"kind": "pacemaker", "environment": "/nowhere"})
    done = snakemake(tmp_path, "-n", config=config)
    said = done.stderr + done.stdout
    assert done.returncode != 0 and "Traceback" not in said
    assert "trainer.environment: /nowhere is no conda or virtual environment" in said
    assert "envs/pacemaker.yaml" in said


def test_a_non_linear_potential_cannot_explore_with_the_built_in_engine(tmp_path):
    config = variant(tmp_path, trainer={"kind": "pacemaker"}, explore={"engine": "built-in"})
    done = snakemake(tmp_path, "-n", config=config)
    assert done.returncode != 0
    assert (
        "explore.engine: built-in does not run the potentials of trainer.kind: pacemaker" in done.stderr + done.stdout
    )


def test_with_conda_pacemaker_comes_in_an_environment_of_its_own(tmp_path):
    config = variant(tmp_path, trainer={"kind": "pacemaker", "embedding": "linear"})
    done = snakemake(tmp_path, "-n", "--sdm", "conda", config=config)
    assert "pacemaker is not installed" not in done.stderr + done.stdout


@pytest.mark.slow
def test_the_real_pacemaker_trains_in_the_workflow(tmp_path):
    """From nothing to the selection of a first generation that explored with its potential."""
    try:
        programs()
    except UserError as error:
        pytest.skip(str(error))
    trainer = {
        "kind": "pacemaker", "embedding": "linear", "functions": 20, "cutoff": "4.5 A", "iterations": 5,
        "ranks": {"n": [6, 3, 2], "l": [0, 2, 1]},
    }  # fmt: skip
    config = yaml.safe_load(TINY.read_text()) | {"trainer": trainer}
    path = tmp_path / "pacemaker.yaml"
    path.write_text(yaml.safe_dump(config))
    done = snakemake(tmp_path, "--", "results/tiny/gen_001/selection/ledger.tsv", config=path)
    assert done.returncode == 0, done.stderr[-5000:]
    made = json.loads((tmp_path / "results/tiny/gen_000/potential/metrics.json").read_text())
    assert made["pacemaker"]["iterations"] == 5
    assert made["functions_per_element"] == {"C": 20, "H": 20}
    assert (tmp_path / "results/tiny/gen_001/explore/butane.hot/stop.json").exists()
