"""A label store of so many records: `python benchmarks/store.py 100000 /tmp/store`. Writes them (without waiting for
the disk), then times list, check, export and prune, with the memory of each. Results: store.md."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ase.build import molecule

from oligopoly.labelers.contract import Label
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling import store as stores
from oligopoly.labelling.store import Record, Store
from oligopoly.labelling.theory import name_of

LEVELS = [{"kind": "vasp", "method": "PBE"}, {"kind": "vasp", "method": "RPBE"}]


def fill(store: Store, count: int) -> None:
    """Two ethanols, 18 atoms, at random; one in ten of another level of theory."""
    rng = np.random.default_rng(0)
    atoms = molecule("CH3CH2OH") + molecule("CH3CH2OH")
    atoms.positions[9:] += [4.0, 0.0, 0.0]
    places = atoms.positions.copy()

    def write(path: str | Path, text: str) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    stores.write_text = write
    for number in range(count):
        atoms.positions = places + 0.1 * rng.normal(size=places.shape)
        label = Label(-90.0 + rng.normal(), rng.normal(size=places.shape))
        store.put(Record(atoms, LEVELS[number % 10 == 0], Outcome.LABELLED, "", label, {"seconds": 1.0}))


def timed(*words: str) -> None:
    begin = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "oligopoly.commands.main", "store", *words]) as process:
        _, status, usage = os.wait4(process.pid, 0)
    print(
        f"{words[0]}: {time.monotonic() - begin:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} CPU s, "
        f"{usage.ru_maxrss / 1024:.0f} MB, exit code {os.waitstatus_to_exitcode(status)}"
    )


def main() -> None:
    count, folder = int(sys.argv[1]), sys.argv[2]
    begin = time.monotonic()
    fill(Store(folder), count)
    print(f"wrote {count} records: {time.monotonic() - begin:.0f} s, {resource.getrusage(0).ru_maxrss / 1024:.0f} MB")
    timed("list", folder)
    timed("check", folder)
    timed("export", folder, "-o", f"{folder}.extxyz", "--method", name_of(LEVELS[1]))
    timed("prune", folder, "--method", name_of(LEVELS[1]), "--yes")


if __name__ == "__main__":
    main()
