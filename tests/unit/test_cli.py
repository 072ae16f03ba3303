"""The command line on files of the user's own."""

import json

import ase.io
import numpy as np
import pytest
from test_fit import labelled_frames

from oligopoly.cli import main


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


def test_ase_keys_and_renamed_keys_serve_too(train):
    frames = ase.io.read(train, index=":")
    for atoms in frames:
        atoms.info["dft_energy"] = atoms.info.pop("REF_energy")
        atoms.arrays["forces"] = atoms.arrays.pop("REF_forces")
    ase.io.write("other.extxyz", frames, format="extxyz")
    assert main(["fit", train, "--functions", "10", "--cutoff", "4", "-o", "a"]) == 0
    renamed = ["--energy-key", "dft_energy"]
    assert main(["fit", "other.extxyz", *renamed, "--functions", "10", "--cutoff", "4", "-o", "b"]) == 0
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
    assert main(["fit", train, "--functions", "10", "--cutoff", "4", "-o", "p"]) == 0
    bare = ase.io.read(train)
    bare.info.clear()
    del bare.arrays["REF_forces"]
    ase.io.write("bare.extxyz", bare, format="extxyz")
    assert main(["evaluate", "p.yace", "bare.extxyz"]) == 0
    assert "no references" in capsys.readouterr().out
    assert np.isfinite(ase.io.read("out.extxyz").info["ACE_energy"])
