"""The final potential, and everything it was made from."""

import json
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

import oligopoly
from oligopoly import frames as frame_files
from oligopoly import versions
from oligopoly.files import as_json, write_text
from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.labelers.registry import LABELERS
from oligopoly.parts import Registry
from oligopoly.potentials import manifest as manifests
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.selectors.registry import SELECTORS
from oligopoly.trainers.registry import TRAINERS


def write(
    potential: str,
    train: str,
    verdicts: list[str],
    provenance_file: str,
    config_file: str,
    *,
    config: dict,
) -> None:
    """Write where the potential of the manifest `potential` came from, and the config as it was understood."""
    manifest = manifests.read(potential)
    parts = [registry.settings(config_block["kind"]) for registry, config_block in _parts(config)]
    verdict = json.loads(Path(verdicts[-1]).read_text())
    facts = {
        "files": manifest.sha256,
        "potential": {"kind": manifest.kind, "species": manifest.species, "cutoff_A": manifest.cutoff},
        "generation": verdict["generation"],
        "decision": verdict["decision"],
        "reasons": verdict["reasons"],
        "training_set": {"file": train, "sha256": manifests.sha256(train), "origins": origins(train)},
        "seed": config["seed"],
        "oligopoly": oligopoly.__version__,
        "git_commit": _git_commit(),
        "python": sys.version.split()[0],
        "packages": versions.installed((*versions.ALWAYS, *(name for part in parts for name in part.packages))),
        "machine": f"{platform.processor() or platform.machine()}, {platform.system()}",
    }
    write_text(provenance_file, as_json(facts))
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


def _parts(config: dict) -> list[tuple[Registry, dict]]:
    """The parts that a config chooses, each with its registry."""
    return [
        (LABELERS, config["label"]["labeler"]),
        (TRAINERS, config["trainer"]),
        (FORCE_FIELDS, config["force_field"]),
        (SELECTORS, config["select"]),
        *((SAMPLERS, walker) for walker in config["explore"]["walkers"].values()),
    ]


def _git_commit() -> str:
    """Commit of the checkout this code runs from, marked if it was changed since."""
    where = Path(__file__).parent
    try:
        asked = ["git", "-C", str(where), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
