"""A potential learned at one density without the stress: its forces are good, its density is not.

    python benchmarks/negative_control.py OUT

Both potentials learn from the same number of hexane frames and are judged by `assess` and by NPT
MD. The table is kept in benchmarks/negative_control.md.
"""

import sys
from pathlib import Path

import numpy as np

from oligopoly.ace.fit import Weights, fit
from oligopoly.assess import assess
from oligopoly.config.models import Assess
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.labelling.run import attach
from oligopoly.labelling.theory import name_of
from oligopoly.md import trajectory
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.md.watch import Watch
from oligopoly.potentials.registry import open_potential
from oligopoly.properties import density
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

SYSTEM = Path(__file__).parents[1] / "tests" / "data" / "hexane"
TEMPERATURE, STEP, HEAVY = 300.0, 1.5, 4.03
ONE_DENSITY = [(1.0, 300.0)]
SEVERAL = [(0.85, 450.0), (0.92, 600.0), (1.0, 300.0), (1.1, 300.0), (1.2, 450.0)]


def force_field() -> Classical:
    return Classical(SYSTEM / "equilibrated.data", of_system(SYSTEM / "system.json"))


def liquid(folder: Path, duration_fs: float = 60e3) -> float:
    """Reference NPT run, by which the density is judged; mean volume in A^3."""
    topology = Topology.read(SYSTEM / "system.json")
    run_md(
        force_field(), read_box(SYSTEM / "equilibrated.data", topology), topology,
        Conditions("npt", TEMPERATURE, STEP, pressure_atm=1.0, hydrogen_mass=HEAVY),
        duration_fs=duration_fs, sample_every_fs=150.0, settle_fs=6000.0, seed=1, out_dir=folder,
    )  # fmt: skip
    return float(trajectory.read_thermo(folder / "thermo.tsv")["volume_A3"].mean())


def frames(folder: Path, states: list[tuple[float, float]], volume: float, count: int = 60) -> list:
    """`count` labelled frames from NVT runs at (volume in units of `volume`, temperature)."""
    topology = Topology.read(SYSTEM / "system.json")
    start = read_box(SYSTEM / "equilibrated.data", topology)
    found = []
    with ClassicalLabeler(SYSTEM / "equilibrated.data", SYSTEM / "system.json") as labeler:
        method = name_of(labeler.settings())
        for number, (ratio, temperature) in enumerate(states):
            out = folder / f"{ratio}-{temperature:g}"
            run_md(
                force_field(), start, topology,
                Conditions("nvt", temperature, STEP, hydrogen_mass=HEAVY),
                duration_fs=300.0 * count / len(states), sample_every_fs=300.0, settle_fs=2000.0,
                volume_ratio=ratio * volume / start.get_volume(), seed=10 + number, out_dir=out,
            )  # fmt: skip
            run = trajectory.read(out / "trajectory.extxyz")
            found += [attach(run.atoms(k), labeler.label(run.atoms(k)), method) for k in range(1, len(run))]
    return found


def judge(folder: Path, train: list, weights: Weights, reference: Path) -> dict:
    """Fit, and what `assess` says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    held_out, learned_from = train[::6], [f for k, f in enumerate(train) if k % 6]
    metrics = fit(learned_from, held_out, folder / "potential", functions=200, weights=weights)
    verdict = assess(
        folder / "assess.json", generation=0, last=1, criteria=Assess().model_dump(),
        metrics_file=next(folder.glob("*metrics.json")), potential_file=folder / "potential.yaml",
        potential_before=None, labelled=[], stops=[],
        liquids={"hexane": (str(reference / "trajectory.extxyz"), str(reference / "thermo.tsv"))},
        temperatures={"hexane": TEMPERATURE},
    )  # fmt: skip
    return {"metrics": metrics["test"]["all"], "verdict": verdict}


def produce(folder: Path, reference: Path, duration_fs: float = 60e3) -> dict:
    """Density by NPT MD with the potential against the reference run: percent, and how it ended."""
    topology = Topology.read(SYSTEM / "system.json")
    start = read_box(SYSTEM / "equilibrated.data", topology)
    outcome, _ = run_md(
        open_potential(folder / "potential.yaml").engine(), start, topology,
        Conditions("npt", TEMPERATURE, STEP, pressure_atm=1.0, hydrogen_mass=HEAVY),
        duration_fs=duration_fs, sample_every_fs=150.0, settle_fs=6000.0, seed=2, out_dir=folder / "npt",
        watch=Watch(topology, TEMPERATURE, start.get_volume()),
    )  # fmt: skip
    table = trajectory.read_thermo(folder / "npt" / "thermo.tsv")["density_g_cm3"]
    wanted = density.from_thermo(reference / "thermo.tsv", topology.masses)["value"]
    return {"deviation_percent": 100 * (float(np.mean(table)) / wanted - 1), "end": outcome.reason}


def main(out: Path) -> None:
    """Both potentials, side by side."""
    reference = out / "reference"
    volume = liquid(reference)
    print("| learned from | force RMSE, % | density by linear response, % | by MD, % | how the MD ended | assess |")
    print("|---|---|---|---|---|---|")
    for name, states, weights in (
        ("one density, no stress", ONE_DENSITY, Weights(volume=None)),
        ("five densities, stress", SEVERAL, Weights()),
    ):
        folder = out / name.replace(" ", "-")
        judged = judge(folder, frames(folder, states, volume), weights, reference)
        made = produce(folder, reference)
        test = judged["verdict"]["criteria"][-1]
        print(
            f"| {name} | {judged['metrics']['force_rmse_percent']:.1f} "
            f"| {test['value']:+.1f} +- {test['error']:.1f} | {made['deviation_percent']:+.1f} "
            f"| {made['end']} | density {'holds' if test['passed'] else 'fails'} |",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
