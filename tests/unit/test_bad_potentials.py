"""Files of a potential that are cut, edited, swapped, or of something else: one line each, and no number."""

import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labelled import labelled_frames

from oligopoly.ace import fingerprint
from oligopoly.ace.active_set import ActiveSet
from oligopoly.ace.checkpoint import Checkpoint
from oligopoly.ace.potential import read_yaml, write_yaml
from oligopoly.ace.reading import read
from oligopoly.commands.main import main
from oligopoly.errors import UserError
from oligopoly.potentials.registry import open_potential

NOT_CHECKED = "units and sign of the forces are not checked: too few bonds to hydrogen, or too much alike"
FIT = ["--functions", "12", "--cutoff", "4"]


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Two fits with the same functions of different frames, and frames."""
    folder = tmp_path_factory.mktemp("fits")
    for name, seed in (("p", 0), ("q", 1)):
        ase.io.write(folder / f"{name}.extxyz", labelled_frames(12, seed=seed), format="extxyz")
        words = [str(folder / f"{name}.extxyz"), *FIT, "--n-max", "6,3", "--l-max", "0,2", "-o", str(folder / name)]
        assert main(["fit", *words]) == 0
    return folder


@pytest.fixture
def here(fits, tmp_path, monkeypatch):
    shutil.copytree(fits, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *words):
    capsys.readouterr()
    assert main(["evaluate", *words, "-o", "out.extxyz"]) == 1
    *notes, line = capsys.readouterr().err.strip().splitlines()
    # where the potential is good to open, the frames have been read, and were too few to be checked
    assert notes in ([], ["oligopoly: p.extxyz: " + NOT_CHECKED])
    assert line.startswith("oligopoly: ") and "a mistake of the program" not in line, line
    return line


def test_companions_of_another_fit_are_refused(fits, here, capsys):
    assert main(["evaluate", "p.yaml", "p.extxyz", "--active-set", "p.asi", "--error-bars", "p.factor.npz"]) == 0
    assert "q.asi: was written with another fit" in said(capsys, "p.yaml", "p.extxyz", "--active-set", "q.asi")
    bars = said(capsys, "p.yaml", "p.extxyz", "--error-bars", "q.factor.npz")
    assert "q.factor.npz: was written with another fit" in bars and "error bars would mean nothing" in bars
    for suffix in ("yaml", "yace", "asi", "factor.npz"):
        shutil.copy(here / f"q.{suffix}", here / f"p.{suffix}")
        assert f"p.{suffix}: is not the file that" in said(capsys, "p.manifest.json", "p.extxyz")
        shutil.copy(fits / f"p.{suffix}", here / f"p.{suffix}")


def test_a_coefficient_changed_by_hand_is_noticed(here, capsys):
    text = (here / "p.yaml").read_text()
    number = re.search(r"c: \[(-?\d+\.\d+)", text)
    (here / "p.yaml").write_text(text.replace(number[1], f"{float(number[1]) * 1.5!r}", 1))
    assert "p.yaml: was changed or cut since it was written" in said(capsys, "p.yaml", "p.extxyz")
    (here / "p.yaml").write_text(re.sub(r'  "fit": .*\n', "", (here / "p.yaml").read_text()))
    assert "p.asi: was written with another fit" in said(capsys, "p.yaml", "p.extxyz", "--active-set", "p.asi")
    assert main(["evaluate", "p.yaml", "p.extxyz"]) == 0


def test_a_fingerprint_is_of_the_content(here):
    potential = read_yaml(here / "p.yaml")
    write_yaml(potential, here / "again.yaml")
    own = fingerprint.of(potential)
    assert own == fingerprint.of(read_yaml(here / "again.yaml")) == ActiveSet.read(here / "p.asi").fit
    assert own == Checkpoint.load(here / "p.factor.npz").fit == potential.metadata["fit"]
    assert f"# fit {own}," in (here / "p.yace").read_text()
    assert own != fingerprint.of(read_yaml(here / "q.yaml"))
    with zipfile.ZipFile(here / "p.asi") as archive:  # pacemaker takes every name for an element
        assert sorted(archive.namelist()) == ["C.npy", "H.npy"]
    ActiveSet(ActiveSet.read(here / "p.asi").inverse).write(here / "foreign.asi")
    assert ActiveSet.read(here / "foreign.asi").fit is None
    assert main(["evaluate", "p.yaml", "p.extxyz", "--active-set", "foreign.asi"]) == 0


def test_a_coefficient_of_minus_zero_is_a_zero(here):
    """The fit leaves some where an element's pairs never meet, and a file has no minus before zero."""
    potential = read_yaml(here / "p.yaml")
    for functions in potential.functions.values():
        functions[0] = replace(functions[0], c=-0.0)
    write_yaml(potential, here / "zero.yaml")
    assert fingerprint.of(read_yaml(here / "zero.yaml")) == fingerprint.of(potential)


def edited(path, change):
    path.write_text(change(path.read_text()))


BAD = {
    "cut": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "empty": lambda p: p.write_text(""),
    "a config": lambda p: p.write_text("run: demo\nsystems: {a: {repeat_unit: '*CC*'}}\n"),
    "a list": lambda p: p.write_text("[1, 2]\n"),
    "a word": lambda p: p.write_text("potential\n"),
    "no YAML": lambda p: p.write_text("a: [1, 2\nb: }\n"),
    "binary": lambda p: p.write_bytes(b"\x80\x02}q\x00" + bytes(range(256))),
    "a zip": lambda p: p.write_bytes(b"PK\x03\x04" + bytes(300)),
    "latin": lambda p: p.write_bytes(b"a: \xe9\xff\n"),
    "not a number": lambda p: edited(p, lambda t: re.sub(r"(c: \[|ctildes: \[)[^,\]]+", r"\1.nan", t, count=1)),
    "infinite": lambda p: edited(p, lambda t: re.sub(r"(c: \[|ctildes: \[)[^,\]]+", r"\1.inf", t, count=1)),
    "a text": lambda p: edited(p, lambda t: re.sub(r"(c: \[|ctildes: \[)[^,\]]+", r"\1many", t, count=1)),
    "a cutoff that is not": lambda p: edited(p, lambda t: re.sub(r"rcut(ij)?: [^,\n]+", r"rcut\1: .nan", t)),
    "a negative cutoff": lambda p: edited(p, lambda t: re.sub(r"rcut(ij)?: [^,\n]+", r"rcut\1: -4", t)),
    "another radial basis": lambda p: edited(p, lambda t: re.sub(r"(radbase(name)?): [^,\n]+", r"\1: Mine", t)),
    "another embedding": lambda p: edited(p, lambda t: re.sub(r"ndensity(i?): 1", r"ndensity\1: 2", t)),
    "a function beyond": lambda p: edited(p, lambda t: re.sub(r"n[sr]: \[\d+", "nr: [99", t, count=1)),
    "no bonds": lambda p: edited(p, lambda t: t.replace("bonds:", "bands:").replace("radbase:", "radbass:")),
    "no functions": lambda p: edited(p, lambda t: t.replace("functions:", "f:").replace("species:", "spices:")),
}


@pytest.mark.parametrize("suffix", ["yaml", "yace"])
@pytest.mark.parametrize("how", BAD)
def test_a_bad_potential_is_one_line(here, how, suffix, capsys):
    BAD[how](here / f"p.{suffix}")
    assert f"p.{suffix}" in said(capsys, f"p.{suffix}", "p.extxyz")


@pytest.mark.parametrize("suffix", ["asi", "factor.npz"])
@pytest.mark.parametrize("how", ["cut", "empty", "a word", "binary", "a zip", "other", "not finite"])
def test_a_bad_companion_is_one_line(here, how, suffix, capsys):
    path = here / f"p.{suffix}"
    if how == "other":
        np.savez(path.with_suffix(".x.npz"), a=np.array(["text"]))
        shutil.move(path.with_suffix(".x.npz"), path)
    elif how == "not finite":
        with np.load(path) as content:
            arrays = dict(content)
        name = "C" if suffix == "asi" else "r"
        arrays[name] = np.full_like(arrays[name], np.nan)
        np.savez(path.with_suffix(".x.npz"), **arrays)
        shutil.move(path.with_suffix(".x.npz"), path)
    else:
        BAD[how](path)
    option = "--active-set" if suffix == "asi" else "--error-bars"
    assert f"p.{suffix}" in said(capsys, "p.yaml", "p.extxyz", option, f"p.{suffix}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: [], "not a manifest"),
        (lambda c: c | {"files": {}}, "has no potential"),
        (lambda c: c | {"files": c["files"] | {"potential": "gone.yaml"}}, "gone.yaml: no such file"),
        (lambda c: {k: v for k, v in c.items() if k != "species"}, "not a manifest"),
        (lambda c: c | {"format": "x"}, "not a manifest"),
        (lambda c: c | {"format": 99}, "is newer than"),
        (lambda c: c | {"kind": "mace"}, "no potential is called 'mace'"),
        (lambda c: c | {"mine": 1}, "not a manifest"),
        (lambda c: c | {"species": ["C"]}, "knows"),
    ],
)
def test_a_bad_manifest_is_one_line(here, change, words, capsys):
    path = here / "p.manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert words in said(capsys, "p.manifest.json", "p.extxyz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("p.asi", "this is the active set of one"), ("p.factor.npz", "this is the factor of a fit"),
        ("mace.model", "a model of MACE"), ("frozen.pb", "a model of DeePMD"),
        ("p.txt", "a potential is a manifest.json"),
    ],
)  # fmt: skip
def test_what_is_no_potential_is_told_what_it_looks_like(here, name, words, capsys):
    if not (here / name).exists():
        (here / name).write_text("x")
    assert words in said(capsys, name, "p.extxyz")


def test_nothing_that_is_not_finite_passes(here, capsys):
    (atoms,) = labelled_frames(1)
    fused = atoms.copy()
    fused.positions[3] = fused.positions[5]
    ase.io.write("fused.extxyz", [atoms, fused], format="extxyz")
    line = said(capsys, "p.yaml", "fused.extxyz")
    assert "fused.extxyz, frame 1: atoms 3 (C) and 5 (H) lie 0.000 A apart" in line
    assert main(["fit", "fused.extxyz", *FIT]) == 1
    with pytest.raises(UserError, match="There are no atoms"):
        list(open_potential("p.yaml").predict([Atoms()]))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["p.yaml", "p.yace", "p.asi", "p.factor.npz", "p.manifest.json"]),
    st.floats(0, 1), st.integers(0, 40), st.binary(max_size=8),
)  # fmt: skip
def test_a_byte_here_or_there_raises_nothing_else(fits, tmp_path_factory, name, where, gone, new):
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(fits, folder, dirs_exist_ok=True)
    path = folder / name
    content = path.read_bytes()
    place = int(where * len(content))
    path.write_bytes(content[:place] + new + content[place + gone :])
    reader = {".asi": ActiveSet.read, ".npz": Checkpoint.load, ".json": open_potential}.get(Path(name).suffix, read)
    try:
        reader(path)
    except UserError:
        pass
    finally:
        shutil.rmtree(folder)
