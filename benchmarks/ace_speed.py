"""Speed of the ACE evaluator: CPU time per atom and step, one thread, neighbour list kept.

    PYTHONPATH=workflow OMP_NUM_THREADS=1 python benchmarks/ace_speed.py

Microseconds on one core of an AMD EPYC 9004, November 2026, other jobs running beside it. LAMMPS ML-PACE
(C++, `pace recursive`) needs 17 to 33 on the same kind of machine for 100 to 450 functions per element
and 49 neighbours.

| potential | atoms | neighbours | AVX-512 | AVX2 | SSE2 | with gamma | new list |
|---|---|---|---|---|---|---|---|
| ch_sbessel_r3, 100 functions/element | 1536 | 49 | 1.6 | 1.9 | 3.7 | 2.7 | 1.3 |
| cho_chebexpcos_r4, 300 functions/element | 1860 | 76 | 2.7 | 3.3 | 6.1 | 9.5 | 2.0 |
| default basis for C, H, 300/element | 1536 | 49 | 2.5 | 3.3 | 6.3 | 8.1 | 1.3 |
| default basis for C, H, O, 300/element | 1860 | 57 | 2.0 | 2.5 | 4.7 | 7.4 | 1.8 |

32 atoms take 47 us per call. The code of other instruction sets: NUMBA_CPU_NAME=x86-64-v3
NUMBA_CPU_FEATURES= (AVX2), NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=+sse2.
"""

import dataclasses
import time
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.ace import fit
from oligopoly.ace.evaluator import Evaluator
from oligopoly.ace.potential import read

DATA = Path(__file__).parents[1] / "tests" / "data" / "pace"


def box(name: str, frame: str, repeat: tuple[int, int, int]) -> Atoms:
    with np.load(DATA / f"{name}.reference.npz") as archive:
        get = {key: archive[f"{frame}/{key}"] for key in ("numbers", "positions", "cell")}
    return Atoms(**get, pbc=True) * repeat


def least(function, repeats: int) -> float:
    """Least CPU time (s) of one call."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times)


def default_basis(elements: list[str]):
    potential = fit.basis(elements, 300, 5.0)
    rng = np.random.default_rng(0)
    for element, functions in potential.functions.items():
        potential.functions[element] = [dataclasses.replace(f, c=1e-3 * rng.normal()) for f in functions]
    return potential


def main() -> None:
    decane, peg = (
        ("ch_sbessel_r3", "decane_box", (2, 2, 3)),
        ("cho_chebexpcos_r4", "peg4_box", (2, 2, 3)),
    )
    cases = [
        ("ch_sbessel_r3", read(DATA / "ch_sbessel_r3.yaml"), decane),
        ("cho_chebexpcos_r4", read(DATA / "cho_chebexpcos_r4.yaml"), peg),
        ("default basis", default_basis(["C", "H"]), decane),
        ("default basis", default_basis(["C", "H", "O"]), peg),
    ]
    for name, potential, where in cases:
        atoms = box(*where)
        inverses = {e: np.eye(len(f)) for e, f in potential.functions.items()}
        evaluator = Evaluator(potential, active_set=inverses)
        arguments = (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
        evaluator.compute(*arguments, gamma=True)
        per_atom = 1e6 / len(atoms)
        plain = least(lambda: evaluator.compute(*arguments), 20) * per_atom  # noqa: B023
        graded = least(lambda: evaluator.compute(*arguments, gamma=True), 5) * per_atom  # noqa: B023
        build = least(lambda: evaluator._build(*arguments[1:]), 5) * per_atom  # noqa: B023
        print(
            f"{name}: {len(atoms)} atoms: {plain:.2f} us/atom, {graded:.2f} with gamma, list {build:.2f}"
        )


if __name__ == "__main__":
    main()
