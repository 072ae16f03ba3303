"""How a run ended: what every MD of ours writes into a file instead of dying of it."""

from dataclasses import asdict, dataclass, field
from typing import Literal

OutcomeName = Literal[
    "completed",
    "gamma_break",
    "committee_break",
    "broken_bond",
    "close_contact",
    "exploded",
    "non_finite",
    "error",
    "not_run",
]


@dataclass(frozen=True)
class Outcome:
    """End of a run: `outcome`, where and when, the offending `value`, and a sentence for people.

    `atoms` are 0-based indices; `step` and `time_fs` count from the first sampled step.
    """

    outcome: OutcomeName
    step: int
    time_fs: float
    reason: str
    atoms: list[int] = field(default_factory=list)
    value: float | None = None

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


class RanksEnded(BaseException):
    """MPI ranks were killed or lost. Like the kill of a process it is no Exception: nothing goes on after it."""


class Failed(RuntimeError):
    """MD that cannot go on: `outcome` is `exploded`, `non_finite` or `error`."""

    def __init__(self, outcome: OutcomeName, reason: str, atoms: list[int] | None = None, value=None):
        super().__init__(reason)
        self.outcome: OutcomeName = outcome
        self.reason = reason
        self.atoms = atoms or []
        self.value = value
