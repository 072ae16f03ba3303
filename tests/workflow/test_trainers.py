"""What `snakemake -n` says about trainers that are not there or do not fit the rest."""

from .conftest import snakemake
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
    assert "no program `pacemaker`" not in done.stderr + done.stdout
