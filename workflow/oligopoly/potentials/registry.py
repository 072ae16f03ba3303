"""The kinds of learned potentials there are, and how one is opened."""

from pathlib import Path

from oligopoly.errors import UserError
from oligopoly.parts import PartSettings, Registry
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.contract import Potential
from oligopoly.potentials.manifest import Manifest

POTENTIALS = Registry[PartSettings](
    "potential",
    "kind",
    {
        "ace": "oligopoly.potentials.ace",
        "pace": "oligopoly.potentials.pace",
    },
)


def open_potential(path: str | Path, active_set: str | Path | None = None) -> Potential:
    """The potential of a manifest.json, or of a bare `.yaml` or `.yace` of pacemaker's with what lies beside it.

    Raises UserError for a file that is none of these, or of a kind that is not known.
    """
    path = Path(path)
    found = manifests.read(path).unchanged(path) if path.suffix == ".json" else bare(path, active_set)
    if found.kind not in POTENTIALS:
        raise UserError(f"{path}: {POTENTIALS.unknown(found.kind)}")
    potential = POTENTIALS.module(found.kind).load(found)
    if "baseline" not in found.files:
        return potential
    from oligopoly.potentials.baseline import WithBaseline

    return WithBaseline(potential)


OTHERS = {
    ".asi": "this is the active set of one: give the .yaml, and this with --active-set",
    ".npz": "this is the factor of a fit: give the .yaml, and this with --error-bars",
    ".model": "this looks like a model of MACE",
    ".pt": "this looks like a model of PyTorch",
    ".pth": "this looks like a model of PyTorch",
    ".pb": "this looks like a model of DeePMD",
    ".table": "this looks like a table of LAMMPS",
    ".xml": "this looks like a potential of QUIP",
    ".mtp": "this looks like a potential of MLIP",
}


def _what(path: Path) -> str:
    return f"; {OTHERS[path.suffix]}" if path.suffix in OTHERS else ""


def bare(path: Path, active_set: str | Path | None = None) -> Manifest:
    """The manifest that a potential of pacemaker's would have: potentials made elsewhere come without one."""
    from oligopoly.ace.potential import is_linear
    from oligopoly.ace.potential_text import load, understood

    if path.suffix not in (".yaml", ".yml", ".yace"):
        raise UserError(
            f"{path}: a potential is a manifest.json, or a .yaml (B-basis) or .yace (C-tilde) file of ACE{_what(path)}"
        )
    for needed in (path, active_set):
        if needed and not Path(needed).exists():
            raise UserError(f"{needed}: no such file")
    content = load(path)
    with understood(path, "potential of ACE"):
        if path.suffix == ".yace":
            species = sorted(content["elements"])
        else:
            species = sorted({element for block in content["species"] for element in block["speciesblock"].split()})
        linear = is_linear(content, path.suffix)
    files = {"potential": path.name}
    beside = active_set or (path.with_suffix(".asi") if path.with_suffix(".asi").exists() else None)
    if beside is not None:
        files["active_set"] = str(Path(beside).resolve()) if active_set else Path(beside).name
    return Manifest(
        kind="ace" if linear else "pace",
        species=species,
        cutoff=None,
        files=files,
        uncertainty=["gamma"] if beside is not None else [],
        folder=path.parent,
    )
