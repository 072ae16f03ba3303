"""Files that a command writes: never over what it reads, and in a format that its name says."""

from collections.abc import Iterable
from pathlib import Path

from oligopoly.errors import UserError

# ASE's trajectories keep no arrays but its own: the labels would be lost.
FRAMES = (".extxyz", ".xyz")


def check(path: str, inputs: Iterable[str | Path | None], suffixes: tuple[str, ...] = FRAMES) -> None:
    """Raises UserError, before any work, for an output that is an input, a folder, or of an unknown format."""
    output = Path(path)
    for given in inputs:
        if given and output.resolve() == Path(given).resolve():
            raise UserError(f"-o {path}: is also read: give another name")
    if output.is_dir():
        raise UserError(f"-o {path}: is a folder: give the name of a file")
    if suffixes and output.suffix not in suffixes:
        raise UserError(f"-o {path}: is not written as '{output.suffix}', but as {' or '.join(suffixes)}")


def prefix(path: str) -> None:
    """Raises UserError for what is no beginning of names of files."""
    if path.endswith("/") or Path(path).is_dir():
        raise UserError(f"-o {path}: is a folder: give the beginning of the names, such as {Path(path) / 'potential'}")
    if Path(path).suffix in (".yaml", ".yace", ".json", ".asi", *FRAMES):
        raise UserError(f"-o {path}: is the beginning of the names of several files: give {Path(path).with_suffix('')}")
