"""Energy drift of constant-energy MD: meV/atom/ns, and the fluctuation of the total energy, through LAMMPS.

python benchmarks/ace_drift.py POTENTIAL FRAME TIMESTEP_FS PICOSECONDS [TEMPERATURE]
"""

import sys

import ase.io
import numpy as np

from oligopoly.md import placement
from oligopoly.md.lammps import start
from oligopoly.potentials.registry import open_potential

EVERY_FS = 50.0


def main(potential: str, frame: str, timestep: float, picoseconds: float, temperature: float = 300.0) -> None:
    atoms = placement.oriented(ase.io.read(frame))
    engine, lmp = open_potential(potential).engine(choice="built-in"), start()
    engine.load(lmp, atoms, None)
    lmp.command(f"timestep {timestep / 1000}")
    lmp.command("thermo 1000000000")
    lmp.command(f"velocity all create {temperature} 4711 mom yes rot yes dist gaussian")
    # at rest on average before energies are recorded: the frame's potential energy becomes heat
    lmp.command(f"fix bath all nvt temp {temperature} {temperature} 0.1")
    lmp.command(f"run {round(2000 / timestep)} post no")
    lmp.command("unfix bath")
    lmp.command("fix move all nve")
    lmp.command("variable total equal etotal")
    lmp.command("variable heat equal temp")
    every = round(EVERY_FS / timestep)
    lmp.command(f"thermo {every}")
    lmp.command("run 0 post no")
    totals: list[float] = []
    heat: list[float] = []
    for _ in range(round(picoseconds * 1000 / timestep / every)):
        lmp.command(f"run {every} pre no post no")
        if (error := engine.failure()) is not None:
            raise error
        totals.append(lmp.extract_variable("total"))
        heat.append(lmp.extract_variable("heat"))
    energies = 1000 * np.array(totals) / len(atoms)
    time = np.arange(len(energies)) * EVERY_FS * 1e-6
    slope, start_energy = np.polyfit(time, energies, 1)
    print(
        f"{len(atoms)} atoms, {timestep:g} fs, {picoseconds:g} ps at {np.mean(heat):.0f} K: drift {slope:+.4f} "
        f"meV/atom/ns, fluctuation {np.std(energies - slope * time - start_energy):.4f} meV/atom"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
