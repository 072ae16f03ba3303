"""How far apart two atoms of a backbone are, by the bonds between them: from which scale on chains are random walks."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from oligopoly.errors import UserError
from oligopoly.md.stored import blocks
from oligopoly.plotting.shown import NAMES, Picture, Shown, Words
from oligopoly.properties import statistics
from oligopoly.properties.contract import ENGINES, Check, Context, Number, PropertySettings, Run
from oligopoly.properties.dimensions import longest_ways

SEPARATIONS = 24  # reported, evenly spaced on the logarithmic axis


class Settings(PropertySettings):
    """Mean squared internal distances of backbones: in a series of lengths, they tell a melt not equilibrated."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"
    static: ClassVar[bool] = True

    def create(self) -> "InternalDistances":
        return InternalDistances()


class InternalDistances:
    """The property as `properties.contract.Property` has it."""

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """As `curve`, of the backbones of all chains."""
        t = context.topology
        if context.ring:
            raise UserError("A ring is no random walk: there are no internal distances to follow to its ends.")
        ways = longest_ways(t.numbers, t.bonds, t.molecules)
        lengths = sorted(set(map(len, ways)))
        if len(lengths) > 1:
            raise UserError(f"Backbones of {lengths[0]} to {lengths[-1]} atoms have no internal distances in common.")
        if lengths[0] < 3:
            raise UserError("A backbone of fewer than three heavy atoms has no internal distances.")
        return curve([run.trajectory.positions for run in runs], np.array(ways), runs[0].spacing_ps)

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """They are compared by eye: `dimensions` judges whole chains, `torsions` what makes them."""
        return {}

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """None."""
        return []

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """None: these are curves."""
        return ()

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Each system has its own."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """The curves of both engines."""
        curves = {engine: found[engine] for engine in ENGINES if "bonds" in found.get(engine, {})}
        if not curves:
            missing = found.get("missing") or found.get("learned", {}).get("missing", "")
            yield Words(f"Internal distances were not measured. {missing}", soft=True)
            return
        yield Picture(
            figure(curves),
            f"{system}: mean squared distance R² of backbone atoms that are s bonds apart, by s; the error is the "
            "largest of those over time, chains and replicates",
            f"internal distances of {system}",
        )


def curve(runs: Sequence[Any], ways: np.ndarray, spacing_ps: float) -> dict[str, Any]:
    """R²(s)/s (A^2) by s bonds (R. Auhl et al., J. Chem. Phys. 119 (2003) 12718), with standard errors: the largest of
    those over time, chains and replicates.

    runs : per replicate positions (F, N, 3) A with molecules whole, `spacing_ps` apart; ways : (M, n) atoms along each
    of M backbones. `known`: whether a run is long enough to know the ends' distance (`statistics.over_chains`).
    Returns {"bonds", "ratio_A2", "error_A2", "known", "warning"}.
    """
    bonds = np.unique(np.geomspace(1, ways.shape[1] - 1, SEPARATIONS).round().astype(int))
    of_time, of_chains, ends = [], [], []
    for positions in runs:
        series, total, last, frames = [], np.zeros((len(bonds), len(ways))), [], 0
        for _, block in blocks(positions, "internal distances"):
            chains = block[:, ways]
            squares = np.array(
                [((chains[:, :, s:] - chains[:, :, :-s]) ** 2).sum(axis=3).mean(axis=2) / s for s in bonds.tolist()]
            )
            series.append(squares.mean(axis=2))
            last.append(squares[-1])
            total += squares.sum(axis=1)
            frames += len(block)
        of_time.append(np.concatenate(series, axis=1))
        of_chains.append(total / frames)
        ends.append(np.concatenate(last))
    whole = statistics.over_chains(ends, spacing_ps, "the end-to-end distance")
    means = np.concatenate(of_chains, axis=1)
    error = np.sqrt([sum(statistics.mean(run[k], quiet=True).error ** 2 for run in of_time) for k in range(len(bonds))])
    error /= len(runs)
    if means.shape[1] > 1:
        error = np.maximum(error, means.std(axis=1, ddof=1) / np.sqrt(means.shape[1]))
    if len(runs) >= statistics.REPLICATES:
        each = np.array([run.mean(axis=1) for run in of_time])
        error = np.maximum(error, each.std(axis=0, ddof=1) / np.sqrt(len(runs)))
    return {
        "bonds": bonds.tolist(),
        "ratio_A2": means.mean(axis=1).tolist(),
        "error_A2": error.tolist(),
        "known": whole["known"],
        "warning": whole["warning"],
    }


def figure(curves: dict[str, dict[str, Any]]) -> Any:
    """R²(s)/s against s, by engine; that of a run too short to know the ends is open."""
    from oligopoly.plotting.style import LEARNED, REFERENCE, panels

    drawn, (ax,) = panels(1, 3.0, width=5.4)
    for engine, colour, style in (("reference", REFERENCE, "-"), ("learned", LEARNED, "--")):
        if engine in curves:
            draw(ax, curves[engine], NAMES[engine], colour, style)
    ax.legend()
    return drawn


def draw(ax: Any, one: dict[str, Any], name: str, colour: Any, style: str = "-") -> None:
    """One curve, and the axes that it needs."""
    from oligopoly.plotting.style import plain_log

    ax.errorbar(
        one["bonds"], one["ratio_A2"], one["error_A2"], color=colour, ls=style, marker="o", ms=3.5, lw=1,
        markerfacecolor=colour if one["known"] else "white", label=name,
    )  # fmt: skip
    ax.set_xscale("log")
    plain_log(ax.xaxis)
    ax.set_xlabel("bonds s between two atoms")
    ax.set_ylabel("R²(s) / s (Å²)")
