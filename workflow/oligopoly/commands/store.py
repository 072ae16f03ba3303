"""`oligopoly store`: what a label store holds, whether it is sound, labels out of it, and levels of theory away."""

import argparse
import difflib
import os
from pathlib import Path

from oligopoly.commands import outputs
from oligopoly.commands.exit_codes import DONE, NOTHING
from oligopoly.commands.tables import print_first
from oligopoly.errors import UserError


def listing(options: argparse.Namespace) -> None:
    """What a store holds, by level of theory."""
    from oligopoly.labelling.inspection import holdings

    found = holdings(_store(options.store), os.cpu_count() or 1)
    if not found:
        print(f"{options.store}: holds no labels")
    for name, held in found.items():
        print(
            f"{name}: {held.labels} labels, {held.failures} failures, {held.atoms} atoms, {held.bytes / 2**20:.1f} MB"
        )


def check(options: argparse.Namespace) -> int:
    """Read every record of a store: checksums, names, contradictions, energies of another unit, leftovers."""
    from oligopoly.labelling.inspection import check as check_store

    found = check_store(_store(options.store), os.cpu_count() or 1)
    for kind in ("corrupt", "contradictions", "outliers", "orphans"):
        print_first(kind, getattr(found, kind))
    print(
        f"{options.store}: {found.labels} labels and {found.failures} failures; {len(found.corrupt)} corrupt, "
        f"{len(found.contradictions)} contradictions, "
        f"{len(found.outliers)} outliers, {len(found.orphans)} files left over"
    )
    return NOTHING if found.wrong() else DONE


def export(options: argparse.Namespace) -> None:
    """Labels of a store, as extended XYZ."""
    from oligopoly.labelling.exchange import export as export_labels
    from oligopoly.labelling.inspection import holdings

    store = _store(options.store)
    outputs.check(options.output, [])
    if options.method:
        _known(options, list(holdings(store, os.cpu_count() or 1)))
    counts = export_labels(store, options.output, {options.method} if options.method else None)
    print(f"wrote {options.output}: " + (", ".join(f"{n} of {name}" for name, n in counts.items()) or "no labels"))
    if len(counts) > 1:
        print("these are several levels of theory, which cannot be learned together: --method exports one of them")


def prune(options: argparse.Namespace) -> int:
    """Remove all that a store holds of one level of theory; without --yes only say what that is."""
    from oligopoly.labelling.inspection import holdings
    from oligopoly.labelling.inspection import prune as prune_store

    store = _store(options.store)
    found = holdings(store, os.cpu_count() or 1)
    _known(options, list(found))
    held = found[options.method]
    if not options.yes:
        print(
            f"{options.store}: {held.labels} labels and {held.failures} failures of {options.method} would go "
            f"({held.bytes / 2**20:.1f} MB), for good: "
            "--yes removes them; `oligopoly store export --method` keeps a copy"
        )
        return NOTHING
    gone = sum(1 for _ in prune_store(store, options.method))
    print(f"{options.store}: removed {gone} records of {options.method}")
    return DONE


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add `store` and `export-labels` to the parser of `oligopoly`."""
    one = commands.add_parser("store", help="look into a label store, check it, export and prune it")
    kinds = one.add_subparsers(required=True, metavar="COMMAND")
    made = {}
    for name, run in (("list", listing), ("check", check), ("export", export), ("prune", prune)):
        made[name] = kinds.add_parser(name, help=run.__doc__, description=run.__doc__)
        made[name].set_defaults(run=run)
    made["export-labels"] = commands.add_parser("export-labels", help=export.__doc__, description=export.__doc__)
    made["export-labels"].set_defaults(run=export)
    for parser in made.values():
        parser.add_argument("store", metavar="DIR", help="folder of the label store")
    for parser in (made["export"], made["export-labels"]):
        parser.add_argument("-o", "--output", default="labels.extxyz", metavar="FILE", help="default: labels.extxyz")
        parser.add_argument("--method", metavar="NAME", help="one level of theory only, as REF_method names it")
    made["prune"].add_argument("--method", metavar="NAME", required=True, help="the level of theory, as list names it")
    made["prune"].add_argument("--yes", action="store_true", help="remove it")


def _store(folder: str):
    from oligopoly.labelling.store import Store

    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UserError(f"{folder}: no such folder")
    if any(path.iterdir()) and not any(path.glob("[0-9a-f]" * 3)):
        raise UserError(f"{folder}: is no label store: it has none of its subfolders (000 to fff)")
    return Store(path)


def _known(options: argparse.Namespace, there: list[str]) -> None:
    if options.method in there:
        return
    near = difflib.get_close_matches(options.method, there, n=1, cutoff=0.4)
    names = ", ".join(f"'{name}'" for name in there) or "nothing at all"
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise UserError(f"{options.store}: holds no labels of '{options.method}', but of {names}{hint}")
