"""The reference numbers of pyace in tests/data/pace, and the frames they were computed for."""

from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data" / "pace"
FRAMES = {
    "ch_sbessel_r3": ("decane", "decane_box"),
    "cho_chebexpcos_r4": ("peg4", "peg4_box", "peg4_box_600K"),
    "cho_zbl_r2": ("peg4_compressed", "CH_0.75A", "OH_0.55A"),
}


def frame(potential: str, name: str) -> dict[str, np.ndarray]:
    """numbers, positions, cell, pbc, energy, forces, ... of one reference frame."""
    with np.load(DATA / f"{potential}.reference.npz") as archive:
        return {key.split("/", 1)[1]: archive[key] for key in archive.files if key.split("/", 1)[0] == name}


def where(f: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Arguments of `Evaluator.compute`."""
    return f["numbers"], f["positions"], f["cell"], f["pbc"]
