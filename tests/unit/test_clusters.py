from pathlib import Path

import numpy as np
import pytest

from oligopoly.samplers.clusters import cut_clusters, evenly, initial_pool, neighbours
from oligopoly.samplers.contacts import close_contact_scan, contact_pool

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


@pytest.fixture(scope="module")
def box(box):
    """With the middle of every chain in the cell, and where the frame comes from."""
    atoms = box.copy()
    middles = np.linalg.solve(atoms.cell.array.T, atoms.positions.reshape(-1, 20, 3).mean(axis=1).T).T
    atoms.positions -= np.repeat(np.floor(middles) @ atoms.cell.array, 20, axis=0)
    atoms.info.update(origin_system="hexane", origin_generation=0, origin_sampler="nvt-300K", origin_step=7)
    return atoms


def test_neighbours_are_ranked_by_the_nearest_atoms_of_all_images(topology, box):
    distances, shifts = neighbours(box.positions, box.cell.array, topology, 3)
    images = np.array([[i, j, k] for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2) for k in (-2, -1, 0, 1, 2)])
    centre = box.positions[60:80]
    for m in range(10):
        if m == 3:
            assert distances[m] == 0
            continue
        atoms = box.positions[20 * m : 20 * m + 20]
        moved = atoms[None] + (images @ box.cell.array)[:, None]
        gaps = np.linalg.norm(moved[:, :, None] - centre[None, None], axis=-1).min(axis=(1, 2))
        assert distances[m] == pytest.approx(gaps.min())
        found = np.linalg.norm((atoms + shifts[m] @ box.cell.array)[:, None] - centre[None], axis=-1).min()
        assert found == pytest.approx(gaps.min())


def test_clusters_are_whole_molecules_in_contact(topology, box):
    torn = box.copy()
    torn.wrap()
    clusters = cut_clusters(torn, topology, [1, 2, 3, 4], 8, seed=5)
    assert [len(c) // 20 for c in clusters] == [1, 2, 3, 4, 1, 2, 3, 4]
    for cluster in clusters:
        small = topology.of(len(cluster))
        assert not cluster.pbc.any() and cluster.calc is None
        np.testing.assert_array_equal(cluster.numbers, small.numbers)
        assert len(small.broken_bonds(cluster.positions)) == 0
        assert len(small.close_contacts(cluster.positions)) == 0
        assert cluster.info["origin_sampler"] == "nvt-300K" and cluster.info["origin_step"] == 7
        names = [int(m) for m in cluster.info["origin_molecules"].split()]
        assert len(set(names)) == len(cluster) // 20
        for k, name in enumerate(names):  # bond vectors are those of the molecule it names
            there = box.positions[20 * name : 20 * name + 20]
            here = cluster.positions[20 * k : 20 * k + 20]
            np.testing.assert_allclose(here - here[0], there - there[0], atol=1e-8)
            if k:
                gap = np.linalg.norm(here[:, None] - cluster.positions[None, :20], axis=-1).min()
                assert gap < 4.0


def test_sizes_are_capped_and_seeds_decide(topology, box):
    assert len(cut_clusters(box, topology, [99], 1, seed=1)[0]) == 200
    one, same, other = (cut_clusters(box, topology, [3], 4, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(one, same, strict=True))
    assert any(not np.array_equal(a.positions, b.positions) for a, b in zip(one, other, strict=True))


def test_evenly():
    assert evenly(3, 9).tolist() == [1, 4, 7]
    assert evenly(5, 3).tolist() == [0, 1, 2]
    assert evenly(0, 3).tolist() == evenly(3, 0).tolist() == []


def test_pool_has_frames_of_every_state_and_the_clusters_asked_for(topology, box):
    def run(n):
        frames = []
        for k in range(n):
            frame = box.copy()
            frame.info = {"step": 100 * k, "time_fs": 50.0 * k}
            frame.wrap()
            frames.append(frame)
        return frames

    pool = initial_pool(
        {"cold": run(20), "hot": run(7), "empty": []},
        topology,
        system="hexane",
        frames_per_state=4,
        sizes=[1, 2, 3],
        clusters=11,
        seed=2,
    )
    bulk = [a for a in pool if a.pbc.all()]
    clusters = [a for a in pool if not a.pbc.any()]
    assert len(bulk) == 8 and len(clusters) == 11
    assert [a.info["origin_step"] for a in bulk] == [200, 700, 1200, 1700, 0, 200, 400, 600]
    assert all(len(topology.broken_bonds(a.positions)) == 0 for a in bulk)
    assert {len(a) for a in clusters} == {20, 40, 60}
    assert {a.info["origin_sampler"] for a in clusters} == {"cold", "hot"}
    assert all(a.info["origin_system"] == "hexane" and "time_fs" not in a.info for a in pool)


@pytest.mark.parametrize("seed", [None, 4])
def test_scan_pushes_rigid_molecules_to_the_distances_asked_for(topology, box, seed):
    pair = cut_clusters(box, topology, [2], 1, seed=3)[0]
    wanted = [2.5, 2.0, 1.7, 1.4]
    scan = close_contact_scan(pair, topology, wanted, seed=seed)
    assert [f.info["contact_distance"] for f in scan] == pytest.approx(wanted, abs=2e-3)
    bonds = topology.subset(2).bonds
    lengths = np.linalg.norm(np.diff(pair.positions[bonds], axis=1), axis=-1)
    for frame in scan:
        gaps = np.linalg.norm(frame.positions[:20, None] - frame.positions[None, 20:], axis=-1)
        assert gaps.min() == pytest.approx(frame.info["contact_distance"], abs=1e-3)
        i, j = map(int, frame.info["contact_atoms"].split())
        assert np.linalg.norm(frame.positions[i] - frame.positions[j]) == pytest.approx(gaps.min())
        np.testing.assert_allclose(np.linalg.norm(np.diff(frame.positions[bonds], axis=1), axis=-1), lengths, atol=1e-8)
        np.testing.assert_array_equal(frame.positions[:20], pair.positions[:20])
    moves = np.diff([frame.positions[20:].mean(axis=0) for frame in scan], axis=0)
    directions = moves / np.linalg.norm(moves, axis=1)[:, None]
    np.testing.assert_allclose(directions, directions[:1].repeat(3, axis=0), atol=1e-6)


def test_contact_pool_ends_where_the_energy_says(topology, box):
    from oligopoly.labelers.classical import ClassicalLabeler

    with ClassicalLabeler(HEXANE / "equilibrated.data", HEXANE / "system.json") as labeler:

        def energy(atoms):
            return labeler.label(atoms).energy

        scans = contact_pool([box], topology, 4, energy, max_energy=2.0, seed=9)
        again = contact_pool([box], topology, 4, energy, max_energy=2.0, seed=9)
        assert len(scans) == 4
        for scan, same in zip(scans, again, strict=True):
            energies = np.array([energy(frame) for frame in scan])
            assert len(scan) >= 6 and scan[0].info["contact_distance"] > 2.5
            assert 0.5 < energies[-1] - energies.min() <= 2.0
            assert scan[-1].info["contact_distance"] < 1.9
            assert scan[0].info["origin_step"] == 7
            assert np.array_equal(scan[-1].positions, same[-1].positions)
