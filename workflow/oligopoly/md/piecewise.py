"""A long LAMMPS run in pieces, that goes on where it was killed.

After every leg LAMMPS writes what it has to a restart file and reads it again, so that a run that nothing interrupts
goes on from the same bytes as one that was killed.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from oligopoly.errors import UserError
from oligopoly.files import atomic, write_text
from oligopoly.md.legs import ATOM_STEPS
from oligopoly.md.units import KCAL_PER_MOL
from oligopoly.progress import Progress

PIECE_FS = 100.0  # between two rows of the table
T_DAMP = 100.0  # fs
GRAM_PER_CM3 = 1 / 0.602214076  # of one g/mol per A^3
MARK = "mark.json"


class PiecewiseRun:
    """Motion of the box in `lmp` with a row of thermo after each piece: stage, step, ps, K, atm, eV, g/cm3, A^3.

    `prepare` gives the commands before a box is read; `folder` keeps what a kill must not lose of the run that `what`
    defines. `mass` is that of the box, g/mol. `after`: commands once a restart file is read, such as the kspace of
    a tilted box.
    """

    def __init__(
        self, lmp, prepare: Callable, timestep_fs: float, mass: float, folder: Path, what: str,
        after: Sequence[str] = (),
    ):  # fmt: skip
        self.lmp, self.timestep, self.mass = lmp, timestep_fs, mass
        self.rows: list[list] = []
        self.step = 0
        self.progress: Progress | None = None
        self._prepare, self._folder, self._what, self._after = prepare, folder, what, after
        self._saved = 0

    def resume(self) -> bool:
        """Go to where a run of the same definition was killed; False if there was none."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            mark = json.loads((self._folder / MARK).read_text())
            if mark["what"] == self._what and (self._folder / mark["restart"]).exists():
                self.step, self.rows = mark["step"], mark["rows"]
                self._load(mark["restart"])
                return True
        return False

    def steps(self, picoseconds: float) -> int:
        """Number of time steps, at least one."""
        return max(1, round(1000 * picoseconds / self.timestep))

    def density(self) -> float:
        """Of the present box, g/cm3."""
        return self.mass * GRAM_PER_CM3 / self.lmp.get_thermo("vol")

    def densities(self, stage: str) -> np.ndarray:
        """Those of the rows of a stage."""
        return np.array([row[6] for row in self.rows if row[0] == stage])

    def move(self, stage: str, end: int, fix: str) -> None:
        """Integrate with `fix` up to step `end`. Raises UserError when the motion blows up."""
        self.lmp.command(f"fix move all {fix}")
        while self.step < end:
            self._piece(stage, end)
            if self.step < end and (self.step - self._saved) * self.lmp.get_natoms() >= ATOM_STEPS:
                self._load(self._save())
                self.lmp.command(f"fix move all {fix}")  # with the thermostat and barostat that the file remembers
        self.lmp.command("unfix move")

    def squeeze(self, stage: str, end: int, temperature: float, density: float) -> None:
        """Bring the box to `density` (g/cm3) up to step `end`, at constant rate of length, its shape kept."""
        low, high, xy, yz, xz, *_ = self.lmp.extract_box()
        lengths = np.subtract(high, low)
        volume = self.mass * GRAM_PER_CM3 / density
        factor = (volume / lengths.prod()) ** (1 / 3)
        # a cube stays one to the last digit
        ends_at = [volume ** (1 / 3)] * 3 if np.ptp(lengths) < 1e-6 else (factor * lengths).tolist()
        ends = " ".join(f"{axis} final 0 {length:.10g}" for axis, length in zip("xyz", ends_at, strict=True))
        tilts = {"xy": xy, "xz": xz, "yz": yz}
        ends += "".join(f" {name} final {factor * tilt:.10g}" for name, tilt in tilts.items() if tilt)
        self.lmp.command(f"fix move all nvt temp {temperature} {temperature} {T_DAMP}")
        self.lmp.command(f"fix squeeze all deform 1 {ends} remap x units box")
        ramp = f" start {self.step} stop {end}"
        while self.step < end:
            self._piece(stage, end, ramp)
        self.lmp.command("unfix squeeze")
        self.lmp.command("unfix move")

    def clear(self) -> None:
        """Remove what is kept against a kill."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _piece(self, stage: str, end: int, ramp: str = "") -> None:
        steps = min(max(1, round(PIECE_FS / self.timestep)), end - self.step)
        self.lmp.command(f"run {steps}{ramp} post no")
        self.step += steps
        if self.progress:
            self.progress.update(steps)
        self._record(stage)

    def _record(self, stage: str) -> None:
        values = [self.lmp.get_thermo(key) for key in ("temp", "press", "pe", "vol")]
        temperature, pressure, energy, volume = values
        if not np.isfinite(values).all() or temperature > 1e5:
            raise UserError(
                f"equilibration blew up in stage {stage} (temperature {temperature:.3g} K). "
                "Use a shorter time step, or a lower maximum pressure or temperature."
            )
        energy *= KCAL_PER_MOL
        density = self.mass * GRAM_PER_CM3 / volume
        time_ps = self.step * self.timestep / 1000
        self.rows.append([stage, self.step, time_ps, temperature, pressure, energy, density, volume])

    def _save(self) -> str:
        name = f"{self.step}.restart"
        with atomic(self._folder / name) as temporary:
            self.lmp.command(f"write_restart {temporary}")
        mark = {"what": self._what, "step": self.step, "restart": name, "rows": self.rows}
        write_text(self._folder / MARK, json.dumps(mark))
        for old in self._folder.glob("*.restart"):
            if old.name != name:
                old.unlink()
        return name

    def _load(self, name: str) -> None:
        self._saved = self.step
        self.lmp.command("clear")
        self._prepare()
        for command in [f"read_restart {self._folder / name}", *self._after]:
            self.lmp.command(command)
