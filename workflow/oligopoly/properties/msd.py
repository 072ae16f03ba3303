"""Mean squared displacements of repeat units and of whole chains."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.errors import UserError
from oligopoly.plotting.shown import NAMES, Picture, Shown, Words
from oligopoly.properties.contract import ENGINES, Check, Context, PropertySettings, Run

LAGS = 30  # lag times reported, evenly spaced on the logarithmic axis
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
                    topology.molecules, topology.repeat_units,
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


def centres(positions, masses, groups) -> np.ndarray:
    """Centres of mass (F, G, 3) of groups 0..G-1; positions (F, N, 3), masses and groups (N,)."""
    weights = np.zeros((groups.max() + 1, len(groups)))
    weights[groups, np.arange(len(groups))] = masses
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("gn,fnx->fgx", weights, positions)


def continuous(positions, cells, masses, molecules) -> np.ndarray:
    """Undo jumps of whole molecules by lattice vectors between frames; positions (F, N, 3).

    Molecules must be whole in each frame, and none may move by half a box from one to the next.
    """
    middles = centres(positions, masses, molecules)
    fractions = np.einsum("fgx,fxy->fgy", middles, np.linalg.inv(cells))
    jumps = np.zeros_like(fractions)
    jumps[1:] = np.cumsum(np.round(np.diff(fractions, axis=0)), axis=0)
    return positions - np.einsum("fgx,fxy->fgy", jumps, cells)[:, molecules]


def displacements(positions, cells, times, masses, molecules, repeat_units) -> dict:
    """MSD of repeat units and of chains against lag time, with local exponents and errors.

    positions : (F, N, 3) A with molecules whole; cells : (F, 3, 3) A, of constant volume;
    times : (F,) fs, evenly spaced; masses : (N,); molecules, repeat_units : (N,) as in system.json.
    The motion of the whole box's centre of mass is removed. Averages run over all time origins
    (FFT, tidynamics); lags reach half the run. Errors are over chains, which are taken as
    independent: standard error of the chains' own curves, and jackknife over chains for the
    exponents d ln MSD / d ln t. No finite-size correction is applied.

    Returns {"lag_ps": [...], "segments": {...}, "chains": {...}}, each with msd_A2, error_A2,
    exponent, exponent_error (None with a single chain).
    Raises UserError for fewer than 8 frames, uneven times or a changing volume.
    """
    positions, cells = np.asarray(positions, float), np.asarray(cells, float)
    times, masses = np.asarray(times, float), np.asarray(masses, float)
    molecules, repeat_units = np.asarray(molecules), np.asarray(repeat_units)
    frames = len(positions)
    if frames < 8:
        raise UserError(f"A mean squared displacement needs at least 8 frames, not {frames}.")
    steps = np.diff(times)
    if np.ptp(steps) > 0.01 * steps.mean():
        raise UserError("A mean squared displacement needs frames at even times.")
    volumes = np.linalg.det(cells)
    if np.ptp(volumes) > 1e-3 * volumes.mean():
        raise UserError(
            "A mean squared displacement needs a constant volume: in NPT the box's breathing moves "
            "the atoms too. Give the NVT trajectory."
        )

    # With a single chain its centre of mass is the box's; nothing is left of its motion.
    path = continuous(positions, cells, masses, molecules)
    path = path - centres(path, masses, np.zeros(len(masses), int))
    _, segments = np.unique(np.stack([molecules, repeat_units], axis=1), axis=0, return_inverse=True)
    segments = segments.ravel()
    chain_of_segment = np.zeros(segments.max() + 1, int)
    chain_of_segment[segments] = molecules

    from tidynamics import msd

    last = frames // 2
    lags = np.unique(np.geomspace(1, last, LAGS).round().astype(int))
    result = {"lag_ps": (lags * steps.mean() / 1000).tolist()}
    chains = molecules.max() + 1
    for name, groups, owner in (
        ("segments", segments, chain_of_segment),
        ("chains", molecules, np.arange(chains)),
    ):
        middles = centres(path, masses, groups)
        curves = np.array([msd(middles[:, k]) for k in range(middles.shape[1])])
        per_chain = np.array([curves[owner == c].mean(axis=0) for c in range(chains)])
        result[name] = _summary(per_chain[:, : last + 1], lags)
    return result


def local_exponent(msd, lags) -> np.ndarray:
    """Slope of ln MSD against ln lag around each of `lags`; msd (L,) on lags 0..L-1, one-sided at
    its ends."""
    grid = np.log(np.arange(1, len(msd)))
    logs = np.log(np.maximum(msd[1:], 1e-300))
    low = np.log(np.maximum(lags / FACTOR, 1))
    high = np.log(np.minimum(lags * FACTOR, len(msd) - 1))
    return (np.interp(high, grid, logs) - np.interp(low, grid, logs)) / (high - low)


def _summary(per_chain, lags) -> dict:
    """Mean over chains and errors; per_chain (M, L)."""
    chains = len(per_chain)
    mean = per_chain.mean(axis=0)
    result = {"msd_A2": mean[lags].tolist(), "exponent": local_exponent(mean, lags).tolist()}
    if chains < 2:
        return result | {"error_A2": None, "exponent_error": None}
    error = per_chain.std(axis=0, ddof=1) / np.sqrt(chains)
    without = (chains * mean - per_chain) / (chains - 1)
    jackknife = np.array([local_exponent(curve, lags) for curve in without])
    spread = np.sqrt((chains - 1) / chains * ((jackknife - jackknife.mean(axis=0)) ** 2).sum(axis=0))
    return result | {"error_A2": error[lags].tolist(), "exponent_error": spread.tolist()}


def figure(found: dict):
    """MSD of segments and chains (left) and their local exponents (right), both engines."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from oligopoly.plotting.style import LEARNED, MUTED, REFERENCE, panels

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
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
        axis.set_minor_formatter(NullFormatter())
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
