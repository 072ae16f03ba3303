"""Boxes and styles that a user brings: read as they are, or one line that says what is wrong."""

import json
import re

import class2
import numpy as np
import pytest
from quantum import force_error, stress_error

from oligopoly.errors import UserError
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.gaff2 import GAFF2
from oligopoly.forcefields.given import build_given, given
from oligopoly.forcefields.lammps import Settings
from oligopoly.forcefields.registry import of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

DATA = class2.HEXANE / "equilibrated.data"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return class2.write(tmp_path_factory.mktemp("own"))


def settings(path, **more):
    return Settings(kind="lammps", settings=str(path), **more)


def built(folder, data, force_field):
    build_given(folder / "built.data", folder / "system.json", data, force_field)
    return folder / "built.data", folder / "system.json"


def test_a_class_2_box_is_read_whole(files, tmp_path):
    data, described = built(tmp_path, files[0], settings(files[1]))
    topology = Topology.read(described)
    box = read_box(data, topology)
    assert len(box) == 200 and topology.n_molecules == 10 and topology.limits is None
    assert len(topology.broken_bonds(box.positions)) == 0
    assert set(topology.repeat_units[:20].tolist()) == set(range(6)), "each carbon with its hydrogens"
    content = json.loads(described.read_text())
    assert content["type_elements"] == ["C", "H"] and content["net_charge"] == 0
    text = data.read_text()
    for section in ("PairIJ Coeffs", "BondAngle Coeffs", "MiddleBondTorsion Coeffs", "AngleAngle Coeffs"):
        assert section in text
    with ClassicalLabeler(data, described) as labeler:
        assert force_error(labeler, box, components=2, step=1e-3) < 5e-3
        assert stress_error(labeler, box, components=((0, 0), (1, 2)), step=1e-3) < 2e-4
        label = labeler.label(box)
        alone = box[:20]
        alone.cell, alone.pbc = None, False
        assert force_error(labeler, alone, components=3, step=1e-3) < 1e-4
    engine = Classical(data, of_system(described))
    with open_simulation(engine, box, Conditions("nve", 10.0, 0.5), seed=1) as simulation:
        simulation.ensemble(1)
        simulation.advance(0)
        assert simulation.sample().potential == pytest.approx(label.energy, abs=5e-3)


def test_the_styles_of_gaff2_give_what_gaff2_gives(tmp_path):
    path = tmp_path / "gaff.in"
    path.write_text(
        "# a comment\n" + "\n".join(GAFF2().commands("md", True, impropers=False)).replace("atom_modify map", "#")
    )
    own = built(tmp_path, DATA, settings(path))
    theirs = DATA, class2.HEXANE / "system.json"
    labels = []
    for data, described in (own, theirs):
        with ClassicalLabeler(data, described) as labeler:
            box = read_box(DATA, Topology.read(theirs[1]))
            alone = box[:20]
            alone.cell, alone.pbc = None, False
            labels.append((labeler.label(box), labeler.label(alone)))
    for one, two in zip(*labels, strict=True):
        assert one.energy == pytest.approx(two.energy, abs=1e-5)
        np.testing.assert_allclose(one.forces, two.forces, atol=1e-4)


def test_atoms_in_another_order_become_molecules(files, tmp_path):
    """Ids interleave molecules, as after sorting by element."""
    lines = files[0].read_text().splitlines()
    start, end = lines.index("Atoms # full") + 2, lines.index("Bonds") - 1
    rows = [line.split() for line in lines[start:end]]
    order = sorted(range(200), key=lambda k: (rows[k][2], k))
    new = {old + 1: k + 1 for k, old in enumerate(order)}
    lines[start:end] = [" ".join([str(k + 1), *rows[old][1:]]) for k, old in enumerate(order)]
    heads = {lines.index(name): 2 for name in ("Bonds", "Angles", "Dihedrals", "Impropers")}
    inside = False
    for k, line in enumerate(lines):
        if k in heads:
            inside = True
        elif inside and line and line[0].isdigit():
            words = line.split()
            lines[k] = " ".join([*words[:2], *(str(new[int(w)]) for w in words[2:])])
    path = tmp_path / "sorted.data"
    path.write_text("\n".join(lines) + "\n")
    one, two = given(files[0], settings(files[1])), given(path, settings(files[1]))
    assert sorted(one.topology.numbers[:20].tolist()) == sorted(two.topology.numbers[:20].tolist())
    energies = []
    for k, source in enumerate((files[0], path)):
        folder = tmp_path / str(k)
        folder.mkdir()
        data, described = built(folder, source, settings(files[1]))
        with ClassicalLabeler(data, described) as labeler:
            energies.append(labeler.label(read_box(data, Topology.read(described))).energy)
    assert energies[0] == pytest.approx(energies[1], abs=1e-6)


def edited(path, folder, *changes):
    text = path.read_text()
    for old, new in changes:
        text, count = re.subn(old, new, text, count=1, flags=re.MULTILINE)
        assert count == 1, old
    where = folder / path.name
    where.write_text(text)
    return where


@pytest.mark.parametrize(
    ("of", "changes", "words"),
    [(0, [("^1 12.011", "1 13.5")], "type 1 has a mass of 13.5, which is of no element"),
     (0, [(r"^0 \S+ xlo xhi", "0 30.0 xlo xhi")], "a broken molecule: the bonded atoms"),
     (0, [("^1 1 2 0.0530", "1 1 2 0.5")], "other charges"),
     (0, [("^Masses", "Messes")], "no LAMMPS data file with a section Masses"),
     (1, [("^pair_style", "pair_stile")], "line 4: 'pair_stile' is no setting of a force field; did you mean"),
     (1, [("coul/long", "coul/lang")], "Unrecognized pair style"),
     (1, [("^units +real", "units metal")], "line 2: units metal: must be real"),
     (1, [("^units", "shell touch pwned\nunits")], "line 2: 'shell' is no setting"),
     (1, [("bond_style +class2", "bond_style hybrid class2 harmonic")], "no coefficients of hybrid styles"),
     (1, [("long 9.5", "long ${cut}")], "has a variable: write the value")],
)  # fmt: skip
def test_what_is_wrong_is_one_line(files, tmp_path, of, changes, words):
    paths = list(files)
    paths[of] = edited(files[of], tmp_path, *changes)
    with pytest.raises(UserError) as told:
        given(paths[0], settings(paths[1]))
    assert words in str(told.value) and "\n" not in str(told.value)
    assert str(paths[of]) in str(told.value) or "force_field" in str(told.value) or of == 1
    assert not (tmp_path / "pwned").exists()


def test_a_file_without_coefficients_is_told(files, tmp_path):
    data, styles = class2.write(tmp_path, coefficients=False)
    with pytest.raises(
        UserError, match="has no pair coefficients of all its types.*pair_coeff in force_field.settings"
    ):
        given(data, settings(styles))


def test_coefficients_may_stand_in_the_settings(files, tmp_path):
    gaff, lines = tmp_path / "gaff.in", DATA.read_text().split("\n\n")
    more = []
    for name in ("Pair", "Bond", "Angle", "Dihedral"):
        place = next(k for k, part in enumerate(lines) if part.strip() == f"{name} Coeffs")
        for kind, *values in map(str.split, lines[place + 1].strip().splitlines()):
            more.append(" ".join([f"{name.lower()}_coeff", kind, *([kind] if name == "Pair" else []), *values]))
        lines[place : place + 2] = []
    bare = tmp_path / "bare.data"
    bare.write_text("\n\n".join(lines))
    styles = [c for c in GAFF2().commands("md", True, impropers=False) if not c.startswith("atom_modify")]
    gaff.write_text("\n".join([*styles, *more]))
    one, two = given(bare, settings(gaff)), given(DATA, Settings(kind="lammps", settings="none.in", styles=styles))
    assert one.chain.coefficients == two.chain.coefficients


def test_beads_take_the_elements_and_masses_that_are_given(tmp_path):
    """United atoms by their masses; other particles by a table."""
    from oligopoly.forcefields.registry import FORCE_FIELDS
    from oligopoly.systems.build import build_system

    block = FORCE_FIELDS.read({"kind": "trappe-ua"})
    build_system(
        tmp_path / "ua.data", tmp_path / "ua.json", repeat_unit="*CC*", end_groups=["*[H]", "*[H]"],
        degree_of_polymerisation=3, chains=8, force_field=block, density=0.2, seed=1,
    )  # fmt: skip
    styles = [c for c in block.create().commands("md", True) if not c.startswith("atom_modify")]
    own = Settings(kind="lammps", settings="none.in", styles=styles)
    box = given(tmp_path / "ua.data", own)
    assert set(box.elements) == {"N", "O"} and box.topology.limits is not None
    assert box.topology.masses.sum() == pytest.approx(8 * (4 * 14.027 + 2 * 15.035))
    assert box.topology.limits.bond < 2.2 and box.topology.limits.contact > 1.5
    other = edited(tmp_path / "ua.data", tmp_path, ("^1 14.027", "1 100.0"))
    with pytest.raises(UserError, match=r'give its element in force_field.elements, e.g. \{"1": C\}'):
        given(other, own)
    assert given(other, own.model_copy(update={"elements": {"1": "S"}})).topology.numbers[1] == 16


def test_settings_may_include_others(files, tmp_path):
    """As Moltemplate writes them."""
    (tmp_path / "my files").mkdir()
    data = tmp_path / "my files" / "pe.data"
    data.write_text(files[0].read_text())
    (tmp_path / "run.in").write_text("include init.in  # styles\n")
    (tmp_path / "init.in").write_text(files[1].read_text())
    assert len(given(data, settings(tmp_path / "run.in")).topology) == 200
    (tmp_path / "init.in").write_text("include run.in\n")
    with pytest.raises(UserError, match="run.in: includes itself"):
        given(data, settings(tmp_path / "run.in"))


@pytest.mark.slow
def test_a_box_keeps_its_shape_through_equilibration(files, tmp_path, monkeypatch):
    """Orthorhombic and tilted, also where it goes on from a restart file."""
    from oligopoly.md import equilibrate, piecewise

    whole, _ = class2.write(tmp_path, wrapped=False)
    path = edited(whole, tmp_path, (r"^0 (\S+) zlo zhi", r"0 16.0 zlo zhi\n1.5 0 0 xy xz yz"))
    box = given(path, settings(files[1]))
    assert box.cell[1, 0] == 1.5
    data, described = built(tmp_path, path, settings(files[1]))
    monkeypatch.setattr(piecewise, "ATOM_STEPS", 20_000)  # a restart file every hundred steps
    monkeypatch.setattr(equilibrate, "SHORTEST_LAST", 0.3)
    equilibrate.equilibrate(
        data, described, tmp_path / "equilibrated.data", of_system(described), temperature=300.0, pressure_atm=1.0,
        scale=1e-4, max_temperature=310.0, max_pressure_atm=2.0, seed=1, timestep_fs=1.0, log=lambda line: None,
    )  # fmt: skip
    after = read_box(tmp_path / "equilibrated.data", Topology.read(described)).cell.array
    np.testing.assert_allclose(after / after[0, 0], box.cell / box.cell[0, 0], atol=2e-3)
