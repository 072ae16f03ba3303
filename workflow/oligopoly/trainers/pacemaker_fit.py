"""The real pacemaker as a trainer: non-linear embeddings and optimised radial functions.

pacemaker (python-ace; Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); Bochkarev et al., Phys. Rev. Mater. 6,
013804 (2022)) is not part of oligopoly: its programs are run from an environment of their own, see
`pacemaker_programs`. What needs its Python is in `with_pyace`.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms

from oligopoly.accuracy import Labels, labels, record
from oligopoly.ace.potential import read_yaml
from oligopoly.ace.rows import WALL, Weights
from oligopoly.ace.survey import inner_radii, reference_energies, survey
from oligopoly.errors import UserError
from oligopoly.files import atomic, beside, write_text
from oligopoly.trainers.pacemaker_programs import HELPER, programs, run

# Largest n and l by rank, of which pacemaker keeps as many functions as are asked for.
RANK_LIMITS = ([15, 6, 4, 3], [0, 5, 4, 2])
# E = rho_1 + sqrt(rho_2), pacemaker's own default; or E = rho, which all of oligopoly's engines evaluate.
EMBEDDINGS = {
    "linear": {"ndensity": 1, "fs_parameters": [1, 1]},
    "finnis-sinclair": {"ndensity": 2, "fs_parameters": [1, 1, 1, 0.5]},
}
# Outer part of a core's radius over which it is blended in.
CORE_BLEND = 0.25


def write_input(
    path: str | Path,
    *,
    elements: Sequence[str],
    functions: int,
    cutoff: float,
    n_max: Sequence[int] | None,
    l_max: Sequence[int] | None,
    embedding: str,
    optimise_radial: bool,
    force_share: float,
    regularisation: float,
    iterations: int,
    backend: str,
    batch_size: int,
    train: str,
    test: str | None,
) -> None:
    """pacemaker's input file; `train` and `test` are tables of structures that carry their weights.

    `functions` per element, `cutoff` in Angstrom, `force_share` is pacemaker's kappa.
    """
    if n_max is None or l_max is None:
        n_max, l_max = RANK_LIMITS
    data = {"filename": train} | ({"test_filename": test} if test else {})
    content = {
        "cutoff": cutoff,
        "seed": 1,  # nothing is random: all coefficients start from zero
        "potential": {
            "deltaSplineBins": 0.001,
            "elements": list(elements),
            "embeddings": {"ALL": {"npot": "FinnisSinclairShiftedScaled", **EMBEDDINGS[embedding]}},
            "bonds": {
                "ALL": {
                    "radbase": "SBessel",
                    "radparameters": [5.25],
                    "rcut": cutoff,
                    "dcut": 0.01,
                    "NameOfCutoffFunction": "cos",
                }
            },
            "functions": {
                "number_of_functions_per_element": functions,
                "ALL": {"nradmax_by_orders": list(n_max), "lmax_by_orders": list(l_max)},
            },
        },
        "data": data,
        "fit": {
            "loss": {"kappa": force_share, "L1_coeffs": regularisation, "L2_coeffs": regularisation},
            "optimizer": "BFGS",
            "maxiter": iterations,
            # weights are normalised, so gradients are small from the start
            "options": {"gtol": 1e-10, "disp": True},
            "trainable_parameters": "ALL" if optimise_radial else "func",
        },
        "backend": {"evaluator": backend, "batch_size": batch_size, "display_step": 50},
    }
    write_text(path, yaml.safe_dump(content, sort_keys=False))


def weigh(atoms: Atoms, weights: Weights) -> tuple[float, np.ndarray]:
    """Weights of the energy per atom and of each atom's force (N,): 1/sigma^2, less on a wall, as in `ace.rows`."""
    weights = weights.of(atoms)
    wall = 1.0 + (np.linalg.norm(_forces(atoms), axis=1) / WALL) ** 2
    sigma = weights.energy if atoms.pbc.all() else weights.energy_cluster
    return 1.0 / (sigma * wall.max()) ** 2, 1.0 / (weights.force * wall) ** 2


def _forces(atoms: Atoms) -> np.ndarray:
    found = labels(atoms).forces
    assert found is not None  # frames without are not trained on
    return found


def _energy(atoms: Atoms) -> float:
    found = labels(atoms).energy
    assert found is not None
    return found


def save_frames(path: str | Path, frames: Sequence[Atoms], E0: dict[str, float], weights: Weights) -> None:
    """Write frames for `with_pyace`: an npz of all atoms in a row, `energy` without E0, and the weights."""
    weighed = [weigh(atoms, weights) for atoms in frames]
    arrays: dict[str, Any] = {
        "sizes": [len(atoms) for atoms in frames],
        "numbers": np.concatenate([atoms.numbers for atoms in frames]),
        "positions": np.concatenate([atoms.positions for atoms in frames]),
        "cells": [np.asarray(atoms.cell) for atoms in frames],
        "periodic": [bool(atoms.pbc.all()) for atoms in frames],
        "energy": [_energy(atoms) - _isolated(atoms, E0) for atoms in frames],
        "forces": np.concatenate([_forces(atoms) for atoms in frames]),
        "w_energy": [energy for energy, _ in weighed],
        "w_forces": np.concatenate([forces for _, forces in weighed]),
    }
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)


def read_back(folder: Path) -> dict:
    """What pacemaker wrote about its fit in metrics.txt: iterations, loss, and its own errors on what it trained on."""
    header, *_, last = (line.split() for line in (folder / "metrics.txt").read_text().splitlines())
    row = dict(zip(header, last, strict=True))
    return {
        "iterations": int(row["iter_num"]),
        "loss": float(row["loss"]),
        "parameters": int(row["ncoefs"]),
        "energy_rmse_meV_atom": 1e3 * float(row["rmse_epa"]),
        "force_rmse_meV_A": 1e3 * float(row["rmse_f_comp"]),
    }


def fit(
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    prefix: str | Path,
    *,
    functions: int = 300,
    cutoff: float = 5.0,
    n_max: Sequence[int] | None = None,
    l_max: Sequence[int] | None = None,
    embedding: str = "finnis-sinclair",
    optimise_radial: bool = True,
    weights: Weights = Weights(),
    regularisation: float = 1e-8,
    iterations: int = 1000,
    backend: str = "tensorpot",
    batch_size: int = 20,
    environment: str | None = None,
    threads: int = 1,
) -> dict:
    """Fit with pacemaker and write the same files as `ace.fit.fit`, which the arguments follow.

    The loss is that of `ace.fit` but for the stress, which pacemaker does not fit: the expected errors in `weights`
    give each energy and force its weight, and pacemaker's kappa follows. Afterwards each pair gets a ZBL core as in
    `ace.survey.inner_radii`. pacemaker works in `{prefix}.pacemaker/`, where its input, log and
    running metrics stay. Errors in the metrics are of the finished potential, by pyace.

    Raises UserError for missing labels, too few environments, or a pacemaker that fails.
    """
    begun = time.perf_counter()
    prefix = Path(prefix).resolve()
    tools = programs(environment)
    helper = [tools.python, HELPER]
    labelled = list(train)
    train, test = ([atoms for atoms in frames if len(atoms) > 1] for frames in (train, test))
    found = survey(labelled, cutoff)
    elements = found.elements
    _check(train, test, elements, functions)
    E0, _ = reference_energies(found)
    inner = inner_radii(found, cutoff)

    folder = prefix.with_name(prefix.name + ".pacemaker")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = {name: frames for name, frames in (("train", train), ("test", test)) if frames}
    for name, frames in parts.items():
        save_frames(folder / f"{name}.npz", frames, E0, weights)
        run([*helper, "dataset", f"{name}.npz", f"{name}.pckl.gzip"], folder, threads)
    write_input(
        folder / "input.yaml",
        elements=elements,
        functions=functions,
        cutoff=cutoff,
        n_max=n_max,
        l_max=l_max,
        embedding=embedding,
        optimise_radial=optimise_radial,
        force_share=_force_share(train, weights),
        regularisation=regularisation,
        iterations=iterations,
        backend=backend,
        batch_size=batch_size,
        train="train.pckl.gzip",
        test="test.pckl.gzip" if test else None,
    )
    run([tools.pacemaker, "input.yaml", "-o", "fitted.yaml", "--no-predict"], folder, threads, iterations)
    fitted = time.perf_counter()
    core = {"E0": E0, "r_in": {f"{a} {b}": r for (a, b), r in inner.items()}, "delta_in": CORE_BLEND}
    write_text(folder / "core.json", json.dumps(core))
    run([*helper, "finish", "fitted.yaml", "core.json", "potential.yaml", "potential.yace"], folder, threads)
    _add_E0(folder / "potential.yace", elements, E0)
    # every environment counts, as in `ace.active_set`: by default pacemaker leaves out those it fits badly
    run([tools.pace_activeset, "potential.yaml", "-d", "train.pckl.gzip", "--all-atoms"], folder, threads)
    spanned = time.perf_counter()
    predicted: dict[str, list[Labels]] = {"train": [], "test": []}
    for name, frames in parts.items():
        run([*helper, "predict", "potential.yaml", f"{name}.npz", f"{name}.predicted.npz"], folder, threads)
        predicted[name] = _predictions(folder / f"{name}.predicted.npz", frames, E0)

    # pacemaker may find fewer than were asked for
    own = read_yaml(folder / "potential.yaml", linear_only=False).functions
    counts = {element: len(own[element]) for element in elements}
    facts = {
        "pacemaker": read_back(folder) | {"embedding": embedding, "backend": backend},
        "n_functions": sum(counts.values()),
        "functions_per_element": counts,
        "cutoff_A": cutoff,
        "E0_eV": E0,
        "inner_radii_A": {f"{a}-{b}": radius for (a, b), radius in inner.items()},
        "seconds": {
            "fit": round(fitted - begun, 2),
            "active_set": round(spanned - fitted, 2),
            "total": round(time.perf_counter() - begun, 2),
        },
    }
    for suffix in (".yaml", ".yace", ".asi"):
        os.replace(folder / f"potential{suffix}", beside(prefix, suffix))
    result = record(prefix, {"train": train, "test": test}, predicted, facts)
    for data in (*folder.glob("*.npz"), *folder.glob("*.gzip")):
        data.unlink()
    return result


def _check(train: list[Atoms], test: list[Atoms], elements: list[str], functions: int) -> None:
    """Raise UserError for what pacemaker would fail on, hours later or in words of its own."""
    if not train:
        raise UserError("There are no training frames of more than one atom.")
    for atoms in (*train, *test):
        known = labels(atoms)
        if known.energy is None or known.forces is None:
            raise UserError(f"pacemaker needs energy and forces of every frame; {atoms.symbols} lacks one of them.")
        if atoms.pbc.any() and not atoms.pbc.all():
            raise UserError(f"pacemaker needs frames that are periodic in all directions or none: {atoms.symbols}.")
    unknown = sorted({symbol for atoms in test for symbol in atoms.symbols} - set(elements))
    if unknown:
        raise UserError(f"The test frames contain {unknown}, which no training frame does.")
    for element in elements:
        count = sum(atoms.get_chemical_symbols().count(element) for atoms in train)
        if count < functions:
            raise UserError(
                f"{count} atoms of {element} in the training frames are too few for an active set of {functions} "
                "functions: label more structures, or lower trainer.functions."
            )


def _force_share(train: list[Atoms], weights: Weights) -> float:
    """pacemaker's kappa: it normalises energy and force weights to a sum of 1 each, and this undoes it."""
    weighed = [weigh(atoms, weights) for atoms in train]
    energy, force = sum(e for e, _ in weighed), sum(float(f.sum()) for _, f in weighed)
    return float(force / (energy + force))


def _predictions(path: Path, frames: list[Atoms], E0: dict[str, float]) -> list[Labels]:
    with np.load(path) as content:
        energy, forces, stress = content["energy"], content["forces"], content["stress"]
    by_frame = np.split(forces, np.cumsum([len(atoms) for atoms in frames])[:-1])
    return [
        Labels(float(e) + _isolated(atoms, E0), f, s if atoms.pbc.all() else None)
        for e, f, s, atoms in zip(energy, by_frame, stress, frames, strict=True)
    ]


def _add_E0(yace: Path, elements: list[str], E0: dict[str, float]) -> None:
    """pacemaker's own `.yace` has no energies of isolated atoms; LAMMPS adds those it finds."""
    line = "E0: [" + ", ".join(repr(float(E0[e])) for e in elements) + "]"
    text, count = re.subn(r"^E0:.*$", line, yace.read_text(), count=1, flags=re.MULTILINE)
    if not count:
        raise UserError(f"{yace}: pacemaker wrote no E0, which LAMMPS reads")
    write_text(yace, text)


def _isolated(atoms: Atoms, E0: dict[str, float]) -> float:
    return sum(E0[symbol] for symbol in atoms.symbols)
