"""What a study, which compares runs, is to the workflow."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from oligopoly.parts import PartSettings

if TYPE_CHECKING:
    import pandas

    from oligopoly.plotting.shown import Shown
    from oligopoly.report.results import Results

Values = Annotated[list[Any], Field(min_length=1)]


class StudySettings(PartSettings):
    """The config of a study: the block `study`. Its members are runs with every combination of the values in `vary`."""

    whole_runs: ClassVar[bool] = False  # does it need production and properties, or the loop alone?

    kind: str
    vary: dict[str, Values] = Field(
        min_length=1,
        examples=[{"select.kind": ["random", "extrapolation_grade"], "loop.seed": [1, 2, 3]}],
        description="values by key of the config; one run for each combination. Keys that end in seed are replicates",
    )

    def create(self) -> "Study":
        """The study."""
        raise NotImplementedError


Members = Mapping[str, Mapping[str, Any]]  # what differs, by member and key


class Study(Protocol):
    """A comparison of runs: tables, and what is shown of them."""

    def collect(self, results: "Mapping[str, Results]", members: Members) -> "dict[str, pandas.DataFrame]":
        """Tables by name, of the members' results as far as they are there."""

    def draw(self, tables: "Mapping[str, pandas.DataFrame]", members: Members) -> "Iterable[Shown]":
        """Figures and tables for people, and what follows from them in a sentence."""


def is_replicate(key: str) -> bool:
    """Is a key of `vary` one whose values are as good as each other?"""
    return key.rpartition(".")[2] == "seed"


def group_of(varied: Mapping[str, Any]) -> str:
    """What a member is, seeds apart."""
    kept = [str(value) for key, value in varied.items() if not is_replicate(key)]
    return ", ".join(kept) or "all"
