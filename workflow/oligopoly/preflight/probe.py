"""On a node of the kind that jobs will run on: programs, one tiny label, one tiny MD, gamma, and how fast they are."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from oligopoly import versions
from oligopoly.md.hardware import Hardware
from oligopoly.operations.ways import LEARNED
from oligopoly.preflight import speed
from oligopoly.preflight.findings import Finding, attempt
from oligopoly.seeds import derive

ATOMS = 150  # about so many in the box that is tried
SETTLE_STEPS, STEPS = 3000, 100
TEMPERATURE = 300.0
BUILT_IN = "the built-in engine"


def probe(
    where: str,
    config: dict[str, Any],
    threads: int = 1,
    hardware: Mapping[str, Hardware] | None = None,
    folder: str | None = None,
) -> tuple[list[Finding], dict[str, Any]]:
    """Try everything that runs on nodes of the kind `where` ('cpu' or 'gpu').

    config: the checked config as plain data; threads: of a label; hardware: of the rules of MD, if they run here;
    folder: that all nodes see. Returns findings, and seconds per step and atom of MD with the force field (`classical`)
    and with a learned potential (`learned`) on one core, of one label (`label`, of `label_atoms` atoms), and of both
    kinds of MD on more than a core (`speeds`, see `speed.scaling`).
    """
    facts: dict[str, Any] = {}
    hardware = hardware or {}
    found = attempt("node", lambda: _node(where), "ask your administrators")
    found += attempt("software", _software, "see docs/software.md for the ways to bring Python and its packages along")
    with tempfile.TemporaryDirectory(prefix="preflight-", dir=folder) as scratch:
        try:
            box = _Box(config, Path(scratch).absolute())
        except Exception as error:
            remedy = "see above; LAMMPS or RDKit may be broken in this installation"
            return [*found, Finding("tiny MD", "", f"{type(error).__name__}: {error}", remedy)], facts
        facts["classical"] = box.seconds
        found.append(Finding("tiny MD with the force field", f"{len(box.atoms)} atoms, {_per_day(box)} (of this size)"))
        if where == "cpu":
            found += attempt(
                "tiny label", lambda: _label(config, box, threads, facts), "see label.labeler in the config"
            )
        if where == config["cluster"]["sampling"]:
            remedy = "see explore.engine in the config, and docs/software.md for a LAMMPS with ML-PACE"
            found += attempt("LAMMPS", speed.lammps, remedy)
            found += attempt("scaling", lambda: _force_field_scaling(config, box, hardware, facts), remedy)
            found += attempt("tiny MD with a learned potential", lambda: _learned(config, box, hardware, facts), remedy)
    return found, facts


class _Box:
    """A small box of the first training system at the density of a liquid, and frames of its MD."""

    def __init__(self, config: dict[str, Any], folder: Path):
        from oligopoly.config.load import checked
        from oligopoly.forcefields.engine import Classical
        from oligopoly.forcefields.registry import FORCE_FIELDS
        from oligopoly.md import trajectory
        from oligopoly.md.run import run_md
        from oligopoly.md.simulation import Conditions
        from oligopoly.systems.box import read_box
        from oligopoly.systems.topology import Topology

        self.folder, self.data, self.system = folder, folder / "built.data", folder / "system.json"
        self.name, system = next((n, s) for n, s in config["systems"].items() if s["role"] == "train")
        force_field = FORCE_FIELDS.read(config["force_field"])
        alone = len(force_field.chain_of(checked(config).systems[self.name])[0])
        few = system | {"chains": max(2, round(ATOMS / alone))}
        force_field.build(str(self.data), str(self.system), few, seed=derive(config["seed"], "preflight"))
        self.topology = Topology.read(self.system)
        start = read_box(self.data, self.topology)
        squeezed = Conditions("npt", TEMPERATURE, 1.0, pressure_atm=1000.0)
        run: dict[str, Any] = {"topology": self.topology, "seed": 1, "out_dir": folder / "md"}
        _, dense = run_md(
            Classical(self.data, force_field.create()), start, conditions=squeezed, duration_fs=0.1 * SETTLE_STEPS,
            sample_every_fs=0.1 * SETTLE_STEPS, settle_fs=0.9 * SETTLE_STEPS, **run,
        )  # fmt: skip
        begin = time.perf_counter()
        _, self.atoms = run_md(
            Classical(self.data, force_field.create()), dense, conditions=Conditions("nvt", TEMPERATURE, 1.0),
            duration_fs=10 * STEPS,
            sample_every_fs=STEPS, **run,
        )  # fmt: skip
        self.seconds = (time.perf_counter() - begin) / (10 * STEPS) / len(dense)
        trajectory_ = trajectory.read(folder / "md" / "trajectory.extxyz")
        self.frames = trajectory_.frames()

    def enlarged(self, config: dict[str, Any]) -> tuple[Atoms, Path]:
        """About as large as the largest box of the config, with its data file."""
        from oligopoly.config.load import checked

        whole = checked(config)
        chains = [whole.force_field.chain_of(system) for system in whole.systems.values()]
        target = max(len(numbers) * count for numbers, count in chains)
        return speed.enlarged(self.atoms, self.data, self.topology.atoms_per_chain, target)


def _node(where: str) -> Iterable[Finding]:
    memory = int(os.environ.get("SLURM_MEM_PER_NODE", 0))
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    name = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    what = f"{where} node {name}"
    yield Finding(
        what, f"{len(os.sched_getaffinity(0))} cores" + (f", {memory} MB for this job" if memory else "")
        + f", {free:.0f} GB for temporary files",
    )  # fmt: skip
    if free < 0.5:
        remedy = "set TMPDIR to a folder with space before starting Snakemake, or leave the node out"
        yield Finding(what, "", f"{tempfile.gettempdir()} is full", remedy)
    if where == "gpu":
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        if not gpus:
            remedy = (
                "is cluster.gpu_partition a partition of GPU nodes, and does it want --gres (slurm_extra) for a GPU?"
            )
            yield Finding(what, "", "this job sees no GPU (CUDA_VISIBLE_DEVICES is empty)", remedy)
        else:
            yield Finding(what, f"sees GPU {gpus}{_gpu_name()}")


def _gpu_name() -> str:
    if shutil.which("nvidia-smi") is None:
        return ""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    return f" ({subprocess.run(query, capture_output=True, text=True).stdout.strip().splitlines()[:1]})"


def _software() -> Iterable[Finding]:
    import sys

    found = versions.installed(versions.ALWAYS)
    told = ", ".join(f"{name} {found.get(name, '(no version)')}" for name in versions.ALWAYS)
    yield Finding("software", f"Python {sys.version.split()[0]} at {sys.executable}; {told}")


def _label(config: dict[str, Any], box: _Box, threads: int, facts: dict[str, Any]) -> Iterable[Finding]:
    from oligopoly.labelers.registry import create

    settings = config["label"]["labeler"]
    molecule = box.atoms[box.topology.molecules == box.topology.molecules[0]]
    molecule = Atoms(numbers=molecule.numbers, positions=molecule.positions)
    labeler = create(settings, threads=threads, data=str(box.data), system=str(box.system))
    begin = time.perf_counter()
    label = labeler.label(molecule)
    labeler.close()
    facts["label"], facts["label_atoms"] = time.perf_counter() - begin, len(molecule)
    theory = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "kind")
    yield Finding("level of theory", settings["kind"] + (f": {theory}" if theory else ""))
    net = float(np.linalg.norm(label.forces.sum(axis=0)))
    if not np.isfinite(label.energy) or not np.isfinite(label.forces).all():
        yield Finding("tiny label", "", "energy or forces are not numbers", "see label.labeler in the config")
    elif net > config["label"]["max_net_force"]:
        remedy = "a tighter grid or SCF threshold in label.labeler, or a larger label.max_net_force"
        yield Finding("tiny label", "", f"the forces on one molecule sum to {net:.3f} eV/A", remedy)
    else:
        yield Finding(
            "tiny label", f"one {box.name} molecule of {len(molecule)} atoms in {facts['label']:.1f} s with its start, "
            f"forces sum to {net:.1e} eV/A",
        )  # fmt: skip


def _force_field_scaling(
    config: dict[str, Any], box: _Box, hardware: Mapping[str, Hardware], facts: dict[str, Any]
) -> Iterable[Finding]:
    from oligopoly.config.load import checked
    from oligopoly.forcefields.engine import Classical
    from oligopoly.forcefields.registry import FORCE_FIELDS

    runs_md = checked(config).label.labeler.runs_md
    rules = {"equilibrate", "reference"} | ({"produce"} if runs_md else set())
    ways = speed.ways(one for rule, one in hardware.items() if rule in rules)
    if not ways:
        return
    large, data = box.enlarged(config)
    force_field = FORCE_FIELDS.read(config["force_field"]).create()
    speeds = facts.setdefault("speeds", {}).setdefault("classical", [])
    yield from speed.scaling(
        "MD with the force field", lambda one: Classical(data, force_field, one), large, ways, speeds
    )


def _learned(
    config: dict[str, Any], box: _Box, hardware: Mapping[str, Hardware], facts: dict[str, Any]
) -> Iterable[Finding]:
    from oligopoly.config.load import checked
    from oligopoly.labelers.classical import ClassicalLabeler
    from oligopoly.md.external import External
    from oligopoly.md.simulation import Conditions, open_simulation
    from oligopoly.potentials.registry import open_potential
    from oligopoly.potentials.uncertainty import SCALES
    from oligopoly.trainers.registry import train as train_potential

    with ClassicalLabeler(box.data, box.system) as labeler:
        frames = [_labelled(atoms, labeler.label(atoms)) for atoms in box.frames]
    whole = checked(config)
    manifest = train_potential(whole.trainer.quick(), frames, [], box.folder / "potential")
    potential, uncertainty = open_potential(manifest.folder / "manifest.json"), whole.uncertainty
    engine = potential.engine(uncertainty, whole.explore.engine)
    every, scores = uncertainty.every, []
    with open_simulation(engine, box.atoms, Conditions("nvt", TEMPERATURE, 0.5), 1) as simulation:
        simulation.ensemble(2 * STEPS)
        for number in range(2 * STEPS // every):
            if number == STEPS // every:
                begin = time.perf_counter()
            simulation.advance(every)
            scores.append(simulation.score())
    facts["learned"] = (time.perf_counter() - begin) / STEPS / len(box.atoms)
    name = BUILT_IN if isinstance(engine, External) else "LAMMPS ML-PACE"
    if uncertainty.kind != "none":
        scale = SCALES[uncertainty.kind]
        known = [score.frame for score in scores if score is not None]
        if len(known) < len(scores) or not max(known) > 0:
            remedy = "explore.engine: built-in, or a LAMMPS whose pair_style pace/extrapolation and fix pair work"
            yield Finding(
                uncertainty.kind, "", f"{name} gives no {scale.name}: exploration would learn nothing", remedy
            )
        else:
            yield Finding(
                uncertainty.kind, f"{scale.name} up to {max(known):.2f} {scale.unit}".rstrip() + f" from {name}"
            )
    yield Finding("tiny MD with a learned potential", f"{len(box.atoms)} atoms, {2 * STEPS} steps with {name}")
    asked = [one for rule, one in hardware.items() if rule in LEARNED]
    if name == BUILT_IN:  # which knows neither ranks nor GPUs
        asked = [Hardware(one.threads) for one in asked]
    if ways := speed.ways(asked):
        yield from speed.scaling(
            f"MD with {name}", lambda one: potential.engine(uncertainty, whole.explore.engine, one),
            box.enlarged(config)[0], ways, facts.setdefault("speeds", {}).setdefault("learned", []),
        )  # fmt: skip


def _labelled(atoms: Atoms, label) -> Atoms:
    copy = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.info |= {"REF_energy": label.energy, "REF_stress": label.stress}
    copy.arrays["REF_forces"] = label.forces
    return copy


def _per_day(box: _Box) -> str:
    return f"{86400 / (box.seconds * len(box.atoms)) / 1e6:.1f} ns a day"
