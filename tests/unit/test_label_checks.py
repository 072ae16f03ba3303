"""Structures that must not be labelled are found by their geometry, those that may be are let through."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from oligopoly.labelers.contract import Label
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling import checks
from oligopoly.samplers.clusters import cut_around

HEXANE = Path(__file__).parents[1] / "data" / "hexane"


def found(atoms, topology=None, max_bond=1.5):
    flaw = checks.geometry(atoms, 0.5) or checks.molecules(atoms, topology, max_bond)
    return flaw and flaw[0]


def test_a_liquid_and_its_clusters_pass_wrapped_or_whole(topology, box):
    wrapped = box.copy()
    wrapped.wrap()
    for atoms in (box, wrapped, cut_around(box, topology, 7, 4)):
        assert found(atoms, topology) is None and found(atoms) is None


def test_molecules_that_left_closed_shells_behind_are_found_with_the_topology(topology, box):
    """Hexane that has become hexene and H2: no radical, but not what was expected either."""
    one = box[:20]
    one.pbc = False
    carbons = np.flatnonzero(one.numbers == 6)
    bonds = topology.bonds[(topology.bonds < 20).all(axis=1)]
    end = carbons[-1]
    # Two hydrogens leave from the ends of a C-C bond, as H2: all shells stay closed.
    pairs = [(a, b) for a, b in bonds if one.numbers[a] == one.numbers[b] == 6 and end in (a, b)]
    (a, b) = pairs[0]
    leaving = [
        next(int(sum(bond) - c) for bond in bonds if c in bond and one.numbers[sum(bond) - c] == 1) for c in (a, b)
    ]
    one.positions[leaving] = [[30.0, 0.0, 0.0], [30.0, 0.0, 0.74]]
    assert found(one) is None
    assert found(one, topology) is Outcome.FRAGMENTED


def test_molecules_that_have_bonded_are_found(topology, box):
    pair = cut_around(box, topology, 7, 2)
    carbons = np.flatnonzero(pair.numbers == 6)
    first, second = carbons[carbons < 20], carbons[carbons >= 20]
    pair.positions[20:] += pair.positions[first[0]] + [0.0, 1.6, 0.0] - pair.positions[second[0]]
    if checks.geometry(pair, 0.5) is None:
        assert found(pair, topology) is Outcome.FRAGMENTED
    hydrogens = np.flatnonzero(pair.numbers == 1)
    del pair[hydrogens[0]]
    assert found(pair, topology) in (Outcome.ODD_ELECTRONS, Outcome.OVERLAP)


def test_a_proton_between_two_molecules_is_no_molecule():
    water = molecule("H2O")
    assert found(water) is None
    apart = water.copy()
    apart.positions[1] += 3 * (apart.positions[1] - apart.positions[0])
    assert found(apart) is Outcome.FRAGMENTED


def test_what_is_broken_on_purpose_passes_unless_it_is_fused():
    radical = molecule("CH3")
    assert found(radical) is Outcome.ODD_ELECTRONS
    radical.info["config_type"] = "decomposed"
    assert found(radical) is None
    radical.positions[1] = radical.positions[0]
    assert found(radical) is Outcome.OVERLAP


@pytest.mark.parametrize(
    ("symbols", "distance", "fused"),
    [
        ("CC", 0.90, True),
        ("CC", 1.10, False),
        ("CH", 0.6, True),
        ("CH", 0.9, False),
        ("HH", 0.45, True),
        ("HH", 0.6, False),
    ],
)
def test_fused_is_relative_to_the_size_of_atoms(symbols, distance, fused):
    flaw = checks.geometry(Atoms(symbols, [[0, 0, 0], [0, 0, distance]]), 0.5)
    assert (flaw is not None) == fused


def test_an_image_across_the_cell_is_as_near_as_any_other():
    atoms = Atoms("CO", [[0.1, 5, 5], [9.9, 5, 5]], cell=[10, 10, 10], pbc=True)
    assert found(atoms) is Outcome.OVERLAP
    atoms.pbc = [False, True, True]
    assert checks.geometry(atoms, 0.5) is None


@pytest.mark.parametrize("what", ["energy", "forces", "stress", "charges"])
def test_every_value_of_a_label_must_be_a_number(what):
    values = {"energy": 1.0, "forces": np.zeros((2, 3)), "stress": np.zeros((3, 3)), "charges": np.zeros(2)}
    assert checks.label(Label(**values), 50.0, 0.05) is None
    values[what] = np.full(np.shape(values[what]), np.nan) if what != "energy" else float("inf")
    assert checks.label(Label(**values), 50.0, 0.05)[0] is Outcome.CRASHED


def test_forces_that_do_not_cancel_or_are_too_large():
    pull = np.array([[0.0, 0.0, 60.0], [0.0, 0.0, -60.0]])
    assert checks.label(Label(0.0, pull), 50.0, 0.05)[0] is Outcome.FORCE
    assert checks.label(Label(0.0, pull / 2 + [0, 0, 0.03]), 50.0, 0.05)[0] is Outcome.NET_FORCE


def test_a_cluster_around_an_atom_holds_its_nearest_molecules(topology, box):
    """Against all images, for an atom at the face of the cell."""
    atom = int(np.argmin(box.get_scaled_positions()[:, 0]))
    cluster = cut_around(box, topology, atom, 4)
    molecules = list(map(int, cluster.info["origin_molecules"].split()))
    assert molecules[0] == topology.molecules[atom] and len(cluster) == 80
    span = range(-3, 4)
    images = np.array([[i, j, k] for i in span for j in span for k in span]) @ box.cell.array
    whole = topology.unwrap(box.positions, box.cell.array)
    away = np.linalg.norm(whole[None] + images[:, None] - whole[atom], axis=2).min(axis=0)
    nearest = np.array([away[topology.molecules == m].min() for m in range(topology.n_molecules)])
    others = [m for m in np.argsort(nearest) if m != topology.molecules[atom]][:3]
    assert set(molecules[1:]) == {int(m) for m in others}
    # and lie there as near as they do in the liquid
    centre = cluster.positions[atom % 20]
    for k, m in enumerate(molecules[1:], start=1):
        gap = np.linalg.norm(cluster.positions[20 * k : 20 * k + 20] - centre, axis=1).min()
        assert gap == pytest.approx(nearest[m])
