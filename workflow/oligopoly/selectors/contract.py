"""What a method of selection is to the workflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import Field

from oligopoly.parts import PartSettings

if TYPE_CHECKING:
    from oligopoly.potentials.contract import Potential
    from oligopoly.selectors.candidates import Candidate

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class SelectorSettings(PartSettings):
    """The config of a selector: the block `select`."""

    needs: ClassVar[frozenset[str]] = frozenset()  # of what a trainer `gives`

    kind: str
    budget: Count | Annotated[list[Count], Field(min_length=1, max_length=1000)] = Field(
        60,
        description="labels per generation, audit not counted; a list has one for each from the first on, and the last "
        "for all that follow",
    )
    audit: int = Field(
        20, ge=0, le=1_000_000, description="frames that were not selected, labelled as a check and held out"
    )

    def budget_of(self, generation: int) -> int:
        """Labels that generation `generation` (from 1) may buy."""
        if isinstance(self.budget, int):
            return self.budget
        return self.budget[min(generation, len(self.budget)) - 1]

    def create(self) -> "Selector":
        """The selector."""
        raise NotImplementedError


@dataclass(frozen=True)
class Context:
    """What a selector is given besides the candidates: the potential that explored, a seed of its own, and how many it
    may take."""

    potential: "Potential"
    seed: int
    budget: int


@dataclass(frozen=True)
class Choice:
    """What was decided of a candidate: `code` for programs, `reason` for people."""

    taken: bool
    code: str
    reason: str


class Selector(Protocol):
    """A method to choose what is worth a label."""

    def choose(self, candidates: Sequence["Candidate"], context: Context) -> list[Choice]:
        """A choice for each of `candidates`, in their order, with at most `context.budget` taken; they are those that
        exploration offered."""
