"""Speed of the ACE evaluator, alone and through LAMMPS, beside ML-PACE where LAMMPS has it.

    OMP_NUM_THREADS=1 python benchmarks/ace_speed.py [evaluator] [cutoff] [threads] [lammps] [memory] [start]

Without arguments all of it. Microseconds per atom and step, the least of several repeats: CPU time for one
thread, wall time for two. Potentials have oligopoly's default radial functions and random coefficients, so small that
atoms fly freely: speed does not depend on them. Boxes are of decane: 128 atoms, 49 neighbours within 5 A, repeated.
Tables with machine and date: benchmarks/ace_speed.md. Code of other instruction sets: NUMBA_CPU_NAME=x86-64-v3
NUMBA_CPU_FEATURES= (AVX2), NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=+sse2.
"""

import dataclasses
import functools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.ace import yace
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.evaluator import Evaluator
from oligopoly.ace.functions import bonds, select
from oligopoly.ace.potential import Potential, write_yaml
from oligopoly.md import placement
from oligopoly.md.engine import Engine
from oligopoly.md.lammps import start
from oligopoly.potentials.ace import SKIN
from oligopoly.potentials.pace import PairPACE
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import NONE, Uncertainty

DATA = Path(__file__).parents[1] / "tests" / "data" / "pace"
LIMITS = {  # functions per element: largest n and l by rank
    100: ([12, 5, 3], [0, 5, 4]),
    228: ([12, 5, 3, 2], [0, 6, 5, 3]),
    450: ([16, 6, 4, 2], [0, 6, 5, 3]),
}
CORE = {("C", "C"): 1.1, ("C", "H"): 0.85, ("H", "H"): 1.2}


def box(name: str = "ch_sbessel_r3", frame: str = "decane_box", repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """A box of the test data, periodic, repeated."""
    with np.load(DATA / f"{name}.reference.npz") as archive:
        get = {key: archive[f"{frame}/{key}"] for key in ("numbers", "positions", "cell")}
    return Atoms(**get, pbc=True) * repeat


def potential(functions: int, cutoff: float = 5.0, core: bool = False) -> Potential:
    """Default radial functions, with a ZBL core or without; coefficients of 1e-6 eV."""
    rng = np.random.default_rng(0)
    chosen = {
        element: [dataclasses.replace(f, c=1e-6 * rng.normal()) for f in fs]
        for element, fs in select(["C", "H"], functions, *LIMITS[functions]).items()
    }
    return Potential(["C", "H"], bonds(chosen, cutoff, (2.5, 4.5), CORE if core else None), chosen)


def inverses(p: Potential) -> dict[str, np.ndarray]:
    return {element: np.eye(len(fs)) for element, fs in p.functions.items()}


def least(function, repeats: int, clock=time.thread_time) -> float:
    """Least time (s) of one call."""
    times = []
    for _ in range(repeats):
        begun = clock()
        function()
        times.append(clock() - begun)
    return min(times)


def per_atom(evaluator: Evaluator, atoms: Atoms, gamma: bool, repeats: int, clock=time.thread_time) -> float:
    arguments = (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    evaluator.compute(*arguments, gamma=gamma)
    return 1e6 / len(atoms) * least(lambda: evaluator.compute(*arguments, gamma=gamma), repeats, clock)


def list_build(evaluator: Evaluator, atoms) -> float:
    """us/atom for a new neighbour list."""
    where = (atoms.positions, atoms.cell.array, atoms.pbc)
    return 1e6 / len(atoms) * least(lambda: evaluator._build(*where), 4)


def evaluator() -> None:
    print("Evaluator, list kept: functions/element, atoms: energies and forces, with gamma, new list")
    for functions in LIMITS:
        p = potential(functions)
        for repeat in ((1, 1, 1), (2, 2, 3), (4, 4, 6)):
            atoms = box(repeat=repeat)
            e = Evaluator(p, inverses(p), skin=SKIN)
            plain = per_atom(e, atoms, False, 20)
            graded = per_atom(e, atoms, True, 6)
            build = list_build(e, atoms)
            print(f"  {functions} {len(atoms)}: {plain:.2f} {graded:.2f} {build:.2f}", flush=True)


def cutoff() -> None:
    print("Cutoff of the pair functions (many-body functions end at 4.5 A): energies and forces, new list")
    atoms = box(repeat=(2, 2, 3))
    for reach in (5.0, 6.0, 7.0, 8.0):
        e = Evaluator(potential(228, reach), skin=SKIN)
        plain = per_atom(e, atoms, False, 20)
        build = list_build(e, atoms)
        print(f"  {reach:g} A: {plain:.2f} {build:.2f}", flush=True)


def threads() -> None:
    print("Two threads, wall time: functions/element, atoms: one, two, speed-up; with gamma")
    for functions in LIMITS:
        p = potential(functions)
        for repeat in ((2, 2, 3), (4, 4, 6)):
            atoms = box(repeat=repeat)
            pair = [Evaluator(p, inverses(p), threads=n, skin=SKIN) for n in (1, 2)]
            line = ""
            for gamma, repeats in ((False, 15), (True, 5)):
                times = [1e9, 1e9]
                for _ in range(4):  # in turn, since other jobs come and go
                    now = [per_atom(e, atoms, gamma, repeats, time.perf_counter) for e in pair]
                    times = [min(a, b) for a, b in zip(times, now, strict=True)]
                line += f" {times[0]:.2f} {times[1]:.2f} {times[0] / times[1]:.2f};"
            print(f"  {functions} {len(atoms)}:{line}", flush=True)


def lammps() -> None:
    atoms = placement.oriented(box(repeat=(2, 2, 3)))
    with tempfile.TemporaryDirectory() as folder:
        for functions, core in ((100, False), (228, False), (450, False), (228, True)):
            p = potential(functions, core=core)
            file, asi = Path(folder) / "potential.yaml", Path(folder) / "potential.asi"
            write_yaml(p, file)
            yace.write(p, file.with_suffix(".yace"))
            ActiveSet(inverses(p)).write(asi)
            built_in = functools.partial(open_potential(file).engine, choice="built-in")
            engines: dict[str, Engine] = {
                "oligopoly": built_in(NONE),
                "gamma every 10th": built_in(Uncertainty("gamma", 10)),
                "gamma every step": built_in(Uncertainty("gamma", 1)),
            }
            if PairPACE.available(start()):
                engines["pace recursive"] = PairPACE(file)
                engines["pace/extrapolation"] = PairPACE(file, asi, 1)
            times = _md(engines, atoms)
            print(f"LAMMPS, {functions} functions/element{', ZBL core' if core else ''}, {len(atoms)} atoms: ", end="")
            print(", ".join(f"{name} {value:.2f}" for name, value in times.items()), flush=True)


def _md(engines: dict, atoms: Atoms) -> dict[str, float]:
    """CPU time of everything that happens in a run, list rebuilds and integration included."""
    running = {}
    for name, engine in engines.items():
        running[name] = start()
        engine.load(running[name], atoms, None)
        for command in ("velocity all create 300 4711", "timestep 0.0005", "fix move all nve", "run 20"):
            running[name].command(command)
    best = dict.fromkeys(engines, np.inf)
    for _ in range(3):
        for name, lmp in running.items():
            steps = 10 if name.startswith("pace") else 60
            used = least(lambda: lmp.command(f"run {steps} pre no post no"), 1, time.process_time)  # noqa: B023
            best[name] = min(best[name], 1e6 * used / steps / len(atoms))
    for name, engine in engines.items():
        if engine.failure() is not None:
            raise engine.failure()
        running[name].close()
    return best


def memory() -> None:
    """In processes of their own, since the peak of one never falls."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ace_speed as a; "
        "p = a.potential(228); e = a.Evaluator(p, a.inverses(p)); "
        "b = a.box(repeat=tuple(map(int, sys.argv[2:]))); "
        "e.compute(b.numbers, b.positions, b.cell.array, b.pbc, gamma=True); "
        "peak = [l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')]; "
        "print(len(b), 'atoms:', int(peak[0]) // 1024, 'MB')"
    )
    print("Peak memory of the whole process, 228 functions/element, gamma included")
    for repeat in ("2 2 2", "4 4 5", "6 7 7"):
        command = [sys.executable, "-c", code, str(Path(__file__).parent), *repeat.split()]
        print("  " + subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def startup() -> None:
    code = (
        "import sys; from oligopoly.ace.evaluator import Evaluator; import numpy as np; "
        "Evaluator(sys.argv[1]).compute([6, 1], np.array([[0, 0, 0], [0, 0, 1.1]]))"
    )
    code_md = (
        "import sys; from ase import Atoms; from oligopoly.md import placement; from oligopoly.md.lammps import start; "
        "from oligopoly.potentials.registry import open_potential; lmp = start(); "
        "atoms = placement.oriented(Atoms('CH', [[1, 1, 1], [1, 1, 2.1]], cell=[9, 9, 9], pbc=True)); "
        "engine = open_potential(sys.argv[1]).engine(choice='built-in'); engine.load(lmp, atoms, None); "
        "lmp.command('fix move all nve'); lmp.command('run 1')"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "potential.yaml"
        write_yaml(potential(450), file)
        for name, script in (("one energy", code), ("one MD step through LAMMPS", code_md)):
            times = []
            for _ in range(3):
                before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                subprocess.run([sys.executable, "-c", script, str(file)], check=True, capture_output=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                times.append((time.perf_counter() - begun, cpu))
            wall, cpu = (min(t) for t in zip(*times, strict=True))
            print(f"Start of a job to {name}, 450 functions/element: {cpu:.2f} s CPU, {wall:.2f} s wall", flush=True)


PARTS = {"evaluator": evaluator, "cutoff": cutoff, "threads": threads, "lammps": lammps, "memory": memory,
         "start": startup}  # fmt: skip

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
