"""Configurations of built chains, by their geometry."""

import json

import numpy as np
import pytest
from rdkit import Chem

from oligopoly.errors import UserError
from oligopoly.forcefields import gaff2
from oligopoly.forcefields.registry import of_system
from oligopoly.md.equilibrate import equilibrate
from oligopoly.systems import datafile
from oligopoly.systems.build import build_system, check_unit
from oligopoly.systems.chain import assemble
from oligopoly.systems.shape import neighbourhoods
from oligopoly.systems.topology import Topology
from oligopoly.systems.unit import UNIT, pieces, read

HYDROGENS = ("*[H]", "*[H]")


def built(folder, unit, dp, chains=2, ends=HYDROGENS, **more):
    """system.json, and positions (chains, n, 3)."""
    build_system(
        folder / "built.data", folder / "system.json", repeat_unit=unit, end_groups=ends, degree_of_polymerisation=dp,
        chains=chains, force_field=gaff2.Settings(), **{"seed": 5, **more},
    )  # fmt: skip
    system = json.loads((folder / "system.json").read_text())
    _, positions, _ = datafile.read(folder / "built.data", system["atoms_per_chain"])
    return system, positions.reshape(chains, -1, 3)


def handedness(system, positions, unit, atoms):
    """Signs (dp,) of one chain: of the volume of the vectors from the atom at `atoms[1]` of the SMILES (from 1) of each
    unit to the ones at atoms[0], atoms[2], atoms[3]; 'next': the first atom of the next unit, 'before': the last."""
    n = system["atoms_per_chain"]
    units = np.array(system["repeat_units"][:n])
    heads = read(system["end_groups"][0], "end group").mol.GetNumAtoms() - 1 if system["end_groups"] != "ring" else 0
    piece = read(unit, UNIT)
    own = [i for i in range(piece.mol.GetNumAtoms()) if i not in piece.stars]
    size, dp = len(own), units.max() + 1

    def where(k, atom):
        if atom == "next":
            k, atom = k + 1, piece.inner(piece.stars[0]) + 1
            if k == dp:  # the end group's first atom
                return heads + dp * size
        if atom == "before":
            k, atom = k - 1, piece.inner(piece.stars[1]) + 1
            if k < 0:
                return 0
        return heads + k * size + own.index(atom - 1)

    signs = []
    for k in range(dp):
        centre, *around = (positions[where(k, atom)] for atom in (atoms[1], atoms[0], *atoms[2:]))
        signs.append(np.sign(np.linalg.det(np.array(around) - centre)))
    return np.array(signs)


# Unit, and the atoms (symbol of the SMILES): before, centre, after, substituent.
VINYL = {
    "*CC(C)*": (2, 3, "next", 4),  # two backbone atoms
    "*CC(C)O*": (2, 3, 5, 4),  # three
    "*C(C)*": ("before", 2, "next", 3),  # one
    "*CC(C)(C(=O)OC)*": (2, 3, "next", 4),  # no hydrogen
    "[*:2]C(C)C[*:1]": (4, 2, "next", 3),  # written from its tail
}


@pytest.mark.parametrize("unit", VINYL)
def test_tacticity_is_what_it_says(tmp_path, unit):
    for tacticity in ("isotactic", "syndiotactic", "atactic", None):
        system, positions = built(tmp_path, unit, 8, tacticity=tacticity)
        chains = [handedness(system, chain, unit, VINYL[unit]) for chain in positions]
        told = [[1 if c == "+" else -1 for c in text] for text in system["stereocentres"][0]["configurations"]]
        meso = np.mean([signs[1:] == signs[:-1] for signs in chains])
        assert system["tacticity"] == (tacticity or "atactic")
        assert system["stereocentres"][0]["meso_fraction"] == pytest.approx(meso, abs=1e-4)
        assert {"isotactic": meso == 1, "syndiotactic": meso == 0}.get(tacticity, 0.1 < meso < 0.9)
        same = [np.array_equal(signs, word) for signs, word in zip(chains, told, strict=True)]
        opposite = [np.array_equal(signs, -np.array(word)) for signs, word in zip(chains, told, strict=True)]
        assert all(same) or all(opposite), "the sequence in system.json is the one that was built"


def test_atactic_chains_have_half_meso_dyads_and_their_own_sequences(tmp_path):
    system, _ = built(tmp_path, "*OCC(C)*", 60, chains=8)
    centre = system["stereocentres"][0]
    assert len(set(centre["configurations"])) == 8
    assert centre["meso_fraction"] == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / (8 * 59)))


def test_the_same_seed_gives_the_same_sequences(tmp_path):
    one, two, other = (
        built(tmp_path, "*CC(C)*", 8, seed=seed)[0]["stereocentres"][0]["configurations"] for seed in (3, 3, 4)
    )
    assert one == two != other


@pytest.mark.parametrize(("unit", "sign"), [("*O[C@@H](C)C(=O)*", -1), ("*O[C@H](C)C(=O)*", 1)])
def test_a_mark_makes_every_unit_so(tmp_path, unit, sign):
    """Lactic acid: seen from the oxygen before it, H, methyl, carbonyl run counterclockwise for @, clockwise for @@."""
    system, positions = built(tmp_path, unit, 5)
    for chain in positions:
        # methyl, carbonyl, hydrogen has the turn of hydrogen, methyl, carbonyl
        assert (handedness(system, chain, unit, (2, 3, 4, 5)) == sign).all()
    assert system["tacticity"] == "isotactic" and system["stereocentres"][0]["marked"]
    mol = Chem.MolFromSmiles("C" + unit.strip("*") + "O")  # as RDKit sees the same marks
    assert Chem.FindMolChiralCenters(mol)[0][1] == ("S" if sign < 0 else "R")


def test_rings_have_it_too(tmp_path):
    unit = "*CC(C)O*"
    for tacticity, meso in (("isotactic", 1.0), ("syndiotactic", 0.0)):
        system, positions = built(tmp_path, unit, 6, ends="ring", tacticity=tacticity)
        signs = handedness(system, positions[0], unit, (2, 3, 5, 4))
        assert np.mean(signs == np.roll(signs, 1)) == meso == system["stereocentres"][0]["meso_fraction"]


def torsion(x):
    b1, b2, b3 = x[1] - x[0], x[2] - x[1], x[3] - x[2]
    a, b = np.cross(b1, b2), np.cross(b2, b3)
    return np.degrees(np.arctan2(np.linalg.norm(b2) * (b1 @ b), a @ b))


@pytest.mark.parametrize("ends", [HYDROGENS, "ring"])
@pytest.mark.parametrize(
    ("unit", "angle"), [("*C/C=C/C*", 180), ("*C/C=C\\C*", 0), ("*CC=CC*", 180), ("*C/C(C)=C\\C*", 0)]
)
def test_double_bonds_are_as_marked_else_trans(tmp_path, unit, angle, ends):
    system, positions = built(tmp_path, unit, 5, chains=1, ends=ends)
    unit_, ends_ = pieces(unit, ends)
    assembly = assemble(unit_, ends_, 5)
    symbols = [i for i in Chem.GetShortestPath(unit_.mol, *unit_.stars)[1:-1]]
    for piece, atoms in zip(assembly.pieces, assembly.atoms, strict=True):
        if piece.name == UNIT:
            found = abs(torsion(positions[0][atoms[symbols]]))
            assert abs(found - angle) < 25
    (bond,) = system["double_bonds"]
    assert bond["form"] == ("cis" if angle == 0 else "trans") and bond["marked"] == ("/" in unit or "\\" in unit)


def test_several_centres_and_those_of_side_groups(tmp_path):
    system, positions = built(tmp_path, "*C[C@H]([C@@H](C)CC)*", 4)
    assert [c["main_chain"] for c in system["stereocentres"]] == [True, False]
    assert all(len(set("".join(c["configurations"]))) == 1 and c["marked"] for c in system["stereocentres"])
    system, positions = built(tmp_path, "*C[C@H](C(C)CC)*", 8)
    main, side = system["stereocentres"]
    assert set(main["configurations"]) == {"-" * 8} or set(main["configurations"]) == {"+" * 8}
    assert not side["marked"] and {"+", "-"} == set("".join(side["configurations"]))
    # All volumes of the built chain, one after the other, are what system.json says.
    assembly = assemble(*pieces("*C[C@H](C(C)CC)*", HYDROGENS), 8)
    for chain, *texts in zip(positions, main["configurations"], side["configurations"], strict=True):
        rows = neighbourhoods(assembly)
        vectors = chain[rows[:, 1:]] - chain[rows[:, :1]]
        signs = np.sign(np.linalg.det(vectors)).reshape(8, 2)
        assert ["".join("+" if s > 0 else "-" for s in column) for column in signs.T] == texts


@pytest.mark.slow
@pytest.mark.parametrize("ends", [HYDROGENS, "ring"])
@pytest.mark.parametrize("unit", ["*CC(C)(C(=O)OC)*", "*O[C@@H](C)C(=O)*", "*C/C=C\\C*", "*C/C=C/C*", "*CC(c1ccccc1)*"])
def test_equilibration_keeps_configurations(tmp_path, unit, ends):
    """From chains with close contacts, through 600 K and 50,000 atm."""
    system, positions = built(tmp_path, unit, 6, chains=2, ends=ends)
    out = tmp_path / "equilibrated.data"
    equilibrate(
        tmp_path / "built.data", tmp_path / "system.json", out, of_system(tmp_path / "system.json"),
        temperature=300.0, pressure_atm=1.0, scale=1e-3, seed=1, timestep_fs=2.0, hydrogen_mass=4.0,
        log=lambda line: None,
    )  # fmt: skip
    topology = Topology.read(tmp_path / "system.json")
    chain, after, cell = datafile.read(out, system["atoms_per_chain"])
    after = topology.unwrap(after, cell).reshape(positions.shape)
    unit_, ends_ = pieces(unit, ends)
    assembly = assemble(unit_, ends_, 6)
    rows = neighbourhoods(assembly)
    for before, now in zip(positions, after, strict=True):
        volumes = [np.sign(np.linalg.det(x[rows[:, 1:]] - x[rows[:, :1]])) for x in (before, now)]
        assert np.array_equal(*volumes)
        for bond in unit_.double_bonds:
            four = [bond.across[0], *bond.atoms, bond.across[1]]
            for piece, atoms in zip(assembly.pieces, assembly.atoms, strict=True):
                if piece.name == UNIT:
                    cis = abs(torsion(now[atoms[four]])) < 90
                    assert cis == (bond.form == "cis")


def test_bicyclic_units_get_only_configurations_that_there_are(tmp_path):
    system, _ = built(tmp_path, "*C1C2CCC(C2)C1*", 6)
    assert len(system["stereocentres"]) == 4 and system["tacticity"] == "atactic"


@pytest.mark.parametrize(
    ("unit", "tacticity", "says"),
    [
        ("*CC*", "isotactic", "no stereocentre in its main chain"),
        ("*CC(CC(C)CC)*", None, None),
        ("*C/C=C/C*", "syndiotactic", "no stereocentre in its main chain"),
        ("*C[C@H](C)*", "isotactic", None),
        ("*C[C@H](C)*", "syndiotactic", "isotactic; drop the marks"),
        ("*C[C@H](C)*", "atactic", "isotactic; drop the marks"),
        ("*C(C)C(C)*", "isotactic", "2 stereocentres"),
        ("*C(C)C(C)*", "atactic", None),
        ("*[C@H](C)C(C)*", "syndiotactic", None),
        ("*C[C@](C)(C)*", None, "C (symbol 3) has a mark '@' and is no stereocentre"),
        ("*C/C=CC*", None, "only on one side"),
        ("*C/CC*", None, "at no double bond"),
    ],
)
def test_contradictions_are_told(unit, tacticity, says):
    if says is None:
        check_unit(unit, HYDROGENS, 4, tacticity)
        return
    with pytest.raises(UserError) as caught:
        check_unit(unit, HYDROGENS, 4, tacticity)
    assert says in str(caught.value) and unit in str(caught.value)


def test_units_to_be_marked_are_shown_as_they_could_be():
    with pytest.raises(UserError, match="such as (.*) or (.*)") as caught:
        check_unit("*C(C)C(C)*", HYDROGENS, 4, "isotactic")
    for smiles in str(caught.value).split("such as ")[1].split(" or "):
        check_unit(smiles, HYDROGENS, 4, "isotactic")
