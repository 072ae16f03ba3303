"""From a dilute random box to a liquid: the 21-step compression and decompression.

Larsen, Lin, Hart, Colina, Macromolecules 44 (2011) 6944, Table 1: seven cycles of NVT at the high
temperature, NVT at the final temperature, and NPT, at pressures that rise to Pmax and fall again.
Before them the random box is minimised and squeezed to half the density of a liquid, after them
the box is brought to the mean volume of the last stage, so that what comes out does not carry
that box's last fluctuation (5 % of the volume for 200 atoms).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.md import placement
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.md.lammps import start
from oligopoly.md.piecewise import GRAM_PER_CM3, T_DAMP, PiecewiseRun
from oligopoly.md.push_off import push_off
from oligopoly.progress import Progress
from oligopoly.seeds import derive
from oligopoly.systems import datafile

if TYPE_CHECKING:
    from oligopoly.forcefields.contract import ForceField

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
SQUEEZE = 4.0, 0.5  # ps at full temperature, to this share of a liquid's density
SETTLE = 1.0  # ps at the mean volume
P_DAMP = 200.0, 1000.0  # fs, shortest and longest; a fifth of the stage between them
# Beside the output: what a kill must not lose.
UNFINISHED = "unfinished-equilibration"

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
    force_field: "ForceField",
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
    hardware: Hardware = ONE_CORE,
    log: Callable[[str], None] = print,
) -> dict:
    """Equilibrate the box in `data` and write it to `out_data`, molecules whole by image flags.

    `scale` multiplies the durations of the paper (1.56 ns in all). `hydrogen_mass` in g/mol replaces
    the mass of hydrogen for the motion only. `thermo` gets a table (COLUMNS), `summary` what is also
    returned: density and volume of the last NPT stage and of the box, stages, settings. `log` is
    called with a line per stage. Killed and called again, it goes on where its last leg ended.
    Raises UserError when the motion blows up.
    """
    system = json.loads(Path(json_path).read_text())
    chain, positions, cell = datafile.read(data, system["atoms_per_chain"])
    mass = float(np.sum(system["masses"]))
    plan = stages(temperature, pressure_atm, scale, max_temperature, max_pressure_atm)
    lmp = start(hardware=hardware)
    # LAMMPS' version too: another one may not read the restart file
    settings = (plan, seed, timestep_fs, hydrogen_mass, system["masses"], lmp.version())
    what = hashlib.sha256(repr(settings).encode() + Path(data).read_bytes()).hexdigest()

    def prepare() -> None:
        for command in force_field.commands("md", True, impropers=chain.has_impropers):
            lmp.command(command)
        lmp.command("neighbor 2.0 bin")
        lmp.command("neigh_modify every 1 delay 0 check yes")
        lmp.command(f"timestep {timestep_fs}")

    try:
        commands = force_field.commands("md", True, impropers=chain.has_impropers)
        again = placement.again(commands, cell)
        run = PiecewiseRun(lmp, prepare, timestep_fs, mass, Path(out_data).parent / UNFINISHED, what, again)
        overlapping = system.get("overlapping", False)
        dense = mass * GRAM_PER_CM3 / abs(np.linalg.det(cell)) > SQUEEZE[1] * force_field.density
        squeezed = 0 if dense else run.steps(SQUEEZE[0] * max(1.0, min(5.0, 10 * scale)))
        planned = squeezed + sum(run.steps(stage.picoseconds) for stage in plan) + run.steps(SETTLE)
        if run.resume():
            log(f"goes on from {run.step * timestep_fs / 1000:.1f} ps")
        else:
            prepare()
            for command in [f"read_data {data}", *again]:
                lmp.command(command)
            for k, element in enumerate(system["type_elements"], start=1):
                if element == "H" and hydrogen_mass is not None:
                    lmp.command(f"mass {k} {hydrogen_mass}")
            if overlapping:
                log(
                    f"pushing {system['chains']} chains off each other at "
                    f"{mass * GRAM_PER_CM3 / abs(np.linalg.det(cell)):.3f} g/cm3"
                )
                push_off(lmp, chain, commands, temperature, timestep_fs, derive(seed, "push-off"))
            else:
                log(f"minimising {len(positions)} atoms at {run.density():.3f} g/cm3")
                lmp.command("min_style cg")
                lmp.command("minimize 1.0e-5 1.0e-5 1000 10000")
            lmp.command("reset_timestep 0")
            velocities = derive(seed, "velocity")
            lmp.command(f"velocity all create {max_temperature} {velocities} dist gaussian mom yes rot yes")
        run.progress = Progress(planned - run.step, "equilibration", "steps")
        if run.step < squeezed:
            run.squeeze("squeeze", squeezed, max_temperature, SQUEEZE[1] * force_field.density)
            log(f"squeezed to {run.density():.3f} g/cm3")
        end = squeezed
        for stage in plan:
            end += run.steps(stage.picoseconds)
            if run.step >= end:
                continue
            run.move(stage.name, end, _fix(stage))
            where = "" if stage.pressure is None else f" {stage.pressure:g} atm"
            log(
                f"{stage.name}: {stage.picoseconds:.2f} ps at {stage.temperature:g} K{where}, "
                f"density {run.densities(stage.name).mean():.3f} g/cm3"
            )
        densities = run.densities(plan[-1].name)
        late = densities[len(densities) // 4 :]
        target = 1 / float(np.mean(1 / late))
        run.squeeze("settle", planned, temperature, target)
        x, cell = placement.unwrapped(lmp, periodic=True)
        x = _centred(x, cell, len(chain))
    except Exception as error:
        if isinstance(error, (UserError, OSError)):  # a full disk is not LAMMPS
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
        for row in run.rows:
            lines.append("\t".join([row[0], str(row[1]), *(f"{v:.6g}" for v in row[2:])]))
        write_text(thermo, "\n".join(lines) + "\n")
    if summary is not None:
        write_text(summary, json.dumps(result, indent=1) + "\n")
    run.clear()
    return result


def _fix(stage: Stage) -> str:
    thermostat = f"temp {stage.temperature} {stage.temperature} {T_DAMP}"
    if stage.pressure is None:
        return f"nvt {thermostat}"
    damp = float(np.clip(1000 * stage.picoseconds / 5, *P_DAMP))
    # A drag on the barostat takes the ringing out of sudden changes of pressure.
    drag = "" if stage.name == "7-npt" else " drag 1.0"
    return f"npt {thermostat} iso {stage.pressure} {stage.pressure} {damp}{drag}"


def _centred(positions: np.ndarray, cell: np.ndarray, size: int) -> np.ndarray:
    """Whole molecules moved so that their middles lie in the cell: they drifted far as a gas."""
    middles = positions.reshape(-1, size, 3).mean(axis=1)
    away = np.floor(np.linalg.solve(cell.T, middles.T).T)
    return positions - np.repeat(away @ cell, size, axis=0)
