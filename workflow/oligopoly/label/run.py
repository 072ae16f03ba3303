"""Labelling a chunk of structures: each ends with one outcome, and none stops the others."""

import os
import socket
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from oligopoly import frames as frame_files
from oligopoly.label import outcomes
from oligopoly.label.labeler import Label, Labeler, LabelFailure
from oligopoly.label.outcomes import Outcome, Verdict
from oligopoly.label.store import Store, key
from oligopoly.progress import Progress


def label_chunk(
    frames: list[Atoms],
    labelers: dict[str, Labeler],
    store: Store,
    labelled_path: str | Path,
    outcomes_path: str | Path,
    *,
    min_distance: float,
    max_force: float,
    max_net_force: float,
) -> list[Verdict]:
    """Label `frames` and write those that succeed, with their labels, and every outcome.

    labelers: by system name (`origin_system` of a frame). min_distance in A, forces in eV/A.
    A structure whose key is in the store is not computed again, failures included.
    """
    labelled, verdicts = [], []
    progress = Progress(len(frames), "labels", "structures")
    for atoms in frames:
        labeler = labelers[atoms.info["origin_system"]]
        name = key(atoms, labeler.settings())
        flaw = _flaw(atoms, min_distance)
        known = None if flaw else store.get(name)
        start = time.perf_counter()
        if flaw:
            (outcome, reason), label, seconds = flaw, None, 0.0
        elif known is None:
            outcome, reason, label = _compute(atoms, labeler)
            seconds = time.perf_counter() - start
            store.put(
                name, outcome, reason, label,
                seconds=seconds, host=socket.gethostname(), job=os.environ.get("SLURM_JOB_ID"),
                settings=labeler.settings(),
            )  # fmt: skip
        else:
            outcome, reason, label, facts = known
            seconds = facts["seconds"]
        if label is not None:
            outcome, reason = _judge(label, max_force, max_net_force)
        if outcome is Outcome.LABELLED:
            labelled.append(attach(atoms, label))
        verdicts.append(
            Verdict(name, frame_files.describe_origin(atoms), outcome, reason, seconds, known is not None)
        )
        progress.update()
    frame_files.write(labelled_path, labelled)
    outcomes.write(outcomes_path, verdicts)
    return verdicts


def attach(atoms: Atoms, label: Label) -> Atoms:
    """A copy of `atoms` that carries `label` in the REF_ keys."""
    copy = atoms.copy()
    copy.calc = None
    copy.info["REF_energy"] = label.energy
    copy.arrays["REF_forces"] = np.asarray(label.forces)
    if label.stress is not None:
        copy.info["REF_stress"] = np.asarray(label.stress)
    if label.charges is not None:
        copy.arrays["REF_charges"] = np.asarray(label.charges)
    return copy


def _flaw(atoms: Atoms, min_distance: float) -> tuple[Outcome, str] | None:
    # Most codes accept fused atoms or NaN in silence, so the geometry is checked here.
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return Outcome.INVALID, "a position or the cell is not a finite number"
    close = neighbor_list("ijd", atoms, min_distance)
    if len(close[2]):
        nearest = int(np.argmin(close[2]))
        i, j = int(close[0][nearest]), int(close[1][nearest])
        return (
            Outcome.OVERLAP,
            f"atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) are "
            f"{close[2][nearest]:.3f} A apart, closer than {min_distance:g} A",
        )
    return None


def _compute(atoms: Atoms, labeler: Labeler) -> tuple[Outcome, str, Label | None]:
    try:
        label = labeler.label(atoms)
    except LabelFailure as failure:
        return failure.outcome, str(failure), None
    except Exception as error:  # a code may die in any way; the batch goes on
        return Outcome.CRASHED, f"{type(error).__name__}: {error}", None
    if not (np.isfinite(label.energy) and np.isfinite(label.forces).all()):
        return Outcome.CRASHED, "the energy or a force is not a finite number", None
    return Outcome.LABELLED, "", label


def _judge(label: Label, max_force: float, max_net_force: float) -> tuple[Outcome, str]:
    """Thresholds are applied to stored labels too: changing one needs no new calculation."""
    largest = np.linalg.norm(label.forces, axis=1)
    worst = int(np.argmax(largest))
    if largest[worst] > max_force:
        return (
            Outcome.FORCE,
            f"force of {largest[worst]:.1f} eV/A on atom {worst}, above {max_force:g} eV/A",
        )
    net = float(np.linalg.norm(label.forces.sum(axis=0)))
    if net > max_net_force:
        return Outcome.NET_FORCE, f"forces sum to {net:.3f} eV/A, above {max_net_force:g} eV/A"
    return Outcome.LABELLED, ""
