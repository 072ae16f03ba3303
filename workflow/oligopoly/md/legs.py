"""MD in legs: a run that was killed goes on where its last leg ended.

Every leg starts from what the one before left on disk: positions, velocities and cell, with thermostat and barostat
at rest. A run that nothing interrupts does the same, so that both write the same bytes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly.files import atomic
from oligopoly.md.outcomes import Outcome
from oligopoly.md.trajectory import FrameWriter, ThermoWriter

# Atoms times steps of a leg: a quarter of an hour with the built-in engine on one core.
ATOM_STEPS = 2e8
# A leg's shortest length, fs: thermostat and barostat, at rest when it begins, need a picosecond to move again.
SHORTEST = 50e3
FILES = ("trajectory.extxyz", "thermo.tsv")
FOLDER = "unfinished"


def length_fs(atoms: int, timestep_fs: float) -> float:
    """Length of the legs of a long run."""
    return max(SHORTEST, ATOM_STEPS / atoms * timestep_fs)


@dataclass(frozen=True)
class State:
    """A moment from which the motion can go on: positions (N, 3) and cell (3, 3) in A, velocities (N, 3) in A/fs."""

    step: int
    time_fs: float
    positions: np.ndarray
    cell: np.ndarray
    velocities: np.ndarray


@dataclass(frozen=True)
class Mark:
    """How far a run is: the state of its last sample on disk, and how it ended if it has."""

    state: State
    outcome: Outcome | None = None


class Unfinished:
    """What there is of the run that `what` defines, in `out_dir/unfinished`; of another run nothing counts."""

    def __init__(self, out_dir: str | Path, what: str):
        self.out_dir, self.folder = Path(out_dir), Path(out_dir) / FOLDER
        self.what = what
        self.mark: Mark | None = None
        self._sizes: list[int] = [0, 0]
        with contextlib.suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            self._read()

    def _read(self) -> None:
        with np.load(self.folder / "mark.npz") as content:
            facts = json.loads(str(content["facts"]))
            state = State(facts["step"], facts["time_fs"], content["positions"], content["cell"], content["velocities"])
        written = [(self.folder / name).stat().st_size for name in FILES]
        if facts["what"] != self.what or any(w < s for w, s in zip(written, facts["sizes"], strict=True)):
            return
        self._sizes = facts["sizes"]
        self.mark = Mark(state, Outcome(**facts["outcome"]) if facts["outcome"] else None)

    @contextlib.contextmanager
    def writers(self, numbers: np.ndarray, masses: np.ndarray, periodic: bool) -> Iterator[tuple]:
        """Writers behind what the mark covers, as `trajectory.writers`, and a function to save a new mark."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            files = []
            for name, size in zip(FILES, self._sizes, strict=True):
                file = stack.enter_context(open(self.folder / name, "r+" if size else "w", buffering=1 << 20))
                file.truncate(size)
                file.seek(size)
                files.append(file)

            def save(state: State, outcome: Outcome | None = None) -> None:
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                facts = {
                    "what": self.what,
                    "step": state.step,
                    "time_fs": state.time_fs,
                    "sizes": [os.fstat(file.fileno()).st_size for file in files],
                    "outcome": outcome and outcome.to_dict(),
                }
                with atomic(self.folder / "mark.npz") as temporary, open(temporary, "wb") as stream:
                    np.savez(
                        stream,
                        facts=np.array(json.dumps(facts)),
                        positions=state.positions,
                        cell=state.cell,
                        velocities=state.velocities,
                    )

            yield (
                FrameWriter(files[0], numbers, periodic),
                ThermoWriter(files[1], masses, periodic, bool(self._sizes[1])),
                save,
            )

    def publish(self) -> None:
        """Put the files where a finished run has them. They stay here too, where links work at no cost, until
        `clear`."""
        for name in FILES:
            with atomic(self.out_dir / name) as temporary:
                temporary.unlink()
                try:
                    os.link(self.folder / name, temporary)
                except OSError:  # a file system without hard links, as some of clusters are
                    shutil.copyfile(self.folder / name, temporary)
                os.utime(temporary)  # Snakemake asks when the output was written, not the frames


def clear(out_dir: str | Path) -> None:
    """Remove what `out_dir` holds of an unfinished run."""
    shutil.rmtree(Path(out_dir) / FOLDER, ignore_errors=True)


def definition(atoms: Atoms, files: list[Path], *settings) -> str:
    """64 hex digits that are the same for the same run: start, contents of the engine's files, settings."""
    digest = hashlib.sha256(repr(settings).encode())
    for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
        digest.update(np.ascontiguousarray(array).tobytes())
    for file in files:
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
