"""`oligopoly export`: a melt and a potential as a folder that LAMMPS runs on any cluster."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oligopoly import files
from oligopoly.commands.numbers import positive, quantity
from oligopoly.errors import UserError

if TYPE_CHECKING:
    from oligopoly.md.simulation import Conditions
    from oligopoly.operations.handover import Melt

# Where there is no config of a run to say so: as its documented config has them, with real masses.
BARE = {"duration": 1e6, "sample_every": 250.0, "settle": 1e4}


def export(options: argparse.Namespace) -> None:
    """A folder that LAMMPS runs as it is: the potential in a box of a system, by the production's own settings."""
    from oligopoly.operations import handover

    final = Path(options.potential)
    folder = final if final.is_dir() else final.parent
    out = Path(options.lammps)
    system = _system(options, folder)
    melt, atoms, type_elements = _melt(options, folder, system)
    written: dict[str, Any] = {handover.SYSTEM: system / "system.json"}
    if options.reference:
        from oligopoly.forcefields.engine import has_impropers
        from oligopoly.forcefields.registry import of_system

        data = _data(system)
        commands = of_system(system / "system.json").commands("md", True, has_impropers(data))
        forces = handover.of_force_field(commands, type_elements, melt.conditions)
        written[handover.DATA] = data
    else:
        written[handover.YACE] = _potential(final, handover.symbols(atoms.numbers), system)
        forces = handover.of_pace(atoms, melt.conditions)
    _check_folder(out, options.force)
    for name, source in written.items():
        files.copy(source, out / name)
    if not options.reference:
        handover.write_box(out / handover.DATA, atoms)
    names = [handover.INPUT, handover.DATA, *(name for name in written if name == handover.YACE)]
    files.write_text(out / handover.INPUT, handover.script(melt, forces))
    files.write_text(out / handover.JOB, handover.job(melt.name.partition(" ")[0]))
    files.write_text(out / handover.README, handover.readme(melt, forces, names))
    print(f"wrote {out}: run it there with  lmp -in {handover.INPUT}  ({handover.README} says more)")


def _system(options: argparse.Namespace, folder: Path) -> Path:
    """The folder of the system: given, or the only one of the run."""
    systems = folder.parent / "systems"
    there = sorted(path.parent for path in systems.glob("*/system.json"))
    if options.system:
        given = Path(options.system)
        found = next((path for path in (given, systems / given) if (path / "system.json").exists()), None)
        if found is None:
            known = ", ".join(path.name for path in there)
            raise UserError(
                f"--system {given}: holds no system.json" + (f"; systems here are {known}" if known else "")
            )
        return found
    if len(there) != 1:
        known = f"one of {', '.join(str(path) for path in there)}" if there else "a folder with system.json"
        raise UserError(f"--system: say which box is to be run: {known}")
    return there[0]


def _data(system: Path) -> Path:
    """The equilibrated box."""
    path = system / "equilibrated.data"
    if not path.exists():
        raise UserError(f"{path}: no such file: the box must have been equilibrated")
    return path


def _melt(options: argparse.Namespace, folder: Path, system: Path) -> tuple["Melt", Any, list[str]]:
    """What is run, its atoms, and the elements of the types of its data file."""
    from oligopoly.operations.handover import Melt
    from oligopoly.properties.density import from_volume
    from oligopoly.systems.box import read_box
    from oligopoly.systems.topology import Topology

    topology = Topology.read(system / "system.json")
    atoms = topology.weighed(read_box(_data(system), topology))
    described = json.loads((system / "system.json").read_text())
    conditions, produced = _conditions(options, folder, system)
    scale = 1.0
    if options.density is not None:
        if conditions.ensemble != "nvt":
            raise UserError("--density: npt finds its own: give it with --ensemble nvt")
        ratio = float(from_volume(atoms.get_volume(), topology.masses)) / options.density
        if not 0.4 < ratio < 2.5:
            raise UserError(f"--density {options.density:g}: the box has {options.density * ratio:.3f} g/cm3: too far")
        scale = ratio ** (1 / 3)
    duration = options.duration or produced["duration"]
    every = options.every or produced["sample_every"]
    if every > duration:
        raise UserError(f"--every: {every:g} fs between frames is longer than the run of {duration:g} fs")
    forces = "the reference force field" if options.reference else "a learned potential"
    melt = Melt(f"{system.name} by {forces}", conditions, duration, every, produced["settle"], options.seed, scale)
    return melt, atoms, described.get("type_elements", [])


def _conditions(options: argparse.Namespace, folder: Path, system: Path) -> tuple["Conditions", dict[str, float]]:
    """Of the run's production where there is its config, changed as the command line says."""
    from oligopoly.layout import CONFIG, system_of
    from oligopoly.md.simulation import Conditions

    produced = dict(BARE)
    config = _config(folder.parent / CONFIG)
    own = config.systems.get(system_of(system.name)) if config else None
    changes: dict[str, Any] = {}
    if config and own:
        arguments = config.produce.arguments(own)
        name = config.produce.by_ensemble().get(options.ensemble)
        run = arguments["runs"][name] if name else None
        produced |= {"sample_every": arguments["sample_every_fs"], "settle": arguments["settle_fs"]}
        if run:
            produced["duration"] = run["duration_fs"]
            changes = {key: run["conditions"][key] for key in ("timestep_fs", "hydrogen_mass")}
        changes |= {"temperature": own.temperature, "pressure_atm": own.pressure}
    if options.temperature is not None:
        changes["temperature"] = options.temperature
    if options.pressure is not None:
        if options.ensemble == "nvt":
            raise UserError("--pressure: belongs to npt; the volume of nvt is the box's, or that of --density")
        changes["pressure_atm"] = options.pressure
    if options.timestep is not None:
        changes["timestep_fs"] = options.timestep
    if options.real_masses:
        changes["hydrogen_mass"] = None
    if "temperature" not in changes:
        raise UserError(
            f"--temperature: give it, since there is no {folder.parent / CONFIG} that says it of the system"
        )
    changes["pressure_atm"] = changes.get("pressure_atm", 1.0) if options.ensemble == "npt" else None
    return replace(Conditions("nvt", 300.0, 0.5), ensemble=options.ensemble, **changes), produced


def _config(path: Path):
    """The config of the run; None where there is none, or none of today's."""
    import yaml

    from oligopoly.config.load import checked
    from oligopoly.config.renamed import current

    if not path.exists():
        return None
    try:
        return checked(current(yaml.safe_load(path.read_text()))[0])
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0]
        print(f"oligopoly: {path}: not readable as the config of a run, and left aside ({line})", file=sys.stderr)
        return None


def _potential(final: Path, needed: set[str], system: Path) -> Path:
    """The file for ML-PACE."""
    from oligopoly.potentials.manifest import NAME
    from oligopoly.potentials.registry import open_potential

    path = final / NAME if final.is_dir() else final
    manifest = open_potential(path).manifest
    if manifest.kind not in ("ace", "pace"):
        raise UserError(f"{path}: is of the kind {manifest.kind}, which ML-PACE does not run")
    if "baseline" in manifest.files:
        raise UserError(
            f"{path}: has bonded terms beside it, which oligopoly's own MD runs: it cannot be handed over yet"
        )
    if unknown := sorted(needed - set(manifest.species)):
        raise UserError(f"{path}: knows {', '.join(manifest.species)}, and {system.name} has {', '.join(unknown)} too")
    found = manifest.path("potential").with_suffix(".yace")
    if not found.exists():
        raise UserError(f"{found}: no such file, and LAMMPS reads no other form: compile it with pace_yaml2yace")
    return found


def _check_folder(out: Path, force: bool) -> None:
    from oligopoly.operations.handover import FRAMES, RESTARTS

    if out.exists() and not out.is_dir():
        raise UserError(f"--lammps {out}: is a file: give the name of a folder")
    ran = [path.name for pattern in (RESTARTS, FRAMES) for path in sorted(out.glob(pattern))]
    if ran:
        raise UserError(
            f"--lammps {out}: holds a run ({ran[0]}): give another folder, or delete its restarts and frames"
        )
    if out.exists() and any(out.iterdir()) and not force:
        raise UserError(f"--lammps {out}: is not empty: give another folder, or --force to write over its files")


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `oligopoly`."""
    one = commands.add_parser("export", help=export.__doc__, description=export.__doc__)
    one.add_argument("potential", metavar="FINAL", help="folder final/ of a run, a manifest.json, or a .yaml or .yace")
    one.add_argument("--lammps", required=True, metavar="DIR", help="folder to write")
    one.add_argument(
        "--system", metavar="DIR", help="results/.../systems/NAME, or NAME; needed where there are several"
    )
    one.add_argument("--reference", action="store_true", help="run the force field in place of the potential")
    one.add_argument("--ensemble", choices=("npt", "nvt"), default="npt", help="default npt")
    one.add_argument("--temperature", type=quantity("temperature"), metavar="T", help="'450 K'; default: the system's")
    one.add_argument("--pressure", type=quantity("pressure"), metavar="P", help="'1 atm'; default: the system's")
    one.add_argument(
        "--density", type=positive, metavar="G/CM3", help="nvt: bring the box to it first; default: as it is"
    )
    one.add_argument("--duration", type=quantity("time"), metavar="TIME", help="'100 ns'; default: that of production")
    one.add_argument("--every", type=quantity("time"), metavar="TIME", help="between frames; default: as in production")
    one.add_argument(
        "--timestep", type=quantity("time"), metavar="TIME", help="default: that of production, or '0.5 fs'"
    )
    one.add_argument("--real-masses", action="store_true", help="no heavier hydrogens: give a timestep to match")
    one.add_argument("--seed", type=int, default=1, help="of the first velocities, default 1")
    one.add_argument("--force", action="store_true", help="write over the files of an earlier export")
    one.set_defaults(run=export)
