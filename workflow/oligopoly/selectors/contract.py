"""What a method of selection is to the workflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import Field

from oligopoly.parts import PartSettings

if TYPE_CHECKING:
    from oligopoly.potentials.contract import Potential
    from oligopoly.selectors.candidates import Candidate


class SelectorSettings(PartSettings):
    """The config of a selector: the block `select`."""

    needs: ClassVar[frozenset[str]] = frozenset()  # of what a trainer `gives`

    kind: str
    budget: int = Field(60, ge=1, description="labels per generation, audit not counted")
    audit: int = Field(20, ge=0, description="random frames that were not selected, labelled as a check")

    def create(self) -> "Selector":
        """The selector."""
        raise NotImplementedError


@dataclass(frozen=True)
class Context:
    """What a selector is given besides the candidates: the potential that explored, and a seed of its own."""

    potential: "Potential"
    seed: int


@dataclass(frozen=True)
class Choice:
    """What was decided of a candidate: `code` for programs, `reason` for people."""

    taken: bool
    code: str
    reason: str


class Selector(Protocol):
    """A method to choose what is worth a label."""

    def choose(self, candidates: Sequence["Candidate"], context: Context) -> list[Choice]:
        """A choice for each of `candidates`, in their order, with at most `budget` taken; they are those that
        exploration offered."""
