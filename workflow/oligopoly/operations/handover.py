"""A melt as a folder that any LAMMPS can run: what `md` does in its production runs, as an input script.

Stages, thermostat, barostat, drift, time step and masses are those of `md.simulation`; `oligopoly analyse` reads what
comes out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from oligopoly import __version__
from oligopoly.md.engine import by_element, mass_commands
from oligopoly.md.simulation import BAROSTAT, THERMOSTAT, Conditions
from oligopoly.md.units import METAL, REAL, Units
from oligopoly.potentials.pace import PairPACE

DATA, INPUT, JOB, README, SYSTEM, YACE = (
    "system.data", "in.lammps", "slurm.sh", "README.md", "system.json", "potential.yace",
)  # fmt: skip
FRAMES, RESTARTS, LOG, FIRST = "frames.*.lammpstrj", "run.*.restart", "run.log", "run.0.restart"
SCALING = 1000.0  # fs in which the box is brought to another volume, as in production
LEGS = 20  # restart files of a run


@dataclass(frozen=True)
class Forces:
    """What makes the forces: commands before the box is read, after it, LAMMPS' units and style of atoms, and the
    element of each type."""

    before: list[str]
    after: list[str]
    units: Units
    atom_style: str
    elements: list[str]


@dataclass(frozen=True)
class Melt:
    """What is run, and for how long; `scale` is of the box lengths before it begins."""

    name: str
    conditions: Conditions
    duration_fs: float
    sample_every_fs: float
    settle_fs: float
    seed: int
    scale: float = 1.0


def of_pace(atoms: Atoms, conditions: Conditions) -> Forces:
    """ACE by ML-PACE, from the file YACE beside the input."""
    elements, _ = by_element(atoms)
    commands = PairPACE(Path(YACE).with_suffix(".yaml")).commands(elements)
    masses = mass_commands(atoms, elements, conditions.hydrogen_mass)
    return Forces([], [*commands, *masses], METAL, "atomic", elements)


def of_force_field(commands: list[str], type_elements: list[str], conditions: Conditions) -> Forces:
    """A force field whose data file has all coefficients; commands as `ForceField.commands` gives them."""
    own = ("units", "atom_style", "boundary")
    style = next(c.split()[1] for c in commands if c.startswith("atom_style"))
    before = [c for c in commands if not c.startswith(own)]
    kspace = [c for c in before if c.startswith(("kspace", "pair_modify table"))]  # which no restart holds
    masses = []
    if conditions.hydrogen_mass is not None:
        masses = [f"mass {k} {conditions.hydrogen_mass:g}" for k, e in enumerate(type_elements, 1) if e == "H"]
    neighbours = ["neighbor 2.0 bin", "neigh_modify every 1 delay 0 check yes"]
    return Forces(before, [*kspace, *neighbours, *masses], REAL, style, type_elements)


def script(melt: Melt, forces: Forces) -> str:
    """The input; run again after a kill, it goes on from the last restart file."""
    c, units = melt.conditions, forces.units
    every = max(1, c.steps(melt.sample_every_fs))
    steps = max(every, c.steps(melt.duration_fs) // every * every)
    restart = max(every, steps // LEGS // every * every)
    pressure = "" if c.pressure_atm is None else f"variable pressure    equal {c.pressure_atm / units.pressure:.10g}"
    unit = "bar" if units is METAL else "atmospheres"
    fix = f"temp ${{temperature}} ${{temperature}} {THERMOSTAT / units.time:g}"
    integrate = f"fix integrate all {c.ensemble} {fix}"
    if c.ensemble == "npt":
        integrate += f" iso ${{pressure}} ${{pressure}} {BAROSTAT / units.time:g}"
    scaling = []
    if melt.scale != 1.0:
        axes = " ".join(f"{axis} scale {melt.scale:.10g}" for axis in "xyz")
        scaling = [f"fix volume all deform 1 {axes} remap x", f"run {c.steps(SCALING)}", "unfix volume"]
    begin = [
        "velocity all create ${temperature} ${seed} mom yes rot no dist gaussian",
        *scaling,
        "run ${settle}",
        "reset_timestep 0",
        f"write_restart {FIRST}",
    ]
    lines = [
        f"# {melt.name}, {c.ensemble} at {c.temperature:g} K; written by oligopoly {__version__}.",
        f"# lmp -in {INPUT}        and the same again after a kill: it goes on from the last of {RESTARTS}",
        "",
        f"variable temperature equal {c.temperature:g}   # K",
        *([f"{pressure}   # {unit}"] if pressure else []),
        f"variable steps       equal {steps}   # of {c.timestep_fs:g} fs",
        f"variable every       equal {every}   # steps between frames",
        f"variable settle      equal {c.steps(melt.settle_fs)}   # steps before the first frame",
        f"variable seed        equal {melt.seed % 900_000_000 + 1}   # of the first velocities",
        f"variable goes_on     equal is_file({FIRST})",
        "",
        f"log {LOG} append",
        f"units {units.style}",
        f"atom_style {forces.atom_style}",
        "boundary p p p",
        *forces.before,
        f'if "${{goes_on}} == 1" then "read_restart {RESTARTS}" else "read_data {DATA}"',
        *forces.after,
        "",
        f"timestep {c.timestep_fs / units.time:.10g}",
        "thermo_style custom step time temp press pe ke etotal density vol",
        "thermo_modify norm no lost error flush yes",
        "thermo ${every}",
        "fix drift all momentum 1000 linear 1 1 1",
        integrate,
        "",
        "# first velocities, and what comes before the first frame",
        'if "${goes_on} == 0" then &',
        *(f'  "{line}" &' for line in begin[:-1]),
        f'  "{begin[-1]}"',
        "",
        "# unwrapped, with time and units in the file: oligopoly analyse needs nothing else",
        "variable begin equal $(step:%.0f)",
        f"dump frames all custom ${{every}} {FRAMES.replace('*', '$(v_begin:%012.0f)')} id element xu yu zu",
        f"dump_modify frames element {' '.join(forces.elements)} sort id time yes units yes format float %.6f",
        f"restart {restart} {RESTARTS}",
        "run ${steps} upto",
        "write_data end.data",
        "",
    ]
    return "\n".join(lines)


def job(name: str) -> str:
    """A SLURM script."""
    return f"""#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
# Partition, account and the module of LAMMPS are your site's:
# #SBATCH --partition=cpu
# module load lammps

# At its time limit the job is killed; submitted again, it goes on from the last restart file.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun lmp -in {INPUT}

# On one GPU (LAMMPS with KOKKOS), with --ntasks-per-node=1 --gpus=1:
# srun lmp -k on g 1 -sf kk -pk kokkos newton on neigh half -in {INPUT}
"""


def readme(melt: Melt, forces: Forces, files: list[str]) -> str:
    """What to do with the folder."""
    c = melt.conditions
    pace = forces.units is METAL
    needs = "the package ML-PACE" if pace else "the packages MOLECULE, KSPACE and EXTRA-MOLECULE"
    at = f"{c.temperature:g} K" + (f" and {c.pressure_atm:g} atm" if c.ensemble == "npt" else "")
    masses = "the real masses" if c.hydrogen_mass is None else f"hydrogens of {c.hydrogen_mass:g} g/mol"
    slow = "" if c.hydrogen_mass is None else " Heavier hydrogens change no static average; dynamics is that of them."
    return f"""# {melt.name}

{c.ensemble.upper()} at {at}, {melt.duration_fs / 1e6:g} ns in steps of {c.timestep_fs:g} fs with {masses}.{slow}
Written by oligopoly {__version__}. Everything that LAMMPS reads stands here: `{"`, `".join(files)}`.

## Run

LAMMPS with {needs} (stable release of 2023 or later):

    lmp -in {INPUT}
    mpirun -np 16 lmp -in {INPUT}
    sbatch {JOB}

Killed, or at the end of its time, it is started with the same command again: it reads the last of `{RESTARTS}` and
writes further frames into a file of its own. Where a kill left a restart file half written, LAMMPS says that it cannot
read it: delete that one file. To begin anew, delete `{RESTARTS}` and `{FRAMES}`.

Temperature, pressure, length and frames are variables at the top of `{INPUT}`.

## Measure

    oligopoly analyse {FRAMES} --system {SYSTEM} -o analysis

Steps that were run twice around a kill are counted once. Mean squared displacements need a constant volume: the page
of an NPT run shows the mean density; export again with `--ensemble nvt --density` and that.
"""


def write_box(path: str | Path, atoms: Atoms) -> None:
    """A data file of atoms without bonds, wrapped, with image flags; types as `md.engine.by_element`."""
    from ase.io.lammpsdata import write_lammps_data

    from oligopoly.files import atomic

    elements, _ = by_element(atoms)
    with atomic(path) as temporary:
        write_lammps_data(
            temporary, atoms, specorder=elements, masses=True, units="metal", atom_style="atomic",
            write_image_flags=True,
        )  # fmt: skip


def symbols(numbers: np.ndarray) -> set[str]:
    """Elements of atomic numbers."""
    return {chemical_symbols[number] for number in set(numbers.tolist())}
