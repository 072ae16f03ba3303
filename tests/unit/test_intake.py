"""What a user brings: formats, the field's keys, a census, and units that cannot be."""

import gzip
import json
import pickle
import re
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.jsonio import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from oligopoly.commands.main import main
from oligopoly.errors import UserError
from oligopoly.intake import keys, sanity
from oligopoly.intake.formats import open_frames
from oligopoly.intake.references import labelled

NO_KEYS = {"energy": None, "forces": None, "stress": None}
KCAL, KJ = units.mol / units.kcal, units.mol / units.kJ


@pytest.fixture(scope="module")
def thermal():
    """60 ethanols at 400 K, labelled by GFN2-xTB: every third step of a trajectory of 1 fs."""
    from ase.md.langevin import Langevin
    from tblite.ase import TBLite

    rng = np.random.default_rng(5)
    atoms = molecule("CH3CH2OH")
    atoms.positions += 0.05 * rng.normal(size=(9, 3))
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    motion = Langevin(atoms, units.fs, temperature_K=400, friction=0.05 / units.fs, rng=rng)
    frames = []
    for _ in range(60):
        motion.run(4)
        frames.append(_labelled(atoms))
    return frames


@pytest.fixture(scope="module")
def liquid():
    """Six boxes of two methanols at random, with the stress of GFN2-xTB."""
    from tblite.ase import TBLite

    rng = np.random.default_rng(6)
    frames = []
    for _ in range(6):
        pair = molecule("CH3OH") + molecule("CH3OH")
        pair.positions[6:] += [3.5, 0.5, 0.5]
        pair.set_cell([7.0, 6.5, 6.8])
        pair.pbc = True
        pair.positions += 0.06 * rng.normal(size=(12, 3))
        pair.calc = TBLite(method="GFN2-xTB", verbosity=0)
        frames.append(_labelled(pair))
    return frames


def _labelled(atoms):
    one = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    one.info["REF_energy"] = float(atoms.get_potential_energy())
    one.arrays["REF_forces"] = np.array(atoms.get_forces())
    if atoms.pbc.all():
        one.info["REF_stress"] = atoms.get_stress(voigt=False)
    return one


def _with(atoms, energy):
    one = atoms.copy()
    one.info["REF_energy"] = energy
    return one


def renamed(frames, energy=None, forces=None, stress=None, energies=1.0, force=1.0, stresses=1.0):
    """Copies whose labels have other names, and are so many times as large; None: left out where `frames` have them."""
    found = []
    for atoms in frames:
        one = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        if energy:
            one.info[energy] = energies * atoms.info["REF_energy"]
        if forces:
            one.arrays[forces] = force * atoms.arrays["REF_forces"]
        if stress:
            one.info[stress] = stresses * np.asarray(atoms.info["REF_stress"])
        found.append(one)
    return found


def saved(tmp_path, frames, name="frames.extxyz"):
    path = tmp_path / name
    ase.io.write(path, frames, format="extxyz")
    return str(path)


@pytest.mark.parametrize(
    ("energy", "forces"),
    [
        ("REF_energy", "REF_forces"),
        ("energy", "forces"),
        ("energy", "force"),
        ("dft_energy", "dft_force"),
        ("DFT_energy", "DFT_forces"),
        ("Energy", "Forces"),
        ("total_energy", "forces"),
        ("free_energy", "forces"),
        ("ref_energy", "ref_forces"),
    ],
)
def test_the_names_of_the_field_are_read(tmp_path, thermal, energy, forces):
    path = saved(tmp_path, renamed(thermal, energy, forces))
    for one, other in zip(labelled([path], NO_KEYS), thermal, strict=True):
        assert one.info["REF_energy"] == pytest.approx(other.info["REF_energy"])
        np.testing.assert_allclose(one.arrays["REF_forces"], other.arrays["REF_forces"], atol=1e-7)
        assert one.calc is None


@pytest.mark.parametrize("name", ["virial", "virials", "REF_virial", "REF_virials", "dft_virial"])
def test_a_virial_is_minus_the_stress_times_the_volume(tmp_path, liquid, name, capsys):
    frames = renamed(liquid, "energy", "forces")
    for one, atoms in zip(frames, liquid, strict=True):
        one.info[name] = -atoms.info["REF_stress"] * atoms.get_volume()
    for one, atoms in zip(labelled([saved(tmp_path, frames)], NO_KEYS), liquid, strict=True):
        np.testing.assert_allclose(one.info["REF_stress"], atoms.info["REF_stress"], rtol=1e-6, atol=1e-9)
    assert f"stress from {name} (minus virial / volume) in all" in capsys.readouterr().out
    frames[3].info["stress"] = liquid[3].info["REF_stress"]
    labelled([saved(tmp_path, [frames[3]])], NO_KEYS)  # both agree
    frames[3].info["stress"] = -frames[3].info["stress"]
    with pytest.raises(UserError, match=f"frame 0: stress and {name} contradict each other.*the sign is another"):
        list(labelled([saved(tmp_path, [frames[3]])], NO_KEYS, trusted=True))


def test_what_is_no_label_is_named_and_not_used(tmp_path, thermal, capsys):
    frames = renamed(thermal, "REF_energy", "REF_forces")
    for one in frames:
        one.info |= {"ACE_energy": 1.0, "energy_per_atom": -0.1}
        one.arrays["gradient"] = np.zeros((9, 3))
    labelled([saved(tmp_path, frames)], NO_KEYS)
    said = capsys.readouterr().out
    assert "60 frames of 9 atoms (C 120, H 360, O 60), none periodic" in said
    assert "energy from REF_energy in all; forces from REF_forces in all; no stress" in said
    assert "not used: ACE_energy, energy_per_atom, gradient (minus the forces? then write forces)" in said


def test_half_of_the_labels_missing_is_said(tmp_path, thermal, capsys):
    frames = renamed(thermal[:30], "energy", "forces") + renamed(thermal[30:], "energy")
    labelled([saved(tmp_path, frames)], NO_KEYS)
    said = capsys.readouterr()
    assert "forces from forces in 30 of 60 frames" in said.out
    assert "30 of 60 frames have no forces (forces)" in said.err


def test_prose_and_what_is_not_periodic(tmp_path, liquid, capsys):
    """No words as keys, not a line of thousands, and no stress without a volume."""
    frames = renamed(liquid, "energy", "forces", "virial")
    for number, one in enumerate(frames):
        one.pbc = number < 2
        one.info |= {f"{number}.5": True, **{f"k{number}_{k}": k for k in range(9)}}
    read = list(labelled([saved(tmp_path, frames)], NO_KEYS, trusted=True))
    assert ["REF_stress" in one.info for one in read] == [True] * 2 + [False] * 4
    said = capsys.readouterr().out
    assert "stress from virial (minus virial / volume) in 2 of 6 frames" in said
    assert "k0_0" in said and "and 34 more" in said and ".5" not in said
    list(labelled([saved(tmp_path, frames[2:])], NO_KEYS, trusted=True))
    assert "no stress (virial is of frames that are not periodic)" in capsys.readouterr().out


def test_several_names_that_could_be_meant_are_a_question(tmp_path, thermal):
    frames = renamed(thermal, "dft_energy", "forces")
    for one in frames:
        one.info["total_energy"] = 1.0
    path = saved(tmp_path, frames)
    with pytest.raises(UserError, match="holds dft_energy, total_energy: which is the energy.*--energy-key"):
        labelled([path], NO_KEYS)
    labelled([path], NO_KEYS | {"energy": "dft_energy"})
    with pytest.raises(UserError, match="no frame has 'dft_enrgy'.*did you mean dft_energy"):
        labelled([path], NO_KEYS | {"energy": "dft_enrgy"})


def test_labels_under_two_names_by_turns_are_two_levels(tmp_path, thermal):
    frames = renamed(thermal[:30], "REF_energy", "REF_forces") + renamed(thermal[30:], "energy", "forces")
    with pytest.raises(UserError, match="frame 30: has its energy in 'energy', other frames in 'REF_energy'"):
        list(labelled([saved(tmp_path, frames)], NO_KEYS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"energy": "-1.5 eV"}, "energy: given '-1.5 eV': is no number"),
        ({"energy": np.nan}, "energy: is not finite"),
        ({"energy": True}, "energy: given 'True': is no number .is there a = before it"),
        ({"energy": "None"}, "energy: given 'None': is no number$"),
        ({"REF_stress": np.array(["a"] * 9)}, "needs 9 numbers"),
        ({"energy": [1.0, 2.0]}, "energy: has 2 values: needs one number"),
        ({"REF_stress": np.arange(3.0)}, "needs 9 numbers, or the 6 of xx yy zz yz xz xy"),
        ({"REF_stress": np.arange(9.0).reshape(3, 3)}, "REF_stress: is not symmetric"),
    ],
)
def test_labels_that_are_none(tmp_path, liquid, change, said):
    (frame,) = renamed(liquid[:1], "energy", "forces")
    frame.info |= change
    with pytest.raises(UserError, match=f"frame 0: .*{said}"):
        list(labelled([saved(tmp_path, [frame])], NO_KEYS, trusted=True))


def test_periodic_and_no_cell(tmp_path, thermal):
    path = tmp_path / "frames.extxyz"
    path.write_text('1\nProperties=species:S:1:pos:R:3 energy=1 pbc="T T T"\nH 0 0 0\n')
    with pytest.raises(UserError, match="frame 0: is periodic .pbc T T T. and has no cell"):
        list(labelled([str(path)], NO_KEYS))
    path.write_text("1\nProperties=species:S:1:pos:R:3 energy=1\nH 0 nan 0\n")
    with pytest.raises(UserError, match="frame 0: the position of atom 0 is not finite"):
        list(labelled([str(path)], NO_KEYS))


@pytest.mark.parametrize("kind", ["traj", "db", "json", "one.json", "extxyz.gz", "gz.xyz", "xyz.xz"])
def test_formats(tmp_path, thermal, kind):
    """Read as extended XYZ is, whatever the suffix."""
    path = tmp_path / f"frames.{kind}"
    frames = thermal[:1] if kind == "one.json" else thermal
    if kind in ("db", "json"):
        with ase.db.connect(path) as database:
            for one in frames:
                bare = Atoms(one.symbols, one.positions)
                database.write(bare, REF_energy=one.info["REF_energy"], data={"REF_forces": one.arrays["REF_forces"]})
    else:
        computed = [Atoms(one.symbols, one.positions) for one in frames]
        for one, atoms in zip(computed, frames, strict=True):
            one.calc = SinglePointCalculator(one, energy=atoms.info["REF_energy"], forces=atoms.arrays["REF_forces"])
        if kind == "one.json":
            path.write_text(encode(computed[0]))
        elif kind in ("extxyz.gz", "gz.xyz"):
            ase.io.write(tmp_path / "plain", computed, format="extxyz")
            path.write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
        elif kind == "xyz.xz":
            ase.io.write(path, computed, format="extxyz")
        else:
            ase.io.write(path, computed)
    read = labelled([str(path)], NO_KEYS, needed=kind != "one.json")
    assert len(read) == len(frames)
    if kind == "one.json":
        return
    for one, atoms in zip(read, frames, strict=True):
        assert one.info["REF_energy"] == pytest.approx(atoms.info["REF_energy"])
        np.testing.assert_allclose(one.arrays["REF_forces"], atoms.arrays["REF_forces"], atol=1e-7)


def test_files_that_hold_no_frames(tmp_path):
    (tmp_path / "empty.extxyz").write_text("\n")
    (tmp_path / "cut.traj").write_bytes(b"- of Ulm" + b"\0" * 40)
    (tmp_path / "cut.json").write_text('{"1": {')
    (tmp_path / "dump.lammpstrj").write_text(
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\n"
        "ITEM: ATOMS id type x y z\n1 1 0 0 0\n"
    )
    (tmp_path / "system.data").write_text("a melt\n\n12 atoms\n3 atom types\n\n0 9 xlo xhi\n")
    packed = gzip.compress(bytes(range(256)) * 9)
    (tmp_path / "cut.extxyz").write_bytes(packed[:-12])
    (tmp_path / "broken.gz").write_bytes(packed[:20] + b"\xff" * 20 + packed[40:])
    (tmp_path / "pickle.bin").write_bytes(pickle.dumps([1]))
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "coord.npy").write_bytes(b"")
    for name, said in (
        ("empty.extxyz", "it is empty"),
        ("absent", "no such file"),
        ("cut.traj", "not readable as traj"),
        ("cut.json", "not readable as json"),
        ("dump.lammpstrj", "atoms have types, and elements are not sure"),
        ("system.data", "looks like lammps-data"),
        ("cut.extxyz", "cannot be unpacked"),
        ("broken.gz", "cannot be unpacked"),
        ("pickle.bin", "of no format that is read"),
        ("system", "a system of DeePMD"),
    ):
        with pytest.raises(UserError, match=said):
            open_frames(tmp_path / name)


UNITS = [
    ({"energies": KCAL, "force": KCAL}, "forces seem to be in kcal/mol/A"),
    ({"energies": KJ, "force": KJ}, "forces seem to be in kJ/mol/A"),
    ({"energies": 1 / units.Ha, "force": units.Bohr / units.Ha}, "forces seem to be in Hartree/Bohr"),
    ({"force": units.Bohr / units.Ha}, "forces seem to be in Hartree/Bohr"),
    ({"force": -1.0}, "forces have the wrong sign"),
    ({"energies": 1 / units.Ha}, "energies seem to be in Hartree"),
    ({"energies": KCAL}, "energies seem to be in kcal/mol"),
    ({"energies": 1000.0}, "energies seem to be in meV"),
]


@pytest.mark.parametrize(("wrong", "said"), UNITS)
def test_units_that_cannot_be(tmp_path, thermal, wrong, said):
    path = saved(tmp_path, renamed(thermal, "energy", "forces", **wrong))
    with pytest.raises(UserError, match=said):
        labelled([path], NO_KEYS)
    assert len(labelled([path], NO_KEYS, trusted=True)) == 60


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1602.18, "kBar"),
        (-1602.18, "kBar and of VASP's sign"),
        (160.218, "GPa"),
        (1.602e6, "bar"),
        (-1.0, "it has the other sign, as VASP's"),
    ],
)
def test_a_stress_that_cannot_be(tmp_path, liquid, factor, said):
    path = saved(tmp_path, renamed(liquid, "energy", "forces", "stress", stresses=factor))
    with pytest.raises(UserError, match=f"stress is not in eV/A.3 of ASE's sign.*{said}"):
        labelled([path], NO_KEYS)


def test_what_is_right_raises_no_doubt(thermal, liquid):
    assert sanity.look(thermal) == [] and sanity.look(liquid) == []
    (finding,) = sanity.look(thermal[:1])
    assert not finding.sure and "sign of the forces are not checked" in finding.text


def test_two_levels_in_one_file_or_in_two(tmp_path, thermal):
    shifted = [one.copy() for one in thermal]
    for one in shifted[1::2]:
        one.info["REF_energy"] -= 40.0
    with pytest.raises(UserError, match="fall into two groups, 30 frames near .* and 30 near"):
        labelled([saved(tmp_path, shifted)], NO_KEYS)
    one, two = saved(tmp_path, shifted[::2], "one.extxyz"), saved(tmp_path, shifted[1::2], "two.extxyz")
    with pytest.raises(UserError, match=r"one\.extxyz, .*two\.extxyz: energies of C2H6O fall into two groups"):
        labelled([one, two], NO_KEYS)
    mixed = [one.copy() for one in thermal]
    for one in mixed[1::2]:
        one.arrays["REF_forces"] *= KCAL
    assert "of 60 frames seem to have their forces in kcal/mol/A, the others in eV/A" in sanity.look(mixed)[0].text


def test_labels_that_say_nothing(thermal):
    def changed(change):
        frames = [one.copy() for one in thermal]
        for one in frames:
            change(one)
        return [(finding.sure, finding.text) for finding in sanity.look(frames)]

    ((sure, text),) = changed(lambda one: one.arrays["REF_forces"].fill(0.0))
    assert sure and text == "all forces are zero"
    ((sure, text),) = changed(lambda one: one.arrays.update(REF_forces=one.arrays["REF_forces"] + 1.0))
    assert not sure and "forces do not sum to zero" in text
    few = [one.copy() for one in thermal[:4]]
    for one in few:
        one.arrays["REF_forces"] *= -1
    assert [f.sure for f in sanity.look(few) if "wrong sign" in f.text] == [True]
    twice = thermal[3].copy()
    twice.info["REF_energy"] += 0.5
    assert "same structure of C2H6O stands there with two energies" in sanity.look([*thermal, twice])[0].text
    totals = -units.Ha * (2 * 37.84 + 75.06 + 6 * 0.5)
    (finding,) = sanity.look([_with(one, totals / 9) for one in thermal[:1]])[1:]
    assert not finding.sure and "look like totals in eV an atom" in finding.text
    ((sure, text),) = changed(lambda one: one.info.update(REF_energy=1.23))
    assert sure and "all energies of C2H6O are 1.23 eV" in text
    for factor, unit in (
        (1 / units.Bohr, "seem to be in Bohr"),
        (0.1, "seem to be in nm"),
        (100.0, "are not in A.*in pm"),
    ):
        ((sure, text),) = changed(lambda one, factor=factor: one.set_positions(factor * one.positions))
        assert sure and re.search(f"positions {unit}", text)
    frames = [one.copy() for one in thermal]
    frames[7].arrays["REF_forces"] *= 1000
    texts = [finding.text for finding in sanity.look(frames)]
    assert "1 of 60 frames have forces of up to" in texts[0]


def test_free_atoms_of_another_kind(thermal):
    alone = [Atoms(symbol) for symbol in "CHO"]
    for one, energy in zip(alone, (-1030.0, -13.6, -2043.0), strict=True):
        one.info["REF_energy"] = energy
    (finding,) = sanity.look([*alone, *thermal])
    assert finding.sure and "of free atoms (C -1030, H -13.6, O -2043 eV)" in finding.text
    (finding,) = sanity.look([*thermal, alone[1], _with(alone[1], -10.0)])
    assert finding.sure and "free atoms of H have the energies -13.6 and -10 eV" in finding.text


def test_energies_are_compared_with_work(thermal):
    """Of a trajectory of small steps, which alone tells Hartree from Rydberg."""
    way = np.linspace(0, 1, 30)[:, None, None]
    positions = thermal[0].positions + way * (0.3 * thermal[0].arrays["REF_forces"] / 10)
    spring = 20.0
    frames = []
    for place in positions:
        one = Atoms(thermal[0].symbols, place)
        away = place - thermal[0].positions + 0.1
        one.info["REF_energy"] = 0.5 * spring * float((away**2).sum()) / units.Ry
        one.arrays["REF_forces"] = -spring * away
        frames.append(one)
    texts = [finding.text for finding in sanity.look(frames) if finding.sure]
    assert texts and "energies seem to be in Rydberg" in texts[0]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["energy", "REF_energy", "dft_energy", "free_energy", "stress", "virial", "REF_stress", "name"]
        ),
        st.none()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.floats(), max_size=10)
        | st.integers()
        | st.booleans(),
    ),
    st.sampled_from(["forces", "force", "REF_forces", "other"]),
    st.integers(1, 4),
)
def test_no_label_raises_anything_else(said, name, columns):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], cell=[4, 4, 4], pbc=True)
    atoms.info.update(said)
    atoms.arrays[name] = np.full((2, columns), 0.1)
    try:
        keys.move(atoms, keys.choose(dict.fromkeys(keys.names(atoms), 1), NO_KEYS))
    except UserError:
        return
    assert np.isfinite(atoms.info.get("REF_energy", 0.0))
    assert np.shape(atoms.info.get("REF_stress", np.zeros((3, 3)))) == (3, 3)


# functions named, for choosing them takes seconds
SMALL = ["--cutoff", "4", "--n-max", "6,3", "--l-max", "0,2"]


def test_evaluate_keeps_what_it_does_not_use(tmp_path, thermal, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frames = renamed(thermal, "energy", "forces")
    for one in frames:
        one.info["comment"] = "mine"
        one.arrays["mine"] = np.arange(9.0)
    path = saved(tmp_path, frames)
    assert main(["fit", path, "--functions", "10", *SMALL, "-o", "p"]) == 0
    assert main(["evaluate", "p.yaml", path]) == 0
    one = ase.io.read("out.extxyz")
    assert one.info["comment"] == "mine" and "mine" in one.arrays and "REF_forces" in one.arrays
    before = Path(path).read_text()
    for words in (["evaluate", "p.yaml", path, "-o", path], ["evaluate", "p.yaml", path, "-o", "out.traj"]):
        capsys.readouterr()
        assert main(words) == 1 and "-o " in capsys.readouterr().err
    assert Path(path).read_text() == before
    assert main(["fit", path, "-o", "p.yaml"]) == 1


def test_a_fit_that_describes_nothing_does_not_end_well(tmp_path, thermal, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    noise = [one.copy() for one in thermal]
    for one in noise:
        one.arrays["REF_forces"] = rng.normal(size=(9, 3))
        del one.info["REF_energy"]
    train, test = saved(tmp_path, noise[:30], "a.extxyz"), saved(tmp_path, noise[30:], "b.extxyz")
    many = ["--functions", "100", "--cutoff", "4", "--n-max", "20,8,4", "--l-max", "0,4,2"]
    assert main(["fit", train, "--test", test, "--trust", *many, "--ridge", "1e-12"]) == 1
    assert "does not describe the test frames: its force error of" in capsys.readouterr().err
    json.loads((tmp_path / "potential.metrics.json").read_text())
    few = saved(tmp_path, thermal[:1], "few.extxyz")
    assert main(["fit", few, *many]) == 0
    said = capsys.readouterr()
    assert "functions from 28 rows" in said.err and "train" not in said.out.split("wrote")[0]


def test_label_says_by_its_exit_code_how_much_was_done(tmp_path, thermal, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fused = thermal[1].copy()
    fused.positions[1] = fused.positions[0]
    whole, part, none = (
        saved(tmp_path, frames, f"{k}.extxyz") for k, frames in enumerate(([thermal[0]], [thermal[0], fused], [fused]))
    )
    rest = ["--labeler", "xtb", "--store", "store"]
    assert [main(["label", path, *rest]) for path in (whole, part, none)] == [0, 3, 1]
    far, flat = thermal[2].copy(), Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], pbc=True)
    far.positions[3] = 1e300
    capsys.readouterr()
    assert main(["label", saved(tmp_path, [far, flat, _with(thermal[3], 0.0)], "far.extxyz"), *rest]) == 3
    assert "1 labelled, 2 invalid geometry" in capsys.readouterr().err
    charged = thermal[0].copy()
    charged.info["charge"] = -1
    assert main(["label", saved(tmp_path, [charged], "charged.extxyz"), *rest]) == 0
    assert "frames say charge -1, which is not used" in capsys.readouterr().err
    alone = [Atoms(symbol, info={"config_type": "IsolatedAtom"}) for symbol in "CHO"]
    assert main(["label", saved(tmp_path, alone, "alone.extxyz"), *rest, "-o", "E0.extxyz"]) == 0
    energies = [one.info["REF_energy"] for one in ase.io.read("E0.extxyz", index=":")]
    # a carbon of two unpaired electrons lies below one of none
    assert energies[0] < -45 and -12 < energies[1] < -10 and energies[2] < -100


def test_the_command_line_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["evalute", "x"])
    assert ended.value.code == 2 and "did you mean 'evaluate'?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0


def test_a_mistake_of_the_program_is_one_line_too(thermal, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("oligopoly.commands.evaluate.labelled", lambda *_, **__: 1 / 0)
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path, renamed(thermal, "energy", "forces"))
    assert main(["fit", path, "--functions", "10", *SMALL]) == 0
    capsys.readouterr()
    assert main(["evaluate", "potential.yaml", path]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a mistake of the program, ZeroDivisionError" in line and "--debug" in line
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "evaluate", "potential.yaml", path])
