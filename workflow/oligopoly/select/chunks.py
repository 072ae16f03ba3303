"""From candidates to chunks of structures, one label job each."""

from pathlib import Path

from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.select import choose, ledger
from oligopoly.select.candidates import Candidate, gather


def select_generation(
    walkers: list[str], chunk_files: list[str], ledger_file: str, generation: int, **choice
) -> None:
    """Choose among what the exploration folders `walkers` hold and write the chunks and ledger.

    `choice` goes to `choose.select`. Chosen frames train, audit frames test (`info["split"]`).
    """
    candidates = gather(walkers)
    choose.select(candidates, **choice)
    for candidate in candidates:
        candidate.atoms.info["split"] = "train" if candidate.chosen else "test"
        candidate.atoms.info["origin_generation"] = generation
    _write(candidates, chunk_files, ledger_file)


def take_pool(pool_files: list[str], chunk_files: list[str], ledger_file: str) -> None:
    """Generation 0: everything in the pool is labelled."""
    candidates = []
    for file in map(Path, pool_files):
        for number, atoms in enumerate(frame_files.read(file)):
            sampler = atoms.info.get("origin_sampler", "?")
            kind = "held out" if atoms.info["split"] == "test" else "to learn from"
            candidates.append(
                Candidate(
                    name=f"{file.stem}/{number}", atoms=atoms, offered=True, score=0.0, chosen=True,
                    reason=f"initial pool: {sampler}, {kind}",
                )
            )  # fmt: skip
    _write(candidates, chunk_files, ledger_file)


def _write(candidates: list[Candidate], chunk_files: list[str], ledger_file: str) -> None:
    taken = [candidate for candidate in candidates if candidate.chosen or candidate.audit]
    # Large structures first, each to the chunk with the least work so far: cost is about atoms.
    load = [0] * len(chunk_files)
    chunks: list[list[Atoms]] = [[] for _ in chunk_files]
    place: dict[str, int] = {}
    for candidate in sorted(taken, key=lambda c: -len(c.atoms)):
        number = load.index(min(load))
        load[number] += len(candidate.atoms)
        chunks[number].append(_bare(candidate))
        place[candidate.name] = number
    for path, frames in zip(chunk_files, chunks, strict=True):
        frame_files.write(path, frames)
    ledger.write(ledger_file, candidates, place)


def _bare(candidate: Candidate) -> Atoms:
    """The frame with what describes it, without what the potential of the day thought of it."""
    atoms = candidate.atoms
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    keep = (*frame_files.ORIGIN, "split", "config_type", "stop_reason", "gamma_max")
    bare.info = {key: atoms.info[key] for key in keep if key in atoms.info}
    bare.info["candidate"] = candidate.name
    return bare
