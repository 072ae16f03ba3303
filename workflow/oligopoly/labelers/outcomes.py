"""What can become of a structure that is sent for labels: one outcome each, with its reason."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from oligopoly.files import write_text


class Outcome(StrEnum):
    """The fixed list of ends."""

    LABELLED = "labelled"
    OVERLAP = "geometry overlap"
    INVALID = "invalid geometry"
    FRAGMENTED = "fragmented"
    ODD_ELECTRONS = "odd electrons"
    UNCONVERGED = "SCF not converged"
    NET_FORCE = "net force too large"
    FORCE = "force too large"
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_TIME = "out of time"
    CRASHED = "code crashed"
    DEFERRED = "deferred"


# Ends that say something about the machine or the moment rather than about the structure at this
# level of theory: a later attempt, with more memory and time, may end otherwise.
RETRIED = frozenset({Outcome.OUT_OF_MEMORY, Outcome.OUT_OF_TIME, Outcome.CRASHED, Outcome.DEFERRED})


@dataclass(frozen=True)
class Verdict:
    """One line of `outcomes.tsv`."""

    key: str
    frame: str
    outcome: Outcome
    reason: str
    seconds: float
    reused: bool
    attempts: int


HEADER = ("key", "frame", "outcome", "reason", "seconds", "reused", "attempts")


def write(path: str | Path, verdicts: list[Verdict]) -> None:
    """Write `outcomes.tsv`, one line per structure in the order they were given."""
    rows = ["\t".join(HEADER)]
    for verdict in verdicts:
        reason = " ".join(verdict.reason.split())
        rows.append(
            f"{verdict.key}\t{verdict.frame}\t{verdict.outcome.value}\t{reason}"
            f"\t{verdict.seconds:.3f}\t{int(verdict.reused)}\t{verdict.attempts}"
        )
    write_text(path, "\n".join(rows) + "\n")


def merge(chunks: list[str], path: str | Path) -> None:
    """One `outcomes.tsv` of those of all chunks of a generation."""
    rows = ["\t".join(HEADER)]
    for chunk in chunks:
        rows += Path(chunk).read_text().splitlines()[1:]
    write_text(path, "\n".join(rows) + "\n")
