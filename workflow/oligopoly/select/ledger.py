"""`ledger.tsv`: every candidate, its score, whether it was chosen, and why."""

from pathlib import Path

from oligopoly.files import write_text
from oligopoly.select.candidates import Candidate

HEADER = ("candidate", "system", "sampler", "step", "score", "chosen", "chunk", "reason")


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
                    candidate.reason,
                ]
            )
        )
    write_text(path, "\n".join(rows) + "\n")
