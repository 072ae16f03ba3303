"""Generation 0: what the first potential learns from, and what is held out."""

from collections.abc import Callable, Collection, Mapping
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
    learn_from: Collection[str] | None = None,
    own_conditions: Collection[str] = (),
) -> None:
    """Write periodic frames, clusters and contacts of one system, each marked train or test.

    trajectories: reference MD by state point. energy (eV) of a pair of molecules ends a contact scan
    where it has risen by `contacts["max_energy"]`. clusters_only leaves the periodic frames out.
    learn_from: states of what is trained on, all without; the others are for tests alone. own_conditions: states at the
    system's own temperature and pressure, whose frames are the easy ones (`test_set` in a test frame's info).
    The other arguments are the config's `pool` block. What is held out comes from the end of each
    trajectory, so it is not a neighbour in time of what is learned from.
    """
    frames = {}
    for state, path in trajectories.items():
        run = trajectory.read(path)
        frames[state] = run.frames()
    pool = []
    for split, share in (("train", 1 - test_share), ("test", test_share)):
        part = {
            state: _part(run, split, test_share)
            for state, run in frames.items()
            if split == "test" or learn_from is None or state in learn_from
        }
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
            round(contacts["pairs"] * share) if split == "test" or contacts["learn"] else 0,
            energy,
            contacts["max_energy"],
            derive(seed, "contacts", split),
        )
        found += [atoms for scan in scans for atoms in scan]
        for atoms in found:
            atoms.info["split"] = split
            if split == "test":
                atoms.info["test_set"] = _test_set(atoms, own_conditions)
        pool += [atoms for atoms in found if not (clusters_only and atoms.pbc.any())]
    frame_files.write(pool_file, pool)


def _part(run: list[Atoms], split: str, test_share: float) -> list[Atoms]:
    border = round(len(run) * (1 - test_share))
    return run[:border] if split == "train" else run[border:]


def _test_set(atoms: Atoms, own_conditions: Collection[str]) -> str:
    """What a held-out frame tests: errors of these are shown apart, since a mean over them hides the hard ones."""
    kind = str(atoms.info["config_type"])
    if kind != "bulk":
        return {"cluster": "clusters", "contact": "contacts"}.get(kind, kind)
    return "liquid" if atoms.info["origin_sampler"] in own_conditions else "hard MD"
