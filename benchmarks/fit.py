"""Cost of a fit: rows per second, and memory over the number of structures. Results: benchmarks/fit.md.

    OMP_NUM_THREADS=1 python benchmarks/fit.py rows
    OMP_NUM_THREADS=1 python benchmarks/fit.py stream 10000

    python benchmarks/fit.py calibration NAME=metrics.json ... fit_calibration.svg

`rows` times the rows (energy, forces, virial) of one periodic decane of 32 atoms. `stream` writes so many rattled
copies of it, labelled by a potential of random coefficients, into a file, fits to them from there, and says how long
that took and how much memory it needed.
"""

import dataclasses
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from oligopoly.ace import functions
from oligopoly.ace.design import Design
from oligopoly.ace.evaluator import Evaluator
from oligopoly.ace.fit import fit
from oligopoly.ace.potential import Potential
from oligopoly.frames import Stored

DATA = Path(__file__).parents[1] / "tests" / "data" / "pace" / "ch_sbessel_r3.reference.npz"
# Functions per element -> limits of n and l by rank.
LIMITS = {
    100: ([12, 5, 3], [0, 5, 4]),
    228: ([12, 5, 3, 2], [0, 6, 5, 3]),
    450: ([16, 6, 4, 2], [0, 6, 5, 3]),
}


def decane() -> Atoms:
    """One molecule in a cell at the density of the liquid, 54 neighbours within 5 A."""
    with np.load(DATA) as archive:
        numbers, positions = archive["decane/numbers"], archive["decane/positions"]
        volume = abs(np.linalg.det(archive["decane_box/cell"])) / 4
    positions = positions - positions.mean(axis=0)
    along = np.linalg.svd(positions)[2]
    width = np.sqrt(volume / 17.0)
    return Atoms(numbers, positions @ along.T, cell=[17.0, width, width], pbc=True)


def potential(count: int) -> Potential:
    """Random coefficients, smaller for functions of more neighbours."""
    rng = np.random.default_rng(0)
    chosen = {
        element: [dataclasses.replace(f, c=0.01 * 0.2**f.rank * rng.normal()) for f in its]
        for element, its in functions.select(["C", "H"], count, *LIMITS[count]).items()
    }
    return Potential(["C", "H"], functions.bonds(chosen, 5.0), chosen)


def rows() -> None:
    """CPU time of the rows of one structure, least of 50."""
    atoms = decane()
    for count in LIMITS:
        design = Design(potential(count))
        design.rows(atoms)
        times = []
        for _ in range(50):
            start = time.thread_time()
            design.rows(atoms)
            times.append(time.thread_time() - start)
        made = (3 * len(atoms) + 7) / min(times)
        print(f"{count} functions per element: {1e3 * min(times):.2f} ms, {made:.0f} rows/s")


def memory() -> float:
    """Largest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stream(count: int, per_element: int = 228, threads: int = 1) -> None:
    """Fit to `count` structures in a file."""
    model, atoms = Evaluator(potential(per_element)), decane()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.extxyz"
        with open(path, "w") as file:
            for number in range(count):
                rng = np.random.default_rng(number)
                frame = atoms.copy()
                frame.positions += 0.08 * rng.normal(size=frame.positions.shape)
                found = model.compute(frame.numbers, frame.positions, np.asarray(frame.cell), frame.pbc)
                frame.info["REF_energy"] = float(found.energy) + 0.01 * rng.normal()
                frame.arrays["REF_forces"] = found.forces + 0.05 * rng.normal(size=found.forces.shape)
                frame.info["REF_stress"] = found.virial / frame.get_volume()
                write(file, frame, format="extxyz")
        frames = Stored([path])
        before, start = memory(), time.process_time()
        n_max, l_max = LIMITS[per_element]
        result = fit(
            frames, frames[:20], Path(folder) / "p", functions=per_element, n_max=n_max, l_max=l_max, threads=threads
        )
        unknowns = result["n_functions"]
        print(
            f"{count} structures ({path.stat().st_size / 1e6:.0f} MB), {result['rows']} rows, {unknowns} functions: "
            f"{time.process_time() - start:.0f} s of CPU, {result['seconds']}; memory {before:.0f} MB before, "
            f"{memory():.0f} MB at most (K^2: {8e-6 * unknowns**2:.1f} MB, whole matrix "
            f"{8e-6 * unknowns * result['rows']:.0f} MB)"
        )


def calibration(fits: list[str], figure_file: str) -> None:
    """One panel for each NAME=metrics.json."""
    from oligopoly.plotting import style
    from oligopoly.report.sections import accuracy

    found = {}
    for one in fits:
        name, _, path = one.partition("=")
        force = json.loads(Path(path).read_text())["calibration"]["force"]
        found[name] = force["predicted"], force["true"]
    with style.styled():
        accuracy.calibration(found).savefig(figure_file)


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        rows()
    elif sys.argv[1] == "calibration":
        calibration(sys.argv[2:-1], sys.argv[-1])
    else:
        stream(*map(int, sys.argv[2:]))
