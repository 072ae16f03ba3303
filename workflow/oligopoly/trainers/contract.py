"""What makes a potential from labelled frames, as the workflow sees it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ase import Atoms

from oligopoly.parts import PartSettings
from oligopoly.potentials.manifest import Manifest

if TYPE_CHECKING:
    from oligopoly.potentials.contract import Potential


class TrainerSettings(PartSettings):
    """The config of a trainer: the block `trainer`."""

    kind: str
    resumes: ClassVar[bool] = False  # does it take up the potential of the generation before?

    def gives(self) -> frozenset[str]:
        """What its potentials have: gamma, committee, posterior, descriptors, stress."""
        return frozenset()

    def engines(self) -> frozenset[str]:
        """Names of engines that run its potentials in MD, as `explore.engine` has them."""
        return frozenset({"built-in"})

    @property
    def keeps_bonded(self) -> bool:
        """Does it leave the force field's bonded terms out of what is learned?"""
        return getattr(self, "baseline", "none") == "bonded"

    def files(self) -> dict[str, str]:
        """Names by role of the files of a potential, besides manifest.json."""
        raise NotImplementedError

    def members(self) -> list[dict[str, str]]:
        """The same of each member of its committee."""
        return []

    def check(self) -> None:
        """Raise UserError if it, or an engine for its potentials, is not installed or broken."""

    def quick(self) -> "TrainerSettings":
        """A trainer of the same kind of potential that needs seconds and a few frames: to try a node with."""
        return self

    def guess_seconds(self, components: int, cores: int) -> float:
        """How long a fit takes, by experience; components: of the forces of all training frames."""
        raise NotImplementedError

    def create(self) -> "Trainer":
        """The trainer."""
        raise NotImplementedError


class Trainer(Protocol):
    """What makes a potential."""

    def train(
        self,
        train: Sequence[Atoms],
        test: Sequence[Atoms],
        folder: Path,
        *,
        before: Manifest | None = None,
        threads: int = 1,
    ) -> Manifest:
        """Write the potential's files into `folder`, and `metrics.json` and `predictions.npz` (as `record` does).

        Frames carry labels as `frames` says, and stay in their files, however many. before: the potential of the
        generation before, for trainers that resume. The manifest is not written yet (`trainers.registry.train` adds
        what all have in common). Raises UserError for frames that it cannot learn from.
        """


def record(
    folder: Path, train: Sequence[Atoms], test: Sequence[Atoms], potential: "Potential", **facts: Any
) -> dict[str, Any]:
    """Write `metrics.json` and `predictions.npz` of a potential that was just made; returns what the first holds."""
    from oligopoly import accuracy

    parts = {"train": train, "test": test}
    predicted = {part: potential.predict(frames) for part, frames in parts.items()}
    found = accuracy.record(folder / "potential", parts, predicted, facts)
    name_plainly(folder)
    return found


def name_plainly(folder: Path, *more: str) -> None:
    """`potential.metrics.json` and `potential.predictions.npz` lose their prefix, as `layout` has them, and so do
    `more`."""
    for name in ("metrics.json", "predictions.npz", *more):
        (folder / f"potential.{name}").replace(folder / name)
