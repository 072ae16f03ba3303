"""One seed in the config, a seed of its own for every place that draws random numbers."""

import hashlib


def derive(seed: int, *names: object) -> int:
    """Seed for the place called `names`, in [1, 2**31 - 1) as LAMMPS and numpy both accept it."""
    text = "/".join([str(seed), *map(str, names)])
    digest = hashlib.sha256(text.encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (2**31 - 2)
