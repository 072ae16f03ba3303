"""A running MD: LAMMPS with an engine, advanced piece by piece without starting anew."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ase.units
import numpy as np
from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.md import placement
from oligopoly.md.engine import Engine, Score
from oligopoly.md.lammps import start
from oligopoly.md.outcomes import Failed

# Relaxation times of the Nose-Hoover chains of thermostat and barostat, fs
THERMOSTAT = 100.0
BAROSTAT = 1000.0
# LAMMPS' own words for atoms that left physics
_EXPLODED = re.compile("Lost atoms|Out of range atoms|atoms.* missing|simulation unstable")


@dataclass(frozen=True)
class Conditions:
    """How atoms move. `temperature` K, `pressure_atm`, `timestep_fs`, `hydrogen_mass` g/mol or None.

    `pressure_end_atm` ramps the pressure linearly over the run. Under `nve` the temperature is
    that of the initial velocities alone. Barostats are isotropic. Heavier hydrogens allow longer
    steps and change no static average; dynamics needs None, the real masses.
    """

    ensemble: Literal["nve", "nvt", "npt"]
    temperature: float
    timestep_fs: float
    pressure_atm: float | None = None
    pressure_end_atm: float | None = None
    hydrogen_mass: float | None = None

    def __post_init__(self):
        if self.ensemble not in ("nve", "nvt", "npt"):
            raise UserError(f"ensemble '{self.ensemble}' is not known: give nve, nvt or npt")
        if self.ensemble == "npt" and self.pressure_atm is None:
            raise UserError("ensemble npt needs a pressure")
        if self.ensemble != "npt" and (self.pressure_atm, self.pressure_end_atm) != (None, None):
            raise UserError(f"a pressure belongs to ensemble npt, not {self.ensemble}")
        if self.temperature <= 0 or self.timestep_fs <= 0:
            raise UserError("temperature and timestep must be positive")

    def steps(self, duration_fs: float) -> int:
        """Number of time steps nearest to a duration."""
        return round(duration_fs / self.timestep_fs)


@dataclass(frozen=True)
class Sample:
    """One moment: positions (N, 3) with whole molecules and cell (3, 3) in A; energies in eV.

    Kinetic energy and pressure are those of the masses that move (see `hydrogen_mass`).
    """

    step: int
    time_fs: float
    positions: np.ndarray
    cell: np.ndarray
    temperature: float
    pressure_atm: float
    potential: float
    kinetic: float

    @property
    def volume(self) -> float:
        """Of the cell, A^3."""
        return float(abs(np.linalg.det(self.cell)))


class Simulation:
    """MD of `atoms` with `engine`; `open_simulation` closes it again.

    Steps count from the construction or from the last `restart_clock`. The first velocities are those of `seed` at
    the temperature, or `velocities` (N, 3) in A/fs of an upright cell. Every failure of the
    motion, LAMMPS' own or the engine's, is raised as `outcomes.Failed`; an exception in the
    engine's Python code that is no failure of the motion is raised as it is.
    """

    def __init__(self, engine: Engine, atoms: Atoms, conditions: Conditions, seed: int, log=None, velocities=None):
        self.engine, self.conditions = engine, conditions
        self.periodic = bool(atoms.pbc.all())
        if conditions.ensemble == "npt" and not self.periodic:
            raise UserError("ensemble npt needs a periodic box")
        self.lmp = start(log, engine.hardware)
        try:
            atoms = placement.oriented(atoms)
            engine.load(self.lmp, atoms, conditions.hydrogen_mass)
            self._command("thermo_style custom step temp pe ke press vol")
            self._command("thermo_modify norm no lost error flush no")
            self._command(f"timestep {conditions.timestep_fs / engine.units.time:.17g}")
            if velocities is None:
                self._maxwell_boltzmann(seed)
            else:
                placement.scatter_velocities(self.lmp, velocities * engine.units.time)
            self._command("fix drift all momentum 1000 linear 1 1 1")
        except BaseException:
            self.close()
            raise
        self._fixes: list[str] = []
        self._ready = False
        self._ramp = (0, 0)
        self._first = 0

    def close(self) -> None:
        """Free LAMMPS."""
        if self.lmp is not None:
            with contextlib.suppress(Exception):
                self.lmp.close()
            self.lmp = None

    def ensemble(self, steps: int, volume_ratio: float | None = None) -> None:
        """Integrate as the conditions say, any ramp being over after `steps` more.

        With `volume_ratio` the volume is brought to that times the present one over these steps, at
        constant temperature and without a barostat: box and positions are scaled together a little
        at every step (`fix deform`), so that bonds relax meanwhile; a jump would press atoms into
        each other.
        """
        c, units = self.conditions, self.engine.units
        temperature = f"temp {c.temperature:.17g} {c.temperature:.17g} {THERMOSTAT / units.time:.17g}"
        if volume_ratio is not None or c.ensemble == "nvt":
            fix = f"nvt {temperature}"
        elif c.ensemble == "nve":
            fix = "nve"
        else:
            assert c.pressure_atm is not None  # `Conditions` have one in npt
            end = c.pressure_atm if c.pressure_end_atm is None else c.pressure_end_atm
            first, last = c.pressure_atm / units.pressure, end / units.pressure
            fix = f"npt {temperature} iso {first:.17g} {last:.17g} {BAROSTAT / units.time:.17g}"
        for name in self._fixes:
            self._command(f"unfix {name}")
        self._fixes = ["integrate"]
        self._command(f"fix integrate all {fix}")
        if volume_ratio is not None:
            axes = " ".join(f"{axis} scale {volume_ratio ** (1 / 3):.17g}" for axis in "xyz")
            self._command(f"fix volume all deform 1 {axes} remap x")
            self._fixes.append("volume")
        self._ready = False
        self._ramp = (self._now(), self._now() + steps)

    def advance(self, steps: int) -> None:
        """Go on for `steps`, without setting up anew where nothing changed; raises `Failed`."""
        begin, end = self._ramp
        setup = "no" if self._ready else "yes"
        end = max(end, self._now() + steps)
        self._command(f"run {steps} pre {setup} post no start {begin} stop {end}")
        self._ready = True

    def restart_clock(self, step: int = 0) -> None:
        """Count steps and time from here, which is `step`."""
        self._first = self._now() - step

    def velocities(self) -> np.ndarray:
        """Velocities (N, 3) at present, A/fs."""
        return placement.gathered(self.lmp, "v", columns=3) / self.engine.units.time

    def score(self) -> Score | None:
        """The uncertainty at the present step, where the engine gives one."""
        return self.engine.score(self.lmp)

    def sample(self) -> Sample:
        """The present moment; raises `Failed` when it holds something that is not a number."""
        units, thermo = self.engine.units, self.lmp.get_thermo
        try:
            positions, cell = placement.unwrapped(self.lmp, self.periodic)
        except RuntimeError as error:
            raise Failed("exploded", str(error)) from error
        if not np.isfinite(positions).all():
            atom = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise Failed("non_finite", f"the position of atom {atom} is not a number", [atom])
        step = self._now() - self._first
        numbers = {name: thermo(name) for name in ("temp", "press", "pe", "ke")}
        for name, value in numbers.items():
            if not np.isfinite(value):
                raise Failed("non_finite", f"LAMMPS' thermo output '{name}' is not a number")
        return Sample(
            step=step,
            time_fs=step * self.conditions.timestep_fs,
            positions=positions,
            cell=cell,
            temperature=numbers["temp"],
            pressure_atm=numbers["press"] * units.pressure if self.periodic else 0.0,
            potential=numbers["pe"] * units.energy,
            kinetic=numbers["ke"] * units.energy,
        )

    def _now(self) -> int:
        return int(self.lmp.extract_global("ntimestep"))

    def _maxwell_boltzmann(self, seed: int) -> None:
        """Velocities of the exact temperature, without motion of the centre of mass."""
        types = placement.gathered(self.lmp, "type", int)
        mass = np.array(self.lmp.numpy.extract_atom("mass"))[types][:, None]
        velocities = np.random.default_rng(seed).normal(size=(len(types), 3)) / np.sqrt(mass)
        velocities -= (mass * velocities).sum(axis=0) / mass.sum()
        kinetic = 0.5 * (mass * velocities**2).sum()
        degrees = 3 * len(types) - 3
        wanted = 0.5 * degrees * ase.units.kB * self.conditions.temperature
        velocities *= np.sqrt(wanted / kinetic)  # A per ASE time unit
        per_fs = velocities * ase.units.fs
        placement.scatter_velocities(self.lmp, per_fs * self.engine.units.time)

    def _command(self, command: str) -> None:
        try:
            self.lmp.command(command)
        except Exception as error:
            failure = self.engine.failure()
            if failure is None:
                text = " ".join(str(error).split()).split(" For more information")[0]
                if "Non-numeric" in text:
                    raise Failed("non_finite", text) from error
                if _EXPLODED.search(text):
                    raise Failed("exploded", text) from error
                raise
        failure = self.engine.failure()
        if failure is not None:
            raise failure


@contextlib.contextmanager
def open_simulation(
    engine: Engine, atoms: Atoms, conditions: Conditions, seed: int, log: str | Path | None = None, velocities=None
) -> Iterator[Simulation]:
    """A `Simulation` that is closed when the block ends."""
    simulation = Simulation(engine, atoms, conditions, seed, log, velocities)
    try:
        yield simulation
    finally:
        simulation.close()
