"""The trainers there are, and training with one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ase import Atoms

from oligopoly import versions
from oligopoly.errors import UserError
from oligopoly.parts import Registry
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.manifest import Manifest
from oligopoly.trainers.contract import TrainerSettings, record

PARTS = ("train", "test")  # of metrics.json, with errors

TRAINERS = Registry[TrainerSettings](
    "trainer",
    "trainer.kind",
    {
        "ace": "oligopoly.trainers.ace",
        "pacemaker": "oligopoly.trainers.pacemaker",
    },
    default="ace",
)


def train(
    settings: TrainerSettings,
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    folder: str | Path,
    *,
    dataset: str | None = None,
    before: str | Path | None = None,
    threads: int = 1,
    systems: Mapping[str, tuple[str | Path, str | Path]] | None = None,
) -> Manifest:
    """Make a potential in `folder`: its files, metrics.json, predictions.npz and, at last, manifest.json.

    dataset: SHA-256 of the training frames' file; before: manifest of the potential of the generation before; systems:
    data file and system.json of each, for a trainer that keeps bonded terms.
    """
    if not len(train):
        raise UserError("there are no training frames")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    earlier = manifests.read(before) if before and settings.resumes else None
    if settings.keeps_bonded:
        made = _beside_bonded(settings, train, test, folder, earlier, threads, systems or {})
    else:
        made = settings.create().train(train, test, folder, before=earlier, threads=threads)
    return write_manifest(made, settings, dataset, folder / manifests.NAME)


def _beside_bonded(
    settings: TrainerSettings,
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    folder: Path,
    before: Manifest | None,
    threads: int,
    systems: Mapping[str, tuple[str | Path, str | Path]],
) -> Manifest:
    """Train on labels less the bonded terms of `systems`; errors are those of both together."""
    from oligopoly.potentials.baseline import FILE, ROLE, Baseline, WithBaseline, without
    from oligopoly.potentials.registry import POTENTIALS

    baseline = Baseline.of_systems(systems)
    rest, held_out = without(train, baseline), without(test, baseline)
    made = settings.create().train(rest, held_out, folder, before=before, threads=threads)
    baseline.write(folder / FILE)
    made = made.model_copy(update={"files": made.files | {ROLE: FILE}, "folder": folder})
    facts = {key: value for key, value in json.loads((folder / "metrics.json").read_text()).items() if key not in PARTS}
    record(folder, train, test, WithBaseline(POTENTIALS.module(made.kind).load(made)), **facts)
    return made


def write_manifest(made: Manifest, settings: TrainerSettings, dataset: str | None, path: Path) -> Manifest:
    """Write what a trainer gave, with what all have in common: how it was made."""
    facts = {
        "trainer": settings.model_dump(mode="json"),
        "dataset": dataset,
        "versions": versions.installed((*versions.ALWAYS, *settings.packages)),
    }
    return made.model_copy(update=facts).write(path)
