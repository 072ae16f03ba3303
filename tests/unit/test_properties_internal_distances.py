"""Internal distances of chains whose statistics are known."""

import numpy as np
import pytest

from oligopoly.md.stored import StoredPositions
from oligopoly.properties.internal_distances import curve

BOND = 1.5


def walks(frames=40, chains=60, atoms=33, seed=1):
    """Freely jointed chains, anew in each frame: positions (F, N, 3) and ways (M, n)."""
    steps = np.random.default_rng(seed).normal(size=(frames, chains, atoms - 1, 3))
    steps *= BOND / np.linalg.norm(steps, axis=3, keepdims=True)
    positions = np.concatenate([np.zeros((frames, chains, 1, 3)), np.cumsum(steps, axis=2)], axis=2)
    return positions.reshape(frames, -1, 3), np.arange(chains * atoms).reshape(chains, atoms)


def test_of_a_random_walk_they_are_the_bond_squared_on_every_scale():
    found = curve([walks()[0]], walks()[1], 1.0)
    assert found["bonds"][0] == 1 and found["bonds"][-1] == 32 and found["known"]
    deviations = (np.array(found["ratio_A2"]) - BOND**2)[1:] / np.array(found["error_A2"])[1:]
    assert found["ratio_A2"][0] == pytest.approx(BOND**2) and abs(deviations).max() < 4
    assert found["error_A2"][-1] == pytest.approx(BOND**2 * np.sqrt(2 / 3) / np.sqrt(40 * 60), rel=0.5)


def test_of_a_rod_they_grow_with_the_number_of_bonds():
    ways = np.arange(2 * 9).reshape(2, 9)
    rods = np.zeros((4, 18, 3))
    rods[:, :, 0] = BOND * np.tile(np.arange(9), 2)
    found = curve([rods], ways, 1.0)
    assert found["ratio_A2"] == pytest.approx([BOND**2 * s for s in found["bonds"]])
    assert not found["known"], "nothing has changed: too short to know"


def test_chains_that_do_not_move_differ_all_the_same():
    """Errors over chains cover what time does not sample."""
    positions, ways = walks(frames=1)
    found = curve([np.repeat(positions, 20, axis=0)], ways, 1.0)
    expected = BOND**2 * np.sqrt(2 / 3) / np.sqrt(60)
    assert found["error_A2"][-1] == pytest.approx(expected, rel=0.5) and not found["known"]


def test_replicates_count_as_more_chains():
    positions, ways = walks()
    one = curve([positions], ways, 1.0)
    four = curve([walks(seed=seed)[0] for seed in range(4)], ways, 1.0)
    assert four["error_A2"][-1] == pytest.approx(one["error_A2"][-1] / 2, rel=0.5)


def test_frames_in_a_file_give_the_same_as_in_memory():
    positions, ways = walks()
    stored = StoredPositions(len(positions), positions.shape[1], positions.__getitem__)
    assert curve([stored], ways, 1.0) == curve([positions], ways, 1.0)
