"""The command line: `oligopoly fit`, `evaluate`, `label` and more, for people with files of their own.

References are read from `REF_energy` (eV), `REF_forces` (eV/A) and `REF_stress` (eV/A^3, ASE's sign); where such a key
is missing, from what ASE calls `energy`, `forces` and `stress`, or from other names of the field that are sure. Names
are given with `--energy-key` and so on.

A command returns its exit code (`exit_codes`), nothing for 0.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence

from oligopoly import __version__
from oligopoly.commands import analyse, compare, evaluate, export, fit, label, references, store
from oligopoly.commands.exit_codes import DONE, NOTHING
from oligopoly.commands.numbers import positive_integer
from oligopoly.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Whatever goes wrong is one line on the terminal."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or DONE
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        sys.stderr.close()
        return NOTHING
    except KeyboardInterrupt:
        print("oligopoly: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if options.debug:
            raise
        print(f"oligopoly: {_in_a_line(error)}", file=sys.stderr)
        return NOTHING


def _in_a_line(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory: give fewer or smaller frames, or fewer functions"
    said = " ".join(str(error).split()) or "nothing more is known"
    return f"a mistake of the program, {type(error).__name__}: {said[:300]} (--debug shows where)"


class _Parser(argparse.ArgumentParser):
    """Names the nearest command when one is not known."""

    def error(self, message: str):
        unknown = re.match(r"argument COMMAND: invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if unknown:
            known = [name.strip("' ") for name in unknown[2].split(",")]
            near = difflib.get_close_matches(unknown[1], known, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
            message = f"no command is called '{unknown[1]}'; {hint}"
        self.exit(2, f"{self.prog.split()[0]}: {message} ({self.prog} --help says more)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="oligopoly",
        description="Potentials, labels and runs, on files of your own.",
        epilog="References: REF_energy (eV), REF_forces (eV/A), REF_stress (eV/A^3, ASE's sign); where one is missing, "
        "ASE's energy, forces, stress, or other names of the field. Exit code 0: done; 1: a mistake, nothing was done; "
        "2: the command line is not understood; 3: some items were done, others not.",
    )
    parser.add_argument("--version", action="version", version=f"oligopoly {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where in the program an error came up")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    keys = argparse.ArgumentParser(add_help=False)
    references.add_to(keys)
    keys.add_argument("--threads", type=positive_integer, default=1, help="default 1")
    fit.add_to(commands, keys)
    evaluate.add_to(commands, keys)
    label.add_to(commands)
    store.add_to(commands)
    compare.add_to(commands)
    export.add_to(commands)
    analyse.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
