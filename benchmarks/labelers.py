"""Warm processes: structures labelled by one process after the other's start, against one process per structure.

    python benchmarks/labelers.py pyscf psi4 [--structures 4] [--basis def2-SVP]

Prints a table of CPU seconds per structure (user and system, of all processes), which other work on the machine does
not change as it does the wall time; and by how much energies and forces of the two ways differ.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from oligopoly.labelers.registry import create

ROOT = Path(__file__).parents[1]
ALONE = """
import pickle, sys
from oligopoly.labelers.registry import create
settings, atoms = pickle.load(open(sys.argv[1], "rb"))
labeler = create(settings)
label = labeler.label(atoms)
labeler.close()
pickle.dump(label, open(sys.argv[2], "wb"))
"""
# The code by itself, as a script for one structure has it: its own guess, on its one grid.
PLAIN = """
import pickle, sys
from pyscf import dft, gto, lib
from oligopoly.labelers import dispersion
from oligopoly.labelers.contract import Label
lib.num_threads(1)
settings, atoms = pickle.load(open(sys.argv[1], "rb"))
mol = gto.M(atom=list(zip(atoms.get_chemical_symbols(), atoms.positions)), basis=settings["basis"], verbose=0)
mf = dft.RKS(mol, xc="wb97x_v")
mf.nlc, mf.disp = 0, None
mf = mf.density_fit(auxbasis="def2-universal-jkfit")
mf.grids.atom_grid, mf.conv_tol = settings["grid"], 1e-9
mf.kernel()
gradient = mf.nuc_grad_method().kernel()
energy, forces, _ = dispersion.correction(atoms, dispersion.split(settings["method"])[1])
from ase.units import Bohr, Hartree
label = Label(mf.e_tot * Hartree + energy, forces - gradient * Hartree / Bohr)
pickle.dump(label, open(sys.argv[2], "wb"))
"""


def structures(number: int) -> list[Atoms]:
    """Ethylene glycol as MD at some hundred kelvin has it: one conformer, atoms moved by about 0.05 A."""
    molecule = next(a for a in read(ROOT / "tests/data/molecules.extxyz", ":") if a.info["name"] == "ethylene glycol")
    rng, frames = np.random.default_rng(1), []
    for _ in range(number):
        frame = molecule.copy()
        frame.positions += rng.normal(scale=0.05, size=frame.positions.shape)
        frames.append(frame)
    return frames


def spent() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def one_each(script: str, settings: dict, frames: list[Atoms]) -> tuple[list, float, float]:
    """Labels, CPU seconds and wall seconds with a process for each structure."""
    labels, cpu, wall = [], spent(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "asked", Path(folder) / "answer"
        for atoms in frames:
            asked.write_bytes(pickle.dumps((settings, atoms)))
            subprocess.run([sys.executable, "-c", script, asked, answer], check=True)
            labels.append(pickle.loads(answer.read_bytes()))
    return labels, spent() - cpu, time.perf_counter() - wall


def warm(settings: dict, frames: list[Atoms]) -> tuple[list, float, float]:
    """The same of one process; it includes the start of the code, once."""
    cpu, wall = spent(), time.perf_counter()
    labeler = create(settings)
    labels = [labeler.label(atoms) for atoms in frames]
    labeler.close()
    return labels, spent() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", choices=["xtb", "pyscf", "psi4"])
    parser.add_argument("--structures", type=int, default=4)
    parser.add_argument("--basis", default="def2-SVP")
    options = parser.parse_args()
    frames = structures(options.structures)
    print("| labeler | way | CPU s per structure | wall s | times faster | energy, eV | forces, meV/A |")
    print("|---|---|---|---|---|---|---|")
    for kind in options.kinds:
        settings = {"kind": kind, "method": "GFN2-xTB"} if kind == "xtb" else {
            "kind": kind, "method": "wB97X-D3BJ", "basis": options.basis, "grid": (75, 302)
        }  # fmt: skip
        ways = {"one process each": lambda: one_each(ALONE, settings, frames)}  # noqa: B023
        if kind == "pyscf":
            ways["one process each, PySCF's own script"] = lambda: one_each(PLAIN, settings, frames)  # noqa: B023
        ways["warm"] = lambda: warm(settings, frames)  # noqa: B023
        results = {way: run() for way, run in ways.items()}
        labels, cpu, _ = results["warm"]
        for way, (others, seconds, wall) in results.items():
            energy = max(abs(a.energy - b.energy) for a, b in zip(labels, others, strict=True))
            force = max(np.abs(a.forces - b.forces).max() for a, b in zip(labels, others, strict=True)) * 1e3
            n = len(frames)
            row = (
                kind,
                way,
                f"{seconds / n:.2f}",
                f"{wall / n:.2f}",
                f"{seconds / cpu:.2f}",
                f"{energy:.1e}",
                f"{force:.3f}",
            )
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
