"""Mean squared displacements of repeat units and of whole chains."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.errors import UserError
from oligopoly.md.stored import blocks
from oligopoly.plotting.shown import NAMES, Picture, Shown, Words
from oligopoly.properties import displacement
from oligopoly.properties.contract import ENGINES, SIGMAS, Check, Context, Number, PropertySettings, Run

LAGS = 30  # lag times reported, evenly spaced on the logarithmic axis
LARGEST = 30_000  # repeat units of a motion that is not kept
CONSTANT_VOLUME = 1e-3  # of the volume, what it may change by
FARTHEST = 0.4  # of the box: what a molecule may seem to move between two frames
DIFFUSIVE = 0.2  # from 1, the farthest exponent, two standard errors included, of chains that diffuse
FACTOR = np.sqrt(2)  # the exponent at t is the slope between t / FACTOR and t * FACTOR


class Settings(PropertySettings):
    """Mean squared displacements, in NVT with the real masses."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"
    dynamic: ClassVar[bool] = True

    def create(self) -> "Displacements":
        return Displacements()


class Displacements:
    """The property as `properties.contract.Property` has it."""

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """As `displacements`; replicates are averaged, over the length of the shortest run."""
        topology, trajectories = context.topology, [run.trajectory for run in runs]
        frames = min(map(len, trajectories))
        return _averaged(
            [
                displacements(
                    one.positions[:frames], one.cells[:frames], one.times[:frames], topology.masses,
                    topology.molecules, topology.repeat_units, one.followed,
                )
                for one in trajectories
            ]
        )  # fmt: skip

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """They are compared by eye: dynamics has no tolerance yet."""
        return {}

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """None."""
        return []

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """The diffusion coefficient of chains, MSD / 6t at the longest lag; known where the exponent there is that of
        diffusion."""
        chains, lag = measured["chains"], measured["lag_ps"][-1]
        error = chains["error_A2"] and chains["error_A2"][-1] / (6 * lag)
        sigma = chains["exponent_error"] and chains["exponent_error"][-1]
        diffuse = sigma is not None and abs(chains["exponent"][-1] - 1) + SIGMAS * sigma <= DIFFUSIVE
        yield Number("diffusion of chains", "Å²/ps", chains["msd_A2"][-1] / (6 * lag), error, diffuse)

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Each system has its own."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """Displacements and their exponents."""
        curves = {engine: found[engine] for engine in ENGINES if "lag_ps" in found.get(engine, {})}
        if not curves:
            yield Words("The mean squared displacement could not be measured.", soft=True)
            return
        yield Picture(
            figure(curves),
            f"{system}: mean squared displacement of repeat units and of chain centres of mass in "
            "NVT with real masses, motion of the whole box removed; errors over chains.",
            f"mean squared displacements of {system}",
        )


def _averaged(found: list[dict]) -> dict[str, Any]:
    """Curves of replicates as one; their errors are over chains, which are independent."""
    if len(found) == 1:
        return found[0]
    result: dict[str, Any] = {"lag_ps": found[0]["lag_ps"]}
    for kind in ("segments", "chains"):
        result[kind] = {}
        for key, error in (("msd_A2", "error_A2"), ("exponent", "exponent_error")):
            result[kind][key] = np.mean([one[kind][key] for one in found], axis=0).tolist()
            errors = [one[kind][error] for one in found]
            known = all(one is not None for one in errors)
            result[kind][error] = (np.sqrt(np.sum(np.square(errors), axis=0)) / len(found)).tolist() if known else None
    return result


def weights(masses, groups):
    """Sparse matrix (G, N) that makes centres of mass of groups 0..G-1 of positions; masses and groups (N,)."""
    from scipy.sparse import csr_array

    masses, groups = np.asarray(masses, float), np.asarray(groups)
    share = masses / np.bincount(groups, masses)[groups]
    return csr_array((share, (groups, np.arange(len(groups)))), shape=(groups.max() + 1, len(groups)))


def centres(positions, masses, groups) -> np.ndarray:
    """Centres of mass (F, G, 3) of groups 0..G-1; positions (F, N, 3), masses and groups (N,)."""
    matrix = weights(masses, groups)
    return np.array([matrix @ frame for frame in positions]).reshape(-1, matrix.shape[0], 3)


class Unjumped:
    """Undoes jumps of whole molecules by lattice vectors from frame to frame, of frames that come in blocks.

    None may move by half a box from one to the next. With `doubt`, one that seems to move by FARTHEST of it raises
    UserError: a longer way around the box would look the same.
    """

    def __init__(self, doubt: bool = False):
        self.doubt, self.last, self.jumps = doubt, None, 0.0

    def shifts(self, middles, cells) -> np.ndarray:
        """What to take off the centres of mass (f, M, 3) of molecules; cells (f, 3, 3)."""
        fractions = np.einsum("fgx,fxy->fgy", middles, np.linalg.inv(cells))
        before = fractions[:1] if self.last is None else self.last[None]
        moves = np.diff(np.concatenate([before, fractions]), axis=0)
        whole = np.round(moves)
        farthest = abs(moves - whole).max()
        if self.doubt and farthest > FARTHEST:
            raise UserError(
                f"A molecule moves by {farthest:.2f} of the box between two frames, so that those that leave it cannot "
                "be followed: store frames more often, or positions that are not wrapped."
            )
        jumps = self.jumps + np.cumsum(whole, axis=0)
        self.last, self.jumps = fractions[-1], jumps[-1]
        return np.einsum("fgx,fxy->fgy", jumps, cells)


def continuous(positions, cells, masses, molecules) -> np.ndarray:
    """Positions (F, N, 3) with jumps as of `Unjumped` undone; molecules must be whole in each frame."""
    return positions - Unjumped().shifts(centres(positions, masses, molecules), cells)[:, molecules]


def displacements(positions, cells, times, masses, molecules, repeat_units, followed=None) -> dict:
    """MSD of repeat units and of chains against lag time, with local exponents and errors.

    positions : (F, N, 3) A with molecules whole, in memory or `md.stored`; cells : (F, 3, 3) A, of constant volume;
    times : (F,) fs, evenly spaced; masses : (N,); molecules, repeat_units : (N,) as in system.json;
    followed : as in `md.trajectory.Trajectory`; True: there are no jumps to be undone.
    The motion of the whole box's centre of mass is removed. Averages run over all time origins
    (FFT, tidynamics); lags reach half the run. Motions that are too long to be kept (`displacement.AT_ONCE`) are
    averaged as they come: exact at lags below 32 frames, over fewer origins beyond (`displacement.Doubling`), and of
    more than LARGEST repeat units every second or n-th chain. Errors are over chains, which are
    taken as independent: standard error of the chains' own curves, and jackknife over chains for the
    exponents d ln MSD / d ln t. No finite-size correction is applied.

    Returns {"lag_ps": [...], "segments": {...}, "chains": {...}}, each with msd_A2, error_A2,
    exponent, exponent_error (None with a single chain).
    Raises UserError for fewer than 8 frames, uneven times, a changing volume or too long ways between frames.
    """
    cells, times, masses = np.asarray(cells, float), np.asarray(times, float), np.asarray(masses, float)
    molecules, repeat_units = np.asarray(molecules), np.asarray(repeat_units)
    frames = len(positions)
    if frames < 8:
        raise UserError(f"A mean squared displacement needs at least 8 frames, not {frames}.")
    steps = np.diff(times)
    if not np.ptp(steps) <= 0.01 * steps.mean():
        raise UserError("A mean squared displacement needs frames at even times.")
    volumes = np.linalg.det(cells)
    if np.ptp(volumes) > CONSTANT_VOLUME * volumes.mean():
        raise UserError(
            "A mean squared displacement needs a constant volume: in NPT the box's breathing moves "
            "the atoms too. Give the NVT trajectory."
        )

    _, segments = np.unique(np.stack([molecules, repeat_units], axis=1), axis=0, return_inverse=True)
    segments = segments.ravel()
    owner = np.zeros(segments.max() + 1, int)
    owner[segments] = molecules
    chains = molecules.max() + 1
    every = -(-len(owner) // LARGEST) if 3 * frames * len(owner) > displacement.AT_ONCE else 1
    taken = np.arange(0, chains, every)
    mine = np.isin(owner, taken)
    motions = {
        "segments": displacement.of_motion(frames, np.searchsorted(taken, owner[mine]), len(taken)),
        "chains": displacement.of_motion(frames, np.arange(len(taken)), len(taken)),
    }
    of_segments, unjumped = weights(masses, segments), Unjumped(doubt=followed is False)
    mass = np.bincount(segments, masses)
    of_chains, share = weights(mass, owner), np.bincount(molecules, masses) / masses.sum()
    for first, block in blocks(positions, "mean squared displacement"):
        small = np.array([of_segments @ frame for frame in block])
        whole = np.array([of_chains @ frame for frame in small])
        shifts = np.zeros_like(whole) if followed else unjumped.shifts(whole, cells[first : first + len(block)])
        # With a single chain its centre of mass is the box's; nothing is left of its motion.
        middle = np.einsum("fgx,g->fx", whole - shifts, share)[:, None]
        motions["segments"].add((small - shifts[:, owner] - middle)[:, mine])
        motions["chains"].add((whole - shifts - middle)[:, taken])

    last = frames // 2
    lags = np.unique(np.geomspace(1, last, LAGS).round().astype(int))
    found = motions["segments"].lags  # those that are known, of what is kept all
    if len(found) <= last:
        lags = np.unique(found[abs(np.log(found[1:, None] / lags)).argmin(axis=0) + 1])
    result = {"lag_ps": (lags * steps.mean() / 1000).tolist()}
    for name, motion in motions.items():
        result[name] = _summary(motion.result(), motion.lags, lags)
    return result


def local_exponent(msd, lags, known=None) -> np.ndarray:
    """Slope of ln MSD against ln lag around each of `lags`; msd (L,) on the lags `known` (L,) from 0 on, by default
    0..L-1; one-sided at its ends."""
    known = np.arange(len(msd)) if known is None else known
    grid = np.log(known[1:])
    logs = np.log(np.maximum(msd[1:], 1e-300))
    low = np.log(np.maximum(lags / FACTOR, 1))
    high = np.log(np.minimum(lags * FACTOR, known[-1]))
    return (np.interp(high, grid, logs) - np.interp(low, grid, logs)) / (high - low)


def _summary(per_chain, known, lags) -> dict:
    """Mean over chains and errors at `lags`; per_chain (M, L) on the lags `known`."""
    chains, places = len(per_chain), np.searchsorted(known, lags)
    mean = per_chain.mean(axis=0)
    result = {"msd_A2": mean[places].tolist(), "exponent": local_exponent(mean, lags, known).tolist()}
    if chains < 2:
        return result | {"error_A2": None, "exponent_error": None}
    error = per_chain.std(axis=0, ddof=1) / np.sqrt(chains)
    without = (chains * mean - per_chain) / (chains - 1)
    jackknife = np.array([local_exponent(curve, lags, known) for curve in without])
    spread = np.sqrt((chains - 1) / chains * ((jackknife - jackknife.mean(axis=0)) ** 2).sum(axis=0))
    return result | {"error_A2": error[places].tolist(), "exponent_error": spread.tolist()}


def figure(found: dict):
    """MSD of segments and chains (left) and their local exponents (right), both engines."""
    from oligopoly.plotting.style import LEARNED, MUTED, REFERENCE, panels, plain_log

    drawn, (left, right) = panels(2, 3.3)
    for engine, colour, style in (("reference", REFERENCE, "-"), ("learned", LEARNED, "--")):
        one = found.get(engine)
        if not one or "missing" in one:
            continue
        t = np.array(one["lag_ps"])
        for kind, marker in (("segments", "o"), ("chains", "^")):
            curve = one[kind]
            for ax, key, error_key in (
                (left, "msd_A2", "error_A2"),
                (right, "exponent", "exponent_error"),
            ):
                ax.errorbar(
                    t, curve[key], curve[error_key], color=colour, ls=style, marker=marker, ms=3,
                    lw=1, elinewidth=0.7, capsize=1.2, markerfacecolor=(
                        colour if kind == "segments" else "white"),
                    label=f"{NAMES[engine]}, {kind}",
                )  # fmt: skip
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("lag time t (ps)")
    left.set_yscale("log")
    plain_log(left.xaxis, left.yaxis, right.xaxis)
    left.set_ylabel("mean squared displacement (Å²)")
    right.set_ylabel("local exponent d ln MSD / d ln t")
    right.set_ylim(0, 2.1)
    for value, name in ((0.5, "Rouse"), (1, "diffusion"), (2, "ballistic")):
        right.axhline(value, color=MUTED, lw=0.6, ls=":", zorder=0)
        right.text(
            1.01, value, name, transform=right.get_yaxis_transform(), fontsize=8, color=MUTED,
            ha="left", va="center",
        )  # fmt: skip
    left.legend()
    return drawn
