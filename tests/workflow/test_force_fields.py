"""Boxes of a user's own, and beads, through the whole loop to the report."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, snakemake

sys.path.insert(0, str(ROOT / "tests" / "unit"))
import class2  # noqa: E402

LOOP = """
reference:
  sample_every: 50 fs
  settle: 100 fs
  states:
    liquid: {ensemble: npt, duration: 1.5 ps}
    dilute: {volume_ratio: 1.1, temperature: 400 K, duration: 0.6 ps}
pool: {frames_per_state: 4, clusters: {sizes: [1, 2], count: 6}, contacts: {pairs: 2}}
trainer: {functions: 40, cutoff: 4 A}
explore:
  walkers:
    npt: {duration: 100 fs}
select: {budget: 4, audit: 2}
loop: {mode: fixed, generations: 1}
produce:
  timestep: 1 fs
  runs:
    npt: {ensemble: npt, duration: 0.6 ps}
    nvt: {ensemble: nvt, duration: 0.6 ps, after: npt}
  settle: 50 fs
  sample_every: 50 fs
"""


def run(folder: Path, **changes):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"run": "mine", "seed": 1, **yaml.safe_load(LOOP), **changes}))
    done = snakemake(folder, config=path)
    assert done.returncode == 0, done.stderr[-5000:]
    report = (folder / "results" / "mine" / "report" / "index.html").read_text()
    properties = {
        p.stem: json.loads(p.read_text()) for p in (folder / "results" / "mine" / "properties").glob("*.json")
    }
    return report, properties


@pytest.mark.slow
def test_a_class_2_box_goes_from_its_file_to_the_report(tmp_path):
    data, styles = class2.write(tmp_path)
    report, properties = run(
        tmp_path,
        systems={"pe": {"role": "train", "data": str(data)}},
        force_field={"kind": "lammps", "settings": str(styles)},
        equilibration={"scale": 0.001, "max_temperature": "400 K", "max_pressure": "2000 atm"},
    )
    assert "10 chains of 20 atoms (a data file" in report
    density = properties["pe"]["properties"]["density"]
    assert 0.4 < density["reference"]["value"] < 0.8
    second = snakemake(tmp_path, "-n", config=tmp_path / "mine.yaml")
    assert "Nothing to be done" in second.stdout + second.stderr


@pytest.mark.slow
def test_beads_go_through_the_loop(tmp_path):
    steps = {"timestep": "4 fs"}
    loop = yaml.safe_load(LOOP)
    report, properties = run(
        tmp_path,
        systems={"ten": {"role": "train", "repeat_unit": "*C*", "degree_of_polymerisation": 10, "chains": 20,
                         "pressure": "3130 atm"}},
        force_field={"kind": "kremer-grest"},
        equilibration={"scale": 0.001, "max_temperature": "400 K", "max_pressure": "9000 atm", **steps},
        reference={**loop["reference"], "states": {"liquid": {"ensemble": "npt", "duration": "3 ps"}}, **steps},
        trainer={"functions": 40, "cutoff": "9 A"},
    )  # fmt: skip
    assert "20 chains of 10 × *C*" in report
    reduced = properties["ten"]["properties"]["density"]["reference"]["value"] / (2.5 * 1.66054 / 4.0**3)
    assert reduced == pytest.approx(0.85, abs=0.06), "beads per cubic sigma at the pressure of a melt"
