"""The command line on files of the user's own."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from labelled import labelled_frames

from oligopoly.commands.main import main
from oligopoly.potentials import manifest as manifests

# functions named, for choosing them takes seconds
SMALL = ["--cutoff", "4", "--n-max", "6,3", "--l-max", "0,2"]


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("train.extxyz", labelled_frames(20), format="extxyz")
    return "train.extxyz"


def test_fit_then_evaluate(train, capsys):
    assert main(["fit", train, "--test", train, "--functions", "20", "--cutoff", "4", "-o", "p"]) == 0
    assert "F RMSE meV/A" in capsys.readouterr().out
    bars = ["--error-bars", "p.factor.npz"]
    assert main(["evaluate", "p.yaml", train, "--active-set", "p.asi", *bars, "-o", "out.extxyz"]) == 0
    frame = ase.io.read("out.extxyz")
    assert frame.arrays["ACE_forces_std"].shape == (8, 3)
    assert frame.info["ACE_energy_per_atom_std"] > 0
    assert frame.info["ACE_max_gamma"] < 1.1
    assert frame.arrays["ACE_forces"].shape == (8, 3)
    assert frame.info["ACE_stress"].size == 6
    with open("out.errors.json") as one, open("p.metrics.json") as other:
        expected = json.load(other)["train"]["all"]["force_rmse_meV_A"]
        assert json.load(one)["all"]["force_rmse_meV_A"] == pytest.approx(expected)


def test_a_fit_leaves_a_manifest_that_says_all_of_it(train, capsys):
    """evaluate takes it, and what lies beside it, as it takes the bare files; gamma comes by itself."""
    assert main(["fit", train, "--functions", "20", *SMALL, "--committee", "2", "-o", "p"]) == 0
    assert "p.manifest.json" in capsys.readouterr().out
    manifest = manifests.read("p.manifest.json")
    assert (manifest.kind, manifest.species, manifest.cutoff) == ("ace", ["C", "H"], 4.0)
    assert manifest.uncertainty == ["committee", "gamma", "posterior"]
    assert {path.name for path in manifest.paths()} == {
        "p.yaml", "p.yace", "p.asi", "p.factor.npz",
        "p.member_01.yaml", "p.member_01.yace", "p.member_02.yaml", "p.member_02.yace",
    }  # fmt: skip
    assert all(manifest.sha256[path.name] == manifests.sha256(path) for path in manifest.paths())
    assert manifest.dataset == manifests.sha256(train)
    assert manifest.trainer["kind"] == "ace" and manifest.trainer["functions"] == 20

    bare = ["evaluate", "p.yaml", train, "--active-set", "p.asi", "--error-bars", "p.factor.npz", "-o", "bare.extxyz"]
    assert main(bare) == 0
    assert main(["evaluate", "p.manifest.json", train, "--error-bars", "-o", "whole.extxyz"]) == 0
    one, other = ase.io.read("bare.extxyz"), ase.io.read("whole.extxyz")
    assert set(one.info) == set(other.info) and set(one.arrays) == set(other.arrays)
    for key in ("ACE_energy", "ACE_max_gamma", "ACE_energy_per_atom_std", "ACE_stress"):
        np.testing.assert_array_equal(one.info[key], other.info[key])
    for key in ("ACE_forces", "ACE_energies", "ACE_gamma", "ACE_forces_std"):
        np.testing.assert_array_equal(one.arrays[key], other.arrays[key])
    assert other.arrays["ACE_gamma"].max() == pytest.approx(other.info["ACE_max_gamma"])
    assert other.arrays["ACE_energies"].sum() == pytest.approx(other.info["ACE_energy"])

    assert main(["evaluate", "p.manifest.json", train]) == 0
    assert main(["evaluate", "p.manifest.json", train, "--active-set", "p.asi"]) == 1
    assert "p.manifest.json names its own" in capsys.readouterr().err
    plain = ase.io.read("out.extxyz")
    assert plain.info["ACE_max_gamma"] < 1.1 and "ACE_forces_std" not in plain.arrays
    assert main(["evaluate", "p.yaml", train]) == 0
    assert "ACE_max_gamma" not in ase.io.read("out.extxyz").info  # only what was asked of bare files


def test_a_manifest_moves_with_its_files(train, tmp_path, capsys):
    """And names the one that was left behind."""
    assert main(["fit", train, "--functions", "10", *SMALL, "-o", "p"]) == 0
    (tmp_path / "there").mkdir()
    for path in [*manifests.read("p.manifest.json").paths(), Path("p.manifest.json")]:
        path.rename(tmp_path / "there" / path.name)
    assert main(["evaluate", "there/p.manifest.json", train]) == 0
    (tmp_path / "there" / "p.asi").unlink()
    capsys.readouterr()
    assert main(["evaluate", "there/p.manifest.json", train]) == 1
    assert "there/p.asi" in capsys.readouterr().err
    Path("torn.json").write_text('{"kind": "ace"')
    Path("other.json").write_text('{"format": 99, "kind": "ace"}')
    Path("bare.json").write_text('{"kind": "acee", "species": ["C"], "cutoff": 4, "files": {}}')
    for name, words in (
        ("torn", "torn.json: not a manifest"),
        ("other", "newer than this oligopoly knows"),
        ("bare", "no potential is called 'acee'; did you mean 'ace'?"),
        ("gone", "gone.json: no such file"),
    ):
        assert main(["evaluate", f"{name}.json", train]) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("oligopoly: ") and words in line


def test_ase_keys_and_renamed_keys_serve_too(train):
    frames = ase.io.read(train, index=":")
    for atoms in frames:
        atoms.info["dft_energy"] = atoms.info.pop("REF_energy")
        atoms.arrays["forces"] = atoms.arrays.pop("REF_forces")
    ase.io.write("other.extxyz", frames, format="extxyz")
    assert main(["fit", train, "--functions", "10", *SMALL, "-o", "a"]) == 0
    renamed = ["--energy-key", "dft_energy"]
    assert main(["fit", "other.extxyz", *renamed, "--functions", "10", *SMALL, "-o", "b"]) == 0
    with open("a.yaml") as one, open("b.yaml") as other:
        assert one.read() == other.read()


def test_mistakes_are_one_line(train, capsys):
    assert main(["evaluate", "absent.yaml", train]) == 1
    assert main(["evaluate", "p.txt", train]) == 1
    assert main(["fit", "absent.extxyz"]) == 1
    assert main(["fit", train, "--energy-key", "REF_enrgy"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("oligopoly: ") for line in lines)
    assert "did you mean REF_energy?" in lines[-1]


def test_frames_without_references_have_no_errors(train, capsys):
    assert main(["fit", train, "--functions", "10", *SMALL, "-o", "p"]) == 0
    bare = ase.io.read(train)
    bare.info.clear()
    del bare.arrays["REF_forces"]
    ase.io.write("bare.extxyz", bare, format="extxyz")
    assert main(["evaluate", "p.yace", "bare.extxyz"]) == 0
    assert "no references" in capsys.readouterr().out
    assert np.isfinite(ase.io.read("out.extxyz").info["ACE_energy"])
