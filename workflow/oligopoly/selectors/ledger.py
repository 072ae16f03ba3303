"""`ledger.tsv`: every candidate, its score, whether it was chosen, and why: a code and a sentence."""

from pathlib import Path

from oligopoly.files import write_text
from oligopoly.selectors.candidates import Candidate

HEADER = ("candidate", "system", "sampler", "step", "score", "chosen", "chunk", "code", "reason")

# What the ledger's codes say.
WORDS = {
    "enters_active_set": "enters the active set",
    "known": "adds nothing",
    "over_budget": "budget spent on better ones",
    "drawn": "drawn at random",
    "not_drawn": "not drawn",
    "audit": "random audit",
    "below_threshold": "below the threshold of exploration",
    "pool_train": "initial pool, to learn from",
    "pool_test": "initial pool, held out",
}


def words(code: str | None) -> str:
    """A code of the ledger for people; ledgers of earlier versions have none."""
    if not code:
        return "reason without a code (earlier version)"
    what, _, outcome = code.partition(".")
    if what == "stopped":
        return f"stopped a run: {outcome.replace('_', ' ')}"
    return WORDS.get(code, code.replace("_", " "))


def write(path: str | Path, candidates: list[Candidate], chunks: dict[str, int]) -> None:
    """One line per candidate, best score first; `chunks` says by name where it is labelled."""
    rows = ["\t".join(HEADER)]
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.name)):
        info = candidate.atoms.info
        taken = candidate.chosen or candidate.audit
        rows.append(
            "\t".join(
                [
                    candidate.name,
                    str(info.get("origin_system", "")),
                    str(info.get("origin_sampler", "")),
                    str(info.get("origin_step", "")),
                    f"{candidate.score:.4f}",
                    str(int(taken)),
                    str(chunks.get(candidate.name, "")),
                    candidate.code,
                    candidate.reason,
                ]
            )
        )
    write_text(path, "\n".join(rows) + "\n")
