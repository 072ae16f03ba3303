"""Backbone torsions: how often they are trans, and what turning one costs."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md.stored import blocks
from oligopoly.plotting.shown import NAMES, Picture, Shown, Table, Words
from oligopoly.properties import statistics
from oligopoly.properties.contract import (
    ENGINES,
    SIGMAS,
    Check,
    Context,
    Number,
    PropertySettings,
    Run,
    Tolerance,
    allowed,
)
from oligopoly.properties.dimensions import longest_ways

TRANS = 120.0  # degrees: beyond it (either way) a torsion is trans
BINS = 36
STEP = 15.0  # degrees, of the profile
REACHABLE = 0.3  # eV: what of the profile thermal motion sees


class Settings(PropertySettings):
    """Share of trans among the torsions of the backbone, with errors over chains, and the profile of one torsion."""

    ensemble: ClassVar[Literal["npt", "nvt"]] = "nvt"
    static: ClassVar[bool] = True

    tolerance_percent: Tolerance = Tolerance(train=5.0, transfer=8.0)

    def create(self) -> "Torsions":
        return Torsions(self)


class Torsions:
    """The property as `properties.contract.Property` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def measure(self, runs: Sequence[Run], context: Context, engine: str) -> dict[str, Any]:
        """`trans`: the share as `statistics.over_chains`; `distribution` over degrees; and with the learned potential
        `profile`: energies (eV) of one chain by both, by the angle of its middle torsion, where those are cheap."""
        topology = context.topology
        if context.ring:
            raise UserError("A ring's torsions depend on each other: there is no share of trans to compare.")
        quadruples = backbone_torsions(topology.numbers, topology.bonds, topology.molecules)
        if not quadruples.shape[1]:
            raise UserError("Chains of fewer than four heavy atoms in a row have no torsion.")
        series, histogram = [], np.zeros(BINS)
        edges = np.linspace(-180, 180, BINS + 1)
        for run in runs:
            shares = []
            for _, block in blocks(run.trajectory.positions, "torsions"):
                found = angles(block, quadruples)
                shares.append((np.abs(found) > TRANS).mean(axis=2))
                histogram += np.histogram(found, edges)[0]
            series.append(np.concatenate(shares))
        return {
            "trans": statistics.over_chains(series, runs[0].spacing_ps, "the share of trans"),
            "distribution": {
                "degrees": (0.5 * (edges[1:] + edges[:-1])).tolist(),
                "density_per_degree": (histogram / histogram.sum() / np.diff(edges)).tolist(),
            },
            "profile": _profile(runs[0], quadruples, context) if engine == "learned" else None,
        }

    def compare(self, reference: dict[str, Any], learned: dict[str, Any], context: Context) -> dict[str, Any]:
        """Difference of the shares in percent points, and the largest one of the profiles below REACHABLE (meV)."""
        one, two = reference["trans"], learned["trans"]
        deviation = 100 * (two["value"] - one["value"])
        sigma = 100 * float(np.hypot(one["error"], two["error"]))
        tolerance = getattr(self.settings.tolerance_percent, context.role)
        limit, passed = allowed(deviation, sigma, tolerance)
        profile = learned.get("profile")
        return {
            "deviation_percent": deviation, "sigma_percent": sigma, "tolerance_percent": tolerance,
            "sigmas": SIGMAS, "allowed_percent": limit,
            "passed": passed if one["known"] and two["known"] else None,
            "profile_meV": _largest_difference(profile) if profile else None,
        }  # fmt: skip

    def checks(self, found: dict[str, Any], context: Context) -> list[Check]:
        """As many torsions must be trans as in the reference."""
        c = found.get("comparison")
        if not c:
            return []
        told = f"{c['deviation_percent']:+.1f} ± {c['sigma_percent']:.1f} points"
        if c["passed"] is None:
            longest = max(found[engine]["trans"]["relaxation_ps"] for engine in ENGINES)
            told += f", runs too short (torsions relax in {longest:.2g} ps)"
        required = f"within {c['tolerance_percent']:g} + {c['sigmas']:g}σ = {c['allowed_percent']:.1f} points"
        return [Check("torsions", "share of trans", told, required, c["passed"])]

    def numbers(self, measured: dict[str, Any], units: int) -> Iterable[Number]:
        """The share of trans."""
        trans = measured["trans"]
        yield Number("trans", "%", 100 * trans["value"], 100 * trans["error"], trans["known"])

    def overview(self, everything: dict[str, dict[str, Any]]) -> Iterable[Shown]:
        """Each system has its own."""
        return ()

    def details(self, system: str, found: dict[str, Any]) -> Iterable[Shown]:
        """Distribution, profile and shares."""
        engines = [engine for engine in ENGINES if "trans" in found.get(engine, {})]
        if not engines:
            if "missing" in found:
                yield Words(f"Torsions: {found['missing']}", soft=True)
            return
        yield Picture(
            figure({engine: found[engine] for engine in engines}),
            f"{system}: torsions of the backbone (180°: trans), and the energy of one chain in vacuum while its middle "
            "torsion is turned rigidly, by both.",
            f"torsions of {system}",
        )
        rows = [
            (NAMES[engine], f"{one['value']:.3f} ± {one['error']:.3f}", f"{one['relaxation_ps']:.2g}",
             "" if one["known"] else "too short to know")
            for engine in engines
            for one in [found[engine]["trans"]]
        ]  # fmt: skip
        yield Table(("engine", "share of trans", "relaxes in (ps)", ""), rows, "Torsions of the backbone", (1, 2))


def _profile(run: Run, quadruples: np.ndarray, context: Context) -> dict[str, Any] | None:
    """Of the same chain for both: the most extended one of the first frame, where turned ends meet the least."""
    topology = context.topology
    if not set(ENGINES) <= context.energies.keys():
        return None
    frames = turned(run.trajectory.atoms(0), quadruples, topology.molecules, topology.bonds)
    if not frames:
        return None
    found: dict[str, Any] = {"degrees": profile_degrees().tolist()}
    for engine in ENGINES:
        energies = np.asarray(context.energies[engine](frames), float)
        if not np.isfinite(energies).any():
            return None
        relative = energies - np.nanmin(energies)
        found[engine] = [float(e) if np.isfinite(e) else None for e in relative]
    return found


def _largest_difference(profile: dict[str, Any]) -> float | None:
    """meV, at angles where the reference lies below REACHABLE."""
    pairs = [
        (one, two)
        for one, two in zip(profile["reference"], profile["learned"], strict=True)
        if one is not None and two is not None and one < REACHABLE
    ]
    return 1000 * max(abs(one - two) for one, two in pairs) if pairs else None


def backbone_torsions(numbers, bonds, molecules) -> np.ndarray:
    """The torsions (M, T, 4) along the longest chain of heavy atoms of each of M equal molecules."""
    ways = longest_ways(numbers, bonds, molecules)
    if len({len(way) for way in ways}) > 1:
        raise UserError("Chains of several lengths have no share of trans in common: their torsions are not measured.")
    ways_back = np.array(ways)[:, ::-1]
    places = np.arange(max(ways_back.shape[1] - 3, 0))[:, None] + np.arange(4)
    return ways_back[:, places]


def angles(positions, quadruples) -> np.ndarray:
    """Torsion angles (F, M, T) in degrees, trans at +-180 (IUPAC); positions (F, N, 3), molecules whole."""
    a, b, c, d = (np.asarray(positions)[:, quadruples[..., k]] for k in range(4))
    one, two, three = b - a, c - b, d - c
    left, right = np.cross(one, two), np.cross(two, three)
    sine = (np.linalg.norm(two, axis=-1, keepdims=True) * one * right).sum(axis=-1)
    return np.degrees(np.arctan2(sine, (left * right).sum(axis=-1)))


def profile_degrees() -> np.ndarray:
    """Angles of the profile."""
    return np.arange(-180.0, 180.0 + STEP / 2, STEP)


def turned(frame: Atoms, quadruples: np.ndarray, molecules: np.ndarray, bonds: np.ndarray) -> list[Atoms]:
    """The most extended chain of a frame, alone, its middle torsion turned rigidly to each of `profile_degrees`; none
    where that torsion is part of a ring."""
    ends = quadruples[:, [0, -1], [0, -1]]
    spans = np.linalg.norm(frame.positions[ends[:, 1]] - frame.positions[ends[:, 0]], axis=1)
    chosen = int(np.argmax(spans))
    own = np.flatnonzero(molecules == chosen)
    chain = Atoms(frame.numbers[own], frame.positions[own])
    a, b, c, d = np.searchsorted(own, quadruples[chosen][quadruples.shape[1] // 2])
    behind = _behind(np.searchsorted(own, bonds[molecules[bonds[:, 0]] == chosen]), int(b), int(c))
    frames = []
    for angle in profile_degrees() if b not in behind else ():
        copy = chain.copy()
        copy.set_dihedral(a, b, c, d, angle, indices=behind)
        frames.append(copy)
    return frames


def _behind(bonds: np.ndarray, b: int, c: int) -> list[int]:
    """Atoms on the side of `c` when the bond b-c is cut."""
    neighbours: dict[int, list[int]] = {}
    for one, two in bonds.tolist():
        if {one, two} != {b, c}:
            neighbours.setdefault(one, []).append(two)
            neighbours.setdefault(two, []).append(one)
    found, todo = {c}, [c]
    while todo:
        for other in neighbours.get(todo.pop(), []):
            if other not in found:
                found.add(other)
                todo.append(other)
    return sorted(found)


def figure(found: dict):
    """Distribution of the angles (left) and energy against one of them (right), of both engines."""
    from oligopoly.plotting.style import FULL, HALF, LEARNED, MUTED, REFERENCE, panels

    profile = found.get("learned", {}).get("profile")
    drawn, axes = panels(2 if profile else 1, 2.7, width=FULL if profile else HALF)
    for engine, colour, style in (("reference", REFERENCE, "-"), ("learned", LEARNED, "--")):
        if engine in found:
            one = found[engine]["distribution"]
            axes[0].plot(one["degrees"], one["density_per_degree"], style, color=colour, label=NAMES[engine])
        if profile:
            energy = np.array(profile[engine], float)
            axes[1].plot(profile["degrees"], energy, style, color=colour)
    axes[0].set_ylabel("probability per degree")
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    if profile:
        axes[1].set_ylim(-0.02, 2 * REACHABLE)  # beyond, atoms of the turned ends meet each other
        axes[1].axhline(0, color=MUTED, lw=0.6)
        axes[1].set_ylabel("energy of one chain (eV)")
    for ax in axes:
        ax.set_xlabel("torsion angle (°)")
        ax.set_xticks(range(-180, 181, 60))
    return drawn
