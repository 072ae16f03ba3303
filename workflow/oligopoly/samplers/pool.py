"""Generation 0: what the first potential learns from, and what is held out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.md import trajectory
from oligopoly.samplers.clusters import initial_pool
from oligopoly.samplers.contacts import contact_pool
from oligopoly.seeds import derive
from oligopoly.systems.topology import Topology


def make_pool(
    pool_file: str | Path,
    trajectories: Mapping[str, str | Path],
    topology: Topology,
    *,
    system: str,
    energy: Callable[[Atoms], float],
    frames_per_state: int,
    clusters: Mapping,
    contacts: Mapping,
    test_share: float,
    clusters_only: bool,
    seed: int,
) -> None:
    """Write periodic frames, clusters and contacts of one system, each marked train or test.

    trajectories: reference MD by state point. energy (eV) of a pair of molecules ends a contact scan
    where it has risen by `contacts["max_energy"]`. clusters_only leaves the periodic frames out.
    The other arguments are the config's `pool` block. What is held out comes from the end of each
    trajectory, so it is not a neighbour in time of what is learned from.
    """
    frames = {}
    for state, path in trajectories.items():
        run = trajectory.read(path)
        frames[state] = [run.atoms(k) for k in range(len(run))]
    pool = []
    for split, share in (("train", 1 - test_share), ("test", test_share)):
        part = {state: _part(run, split, test_share) for state, run in frames.items()}
        found = initial_pool(
            part,
            topology,
            system=system,
            frames_per_state=round(frames_per_state * share),
            sizes=clusters["sizes"],
            clusters=round(clusters["count"] * share),
            seed=derive(seed, split),
        )
        liquid = [atoms for atoms in found if atoms.pbc.all()]
        scans = contact_pool(
            liquid,
            topology,
            round(contacts["pairs"] * share),
            energy,
            contacts["max_energy"],
            derive(seed, "contacts", split),
        )
        found += [atoms for scan in scans for atoms in scan]
        for atoms in found:
            atoms.info["split"] = split
        pool += [atoms for atoms in found if not (clusters_only and atoms.pbc.any())]
    frame_files.write(pool_file, pool)


def _part(run: list[Atoms], split: str, test_share: float) -> list[Atoms]:
    border = round(len(run) * (1 - test_share))
    return run[:border] if split == "train" else run[border:]
