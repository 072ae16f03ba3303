"""A potential from a file of either form."""

from pathlib import Path

from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError


def read(path: str | Path):
    """`Potential` of a `.yaml` file, or `yace.CTilde` of a `.yace` file."""
    path = Path(path)
    if path.suffix in (".yaml", ".yml"):
        return read_yaml(path)
    if path.suffix == ".yace":
        from oligopoly.ace import yace

        return yace.read(path)
    raise UserError(f"{path}: an ACE potential is a .yaml (B-basis) or .yace (C-tilde) file.")
