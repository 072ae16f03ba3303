"""The audit: were the frames that nobody chose as harmless as was thought?"""

import numpy as np

from oligopoly.selectors.candidates import Candidate


def draw_audit(candidates: list[Candidate], count: int, seed: int) -> None:
    """Mark `count` frames among those not chosen, by lot; fills the candidates in place."""
    rest = [candidate for candidate in candidates if not candidate.chosen]
    for i in np.random.default_rng(seed).permutation(len(rest))[:count]:
        rest[i].audit = True
        rest[i].code = "audit"
        rest[i].reason = "audit" + (f" ({rest[i].reason})" if rest[i].reason else "")
