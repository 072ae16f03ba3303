"""`oligopoly compare`: finished runs side by side, whatever made them."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from oligopoly.errors import UserError


def compare(options: argparse.Namespace) -> None:
    """Put runs side by side, as one page with tables and figures."""
    from oligopoly.studies.page import write
    from oligopoly.studies.registry import STUDIES

    folders: dict[str, Path] = {}
    for folder in map(Path, options.runs):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give folders of runs, such as results/demo")
        if not any(folder.glob("gen_[0-9][0-9][0-9]")):
            raise UserError(f"{folder}: is no folder of a run: it has no gen_000")
        if folder.resolve() in (other.resolve() for other in folders.values()):
            raise UserError(f"{folder}: is given twice")
        folders[_name(folder, folders)] = folder
    settings = STUDIES.settings(options.kind)(kind=options.kind, vary={"run": list(folders)})
    members = {name: {"run": name} for name in folders}
    tables = Path(options.output).with_suffix(".json")
    write(settings, folders, members, options.output, tables, title=f"{len(folders)} runs compared")
    print(f"wrote {options.output} and {tables}")


def _name(folder: Path, others: Iterable[str]) -> str:
    """As much of the end of a path as tells it from the others."""
    parts = folder.resolve().parts
    return next(name for k in range(1, len(parts) + 1) if (name := "/".join(parts[-k:])) not in others)


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser of `oligopoly`."""
    one = commands.add_parser("compare", help=compare.__doc__, description=compare.__doc__)
    one.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs, such as results/demo")
    one.add_argument("--kind", default="comparison", help="kind of study, default comparison; or learning_curve")
    one.add_argument("-o", "--output", default="comparison.html", metavar="FILE", help="default: comparison.html")
    one.set_defaults(run=compare)
