"""The classical force field as reference method: exact, cheap, for demonstrations and tests.

A persistent LAMMPS per number of molecules and kind of boundary; each label moves the atoms and
recomputes everything (`run 0`), so that a label does not depend on the ones before it.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.forcefields.registry import of_system
from oligopoly.labelers.contract import Guess, Label, LabelerSettings, LabelFailure
from oligopoly.labelers.outcomes import Outcome
from oligopoly.md import placement
from oligopoly.md.lammps import start
from oligopoly.md.units import ATM, KCAL_PER_MOL
from oligopoly.systems import datafile
from oligopoly.systems.topology import Topology

if TYPE_CHECKING:
    from oligopoly.forcefields.bonded import Bonded
    from oligopoly.forcefields.contract import ForceField

# A pair nearer than this has no meaningful energy in any force field, A.
OVERLAP = 0.3
# Energies (eV) and forces (eV/A) beyond this are those of atoms within each other.
ABSURD = 1e6


class Settings(LabelerSettings):
    """The force field itself: exact, cheap, for tests and demonstrations."""

    runs_md: ClassVar[bool] = True
    kind: Literal["classical"] = "classical"

    def guess(self) -> Guess:
        return Guess(0.02, 1.0, 20.0, 1.0)

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "ClassicalLabeler":
        if data is None or system is None:
            raise UserError("the classical labeler needs to know its force field's molecules: data and system")
        return ClassicalLabeler(data, system)


class ClassicalLabeler:
    """The force field's energies, forces and stress of frames of one system: its box, or 1..N of its molecules.

    `data`: a LAMMPS data file of the system (any positions), `system`: its system.json.
    Periodic frames may have any cell; finite ones are computed with open boundaries and all
    Coulomb pairs. Close it, or use it as a context manager.
    """

    def __init__(self, data: str | Path, system: str | Path):
        topology = Topology.read(system)
        self._fill(topology, of_system(system), datafile.read(data, topology.atoms_per_chain)[0])

    @classmethod
    def of(cls, topology: Topology, force_field: "ForceField | Bonded", chain: datafile.Chain) -> "ClassicalLabeler":
        """Of molecules like those of a topology."""
        self = cls.__new__(cls)
        self._fill(topology, force_field, chain)
        return self

    def _fill(self, topology: Topology, force_field: "ForceField | Bonded", chain: datafile.Chain) -> None:
        self.topology, self.force_field, self.chain = topology, force_field, chain
        self._instances: dict[tuple[int, str], Any] = {}
        self._settings = {
            "kind": "classical",
            **self.force_field.level_of_theory("label"),
            "parameters": _digest(self.chain),
        }

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return dict(self._settings)

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces and, of periodic frames, stress. Raises LabelFailure with its outcome."""
        self._check(atoms)
        periodic = bool(atoms.pbc.all())
        try:
            energy, forces, stress = self._compute(atoms, periodic)
        except Exception as error:
            self.close()  # LAMMPS is in no known state after an error
            raise LabelFailure(*self._why(atoms, f"LAMMPS: {error}", Outcome.CRASHED)) from error
        # Not-a-number fails the comparison too.
        if not np.max([abs(energy), np.abs(forces).max(), np.abs(stress).max()]) < ABSURD:
            reason = f"largest force {np.abs(forces).max():.3g} eV/A, energy {energy:.3g} eV"
            raise LabelFailure(*self._why(atoms, reason, Outcome.CRASHED))
        charges = np.tile(self.chain.charges, len(atoms) // len(self.chain))
        return Label(energy, forces, stress if periodic else None, charges)

    def close(self) -> None:
        """End all LAMMPS instances; the next label starts new ones."""
        for lmp in self._instances.values():
            lmp.close()
        self._instances.clear()

    def __enter__(self) -> "ClassicalLabeler":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, atoms: Atoms) -> None:
        n = self.topology.atoms_per_chain
        if len(atoms) == 0 or len(atoms) % n:
            raise LabelFailure(Outcome.INVALID, f"{len(atoms)} atoms are not whole molecules of {n} atoms")
        topology = self.topology.of(len(atoms))
        if not np.array_equal(atoms.numbers, topology.numbers):
            wrong = int(np.flatnonzero(atoms.numbers != topology.numbers)[0])
            raise LabelFailure(Outcome.INVALID, f"atom {wrong} is not the element that the system has in its place")
        if not np.isfinite(atoms.positions).all():
            raise LabelFailure(Outcome.INVALID, "positions are not finite")
        if atoms.pbc.any():
            if not atoms.pbc.all():
                raise LabelFailure(Outcome.INVALID, "periodic in some directions only")
            if atoms.cell.handedness != 1:
                raise LabelFailure(Outcome.INVALID, "the cell is left-handed or has no volume")
            # LAMMPS would take the nearest image of the partner and hide that a bond is torn.
            torn = topology.broken_bonds(atoms.positions, None, factor=2.5)
        else:
            torn = topology.broken_bonds(atoms.positions, None, factor=5.0)
        if len(torn):
            i, j = torn[0]
            raise LabelFailure(Outcome.INVALID, f"bonded atoms {i} and {j} are {atoms.get_distance(i, j):.2f} A apart")

    def _why(self, atoms: Atoms, reason: str, otherwise: Outcome) -> tuple[Outcome, str]:
        """The failure's cause, as far as the geometry shows it."""
        from ase.neighborlist import neighbor_list

        i, j, d = neighbor_list("ijd", atoms, OVERLAP)
        if len(d):
            k = int(np.argmin(d))
            return Outcome.OVERLAP, f"atoms {i[k]} and {j[k]} are {d[k]:.3f} A apart ({reason})"
        return otherwise, reason

    def _instance(self, molecules: int, kind: str):
        """LAMMPS with `molecules` molecules; `kind`: open, block or prism."""
        if (molecules, kind) in self._instances:
            return self._instances[molecules, kind]
        lmp = start()
        n = len(self.chain)
        # Positions and box are replaced by every label; these only have to be far apart.
        line = np.arange(n)[:, None] * [1.0, 0.0, 0.0]
        where = np.concatenate([line + [0.0, 3.0 * m, 0.0] for m in range(molecules)])
        cell = None if kind == "open" else np.diag([n + 5.0, 3.0 * molecules + 5.0, 20.0])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "molecules.data"
            datafile.write(path, self.chain, where, cell)
            commands = self.force_field.commands("label", kind != "open", impropers=self.chain.has_impropers)
            for command in commands:
                lmp.command(command)
            lmp.command(f"read_data {path}")
        if kind == "prism":
            lmp.command("change_box all triclinic")
            for command in (c for c in commands if c.startswith("kspace")):
                lmp.command(command)  # PPPM has to be set up anew for the tilted box
        for command in [
            f"neighbor 2.0 {'nsq' if kind == 'open' else 'bin'}",
            "thermo_style custom step pe pxx pyy pzz pyz pxz pxy",
            "thermo_modify norm no lost error",
        ]:
            lmp.command(command)
        self._instances[molecules, kind] = lmp
        return lmp

    def _compute(self, atoms: Atoms, periodic: bool) -> tuple[float, np.ndarray, np.ndarray]:
        n = len(atoms)
        rotation = np.eye(3)
        if periodic:
            cell = atoms.cell.array
            lower = cell
            if np.abs(np.triu(cell, 1)).max() > 1e-12 or np.diag(cell).min() <= 0:
                lower, rotation = atoms.cell.standard_form()
                lower = np.asarray(lower)  # cell = lower @ rotation
            prism = np.abs(np.tril(lower, -1)).max() > 1e-12
            lmp = self._instance(n // len(self.chain), "prism" if prism else "block")
            (lx, _, _), (xy, ly, _), (xz, yz, lz) = lower.tolist()
            box = f"x final 0 {lx!r} y final 0 {ly!r} z final 0 {lz!r}"
            tilt = f" xy final {xy!r} xz final {xz!r} yz final {yz!r}" if prism else ""
            lmp.command(f"change_box all {box}{tilt} units box")
            # Wrapping molecules apart is harmless: LAMMPS finds the nearest image of a bonded atom.
            positions, _ = placement.wrapped(atoms.positions @ rotation.T, lower)
        else:
            lmp = self._instance(n // len(self.chain), "open")
            positions = atoms.positions - atoms.positions.mean(axis=0)
        lmp.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(np.ascontiguousarray(positions).ravel()))
        lmp.command("run 0 post no")
        kcal = KCAL_PER_MOL
        energy = lmp.get_thermo("pe") * kcal
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3) * kcal @ rotation
        xx, yy, zz, yz, xz, xy = (lmp.get_thermo(k) for k in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy"))
        pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * ATM
        return energy, forces, -rotation.T @ pressure @ rotation


def _digest(chain: datafile.Chain) -> str:
    """Hash of everything in the data file that makes the energy surface."""
    parts = [f"{name}: {line}" for name, lines in chain.coefficients.items() for line in lines]
    parts += [np.array2string(a, threshold=10**9) for a in (chain.types, np.round(chain.charges, 10))]
    parts += [f"{name}: {entry.tolist()}" for name, entries in chain.topology.items() for entry in entries]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
