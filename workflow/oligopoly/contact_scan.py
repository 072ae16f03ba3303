"""Pairs of molecules pushed together with the final potential: is there a hole between them?"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.files import as_json, write_text
from oligopoly.md import trajectory
from oligopoly.potentials.registry import open_potential
from oligopoly.samplers.contacts import DISTANCES, contact_pool

if TYPE_CHECKING:
    from oligopoly.labelers.classical import ClassicalLabeler


def scan(
    out_file: str | Path,
    potential: str | Path,
    liquid: str | Path,
    force_field: "ClassicalLabeler",
    reference: Callable[[list[Atoms]], np.ndarray],
    *,
    every: int = 1,
    system: str,
    pairs: int,
    max_energy: float,
    seed: int,
) -> None:
    """Write energies (eV) of `pairs` approaching pairs by the potential and by the reference over distance (A).

    The pairs come from the trajectory `liquid`; each is pushed until the energy of `force_field`,
    which is cheap, has risen by `max_energy` (eV). `reference` gives energies (eV) of frames, NaN
    where it has none; `every` takes every so many distances only. Energies are relative to the
    widest distance.
    """
    run = trajectory.read(liquid)
    frames = run.frames()
    for k, atoms in enumerate(frames):
        frame_files.set_origin(atoms, system, 0, "contact-scan", k)
    scans = contact_pool(
        frames, force_field.topology, pairs, lambda a: force_field.label(a).energy, max_energy, seed,
        DISTANCES[::every],
    )  # fmt: skip
    scans = [scan for scan in scans if len(scan) > 2]
    energies = reference([atoms for scan in scans for atoms in scan])
    known = np.split(energies, np.cumsum([len(scan) for scan in scans])[:-1])
    kept = []
    for number, (approach, values) in enumerate(zip(scans, known, strict=False)):
        there = np.isfinite(values)
        if there.sum() >= 3:
            kept.append((number, [a for a, ok in zip(approach, there, strict=True) if ok], values[there]))
    learned = open_potential(potential).predict([atoms for _, approach, _ in kept for atoms in approach])
    found = []
    for number, approach, values in kept:
        own = np.array([next(learned).energy for _ in approach])
        found.append(
            {
                "name": f"pair {number}",
                "distances": [a.info["contact_distance"] for a in approach],
                "reference_eV": (values - values[0]).tolist(),
                "learned_eV": (own - own[0]).tolist(),
            }
        )
    write_text(out_file, as_json({"system": system, "pairs": found}))
