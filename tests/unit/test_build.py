import json

import numpy as np
import pytest
from ase.data import chemical_symbols
from ase.formula import Formula
from ase.symbols import Symbols

from oligopoly.errors import UserError
from oligopoly.forcefields import gaff2
from oligopoly.systems import datafile
from oligopoly.systems.build import build_system, check_unit

SYSTEMS = {
    "hexane": ("*CC*", ("*[H]", "*[H]"), 3, "C6H14"),
    "ethylene glycol": ("*OCC*", ("*[H]", "*OC"), 3, "C7O4H16"),
    "propylene glycol": ("*OCC(C)*", ("*C", "*O"), 2, "C7O3H16"),
    "lactone loop": ("*OCCCCCC(=O)*", "ring", 2, "C12O4H20"),
}


def build(folder, repeat_unit, end_groups, units, chains=3, seed=11, **more):
    build_system(
        folder / "built.data",
        folder / "system.json",
        repeat_unit=repeat_unit,
        end_groups=end_groups,
        degree_of_polymerisation=units,
        chains=chains,
        force_field=gaff2.Settings(),
        seed=seed,
        **more,
    )
    return json.loads((folder / "system.json").read_text())


@pytest.mark.parametrize("name", SYSTEMS)
def test_builds_whole_neutral_molecules_in_order(tmp_path, name):
    repeat_unit, end_groups, units, formula = SYSTEMS[name]
    system = build(tmp_path, repeat_unit, end_groups, units)
    n = system["atoms_per_chain"]
    chain, positions, cell = datafile.read(tmp_path / "built.data", n)

    assert Symbols(system["numbers"][:n]).formula.count() == Formula(formula).count()
    assert system["numbers"] == system["numbers"][:n] * 3
    assert system["molecules"] == sorted(system["molecules"]) and len(positions) == 3 * n
    assert set(system["repeat_units"]) == set(range(units))
    assert abs(chain.charges.sum()) < 1e-6 and system["net_charge"] == pytest.approx(0, abs=1e-6)
    elements = [chemical_symbols[z] for z in system["numbers"][:n]]
    assert [system["type_elements"][t - 1] for t in chain.types] == elements

    bonds = np.array(system["bonds"])
    molecules = np.array(system["molecules"])
    assert (molecules[bonds[:, 0]] == molecules[bonds[:, 1]]).all()
    rings = 1 if end_groups == "ring" else 0
    assert len(bonds) == 3 * (n - 1 + rings)
    lengths = np.linalg.norm(positions[bonds[:, 0]] - positions[bonds[:, 1]], axis=1)
    assert lengths.min() > 0.8 and lengths.max() < 1.9
    density = sum(system["masses"]) / np.linalg.det(cell) / 0.602214
    assert density == pytest.approx(0.05, rel=1e-3)


def test_alkane_ends_and_middle_have_their_own_charges(tmp_path):
    system = build(tmp_path, *SYSTEMS["hexane"][:3])
    chain, _, _ = datafile.read(tmp_path / "built.data", system["atoms_per_chain"])
    carbons = chain.charges[np.array(system["numbers"][: len(chain)]) == 6]
    methyl, inner = sorted(carbons)[:2], sorted(carbons)[2:]
    np.testing.assert_allclose(methyl, methyl[0], atol=1e-6)
    assert np.max(methyl) < np.min(inner) < 0


def test_planar_carbonyls_whatever_the_order_of_the_smiles(tmp_path):
    for k, unit in enumerate(["*OCCCCCC(=O)*", "*C(=O)CCCCCO*", "*OC(=O)CCCCC*"]):
        folder = tmp_path / str(k)
        system = build(folder, unit, "ring", 2, chains=1)
        chain, _, _ = datafile.read(folder / "built.data", system["atoms_per_chain"])
        assert len(chain.topology["Impropers"]) == 2


def test_same_seed_same_box(tmp_path):
    for name in ("hexane", "lactone loop"):
        for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
            build(tmp_path / folder, *SYSTEMS[name][:3], seed=seed)
        texts = [(tmp_path / folder / "built.data").read_text() for folder in "abc"]
        assert texts[0] == texts[1] != texts[2]


def test_leaves_the_caller_s_random_numbers_alone(tmp_path):
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    build(tmp_path, *SYSTEMS["hexane"][:3])
    assert np.random.rand() == expected


def test_molecules_do_not_overlap_in_a_crowded_box(tmp_path):
    from oligopoly.systems.topology import Topology

    build(tmp_path, *SYSTEMS["hexane"][:3], chains=20, density=0.3)
    topology = Topology.read(tmp_path / "system.json")
    _, positions, cell = datafile.read(tmp_path / "built.data", topology.atoms_per_chain)
    assert topology.intermolecular_pairs(positions, cell, 3.0)[2].min() > 1.99


@pytest.mark.parametrize(
    ("unit", "ends", "element", "neighbours"),
    [
        ("*O[Si](C)(C)*", ("*C", "*[H]"), "Si", "C, C, O, O"),
        ("*CB(C)*", ("*[H]", "*C"), "B", "C, C, C"),
        ("*O[Si](C)(C)*", "ring", "Si", "C, C, O, O"),
    ],
)
def test_unit_without_parameters_names_the_atom(tmp_path, unit, ends, element, neighbours):
    with pytest.raises(UserError) as caught:
        build(tmp_path, unit, ends, 3)
    message = str(caught.value)
    assert unit in message and f"no type for {element}" in message and f"bonded to {neighbours}" in message
    assert "symbol 3 of the repeat unit's SMILES" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("unit", "ends", "units", "says"),
    [
        ("CC*", ("*C", "*C"), 3, "1 attachment point"),
        ("*CC(*)C*", ("*C", "*C"), 3, "3 attachment point"),
        ("*C(*", ("*C", "*C"), 3, "not a valid SMILES"),
        ("*C=*", ("*C", "*C"), 3, "single bond"),
        ("**", ("*C", "*C"), 3, "no atom between"),
        ("*CC*.O", ("*C", "*C"), 3, "more than one molecule"),
        ("*C[CH]*", ("*C", "*C"), 3, "unpaired electron"),
        ("*CC([O-])*", ("*C", "*C"), 3, "net charge"),
        ("[*:1]CC*", ("*C", "*C"), 3, "without numbers"),
        ("*CC*", ("*C", "C"), 3, "end group 'C' has 0"),
        ("*CC*", "*C", 3, "pair of SMILES"),
        ("*CC*", ("*C", "*C"), 0, "at least 1"),
        ("*CC*", "ring", 1, "at least 3"),
    ],
)
def test_says_what_is_wrong_with_a_unit(unit, ends, units, says):
    with pytest.raises(UserError, match="(?s)" + says.replace("(", r"\(")):
        check_unit(unit, ends, units)


def test_good_units_pass():
    for repeat_unit, end_groups, units, _ in SYSTEMS.values():
        check_unit(repeat_unit, end_groups, units)


def test_long_chains_walk_their_own_ways(tmp_path):
    system = build(tmp_path, "*CC(C)O*", ("*C", "*[H]"), 15, chains=3)
    n = system["atoms_per_chain"]
    _, positions, _ = datafile.read(tmp_path / "built.data", n)
    molecules = positions.reshape(3, n, 3)
    inner = [np.linalg.norm(m[:, None] - m[None], axis=-1) for m in molecules]
    assert np.abs(inner[0] - inner[1]).max() > 3.0
    # Bonds and angles are those of the template, and nothing lies on anything.
    bonds = np.array(system["bonds"])
    bonds = bonds[bonds.max(axis=1) < n]
    near = np.zeros((n, n), bool)
    near[bonds[:, 0], bonds[:, 1]] = near[bonds[:, 1], bonds[:, 0]] = True
    near = np.linalg.matrix_power(near + np.eye(n), 2) > 0
    for distances in inner[1:]:
        np.testing.assert_allclose(distances[near], inner[0][near], atol=0.1)
        assert distances[~near].min() > 1.0


def test_a_chain_longer_than_its_box_does_not_meet_its_image():
    from rdkit import Chem

    from oligopoly.systems.packing import place

    template = Chem.AddHs(Chem.MolFromSmiles("C" * 30))
    coil = np.random.default_rng(1).normal(scale=12.0, size=(template.GetNumAtoms(), 3))
    mass = sum(atom.GetMass() for atom in template.GetAtoms())
    positions, length = place([coil], 1, mass, 0.05, seed=1)
    i, j = np.triu_indices(len(coil), 1)
    apart = positions[i] - positions[j]
    images = np.linalg.norm(apart - length * np.round(apart / length), axis=1)
    assert length < np.ptp(coil, axis=0).max() + 10
    assert (images[images < 0.999 * np.linalg.norm(apart, axis=1)] > 1.99).all()
