"""Labels out of the store and into it: the user's own, and what they have already need not be computed again."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from oligopoly.errors import UserError
from oligopoly.files import atomic
from oligopoly.labelers.contract import Label
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling import checks
from oligopoly.labelling.run import attach
from oligopoly.labelling.store import Record, Store
from oligopoly.labelling.theory import name_of

BATCH = 500


def export(store: Store, path: str | Path, methods: set[str] | None = None) -> Counter[str]:
    """Write every label in the store as extended XYZ; how many of each level of theory.

    methods: short names of the levels of theory to export (default: all; each frame says its own in `REF_method`).
    """
    counts: Counter[str] = Counter()
    with atomic(path) as temporary:
        frames = []
        for record in store.records():
            method = name_of(record.settings)
            if record.label is None or (methods is not None and method not in methods):
                continue
            counts[method] += 1
            frames.append(attach(record.atoms, record.label, method))
            if len(frames) == BATCH:
                ase.io.write(temporary, frames, format="extxyz", append=True)
                frames = []
        if frames:
            ase.io.write(temporary, frames, format="extxyz", append=True)
    return counts


def bring_in(files: Sequence[str | Path], settings: dict[str, Any], store: Store) -> tuple[int, int, list[str]]:
    """Put labels from `files` into the store at the level of theory `settings`.

    files: extended XYZ with `REF_energy` and `REF_forces` (or ASE's energy and forces), or the output of any code that
    ASE reads (VASP's vasprun.xml and OUTCAR, Quantum ESPRESSO's pw.x, ...). Energy in eV, forces in eV/A, stress in
    eV/A^3. Nobody can see by the numbers whether they are of that level of theory; that is for the user to know.

    Returns how many are new, how many were there, and what was left out and why. UserError: a file cannot be read.
    """
    new, known, refused = 0, 0, []
    for file in files:
        for number, atoms in enumerate(_read(file)):
            found = _label(atoms)
            flaw = "no energy or no forces" if found is None else _flaw(atoms, found)
            if flaw:
                refused.append(f"{file}, frame {number}: {flaw}")
                continue
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            if "config_type" in atoms.info:
                bare.info["config_type"] = atoms.info["config_type"]
            there = store.get(bare, settings)
            if there is not None and there.label is not None:
                known += 1
                continue
            facts = {
                "seconds": 0.0,
                "attempts": 0,
                "imported_from": f"{Path(file).resolve()}, frame {number}",
                "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            }
            store.put(Record(bare, settings, Outcome.LABELLED, "", found, facts))
            new += 1
    return new, known, refused


def _read(file: str | Path) -> list[Atoms]:
    try:
        return ase.io.read(file, index=":")
    except FileNotFoundError:
        raise UserError(f"{file}: no such file") from None
    except Exception as error:
        raise UserError(f"{file}: ASE cannot read it ({type(error).__name__}: {error})") from error


def _label(atoms: Atoms) -> Label | None:
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    # With smeared occupations forces are the gradient of the free energy, not of the energy extrapolated to zero width.
    energy = atoms.info.get("REF_energy", results.get("free_energy", results.get("energy")))
    forces = atoms.arrays.get("REF_forces", results.get("forces"))
    if energy is None or forces is None:
        return None
    stress = atoms.info.get("REF_stress", results.get("stress")) if atoms.pbc.all() else None
    if stress is not None:
        stress = np.asarray(stress, dtype=float)
        stress = voigt_6_to_full_3x3_stress(stress) if stress.size == 6 else stress.reshape(3, 3)
    charges = atoms.arrays.get("REF_charges", results.get("charges"))
    return Label(float(energy), np.asarray(forces, dtype=float), stress, charges)


def _flaw(atoms: Atoms, label: Label) -> str | None:
    flaw = checks.geometry(atoms, 0.0) or checks.label(label, math.inf, math.inf)
    return flaw and flaw[1]
