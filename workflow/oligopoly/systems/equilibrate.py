"""From a dilute random box to a liquid: the 21-step compression and decompression.

Larsen, Lin, Hart, Colina, Macromolecules 44 (2011) 6944, Table 1: seven cycles of NVT at the high
temperature, NVT at the final temperature, and NPT, at pressures that rise to Pmax and fall again.
Before them the random box is minimised and squeezed to half the density of a liquid, after them
the box is brought to the mean volume of the last stage, so that what comes out does not carry
that box's last fluctuation (5 % of the volume for 200 atoms).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.md import placement
from oligopoly.md.lammps import start
from oligopoly.seeds import derive
from oligopoly.systems import datafile, forcefield

# Durations in ps of (NVT hot, NVT, NPT) and the pressure of the NPT stage as a share of Pmax;
# None is the pressure asked for.
CYCLES = [
    ((50.0, 50.0, 50.0), 0.02),
    ((50.0, 100.0, 50.0), 0.6),
    ((50.0, 100.0, 50.0), 1.0),
    ((50.0, 100.0, 5.0), 0.5),
    ((5.0, 10.0, 5.0), 0.1),
    ((5.0, 10.0, 5.0), 0.01),
    ((5.0, 10.0, 800.0), None),
]
# Shorter stages than these do nothing, however short the whole is made.
SHORTEST, SHORTEST_LAST = 0.2, 8.0  # ps
SQUEEZE = 4.0, 0.5  # ps at full temperature, to this density in g/cm3
SETTLE = 1.0  # ps at the mean volume
T_DAMP = 100.0  # fs
P_DAMP = 200.0, 1000.0  # fs, shortest and longest; a fifth of the stage between them
GRAM_PER_CM3 = 1 / 0.602214076  # of one g/mol per A^3

COLUMNS = (
    "stage",
    "step",
    "time_ps",
    "temperature_K",
    "pressure_atm",
    "potential_eV",
    "density_g_cm3",
    "volume_A3",
)


@dataclass(frozen=True)
class Stage:
    """`picoseconds` at `temperature` in K; at `pressure` in atm, or at constant volume (None)."""

    name: str
    picoseconds: float
    temperature: float
    pressure: float | None


def stages(
    temperature: float,
    pressure_atm: float,
    scale: float,
    max_temperature: float,
    max_pressure_atm: float,
) -> list[Stage]:
    """The 21 stages with durations times `scale`."""
    plan = []
    for k, (durations, share) in enumerate(CYCLES, start=1):
        pressure = pressure_atm if share is None else share * max_pressure_atm
        settings = [
            (max_temperature, None, "hot"),
            (temperature, None, "nvt"),
            (temperature, pressure, "npt"),
        ]
        for full, (t, p, name) in zip(durations, settings, strict=True):
            shortest = SHORTEST_LAST if share is None and p is not None else SHORTEST
            plan.append(Stage(f"{k}-{name}", max(scale * full, min(full, shortest)), t, p))
    return plan


def equilibrate(
    data: str | Path,
    json_path: str | Path,
    out_data: str | Path,
    *,
    temperature: float,
    pressure_atm: float,
    scale: float = 1.0,
    max_temperature: float = 600.0,
    max_pressure_atm: float = 50000.0,
    seed: int,
    timestep_fs: float = 1.0,
    hydrogen_mass: float | None = None,
    thermo: str | Path | None = None,
    summary: str | Path | None = None,
    log: Callable[[str], None] = print,
) -> dict:
    """Equilibrate the box in `data` and write it to `out_data`, molecules whole by image flags.

    `scale` multiplies the durations of the paper (1.56 ns in all). `hydrogen_mass` in g/mol replaces
    the mass of hydrogen for the motion only. `thermo` gets a table (COLUMNS), `summary` what is also
    returned: density and volume of the last NPT stage and of the box, stages, settings. `log` is
    called with a line per stage.
    Raises UserError when the motion blows up.
    """
    system = json.loads(Path(json_path).read_text())
    chain, positions, cell = datafile.read(data, system["atoms_per_chain"])
    mass = float(np.sum(system["masses"]))
    plan = stages(temperature, pressure_atm, scale, max_temperature, max_pressure_atm)
    rows: list[tuple] = []
    lmp = start()
    try:
        run = _Run(lmp, timestep_fs, mass, rows)
        for command in forcefield.commands("md", True, impropers=forcefield.has_impropers(chain)):
            lmp.command(command)
        lmp.command(f"read_data {data}")
        if hydrogen_mass is not None:
            for k, element in enumerate(system["type_elements"], start=1):
                if element == "H":
                    lmp.command(f"mass {k} {hydrogen_mass}")
        lmp.command("neighbor 2.0 bin")
        lmp.command("neigh_modify every 1 delay 0 check yes")
        lmp.command(f"timestep {timestep_fs}")

        log(f"minimising {len(positions)} atoms at {run.density():.3f} g/cm3")
        lmp.command("min_style cg")
        lmp.command("minimize 1.0e-5 1.0e-5 1000 10000")
        lmp.command("reset_timestep 0")
        velocities = derive(seed, "velocity")
        lmp.command(f"velocity all create {max_temperature} {velocities} dist gaussian mom yes rot yes")
        run.squeeze("squeeze", SQUEEZE[0] * max(1.0, min(5.0, 10 * scale)), max_temperature, SQUEEZE[1])
        log(f"squeezed to {run.density():.3f} g/cm3")
        for stage in plan:
            first = len(rows)
            run.stage(stage)
            densities = [row[6] for row in rows[first:]]
            where = "" if stage.pressure is None else f" {stage.pressure:g} atm"
            log(
                f"{stage.name}: {stage.picoseconds:.2f} ps at {stage.temperature:g} K{where}, "
                f"density {np.mean(densities):.3f} g/cm3"
            )
        late = densities[len(densities) // 4 :]
        target = 1 / float(np.mean(1 / np.array(late)))
        run.squeeze("settle", SETTLE, temperature, target)
        x, cell = placement.unwrapped(lmp, periodic=True)
        x = _centred(x, cell, len(chain))
    except Exception as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"equilibration of {data} failed in LAMMPS: {error}. A shorter time step may help.") from error
    finally:
        lmp.close()

    datafile.write(out_data, chain, x, cell, title=f"equilibrated at {temperature:g} K and {pressure_atm:g} atm")
    result = {
        "density_g_cm3": round(target, 5),
        "density_std_g_cm3": round(float(np.std(late)), 5),
        "volume_A3": round(float(abs(np.linalg.det(cell))), 3),
        "temperature_K": temperature,
        "pressure_atm": pressure_atm,
        "picoseconds": round(run.step * timestep_fs / 1000, 3),
        "scale": scale,
        "max_temperature_K": max_temperature,
        "max_pressure_atm": max_pressure_atm,
        "timestep_fs": timestep_fs,
        "hydrogen_mass": hydrogen_mass,
        "seed": seed,
        "stages": [vars(stage) for stage in plan],
    }
    log(f"done: {result['picoseconds']:g} ps, density of the last stage {target:.4f} g/cm3")
    if thermo is not None:
        lines = ["\t".join(COLUMNS)]
        for row in rows:
            lines.append("\t".join([row[0], str(row[1]), *(f"{v:.6g}" for v in row[2:])]))
        write_text(thermo, "\n".join(lines) + "\n")
    if summary is not None:
        write_text(summary, json.dumps(result, indent=1) + "\n")
    return result


def _centred(positions: np.ndarray, cell: np.ndarray, size: int) -> np.ndarray:
    """Whole molecules moved so that their middles lie in the cell: they drifted far as a gas."""
    middles = positions.reshape(-1, size, 3).mean(axis=1)
    away = np.floor(np.linalg.solve(cell.T, middles.T).T)
    return positions - np.repeat(away @ cell, size, axis=0)


class _Run:
    """Runs LAMMPS in short pieces and keeps a row of thermo after each."""

    PIECE_FS = 100.0

    def __init__(self, lmp, timestep_fs: float, mass: float, rows: list):
        self.lmp, self.timestep, self.mass, self.rows, self.step = lmp, timestep_fs, mass, rows, 0

    def density(self) -> float:
        return self.mass * GRAM_PER_CM3 / self.lmp.get_thermo("vol")

    def stage(self, stage: Stage) -> None:
        t = f"temp {stage.temperature} {stage.temperature} {T_DAMP}"
        if stage.pressure is None:
            self.lmp.command(f"fix move all nvt {t}")
        else:
            damp = float(np.clip(1000 * stage.picoseconds / 5, *P_DAMP))
            # A drag on the barostat takes the ringing out of sudden changes of pressure.
            drag = "" if stage.name == "7-npt" else " drag 1.0"
            self.lmp.command(f"fix move all npt {t} iso {stage.pressure} {stage.pressure} {damp}{drag}")
        self._go(stage.name, stage.picoseconds)
        self.lmp.command("unfix move")

    def squeeze(self, name: str, picoseconds: float, temperature: float, density: float) -> None:
        """Bring the box to `density` (g/cm3) at constant rate of length."""
        length = (self.mass * GRAM_PER_CM3 / density) ** (1 / 3)
        steps = self._steps(picoseconds)
        ends = " ".join(f"{axis} final 0 {length:.10g}" for axis in "xyz")
        self.lmp.command(f"fix move all nvt temp {temperature} {temperature} {T_DAMP}")
        self.lmp.command(f"fix squeeze all deform 1 {ends} remap x units box")
        self._go(name, picoseconds, pieces_end=self.step + steps)
        self.lmp.command("unfix squeeze")
        self.lmp.command("unfix move")

    def _steps(self, picoseconds: float) -> int:
        return max(1, round(1000 * picoseconds / self.timestep))

    def _go(self, name: str, picoseconds: float, pieces_end: int | None = None) -> None:
        end = self.step + self._steps(picoseconds)
        first = self.step
        piece = max(1, round(self.PIECE_FS / self.timestep))
        while self.step < end:
            steps = min(piece, end - self.step)
            bounds = f" start {first} stop {end}" if pieces_end is not None else ""
            self.lmp.command(f"run {steps}{bounds} post no")
            self.step += steps
            self._record(name)

    def _record(self, name: str) -> None:
        values = [self.lmp.get_thermo(key) for key in ("temp", "press", "pe", "vol")]
        temperature, pressure, energy, volume = values
        if not np.isfinite(values).all() or temperature > 1e5:
            raise UserError(
                f"equilibration blew up in stage {name} (temperature {temperature:.3g} K). "
                "Use a shorter time step, or a lower maximum pressure or temperature."
            )
        density = self.mass * GRAM_PER_CM3 / volume
        time_ps = self.step * self.timestep / 1000
        self.rows.append(
            (
                name,
                self.step,
                time_ps,
                temperature,
                pressure,
                energy * forcefield.KCAL_PER_MOL,
                density,
                volume,
            )
        )
