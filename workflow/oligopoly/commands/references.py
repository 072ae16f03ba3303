"""Options of all commands that read reference labels: `REF_` keys, the field's other names, or names that are given."""

import argparse
from collections.abc import Sequence

from ase import Atoms

from oligopoly.intake import references
from oligopoly.intake.keys import OURS


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add `--energy-key`, `--forces-key`, `--stress-key` and `--trust`."""
    for what, ours in OURS.items():
        parser.add_argument(f"--{what}-key", metavar="NAME", help=f"name of the reference {what} (default {ours})")
    parser.add_argument(
        "--trust", action="store_true", help="take the labels as they are, whatever their units seem to be"
    )


def labelled(paths: list[str], options: argparse.Namespace, needed: bool = True) -> Sequence[Atoms]:
    """Frames with labels under our names; all have been looked at once."""
    return references.labelled(paths, asked(options), needed=needed, trusted=options.trust)


def asked(options: argparse.Namespace) -> references.Keys:
    """Names that the user gave to energy, forces and stress."""
    return {what: getattr(options, f"{what}_key") for what in OURS}
