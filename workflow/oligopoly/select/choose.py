"""Which candidates are worth a label."""

from pathlib import Path

import numpy as np

from oligopoly.ace import active_set, design, potential
from oligopoly.errors import UserError
from oligopoly.select.candidates import Candidate

# MaxVol leaves its own training environments with grades up to a few percent above 1.
INTERPOLATES = 1.1


def by_extrapolation_grade(
    candidates: list[Candidate], budget: int, potential_file: str | Path, active_set_file: str | Path
) -> None:
    """MaxVol (Podryabinkin and Shapeev, Comput. Mater. Sci. 140 (2017) 171) over all candidates.

    The environments of all offered frames compete with those of the active set for a place in the
    square matrix of largest volume. A frame is chosen if one of its atoms wins a place or if it is
    the moment that stopped a run. Those moments come first, then the frames with more winners, and
    at most `budget` are taken. Fills `chosen` and `reason`.
    """
    offered = [candidate for candidate in candidates if candidate.offered]
    if not offered:
        return
    basis = design.Design(potential.read_yaml(potential_file, linear_only=False))
    active = active_set.ActiveSet.read(active_set_file)
    winners = np.zeros(len(offered), dtype=int)
    projections = [basis.projections(candidate.atoms) for candidate in offered]
    for element in active.elements:
        having = [i for i, p in enumerate(projections) if element in p]
        if not having:
            continue
        rows = np.concatenate([projections[i][element] for i in having])
        owners = np.repeat(having, [len(projections[i][element]) for i in having])
        # What interpolates can only win a place that a newcomer has made for it.
        new = active.gamma(element, rows) > INTERPOLATES
        entered = active_set.extend(active.rows(element), rows[new])
        winners += np.bincount(owners[new][entered], minlength=len(offered))
    order = sorted(
        range(len(offered)),
        key=lambda i: (not _is_stop(offered[i]), -winners[i], -offered[i].score),
    )
    taken = 0
    for i in order:
        candidate = offered[i]
        if not winners[i] and not _is_stop(candidate):
            candidate.reason = "adds nothing: no atom enters the active set"
        elif taken >= budget:
            candidate.reason = f"budget of {budget} spent on better ones ({winners[i]} winning atoms)"
        else:
            candidate.chosen = True
            taken += 1
            stopped = candidate.atoms.info.get("stop_reason")
            candidate.reason = f"{winners[i]} atoms enter the active set" + (
                f"; stopped a run: {stopped}" if stopped else ""
            )


def at_random(candidates: list[Candidate], budget: int, seed: int) -> None:
    """The baseline: `budget` of the offered frames, drawn without looking."""
    offered = [candidate for candidate in candidates if candidate.offered]
    drawn = np.random.default_rng(seed).permutation(len(offered))
    for rank, i in enumerate(drawn):
        offered[i].chosen = rank < budget
        offered[i].reason = "drawn at random" if rank < budget else "not drawn"


def draw_audit(candidates: list[Candidate], count: int, seed: int) -> None:
    """`count` frames among those not chosen, by lot: were they as harmless as was thought?"""
    rest = [candidate for candidate in candidates if not candidate.chosen]
    for i in np.random.default_rng(seed).permutation(len(rest))[:count]:
        rest[i].audit = True
        rest[i].reason = "audit" + (f" ({rest[i].reason})" if rest[i].reason else "")


def select(
    candidates: list[Candidate],
    *,
    kind: str,
    budget: int,
    audit: int,
    potential_file: str | Path,
    active_set_file: str | Path,
    seed: int,
) -> None:
    """Choose with the method `kind`, then draw the audit; fills the candidates in place."""
    match kind:
        case "extrapolation_grade":
            by_extrapolation_grade(candidates, budget, potential_file, active_set_file)
        case "random":
            at_random(candidates, budget, seed)
        case _:
            raise UserError(f"select.kind: no selector is called '{kind}'")
    draw_audit(candidates, audit, seed)
    for candidate in candidates:
        if not candidate.reason:
            candidate.reason = "below gamma_select"


def _is_stop(candidate: Candidate) -> bool:
    return bool(candidate.atoms.info.get("stopped", False))
