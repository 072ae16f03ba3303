"""Holes of a potential behind the repulsion of two molecules."""

import numpy as np

REACHABLE = 1.0  # eV: a hole behind less than this is found by hot or compressed MD
NOTICEABLE = 0.05  # eV: smaller drops are the attraction's own structure


def hole(distances, reference, learned) -> dict | None:
    """Where the potential lets two molecules fuse although the reference does not, or None.

    distances (K,) A; reference, learned (K,) eV, on any common zero. Going inwards, a hole opens where
    the learned energy has fallen by more than 0.05 eV from the highest energy it reached, that barrier is below
    1 eV above the most distant geometry, and the reference goes on rising.
    Returns {"distance_A", "barrier_eV", "depth_eV", "reference_eV"} of the hole's deepest point.
    """
    order = np.argsort(np.asarray(distances, float))[::-1]
    r = np.asarray(distances, float)[order]
    one = np.asarray(reference, float)[order]
    two = np.asarray(learned, float)[order]
    one, two = one - one[0], two - two[0]
    barrier = np.maximum.accumulate(two)
    drop = barrier - two
    # The attractive well also lies below what came before, but there the reference falls as well.
    rising = one > np.maximum(one.min(), 0) + NOTICEABLE
    inside = np.flatnonzero((drop > NOTICEABLE) & rising & (barrier < REACHABLE))
    if not len(inside):
        return None
    k = inside[np.argmax(drop[inside])]
    return {
        "distance_A": float(r[k]),
        "barrier_eV": float(barrier[k]),
        "depth_eV": float(drop[k]),
        "reference_eV": float(one[k]),
    }


def scan_holes(scan: dict) -> list[dict]:
    """Holes of the pairs of a contact scan."""
    found = [hole(pair["distances"], pair["reference_eV"], pair["learned_eV"]) for pair in scan["pairs"]]
    return [h for h in found if h]
