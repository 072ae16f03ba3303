"""The trainers there are, and training with one."""

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from oligopoly import versions
from oligopoly.errors import UserError
from oligopoly.parts import Registry
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.manifest import Manifest
from oligopoly.trainers.contract import TrainerSettings

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
) -> Manifest:
    """Make a potential in `folder`: its files, metrics.json, predictions.npz and, at last, manifest.json.

    dataset: SHA-256 of the training frames' file; before: manifest of the potential of the generation before.
    """
    if not len(train):
        raise UserError("there are no training frames")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    earlier = manifests.read(before) if before and settings.resumes else None
    made = settings.create().train(train, test, folder, before=earlier, threads=threads)
    return write_manifest(made, settings, dataset, folder / manifests.NAME)


def write_manifest(made: Manifest, settings: TrainerSettings, dataset: str | None, path: Path) -> Manifest:
    """Write what a trainer gave, with what all have in common: how it was made."""
    facts = {
        "trainer": settings.model_dump(mode="json"),
        "dataset": dataset,
        "versions": versions.installed((*versions.ALWAYS, *settings.packages)),
    }
    return made.model_copy(update=facts).write(path)
