"""Potential files: what we write is what pacemaker reads, and what we read is what it wrote."""

import dataclasses

import numpy as np
import pytest
from pace import DATA, FRAMES

from oligopoly.ace import fingerprint, yace
from oligopoly.ace import potential as ace
from oligopoly.ace.reading import read
from oligopoly.errors import UserError

NAMES = sorted(FRAMES)


def same_bonds(a, b) -> bool:
    return a.keys() == b.keys() and all(
        np.array_equal(a[k].radcoefficients, b[k].radcoefficients)
        and dataclasses.replace(a[k], radcoefficients=0) == dataclasses.replace(b[k], radcoefficients=0)
        for k in a
    )


@pytest.mark.parametrize("name", NAMES)
def test_yaml_round_trip_keeps_every_bit(name, tmp_path):
    first = ace.read_yaml(DATA / f"{name}.yaml")
    first.E0 = {e: -13.6 * k - 1e-9 for k, e in enumerate(first.elements)}
    first.metadata = {"generation": "003", "remark": "a: b"}
    ace.write_yaml(first, tmp_path / "x.yaml")
    second = read(tmp_path / "x.yaml")
    assert second.functions == first.functions
    assert same_bonds(first.bonds, second.bonds)
    assert second.E0 == first.E0 and second.metadata == first.metadata | {"fit": fingerprint.of(first)}


@pytest.mark.parametrize("name", NAMES)
def test_what_we_write_has_the_lines_pacemaker_wrote(name, tmp_path):
    ace.write_yaml(ace.read_yaml(DATA / f"{name}.yaml"), tmp_path / "x.yaml")
    theirs, ours = (ace.load(path) for path in (DATA / f"{name}.yaml", tmp_path / "x.yaml"))
    assert ours.keys() - {"metadata"} == theirs.keys() - {"metadata"} and ours["global"] == theirs["global"]
    by_name = [{block["speciesblock"]: block for block in text["species"]} for text in (ours, theirs)]
    assert by_name[0].keys() == by_name[1].keys()
    for key, block in by_name[1].items():
        mine = by_name[0][key]
        assert mine.keys() == block.keys()
        assert {k: v for k, v in mine.items() if k != "nbody"} == {k: v for k, v in block.items() if k != "nbody"}
        assert sorted(map(str, mine["nbody"])) == sorted(map(str, block["nbody"]))


@pytest.mark.parametrize("name", NAMES)
def test_c_tilde_form_is_pacemakers(name, tmp_path):
    theirs = yace.read(DATA / f"{name}.yace")
    ours = yace.expand(ace.read_yaml(DATA / f"{name}.yaml"))
    yace.write(ours, tmp_path / "x.yace")
    assert yace.read(tmp_path / "x.yace").functions == ours.functions
    assert same_bonds(theirs.bonds, ours.bonds)
    for element in theirs.elements:
        a, b = ({(f.elements, f.n, f.l): dict(f.terms) for f in p.functions[element]} for p in (theirs, ours))
        assert a.keys() == b.keys()
        for key in a:
            assert a[key].keys() == b[key].keys()
            assert all(abs(a[key][m] - b[key][m]) < 1e-15 for m in a[key])


def test_e0_reaches_the_yace_file(tmp_path):
    p = ace.read_yaml(DATA / "ch_sbessel_r3.yaml")
    p.E0 = {"C": -1030.5, "H": -13.25}
    yace.write(p, tmp_path / "x.yace")
    assert yace.read(tmp_path / "x.yace").E0 == p.E0


def test_functions_are_in_pacemakers_order():
    p = ace.read_yaml(DATA / "cho_chebexpcos_r4.yaml")
    keys = [(f.rank, [p.elements.index(e) for e in f.elements[1:]], f.n, f.l) for f in p.functions["C"]]
    assert keys == sorted(keys)


def test_functions_that_differ_in_lint_are_ordered_by_the_number_of_their_m():
    """L = 3 couples fewer combinations of m than L = 2: some coefficients vanish by symmetry."""
    f = [ace.BasisFunction(("C",) * 5, (1, 2, 3, 4), (2, 2, 2, 2), (L, L), 1.0) for L in range(5)]
    assert [g.lint[0] for g in ace.ordered(f, ["C"])] == [0, 1, 3, 2, 4]


@pytest.mark.parametrize(
    "suffix, old, new",
    [
        (".yaml", "parameters: [1, 1]", "parameters: [1, 0.5]"),
        (".yace", "FS_parameters: [1, 1]", "FS_parameters: [1, 0.5]"),
    ],
)
def test_a_nonlinear_potential_is_refused_with_the_way_out(suffix, old, new, tmp_path):
    text = (DATA / f"ch_sbessel_r3{suffix}").read_text()
    (tmp_path / f"x{suffix}").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"only linear potentials.*fs_parameters: \[1, 1\]"):
        read(tmp_path / f"x{suffix}")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("nr: [1], nl: [0]", "nr: [99], nl: [0]", "beyond the radial basis"),
        ("nradmaxi: 4", "nradmaxi: 3", "radcoefficients have the shape"),
        ("inner_cutoff_type: distance", "inner_cutoff_type: nearest", "inner_cutoff_type 'nearest'"),
        ("rcutij: 5", "rcutij: 4", None),
    ],
)
def test_inconsistent_files_are_refused(old, new, message, tmp_path):
    text = (DATA / "ch_sbessel_r3.yaml").read_text()
    head, tail = text.split("speciesblock: C H", 1)
    (tmp_path / "x.yaml").write_text(
        text.replace(old, new, 1) if message else head + "speciesblock: C H" + tail.replace(old, new, 1)
    )
    with pytest.raises(UserError, match=message or "must be the same"):
        read(tmp_path / "x.yaml")


@pytest.mark.parametrize("suffix, key", [(".yaml", "rho_core_cut"), (".yace", "rho_core_cutoff")])
def test_a_core_that_would_switch_ace_off_is_refused(suffix, key, tmp_path):
    text = (DATA / f"ch_sbessel_r3{suffix}").read_text().replace(f"{key}: 100000", f"{key}: 5")
    assert key in text
    (tmp_path / f"x{suffix}").write_text(text)
    read(tmp_path / f"x{suffix}")  # no core, no harm
    for core in (("core-repulsion: [0, 0]", "core-repulsion: [9, 1]"), ("prehc: 0", "prehc: 9")):
        text = text.replace(*core)
    (tmp_path / f"x{suffix}").write_text(text)
    with pytest.raises(UserError, match="rho_core_cut 5 eV .* use inner_cutoff_type zbl"):
        read(tmp_path / f"x{suffix}")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [1, 2\n")
    (tmp_path / "y.yaml").write_text("a: 1\n")
    for name, message in (
        ("x.yaml", "not valid YAML"),
        ("y.yaml", "not a pacemaker"),
        ("z.pt", "is a .yaml"),
    ):
        with pytest.raises(UserError, match=message):
            read(tmp_path / name)


def test_numbers_as_yaml_cpp_writes_them(tmp_path):
    text = (DATA / "ch_sbessel_r3.yaml").read_text()
    first = text.index("c: [") + 4
    (tmp_path / "x.yaml").write_text(text[:first] + "1e-05" + text[text.index("]", first) :])
    assert 1e-05 in {f.c for f in read(tmp_path / "x.yaml").functions["C"]}


def test_a_pair_takes_the_radial_basis_of_its_mirror_image(tmp_path):
    text = (DATA / "ch_sbessel_r3.yaml").read_text()
    head, tail = text.split("  - speciesblock: H C\n")
    body, functions = tail.split("    nbody:\n", 1)
    (tmp_path / "x.yaml").write_text(head + "  - speciesblock: H C\n    nbody:\n" + functions)
    p = read(tmp_path / "x.yaml")
    assert same_bonds(p.bonds, read(DATA / "ch_sbessel_r3.yaml").bonds)
