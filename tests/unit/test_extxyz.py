"""Extended XYZ as people bring it: read to the end, or refused with the line."""

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oligopoly.errors import UserError
from oligopoly.extxyz import finite, parse, places
from oligopoly.frames import Stored, read, write

WATER = "3\nProperties=species:S:1:pos:R:3 energy=-1.5\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n"


def written(tmp_path, text):
    path = tmp_path / "frames.extxyz"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("between", ["", "\n", "\n \n\t\n"])
def test_lines_without_text_end_nothing(tmp_path, between):
    path = written(tmp_path, between + WATER + between + WATER + between + WATER + between)
    assert len(read(path)) == 3
    assert [place.line for _, _, place, _ in Stored([path]).places][0] == 1 + between.count("\n")


def test_marks_and_endings_of_other_systems_are_read(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + WATER.replace("\n", "\r\n").encode())
    (atoms,) = read(path)
    assert str(atoms.symbols) == "OH2" and atoms.calc.results["energy"] == -1.5


def test_keys_of_the_format_in_any_case(tmp_path):
    text = WATER.replace("Properties", "properties").replace(
        " energy", ' lattice="9 0 0 0 9 0 0 0 9" PBC="T T T" energy'
    )
    (atoms,) = read(written(tmp_path, text.replace("pos:R:3", "pos:R:3:tag:I:1").replace("0.96\n", "0.96 1\n")
                            .replace("O 0 0 0\n", "O 0 0 0 1\n").replace("-0.24\n", "-0.24 1\n")))  # fmt: skip
    assert atoms.pbc.all() and atoms.cell.volume == pytest.approx(729) and (atoms.arrays["tag"] == 1).all()
    quoted = WATER.replace("energy=-1.5", 'energy=-1.5 remark="energy=2 energy=3"')
    assert read(written(tmp_path, quoted))[0].calc.results["energy"] == -1.5


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("TTF", (1, 1, 0)),
        ("F", (0, 0, 0)),
        ('"yes yes no"', (1, 1, 0)),
        ("[True, True, False]", (1, 1, 0)),
        ('".TRUE. .FALSE. .TRUE."', (1, 0, 1)),
    ],
)
def test_periodicity_in_other_words(tmp_path, said, meant):
    cell = f'Lattice="9 0 0 0 9 0 0 0 9" pbc={said} note="pbc=none" energy'
    (atoms,) = read(written(tmp_path, WATER.replace("energy", cell)))
    assert atoms.pbc.tolist() == [bool(one) for one in meant] and atoms.info["note"] == "pbc=none"
    assert atoms.cell.volume == pytest.approx(729) and atoms.calc.results["energy"] == -1.5


def test_files_that_were_cut_or_are_no_text(tmp_path):
    whole = "5\nProperties=species:S:1:pos:R:3\n" + "".join(f"H 0 0 {k}.12345\n" for k in range(5))
    assert len(read(written(tmp_path, whole.rstrip("\n")))) == len(read(written(tmp_path, WATER.rstrip("\n")))) == 1
    with pytest.raises(UserError, match="line 7: the file ends within a number, it seems: '4.12'"):
        read(written(tmp_path, whole[:-4]))
    for text, said in ((WATER.encode("utf-16"), "in UTF-8.*it is UTF-16"), (b"\x93NUMPY\x01\0", "is no text in UTF-8")):
        with pytest.raises(UserError, match=said):
            read(written(tmp_path, text))


def test_two_columns_that_say_the_element(tmp_path):
    text = "2\nProperties=species:S:1:pos:R:3:Z:I:1\nO 0 0 0 8\nH 0 0 0.96 {}\n"
    assert str(read(written(tmp_path, text.format(1)))[0].symbols) == "OH"
    with pytest.raises(UserError, match="line 4: an atom is H and 7 at once"):
        read(written(tmp_path, text.format(7)))


def test_a_frame_that_no_list_of_neighbours_survives():
    """Some such frames end the process in the list of neighbours, with SIGFPE."""
    with pytest.raises(UserError, match="atom 2 lies more than 10000 A from atom 0"):
        finite(Atoms("H3", [[0, 0, 0], [0, 0, 1], [0, 0, 1e300]]))


def test_atomic_numbers_and_colons_in_names(tmp_path):
    text = (
        "3\nProperties=species:S:1:pos:R:3:mtt::aux:R:2\n8 0 0 0 1 2\n1 0 0 0.96 3 4\n1 0.93 0 -0.24 5 6\n"
        "3\nProperties=Z:I:1:pos:R:3\n8 0 0 0\n1 0 0 0.96\n1 0.93 0 -0.24\n"
    )
    one, two = read(written(tmp_path, text))
    assert str(one.symbols) == str(two.symbols) == "OH2"
    np.testing.assert_array_equal(one.arrays["mtt__aux"], [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("3\nProp", "4\nProp"), "frame 0 from line 1: ends too early"),
        (("3\nProp", "2\nProp"), "line 5: frame 1 should start there: found 'H 0.93 0 -0.24'"),
        (("3\nProp", "0\nProp"), "line 1, frame 0: says that it has 0 atoms"),
        (("3\nProp", "-3\nProp"), "says that it has -3 atoms"),
        (("3\nProp", "three\nProp"), "line 1: is no extended XYZ: found 'three'"),
        (("H 0 0 0.96", "H 0 0"), "line 4: has 3 columns, and Properties name 4"),
        (("H 0 0 0.96", "H 0 0 0.96 1"), "line 4: has 5 columns"),
        (("H 0 0 0.96", "H 0 0 0,96"), "line 4: column pos: given '0,96': is no number"),
        (("H 0 0 0.96", "H 0 0 1.0D+0"), "is no number"),
        (("H 0 0 0.96", "HW 0 0 0.96"), "line 4: 'HW' is no element"),
        (("O 0 0 0", "CA 0 0 0"), "line 3: 'CA' is no element: an atom type of C, or Ca?"),
        (("H 0 0 0.96", "D 0 0 0.96"), "'D' is no element: write H"),
        (("O 0 0 0\nH 0 0 0.96\nH", "1 0 0 0\n2 0 0 0.96\n3"), "types of LAMMPS"),
        (("pos:R:3", "pos:R:3:pos:R:3"), "column 'pos' twice"),
        (("pos:R:3", "position:R:3"), "has no columns species:S:1 and pos:R:3"),
        (("pos:R:3", "pos:R"), "is not name:type:width by turns"),
        (("pos:R:3", "pos:Q:3"), "is not name:type:width by turns"),
        (("energy=-1.5", "energy=-1.5 energy=0"), "line 2: 'energy' stands twice"),
        (("H 0 0 0.96", "H 0 0 1.0D+0"), "write E for D"),
        (("H 0 0 0.96", "¹ 0 0 0.96"), "line 4: '¹' is no element"),
        (("O 0 0 0", "ho 0 0 0"), "line 3: 'ho' is no element: an atom type of H, or Ho?"),
        (("energy", "pbc=none energy"), "line 2: pbc=none: is not three of T and F"),
        (("energy", 'pbc="T T" energy'), "is not three of T and F"),
        (("energy", 'pbc="T'), "is not three of T and F"),
        (("energy", 'Lattice="9 9 9" energy'), 'line 2: Lattice="9 9 9": is not Lattice="ax ay az'),
        (("energy", 'Cell="9 0 0 0 9 0 0 0 9" energy'), "line 2: has 'Cell' and no Lattice"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, change, said):
    assert change[0] in WATER
    path = written(tmp_path, WATER.replace(*change))
    with pytest.raises(UserError, match=r"frames\.extxyz") as error:
        read(path)
    assert said in str(error.value)


def test_lines_count_from_the_start_of_the_file(tmp_path):
    with pytest.raises(UserError, match="frame 1: line 10: has 3 columns"):
        read(written(tmp_path, WATER + "\n" + WATER.replace("H 0 0 0.96", "H 0 0")))
    with pytest.raises(UserError, match="line 6: frame 1 should start there: found 'the end'"):
        read(written(tmp_path, WATER + "the end\n"))
    with pytest.raises(UserError, match="frame 1 from line 6: is no text in UTF-8"):
        read(written(tmp_path, WATER.encode() + WATER.replace("energy", "énergie").encode("latin-1")))


def test_files_that_are_none(tmp_path):
    for path, said in ((tmp_path / "absent", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=said):
            read(path)
    assert read(written(tmp_path, "")) == []


structures = st.integers(1, 6).flatmap(
    lambda n: st.builds(
        lambda numbers, positions, cell: Atoms(numbers, positions, cell=cell, pbc=cell is not None),
        hnp.arrays(int, n, elements=st.integers(1, len(chemical_symbols) - 1)),
        hnp.arrays(float, (n, 3), elements=st.floats(-99, 99)),
        st.none() | st.floats(1, 50).map(lambda a: [a, a, a]),
    )
)


@settings(max_examples=60, deadline=None)
@given(st.lists(structures, min_size=1, max_size=3))
def test_round_trip(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("trip") / "frames.extxyz"
    write(path, frames)
    for one, other in zip(frames, read(path), strict=True):
        np.testing.assert_array_equal(one.numbers, other.numbers)
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-8)
        np.testing.assert_array_equal(one.pbc, other.pbc)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(WATER) - 1),
    st.integers(0, 30),
    st.text(max_size=20) | st.sampled_from(["nan", "\n", "\n\n", "::"]),
)
def test_whatever_stands_there_is_read_or_refused(first, length, other):
    text = (WATER + WATER)[:first] + other + (WATER + WATER)[first + length :]
    file = io.BytesIO(text.encode())
    try:
        for place in places(file, "file"):
            whole = file.getvalue()[place.first : place.first + place.size]
            assert len(parse(whole.decode(), place.line)) > 0
    except (UserError, UnicodeDecodeError):
        pass


def test_ase_reads_the_same(tmp_path):
    path = written(tmp_path, WATER)
    (ours,), theirs = read(path), ase.io.read(path)
    assert ours == theirs and ours.calc.results == theirs.calc.results
