"""Linear least squares for the coefficients: energies, forces and stress of labelled frames.

The R factor of the weighted rows [A | b] grows batch by batch; prior and coefficients come from it alone, see
`regression`.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.accuracy import Labels, predictions, record
from oligopoly.ace import active_set, elimination, fingerprint, functions, yace
from oligopoly.ace.checkpoint import Checkpoint
from oligopoly.ace.design import Design
from oligopoly.ace.error_bars import ErrorBars
from oligopoly.ace.potential import BasisFunction, Bond, Potential, write_yaml
from oligopoly.ace.regression import Factor, Prior, Problem, most_likely_prior
from oligopoly.ace.rows import Weights, accumulate, blocks, weighted_rows
from oligopoly.ace.survey import Survey, coarse, inner_radii, reference_energies, survey
from oligopoly.errors import UserError
from oligopoly.files import beside
from oligopoly.frames import take
from oligopoly.seeds import derive

__all__ = ["Weights", "basis", "basis_for", "fit", "predict", "weighted_rows"]

# Ridge, relative, of the shifts of E0: as good as none.
FREE = 1e-13
# Reach of functions of two and more neighbours (Angstrom, see `functions.bonds`), of which the data choose one; pair
# functions reach to the cutoff. Two shells suit liquids, where most of what is far does not matter, one shell (None)
# small molecules, where all of it does (benchmarks/accuracy.md).
MANY_BODY_CUTOFFS = ((2.5, 4.5), None)
# Of beads, in units of their shortest distance: beyond the second and third neighbours along a chain.
SHELLS = (2.1, 3.0)
# Largest l by rank of the candidates, how many there are for each function wanted, and rows that judge each of them.
CANDIDATE_L = (0, 6, 5, 3)
CANDIDATES = 4
ROWS_PER_CANDIDATE = 4
# Functions per element in the contest for the reach of the many-body functions.
CONTEST = 100
# Functions are chosen again when there are so many times as many frames as when they were: what exploration found by
# then may need others. Growing by a factor, not a number, keeps all choices together cheaper than twice the last.
CHOOSE_AGAIN = 2


def basis(
    elements: Sequence[str],
    n_functions: int,
    cutoff: float,
    n_max: Sequence[int] = (12, 5, 3, 2),
    l_max: Sequence[int] = (0, 6, 5, 3),
    inner_radii: dict[tuple[str, str], float] | None = None,
    E0: dict[str, float] | None = None,
) -> Potential:
    """Potential with zero coefficients, `n_functions` per element in pacemaker's order within limits by rank.

    `cutoff` in Angstrom, `inner_radii` see `functions.bonds`, `E0` in eV.
    """
    chosen = functions.select(list(elements), n_functions, list(n_max), list(l_max))
    return _potential(chosen, cutoff, MANY_BODY_CUTOFFS[0], inner_radii, E0)


def basis_for(
    frames: Sequence[Atoms],
    found: Survey,
    n_functions: int,
    cutoff: float,
    E0: dict[str, float],
    weights: Weights,
    threads: int = 1,
) -> Potential:
    """Potential with zero coefficients and the `n_functions` per element that explain `frames` best.

    They are chosen from `CANDIDATES` times as many (`functions.candidates`, `elimination.most_useful`), judged by as
    many frames, evenly spaced, as it takes. The reach of the many-body functions is the one with which a few
    functions, chosen in the same way, explain most.
    """

    def chosen(count: int, reach: tuple[float, float] | None) -> tuple[float, Potential]:
        return _most_useful(frames, found, count, cutoff, reach, E0, weights, threads)

    few = min(n_functions, CONTEST)
    reaches = many_body_cutoffs(found, cutoff)
    losses = [chosen(few, reach)[0] for reach in reaches]
    return chosen(n_functions, reaches[int(np.argmin(losses))])[1]


def many_body_cutoffs(found: Survey, cutoff: float) -> tuple[tuple[float, float] | None, ...]:
    """MANY_BODY_CUTOFFS, and of beads and united atoms, whose second neighbours are farther away than a first shell for
    C and H reaches, two shells by their shortest distance too."""
    if (shortest := coarse(found)) is None:
        return MANY_BODY_CUTOFFS
    return (*MANY_BODY_CUTOFFS, (min(SHELLS[0] * shortest, cutoff), min(SHELLS[1] * shortest, cutoff)))


def _most_useful(
    frames: Sequence[Atoms],
    found: Survey,
    n_functions: int,
    cutoff: float,
    reach: tuple[float, float] | None,
    E0: dict[str, float],
    weights: Weights,
    threads: int,
) -> tuple[float, Potential]:
    """The loss (see `elimination.most_useful`) and the potential; see `basis_for`."""
    elements, inner = found.elements, inner_radii(found, cutoff)
    pool = functions.candidates(elements, CANDIDATES * n_functions, CANDIDATE_L, found.shortest)
    group = np.concatenate([np.full(len(pool[e]), i) for i, e in enumerate(elements)] + [np.full(len(elements), -1)])
    rows = sum(3 * sum(counts.values()) + 7 for counts, _ in found.energies)
    judges = frames[:: max(1, rows // (ROWS_PER_CANDIDATE * len(group)))]
    design = Design(_potential(pool, cutoff, reach, inner))
    rows_of_judges = blocks(judges, design, E0, weights, threads, "choose functions")
    gram = elimination.normal_matrix(rows_of_judges, len(group))
    kept, loss = elimination.most_useful(gram, group, dict.fromkeys(range(len(elements)), n_functions))
    best = {e: [design.functions[k] for k in kept if group[k] == i] for i, e in enumerate(elements)}
    return loss, _potential(best, cutoff, reach, inner)


def _potential(
    chosen: dict[str, list[BasisFunction]],
    cutoff: float,
    reach: tuple[float, float] | None,
    inner_radii: dict[tuple[str, str], float] | None,
    E0: dict[str, float] | None = None,
) -> Potential:
    bonds = functions.bonds(chosen, cutoff, reach, inner_radii)
    return Potential(elements=sorted(chosen), bonds=bonds, functions=chosen, E0=dict(E0 or {}))


def fit(
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    prefix: str | Path,
    *,
    functions: int = 300,
    cutoff: float = 5.0,
    n_max: Sequence[int] | None = None,
    l_max: Sequence[int] | None = None,
    weights: Weights = Weights(),
    ridge: float | None = None,
    before: str | Path | None = None,
    committee: int = 0,
    threads: int = 1,
) -> dict:
    """Fit a potential to `train` and write `{prefix}.yaml`, `.yace`, `.asi`, `.factor.npz`, `.metrics.json`,
    `.predictions.npz`.

    `functions` per element, `cutoff` in Angstrom, `n_max` and `l_max` per rank (see `basis`). `ridge` is the same for
    all functions, relative to the weighted problem (see `regression.Problem`); None lets the data choose a prior.
    E0 is the energy of isolated atoms where `train` holds them (frames of one atom), see `survey.reference_energies`.
    Below 0.85 of the shortest distance of each pair in `train`, a ZBL core takes over.

    `before` is the `.factor.npz` of a fit to the first of these frames: if the settings are the same, its basis stays
    and only the rows of the other frames are built; else everything is, and a line on stderr says why. So it is once
    the frames have doubled since the functions were chosen. Frames may be `frames.Stored`, so that memory does not
    grow with their number.

    `committee` more potentials are drawn from the posterior, calibrated on `test` (see `error_bars`), and written as
    `{prefix}.member_01.yaml`, `.yace` and so on: the spread of what they say is the expected error.

    Returns what `.metrics.json` holds: errors of `train` and `test` (see `metrics.errors`), sizes, condition
    numbers and seconds. `.predictions.npz` holds `train_*` and `test_*` of `metrics.parity`.
    Raises UserError when there is nothing to fit.
    """
    begun = time.perf_counter()
    prefix = Path(prefix)
    found = survey(train, cutoff)
    elements = found.elements
    if not elements:
        raise UserError("There are no training frames of more than one atom.")
    unknown = sorted({symbol for atoms in test for symbol in atoms.symbols} - set(elements))
    if unknown:
        raise UserError(f"The test frames contain {unknown}, which no training frame does.")
    E0, known = reference_energies(found)
    recipe = {
        "functions": functions, "cutoff": cutoff, "n_max": n_max, "l_max": l_max, "elements": elements,
        "weights": weights._asdict(), "E0": E0 if known else "estimated",
    }  # fmt: skip
    used = [n for n in range(len(train)) if found.single.get(n, elements[0]) in elements]
    earlier = _earlier(before, recipe, found)
    if earlier:
        potential, factor, E0, seen = earlier.basis, earlier.factor, earlier.E0, earlier.frames
        chosen_from = earlier.chosen_from
    else:
        factor, seen, chosen_from = None, 0, len(found.digests)
        if n_max is None or l_max is None:
            potential = basis_for(take(train, used), found, functions, cutoff, E0, weights, threads)
        else:
            potential = basis(elements, functions, cutoff, n_max, l_max)
    inner = inner_radii(found, cutoff)
    potential.bonds = with_core(potential.bonds, inner)
    design = Design(potential)
    shifted = [] if known else elements
    factor = factor or Factor.empty(design.size + len(shifted))
    accumulate(factor, take(train, [n for n in used if n >= seen]), design, E0, weights, threads)
    train = take(train, used)

    problem = Problem(factor)
    free = np.full(len(shifted), FREE)
    if ridge is None:
        prior = most_likely_prior(problem, design.functions, free)
    else:
        prior = Prior(dict.fromkeys(sorted({f.rank for f in design.functions}), ridge))
    posterior = problem.posterior(np.concatenate([prior.ridge(design.functions), free]))
    potential = with_coefficients(design, E0, posterior.mean)
    fitted = time.perf_counter()

    write_yaml(potential, beside(prefix, ".yaml"))
    yace.write(potential, beside(prefix, ".yace"))
    active_set.build(potential, train, design).write(beside(prefix, ".asi"))
    spanned = time.perf_counter()

    bars = ErrorBars(design, posterior, E0)
    calibration = bars.calibrate(test, factor.rows)
    factors = {"force": bars.force_factor, "energy": bars.energy_factor}
    Checkpoint(
        factor,
        len(found.digests),
        found.digests[-1].hex(),
        recipe,
        design.potential,
        E0,
        posterior.ridge,
        factors,
        chosen_from,
        fingerprint.of(potential),
    ).save(beside(prefix, ".factor.npz"))
    members = posterior.mean + bars.force_factor * (posterior.draw(committee, _seed(found)) - posterior.mean)
    for number, coefficients in enumerate(members, start=1):
        member = with_coefficients(design, E0, coefficients)
        write_yaml(member, beside(prefix, f".member_{number:02d}.yaml"))
        yace.write(member, beside(prefix, f".member_{number:02d}.yace"))

    predicted = {name: predict(potential, frames) for name, frames in (("train", train), ("test", test))}
    facts = {
        "n_functions": design.size,
        "functions_per_element": {e: len(potential.functions[e]) for e in elements},
        "rows": factor.rows,
        "frames_of_the_fit_before": seen,
        "cutoff_A": cutoff,
        "E0_eV": potential.E0,
        "inner_radii_A": {f"{a}-{b}": radius for (a, b), radius in inner.items()},
        "prior": asdict(prior) | {"chosen_by": "data" if ridge is None else "ridge"},
        "noise": posterior.noise,
        "log_evidence": posterior.log_evidence,
        "parameters_from_data": round(posterior.parameters(), 1),
        "condition_number": posterior.condition,
        "condition_number_regularised": posterior.condition_regularised,
        "chi_squared": posterior.chi_squared,
        "calibration": calibration,
        "committee": committee,
        "seconds": {
            "fit": round(fitted - begun, 2),
            "active_set": round(spanned - fitted, 2),
            "total": round(time.perf_counter() - begun, 2),
        },
    }
    return record(prefix, {"train": train, "test": test}, predicted, facts)


def with_core(
    bonds: dict[tuple[str, str], Bond], inner_radii: dict[tuple[str, str], float]
) -> dict[tuple[str, str], Bond]:
    """The bonds with a ZBL core below `inner_radii` (Angstrom, by sorted pair), blended over the outer quarter."""
    radius = {pair: inner_radii[min(pair), max(pair)] for pair in bonds}
    return {
        pair: replace(
            bond, inner_cutoff_type="zbl", core_repulsion=(1.0, 1.0), r_in=radius[pair], delta_in=0.25 * radius[pair]
        )
        for pair, bond in bonds.items()
    }


def with_coefficients(design: Design, E0: dict[str, float], coefficients: np.ndarray) -> Potential:
    """The design's potential with coefficients (K,), or (K + elements,) with shifts of E0 (eV) after the functions'."""
    shifts = dict(zip(design.elements, coefficients[design.size :], strict=False))
    E0 = {element: E0[element] + float(shifts.get(element, 0.0)) for element in design.elements}
    chosen = {
        element: [replace(f, c=float(c)) for f, c in zip(design.functions[its], coefficients[its], strict=True)]
        for element, its in design.slices.items()
    }
    return replace(design.potential, functions=chosen, E0=E0)


def predict(potential: Potential, frames: Iterable[Atoms]) -> Iterator[Labels]:
    """Energy, forces and (where periodic) stress of each frame."""
    from oligopoly.ace.evaluator import Evaluator

    return predictions(Evaluator(potential), frames)


def _seed(found: Survey) -> int:
    """Another one for other training frames."""
    return derive(1, "committee", found.digests[-1].hex())


def _earlier(before: str | Path | None, recipe: dict, found: Survey) -> Checkpoint | None:
    """The fit before, if its rows can serve for this one."""
    if before is None:
        return None
    checkpoint = Checkpoint.load(before)
    why_not = checkpoint.why_not(recipe, found.digests)
    by_data = recipe["n_max"] is None or recipe["l_max"] is None
    if not why_not and by_data and len(found.digests) >= CHOOSE_AGAIN * checkpoint.chosen_from:
        why_not = f"functions are chosen again: they were from {checkpoint.chosen_from} frames"
    if why_not:
        print(f"fit: starts from the first frame ({why_not})", file=sys.stderr, flush=True)
        return None
    new = len(found.digests) - checkpoint.frames
    print(f"fit: {new} new frames on top of the {checkpoint.frames} of {before}", file=sys.stderr, flush=True)
    return checkpoint
