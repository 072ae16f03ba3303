"""What cannot be built or has no parameters is told before any job, and what passes is built."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from oligopoly.errors import UserError
from oligopoly.forcefields import gaff2
from oligopoly.forcefields.check import check_systems
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.systems.box import read_box
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology
from oligopoly.systems.unit import check_unit, numbers_of, pieces

ROOT = Path(__file__).parents[2]
HYDROGENS = ("*[H]", "*[H]")


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ("[1*]CC[2*]", "[*:1] (head) and [*:2] (tail)"),
        ("[*:1]CC*", "without numbers, or [*:1]"),
        ("[*:1]CC[*:1]", "without numbers, or [*:1]"),
        ("*C[CH2:3]*", "only attachment points"),
        ("{[$]CC[$]}", "another notation"),
        ("[R1]CC[R2]", "another notation"),
        ("[*+]CC*", "plain '*'"),
        ("[*H]CC*", "plain '*'"),
        ("*CC* |$x$|", "blanks"),
        ("*C~C*", "bonds are single"),
        ("*C->C*", "bonds are single"),
        ("*C(C", "look at character"),
        ("*C1CC*", "unclosed ring"),
        ("*c1cccc1*", "pattern of double bonds"),
        ("*C(C)(C)(C)C*", "C (symbol 2) has more bonds"),
        ("*1CC1*", "bonded to one atom"),
        ("*.CC*", "bonded to one atom"),
        ("*=CC=*", "single bond"),
        ("*C1=C(*)C(*)=C1*", "ladder"),
        ("*CC(*)*", "branched"),
        ("*CC([2H])*", "isotope"),
        ("*C" + "C" * 200 + "*", "at most 500"),
        ("", "not a valid SMILES"),
        (None, "must be a SMILES string"),
    ],
)
def test_says_what_is_wrong_with_a_unit(unit, says):
    with pytest.raises(UserError) as caught:
        check_unit(unit, HYDROGENS, 3)
    message = str(caught.value)
    assert says in message and repr(unit) in message and message.count("repeat unit") == 1 and "\n" not in message


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("*", "bonded to one atom"),
        ("*C*", "2 attachment point"),
        ("*[O-]", "net charge"),
        ("*[CH2]", "unpaired electron"),
        ("*=O", "single bond"),
        ("*C(C)(C)(C)C", "more bonds"),
        ("[H]", "0 attachment point"),
    ],
)
def test_says_what_is_wrong_with_an_end(end, says):
    with pytest.raises(UserError, match="end group") as caught:
        check_unit("*CC*", ("*C", end), 3)
    assert says in str(caught.value) and repr(end) in str(caught.value)


def test_head_and_tail_may_be_numbered():
    for unit in ("[*:1]OC(C)C(=O)[*:2]", "[*:2]C(=O)C(C)O[*:1]", "[*]OC(C)C(=O)[*]"):
        piece, _ = pieces(unit, "ring")
        assert [piece.mol.GetAtomWithIdx(piece.inner(star)).GetSymbol() for star in piece.stars] == ["O", "C"]
    assert sorted(numbers_of("*CC*", ("[*:1]O", "*Cl"), 1)) == [1, 1, 1, 1, 1, 6, 6, 8, 17]


def test_rings_that_take_for_ever_are_told():
    check_unit("*c1ccc(*)cc1", "ring", 12)
    check_unit("*c1cccc(*)c1", "ring", 60)  # one way round is shorter
    with pytest.raises(UserError, match="2 equally short ways .* at most 12"):
        check_unit("*c1ccc(*)cc1", "ring", 60)


@pytest.mark.parametrize(
    ("unit", "ends", "says"),
    [
        ("*[Se]*", HYDROGENS, "no type for Se (atom 1 of the chain, bonded to H, Se; symbol 2 of the repeat unit's"),
        ("*C[Si](C)(C)*", HYDROGENS, "no type for Si"),
        ("*CB(C)*", "ring", "no type for B "),
        ("*O*", HYDROGENS, "no parameters for the angle oh-os-oh at O"),
        ("*CC*", ("*[Li]", "*C"), "no type for Li (atom 0 of the chain, bonded to C; symbol 2 of the end group's"),
    ],
)
def test_what_has_no_parameters_is_told_without_building(unit, ends, says):
    with pytest.raises(UserError) as caught:
        gaff2.Settings().check(unit, ends, 3)
    assert says in str(caught.value) and repr(unit) in str(caught.value)


def test_what_passed_is_remembered_and_what_failed_is_told_again(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(gaff2.GAFF2, "parametrise", lambda self, mol, described: asked.append(described))
    good = SimpleNamespace(repeat_unit="*CC*", end_groups=HYDROGENS, degree_of_polymerisation=40)
    longer = SimpleNamespace(**{**vars(good), "degree_of_polymerisation": 50})
    for _ in range(2):
        check_systems(
            [(gaff2.Settings(), name, s) for name, s in (("a", good), ("b", longer))], tmp_path / "known.json"
        )
    assert len(asked) == 1, "chains that differ in length are typed once"

    def fails(self, mol, described):
        raise UserError(described)

    monkeypatch.setattr(gaff2.GAFF2, "parametrise", fails)
    bad = SimpleNamespace(**{**vars(good), "repeat_unit": "*CB*"})
    for _ in range(2):
        with pytest.raises(UserError, match=r"^systems\.b: repeat unit '\*CB\*'"):
            check_systems([(gaff2.Settings(), "a", good), (gaff2.Settings(), "b", bad)], tmp_path / "known.json")


def test_long_chains_are_typed_as_radonpy_types_them():
    """Atom by atom and bond by bond: the same angles and dihedrals with the same parameters."""
    from radonpy.ff.gaff2_mod import GAFF2_mod

    from oligopoly.systems.chain import assemble

    for unit in ("*CC(c1ccccc1)*", "*OC(C)C(=O)*", "*C(=O)NCCC=C*"):
        ours, theirs = (assemble(*pieces(unit, HYDROGENS), 3).mol for _ in range(2))
        gaff2._assign(ours, unit)
        assert GAFF2_mod().ff_assign(theirs)
        for kind in ("angles", "dihedrals"):
            found = [
                sorted((*(x for x in (t.a, t.b, t.c, getattr(t, "d", -1))), t.ff.type) for t in getattr(mol, kind))
                for mol in (ours, theirs)
            ]
            assert found[0] == found[1] and len(found[0]) > 20


def energy(folder, unit, ends, units, chains=2):
    """eV per atom of a box in LAMMPS, as built."""
    data, description = folder / "built.data", folder / "system.json"
    build_system(
        data, description, repeat_unit=unit, end_groups=ends, degree_of_polymerisation=units, chains=chains,
        force_field=gaff2.Settings(), seed=4,
    )  # fmt: skip
    topology = Topology.read(description)
    assert set(json.loads(description.read_text())["repeat_units"]) == set(range(units))
    with ClassicalLabeler(data, description) as labeler:
        box = read_box(data, topology)
        return labeler.label(box).energy / len(box)


UNITS = [
    "*CC*", "*C*", "*CCO*", "*CS*", "*c1ccc(*)cc1", "*CC(c1ccccc1)*", "*C(=O)c1ccc(cc1)C(=O)OCCO*",
    "*NCCCCCCNC(=O)CCCCC(=O)*", "*O[C@@H](C)C(=O)*", "*CC(C)(C(=O)OC)*", "*C/C=C\\C*", "*C(F)(F)*", "*N*",
    "*CC(C#N)*", "*C1CCC(*)CC1",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS[:4])
def test_chains_of_one_and_two_units(tmp_path, unit):
    for units in (1, 2):
        assert abs(energy(tmp_path, unit, HYDROGENS, units)) < 100


@pytest.mark.slow
@pytest.mark.parametrize("ends", [HYDROGENS, ("*C", "*[H]"), ("*CCO", "*c1ccccc1"), ("*C(=O)O", "*C(C)(C)C")])
@pytest.mark.parametrize("unit", UNITS)
def test_short_chains_of_many_units(tmp_path, unit, ends):
    for units in (1, 2):
        gaff2.Settings().check(unit, ends, units)
        assert np.isfinite(energy(tmp_path, unit, ends, units))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "ends", "units"),
    [
        ("*CCO*", "ring", 60),
        ("*CC(C)*", "ring", 60),
        ("*c1cccc(*)c1", "ring", 30),
        ("*CC(c1ccccc1)*", HYDROGENS, 100),
        ("*C(=O)c1ccc(cc1)C(=O)OCCO*", HYDROGENS, 100),
    ],
)
def test_long_chains_and_large_rings(tmp_path, unit, ends, units):
    assert np.isfinite(energy(tmp_path, unit, ends, units, chains=1))


def test_large_rings_are_closed_and_apart(tmp_path):
    build_system(
        tmp_path / "built.data", tmp_path / "system.json", repeat_unit="*CCO*", end_groups="ring",
        degree_of_polymerisation=30, chains=2, force_field=gaff2.Settings(), seed=4,
    )  # fmt: skip
    topology = Topology.read(tmp_path / "system.json")
    box = read_box(tmp_path / "built.data", topology)
    lengths = np.linalg.norm(np.diff(box.positions[topology.bonds], axis=1)[:, 0], axis=1)
    assert len(topology.bonds) == len(box) and lengths.max() < 1.6 and lengths.min() > 0.9
    one, two = box.positions.reshape(2, -1, 3)
    radii = [np.linalg.norm(x - x.mean(axis=0), axis=1).max() for x in (one, two)]
    apart = two.mean(axis=0) - one.mean(axis=0)
    apart -= box.cell.lengths() * np.round(apart / box.cell.lengths())
    assert np.linalg.norm(apart) > sum(radii), "no ring threads another"


def test_nothing_but_messages_for_whatever_is_given():
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    letters = list("*Cc12()=#/\\ONn.SF@[]P:-$~{R\0é0 ")
    parts = [
        "[C@H]",
        "[C@@](C)",
        "[*:1]",
        "[*:2]",
        "[nH]",
        "[Si]",
        "[O-]",
        "[N+]",
        "%10",
        "[H]",
        "[2H]",
        "[CH]",
        "[Fe]",
    ]
    words = [*letters, *parts, "c1ccccc1", "C(=O)", "C1CC1"]
    likely = st.lists(st.sampled_from(words), max_size=12).map("".join)
    smiles = st.one_of(likely, likely.map(lambda s: f"*{s}*"), st.text(max_size=20))
    tacticity = st.sampled_from([None, "isotactic", "syndiotactic", "atactic"])

    @hypothesis.settings(max_examples=600, deadline=None, derandomize=True, database=None)
    @hypothesis.given(smiles, st.one_of(st.just("ring"), st.tuples(smiles, smiles), st.just(HYDROGENS)), tacticity)
    def check(unit, ends, tacticity):
        try:
            check_unit(unit, ends, 3, tacticity)
        except UserError as error:
            assert "\n" not in str(error).replace(unit, "")
            return
        assert numbers_of(unit, ends, 2)

    check()


@pytest.mark.slow
def test_snakemake_tells_it_at_the_dry_run(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    config["systems"]["dodecane"]["repeat_unit"] = "*C[Si](C)(C)*"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--configfile", "config.yaml", "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "systems.dodecane: repeat unit '*C[Si](C)(C)*'" in said
    assert "no type for Si" in said and "Traceback" not in said and "RDKit" not in said
