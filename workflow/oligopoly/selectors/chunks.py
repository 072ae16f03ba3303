"""From candidates to chunks of structures, one label job each."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.potentials.contract import Potential
from oligopoly.samplers.clusters import cut_around
from oligopoly.selectors import ledger
from oligopoly.selectors.audit import draw_audit
from oligopoly.selectors.candidates import Candidate, gather
from oligopoly.selectors.contract import Context, SelectorSettings
from oligopoly.systems.topology import Topology

Cost = Callable[[Atoms], float]


def select_generation(
    walkers: list[str],
    chunk_files: list[str],
    ledger_file: str,
    generation: int,
    *,
    select: SelectorSettings,
    potential: Potential,
    seed: int,
    topologies: Mapping[str, Topology] | None = None,
    molecules: int | None = None,
    cost: Cost = len,
) -> None:
    """Choose among what the exploration folders `walkers` hold and write the chunks and ledger.

    select: the config's block; potential: that explored. Chosen frames train, audit frames test (`info["split"]`). With
    `molecules`, of each frame that many are cut out, around the atom with the largest score; `topologies` by system
    name tell the molecules. Chunks are balanced by `cost`.
    """
    candidates = gather(walkers)
    offered = [candidate for candidate in candidates if candidate.offered]
    choices = select.create().choose(offered, Context(potential, seed, select.budget_of(generation)))
    for candidate, choice in zip(offered, choices, strict=True):
        candidate.chosen, candidate.code, candidate.reason = choice.taken, choice.code, choice.reason
    draw_audit(candidates, select.audit, seed)
    for candidate in candidates:
        if not candidate.code:
            candidate.code, candidate.reason = "below_threshold", ledger.words("below_threshold")
    for candidate in candidates:
        if molecules and topologies and (candidate.chosen or candidate.audit):
            candidate.atoms = _around_the_worst(candidate.atoms, topologies, molecules)
        candidate.atoms.info["split"] = "train" if candidate.chosen else "test"
        if candidate.audit:
            candidate.atoms.info["test_set"] = "exploration"
        candidate.atoms.info["origin_generation"] = generation
    _write(candidates, chunk_files, ledger_file, cost)


def take_pool(pool_files: list[str], chunk_files: list[str], ledger_file: str, cost: Cost = len) -> None:
    """Generation 0: everything in the pool is labelled."""
    candidates = []
    for file in map(Path, pool_files):
        for number, atoms in enumerate(frame_files.read(file)):
            sampler = atoms.info.get("origin_sampler", "?")
            kind = "held out" if atoms.info["split"] == "test" else "to learn from"
            candidates.append(
                Candidate(
                    name=f"{file.stem}/{number}", atoms=atoms, offered=True, score=0.0, chosen=True,
                    code="pool_test" if atoms.info["split"] == "test" else "pool_train",
                    reason=f"initial pool: {sampler}, {kind}",
                )
            )  # fmt: skip
    _write(candidates, chunk_files, ledger_file, cost)


def _write(candidates: list[Candidate], chunk_files: list[str], ledger_file: str, cost: Cost) -> None:
    taken = [candidate for candidate in candidates if candidate.chosen or candidate.audit]
    # Costly structures first, each to the chunk with the least work so far.
    load = [0.0] * len(chunk_files)
    chunks: list[list[Atoms]] = [[] for _ in chunk_files]
    place: dict[str, int] = {}
    for candidate in sorted(taken, key=lambda c: -cost(c.atoms)):
        number = load.index(min(load))
        load[number] += cost(candidate.atoms)
        chunks[number].append(_bare(candidate))
        place[candidate.name] = number
    for path, frames in zip(chunk_files, chunks, strict=True):
        frame_files.write(path, frames)
    ledger.write(ledger_file, candidates, place)


def _around_the_worst(atoms: Atoms, topologies: Mapping[str, Topology], molecules: int) -> Atoms:
    topology = topologies[atoms.info["origin_system"]]
    # A frame without scores has no atom that is worse than others.
    worst = int(atoms.info.get("score_atom", 0))
    cluster = cut_around(atoms, topology, worst, molecules)
    cluster.info = {**cluster.info, **atoms.info}
    return cluster


def _bare(candidate: Candidate) -> Atoms:
    """The frame with what describes it, without what the potential of the day thought of it."""
    atoms = candidate.atoms
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    keep = (
        *frame_files.ORIGIN,
        "split",
        "test_set",
        "config_type",
        "stop_outcome",
        "stop_reason",
        "score_kind",
        "score_max",
    )
    bare.info = {key: atoms.info[key] for key in keep if key in atoms.info}
    bare.info["candidate"] = candidate.name
    return bare
