"""`oligopoly analyse`: what the workflow measures in its own MD, measured in any other."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oligopoly import files
from oligopoly.commands.numbers import positive_integer, quantity
from oligopoly.errors import UserError

if TYPE_CHECKING:
    from oligopoly.md.trajectory import Trajectory
    from oligopoly.properties.contract import Context
    from oligopoly.systems.topology import Topology


OF_ENERGIES = ("linear_response", "thermal")  # which a trajectory does not hold


def analyse(options: argparse.Namespace) -> None:
    """Density, structure and dynamics of the liquid in a trajectory, as a page with figures and as numbers."""
    from oligopoly.md import anywhere
    from oligopoly.properties.contract import Context
    from oligopoly.systems.from_data import topology_of
    from oligopoly.systems.topology import Topology

    system = _system(options)
    topology = Topology.read(system) if system else topology_of(options.data)
    run, notes = anywhere.read(options.trajectory, topology, options.timestep, options.spacing)
    for note in notes:
        print(f"oligopoly: {note}", file=sys.stderr)
    if len(run) < 2:
        raise UserError(f"{options.trajectory[0]}: holds a single frame, which has no averages")
    facts = _facts(options, run, topology) | {"system": str(system or options.data), "notes": notes}
    out = Path(options.output)
    if out.exists() and not out.is_dir():
        raise UserError(f"-o {out}: is a file: give the name of a folder")
    context = Context("system", topology, json.loads(system.read_text()) if system else {}, "train", 0.0,
                      threads=options.threads)  # fmt: skip
    found = _measured(run, context, facts, out / "properties.json")
    _write(out, Path(options.trajectory[0]).name, facts, found)
    print(f"wrote {out / 'index.html'}, figures beside it, and {out / 'properties.json'}")


def _system(options: argparse.Namespace) -> Path | None:
    """The system.json, or None where a data file says it."""
    if options.system and options.data:
        raise UserError("--system and --data say the same: give one of them")
    if options.data:
        return None
    beside = Path(options.trajectory[0]).parent / "system.json"
    if options.system:
        given = Path(options.system)
        return given / "system.json" if given.is_dir() else given
    if not beside.exists():
        raise UserError(
            "--system: a trajectory does not say who is bonded to whom: give the system.json of the system, or --data "
            "with the LAMMPS data file that the run started from"
        )
    print(f"oligopoly: the system is that of {beside}", file=sys.stderr)
    return beside


def _facts(options: argparse.Namespace, run: "Trajectory", topology: "Topology") -> dict[str, Any]:
    from oligopoly.properties.density import from_volume
    from oligopoly.properties.msd import CONSTANT_VOLUME

    volumes = abs(np.linalg.det(run.cells))
    return {
        "trajectory": [str(path) for path in options.trajectory],
        "frames": len(run),
        "spacing_ps": float(run.times[1] - run.times[0]) / 1000,
        "atoms": len(topology),
        "chains": int(topology.molecules.max()) + 1,
        "constant_volume": bool(np.ptp(volumes) <= CONSTANT_VOLUME * volumes.mean()),
        "mean_density_g_cm3": float(from_volume(volumes.mean(), topology.masses)),
    }


def _measured(run: "Trajectory", context: "Context", facts: dict[str, Any], out: Path) -> dict[str, dict[str, Any]]:
    """Results by property; those of a call that was killed are not measured again."""
    from oligopoly.properties.compare import attempt
    from oligopoly.properties.contract import Run
    from oligopoly.properties.kept import Kept
    from oligopoly.properties.registry import PROPERTIES

    runs, kept, found = [Run(out.parent, len(context.topology), run)], Kept(out), {}
    stats = [Path(path).stat() for path in facts["trajectory"]]
    of = facts | {"read": [(stat.st_size, stat.st_mtime_ns) for stat in stats]}
    for kind in PROPERTIES:
        if kind in OF_ENERGIES or (kind == "density" and facts["constant_volume"]):
            continue
        one = PROPERTIES.settings(kind)().create()
        measure = partial(attempt, one.measure, runs, context, "learned")
        found[kind] = {"learned": kept.measure(kind, of, runs, measure)}
        if "missing" in found[kind]["learned"]:
            found[kind]["missing"] = found[kind]["learned"]["missing"]
            print(f"oligopoly: {kind}: {found[kind]['missing']}", file=sys.stderr)
    whole = facts | {"properties": {kind: one["learned"] for kind, one in found.items()}}
    files.write_text(out, files.as_json(whole))
    kept.clear()
    return found


def _write(out: Path, name: str, facts: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    """index.html and an SVG of each figure."""
    from oligopoly.plotting import style
    from oligopoly.plotting.shown import Picture, called
    from oligopoly.properties.registry import PROPERTIES
    from oligopoly.report.page import Html, missing, page, paragraph, section, shown, table, text

    with style.styled(), called("this run"):
        sections = []
        for kind, one in found.items():
            part = PROPERTIES.settings(kind)().create()
            parts = []
            for picture in [*part.overview({name: {kind: one}}), *part.details(name, one)]:
                if isinstance(picture, Picture):
                    with files.atomic(out / f"{kind}.svg") as temporary:
                        picture.figure.savefig(temporary, metadata={"Date": None, "Creator": None})
                parts.append(shown(picture))
            if "missing" in one:
                parts = [missing(f"{kind.replace('_', ' ').capitalize()} could not be measured. {one['missing']}")]
            sections.append(section(kind, kind.replace("_", " ").capitalize(), *parts))
        rows = [(key.replace("_", " "), _cell(value)) for key, value in facts.items() if key != "notes"]
        opening = Html(
            f"<h1>{text(name)}</h1>"
            + paragraph("Measured by oligopoly analyse.", kind="soft")
            + "".join(paragraph(note) for note in facts["notes"])
            + table(("", ""), rows)
        )
        content = page(f"oligopoly: {name}", opening, sections)
    files.write_text(out / "index.html", content)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `oligopoly`."""
    one = commands.add_parser("analyse", help=analyse.__doc__, description=analyse.__doc__)
    one.add_argument(
        "trajectory", nargs="+", metavar="TRAJECTORY",
        help="LAMMPS dump (several that follow each other: in their order), .xtc, .dcd or extended XYZ",
    )  # fmt: skip
    one.add_argument("--system", metavar="FILE", help="system.json; default: the one beside the trajectory")
    one.add_argument("--data", metavar="FILE", help="LAMMPS data file of the run, where there is no system.json")
    one.add_argument(
        "--timestep", type=quantity("time"), metavar="TIME", help="of the MD, such as '1 fs', where a dump has steps"
    )
    one.add_argument(
        "--spacing", type=quantity("time"), metavar="TIME", help="between frames, in place of what the file says"
    )
    one.add_argument("-o", "--output", default="analysis", metavar="DIR", help="default: analysis")
    one.add_argument("--threads", type=positive_integer, default=2, help="default 2")
    one.set_defaults(run=analyse)
