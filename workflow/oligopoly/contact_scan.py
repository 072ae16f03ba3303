"""Pairs of molecules pushed together with the final potential: is there a hole between them?"""

import json
from pathlib import Path

import numpy as np

from oligopoly.evaluation import evaluator
from oligopoly.files import write_text
from oligopoly.label.labeler import Labeler
from oligopoly.md import trajectory
from oligopoly.systems.contacts import contact_pool


def scan(
    out_file: str | Path,
    potential: str | Path,
    liquid: str | Path,
    force_field: Labeler,
    labeler: Labeler,
    *,
    system: str,
    pairs: int,
    max_energy: float,
    seed: int,
) -> None:
    """Write energies (eV) of `pairs` approaching pairs by ACE and by `labeler` over distance (A).

    The pairs come from the trajectory `liquid`; each is pushed until the energy of `force_field`,
    which is cheap, has risen by `max_energy` (eV). Energies are relative to the widest distance.
    """
    run = trajectory.read(liquid)
    frames = [run.atoms(k) for k in range(len(run))]
    scans = contact_pool(
        frames, force_field.topology, pairs, lambda a: force_field.label(a).energy, max_energy, seed
    )
    engine = evaluator(potential)
    found = []
    for number, approach in enumerate(frames for frames in scans if len(frames) > 2):
        reference = np.array([labeler.label(a).energy for a in approach])
        ace = np.array([engine.compute(a.numbers, a.positions, None, None).energy for a in approach])
        found.append(
            {
                "name": f"pair {number}",
                "distances": [a.info["contact_distance"] for a in approach],
                "reference_eV": (reference - reference[0]).tolist(),
                "ace_eV": (ace - ace[0]).tolist(),
            }
        )
    write_text(out_file, json.dumps({"system": system, "pairs": found}, indent=1) + "\n")
