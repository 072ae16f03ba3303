"""United atoms and beads against the literature: `python benchmarks/beads.py FOLDER`, on one core about half an hour.
Results: beads.md."""

import sys
from pathlib import Path

import numpy as np

from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.md.equilibrate import equilibrate
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions
from oligopoly.md.trajectory import read, read_thermo
from oligopoly.properties import density, statistics
from oligopoly.systems.box import read_box
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology

ATM = 1.0
SIGMA = 4.0  # A
KG_PRESSURE = 0.596161 / SIGMA**3 * 68568.4  # atm, of one epsilon / sigma^3 by the settings' defaults


def run(folder: Path, block: dict, unit: str, units: int, chains: int, conditions: Conditions, **how) -> Path:
    """Build, equilibrate and move a melt; the folder of its run."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = FORCE_FIELDS.read(block)
    data, system, ready = folder / "built.data", folder / "system.json", folder / "equilibrated.data"
    build_system(
        data, system, repeat_unit=unit, end_groups=["*[H]", "*[H]"], degree_of_polymerisation=units, chains=chains,
        force_field=settings, seed=1,
    )  # fmt: skip
    equilibrate(
        data, system, ready, settings.create(), temperature=conditions.temperature,
        pressure_atm=how["pressure"], scale=how["scale"], max_pressure_atm=how["max_pressure"], seed=1,
        max_temperature=how["hot"], timestep_fs=conditions.timestep_fs, summary=folder / "summary.json",
    )  # fmt: skip
    topology = Topology.read(system)
    box = read_box(ready, topology)
    ratio = how["beads_per_sigma3"] and len(box) / how["beads_per_sigma3"] * SIGMA**3 / box.get_volume()
    run_md(
        Classical(ready, settings.create()), box, topology, conditions,
        duration_fs=how["duration"], sample_every_fs=how["every"], settle_fs=how["duration"] / 10, seed=1,
        out_dir=folder, volume_ratio=ratio, label=folder.name,
    )  # fmt: skip
    return folder


def trappe(folder: Path) -> None:
    """C24 at 450 K and 1 atm."""
    where = run(
        folder / "c24", {"kind": "trappe-ua"}, "*CC*", 12, 25, Conditions("npt", 450.0, 2.0, ATM),
        pressure=ATM, scale=0.1, max_pressure=20000.0, hot=600.0, duration=400_000.0, every=200.0,
        beads_per_sigma3=None,
    )  # fmt: skip
    masses = Topology.read(where / "system.json").masses
    series = density.from_volume(read_thermo(where / "thermo.tsv")["volume_A3"], masses)
    _, found = statistics.production(series, "density")
    print(f"TraPPE-UA C24, 450 K: {found.value:.4f} +- {found.error:.4f} g/cm3, {found.effective:.0f} samples")


def kremer_grest(folder: Path) -> None:
    """Flexible chains of 50 beads at T = 1 and 0.85 beads per sigma^3."""
    where = run(
        folder / "kg", {"kind": "kremer-grest"}, "*C*", 50, 40, Conditions("nvt", 300.0, 4.0),
        pressure=4.9 * KG_PRESSURE, scale=0.1, max_pressure=20 * KG_PRESSURE, hot=400.0, duration=200_000.0,
        every=400.0, beads_per_sigma3=0.85,
    )  # fmt: skip
    topology = Topology.read(where / "system.json")
    thermo, moments = read_thermo(where / "thermo.tsv"), read(where / "trajectory.extxyz")
    positions = np.array(moments.positions)
    bonds = positions[:, topology.bonds[:, 1]] - positions[:, topology.bonds[:, 0]]
    lengths = np.sqrt((bonds**2).sum(axis=2)) / SIGMA
    pressure = statistics.mean(thermo["pressure_bar"] / 1.01325 / KG_PRESSURE, quiet=True)
    beads = len(topology) / thermo["volume_A3"].mean() * SIGMA**3
    print(
        f"Kremer-Grest N = 50, T = 1, density {beads:.4f}: pressure {pressure.value:.3f} +- {pressure.error:.3f}, "
        f"bond {lengths.mean():.4f} (root mean square {np.sqrt((lengths**2).mean()):.4f}), longest {lengths.max():.3f}"
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for benchmark in sys.argv[2:] or ("trappe", "kremer_grest"):
        {"trappe": trappe, "kremer_grest": kremer_grest}[benchmark](out)
