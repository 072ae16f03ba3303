from pathlib import Path

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from oligopoly.errors import UserError
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


def tilted(box):
    shear = np.array([[1, 0, 0], [0.3, 1, 0], [-0.2, 0.25, 1]])
    atoms = box.copy()
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=False)
    return atoms


@pytest.mark.parametrize("shape", [lambda b: b.copy(), tilted])
def test_unwrap_mends_what_wrapping_tears(topology, box, shape):
    whole = shape(box)
    torn = whole.copy()
    torn.wrap()
    assert len(topology.broken_bonds(torn.positions)) > 0
    mended = topology.unwrap(torn.positions, torn.cell.array)
    assert len(topology.broken_bonds(mended)) == 0
    i, j = topology.bonds.T
    np.testing.assert_allclose(mended[j] - mended[i], whole.positions[j] - whole.positions[i], atol=1e-9)
    moves = np.linalg.solve(whole.cell.array.T, (mended - torn.positions).T).T
    np.testing.assert_allclose(moves, np.round(moves), atol=1e-9)


def test_unwrap_leaves_whole_molecules_where_they_are(topology, box):
    np.testing.assert_array_equal(topology.unwrap(box.positions, box.cell.array), box.positions)


def test_broken_bond_is_found(topology, box):
    positions = box.positions.copy()
    bond = topology.bonds[37]
    direction = positions[bond[1]] - positions[bond[0]]
    positions[bond[1]] += 2.0 * direction / np.linalg.norm(direction)
    assert bond.tolist() in topology.broken_bonds(positions).tolist()
    positions[bond[1]] = np.nan
    assert bond.tolist() in topology.broken_bonds(positions).tolist()


@pytest.mark.parametrize("shape", [lambda b: b.copy(), tilted])
@pytest.mark.parametrize("cutoff", [2.6, 4.0])
def test_intermolecular_pairs_are_those_of_a_full_search(topology, box, shape, cutoff):
    atoms = shape(box)
    i, j, d = neighbor_list("ijd", atoms, cutoff)
    keep = (topology.molecules[i] != topology.molecules[j]) & (i < j)
    expected = sorted(zip(i[keep], j[keep], d[keep].round(9), strict=True))
    i, j, d = topology.intermolecular_pairs(atoms.positions, atoms.cell.array, cutoff)
    assert sorted(zip(np.minimum(i, j), np.maximum(i, j), d.round(9), strict=True)) == expected


def test_open_clusters_have_no_images(topology, box):
    cluster = topology.subset(3)
    positions = box.positions[: len(cluster)]
    i, j, d = cluster.intermolecular_pairs(positions, None, 6.0)
    all_d = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    different = np.triu(cluster.molecules[:, None] != cluster.molecules[None])
    assert len(d) == np.count_nonzero((all_d < 6.0) & different)


def test_close_contact_across_the_boundary(topology, box):
    assert len(topology.close_contacts(box.positions, box.cell.array)) == 0
    positions = box.positions.copy()
    hydrogens = np.flatnonzero(topology.numbers == 1)
    a, b = hydrogens[0], hydrogens[-1]
    assert topology.molecules[a] != topology.molecules[b]
    positions[b] = positions[a] + [1.0, 0, 0] + box.cell.array[0]
    assert [a, b] in topology.close_contacts(positions, box.cell.array).tolist()
    assert [a, b] not in topology.close_contacts(positions).tolist()


def test_a_molecule_may_touch_its_own_image():
    # Two bonded atoms along x in a box so short that the second nearly meets the first's image.
    topology = Topology(np.array([6, 6]), np.zeros(2, int), np.zeros(2, int), np.array([[0, 1]]), np.full(2, 12.0))
    positions = np.array([[0.0, 0, 0], [3.0, 0, 0]])
    assert len(topology.close_contacts(positions, np.diag([9.0, 9.0, 9.0]))) == 0
    assert topology.close_contacts(positions, np.diag([4.9, 9.0, 9.0])).tolist() == [[0, 1]]


def test_subset_is_the_topology_of_whole_molecules(topology):
    three = topology.subset(3)
    assert len(three) == 60 and three.n_molecules == 3
    np.testing.assert_array_equal(three.numbers, topology.numbers[:60])
    inside = topology.bonds[(topology.bonds < 60).all(axis=1)]
    assert sorted(map(tuple, inside)) == sorted(map(tuple, three.bonds))
    assert topology.of(200) is topology
    with pytest.raises(UserError, match="whole molecules of 20"):
        topology.of(33)


def test_an_incomplete_description_is_refused(tmp_path):
    path = tmp_path / "system.json"
    path.write_text('{"numbers": [6]}')
    with pytest.raises(UserError, match="lacks molecules"):
        Topology.read(path)


@pytest.mark.parametrize(
    ("facing", "free", "fused"),
    [((1, 1), 1.2, 1.0), ((8, 1), 1.35, 1.15), ((8, 8), 2.25, 2.0)],  # hydrogen bonds pass, shared protons do not
)
def test_limits_of_a_contact_are_those_of_its_elements(facing, free, fused):
    """Two diatomic molecules in a row, a distance apart."""
    molecules, bonds = np.array([0, 0, 1, 1]), np.array([[0, 1], [2, 3]])
    topology = Topology(np.array([6, *facing, 6]), molecules, np.zeros(4, int), bonds, np.ones(4))
    for distance, contacts in ((free, []), (fused, [[1, 2]])):
        positions = np.zeros((4, 3))
        positions[:, 0] = [0, 1, 1 + distance, 2 + distance]
        assert topology.close_contacts(positions).tolist() == contacts
