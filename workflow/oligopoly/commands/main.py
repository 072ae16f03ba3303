"""The command line: `oligopoly fit`, `evaluate`, `label` and more, for people with files of their own.

References are read from `REF_energy` (eV), `REF_forces` (eV/A) and `REF_stress` (eV/A^3, ASE's sign); where such a key
is missing, from what ASE calls `energy`, `forces` and `stress`. Other names are given with `--energy-key` and so on.
"""

import argparse
import sys
from collections.abc import Sequence

from oligopoly import __version__
from oligopoly.commands import compare, evaluate, fit, label
from oligopoly.commands.numbers import positive_integer
from oligopoly.commands.references import KEYS
from oligopoly.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user's is one line on the terminal, exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (UserError, OSError) as error:
        text = str(error) if isinstance(error, UserError) else f"{error.filename}: {error.strerror}"
        print(f"oligopoly: {text}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oligopoly",
        description="Potentials, labels and runs, on files of your own.",
        epilog="References: REF_energy (eV), REF_forces (eV/A), REF_stress (eV/A^3, ASE's sign) in extended XYZ; "
        "where one is missing, ASE's energy, forces, stress.",
    )
    parser.add_argument("--version", action="version", version=f"oligopoly {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    keys = argparse.ArgumentParser(add_help=False)
    for what, ours in KEYS.items():
        keys.add_argument(f"--{what}-key", metavar="NAME", help=f"name of the reference {what} (default {ours})")
    keys.add_argument("--threads", type=positive_integer, default=1, help="default 1")
    fit.add_to(commands, keys)
    evaluate.add_to(commands, keys)
    label.add_to(commands)
    compare.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
