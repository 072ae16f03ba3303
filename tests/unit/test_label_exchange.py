"""Labels that a user already has: output files of other codes, and what cannot be believed."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.labelling.exchange import bring_in, export
from oligopoly.labelling.store import Store

VASP = Path(__file__).parents[1] / "data" / "vasp"
THEORY = {"kind": "vasp", "method": "PBE"}


def labelled(**results):
    atoms = molecule("CH3OH")
    forces = np.random.default_rng(0).normal(size=(6, 3))
    atoms.calc = SinglePointCalculator(atoms, **({"energy": -3.0, "forces": forces - forces.mean(axis=0)} | results))
    return atoms


def test_output_of_vasp_becomes_a_label(tmp_path):
    store = Store(tmp_path)
    assert bring_in([VASP / "vasprun.xml", VASP / "vasprun.xml"], THEORY, store)[:2] == (1, 1)
    (record,) = store.records()
    result = ase.io.read(VASP / "vasprun.xml").calc.results
    assert record.label.energy == result["free_energy"]  # of which the forces are the gradient
    np.testing.assert_array_equal(record.label.forces, result["forces"])
    xx, yy, zz, yz, xz, xy = result["stress"]
    np.testing.assert_allclose(record.label.stress, [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert "vasprun.xml" in record.facts["imported_from"]
    assert export(store, tmp_path / "all.extxyz").total() == 1
    (atoms,) = frame_files.read(tmp_path / "all.extxyz")
    assert atoms.info["REF_method"].startswith("vasp PBE (") and atoms.pbc.all()


def test_what_lacks_values_or_has_wrong_ones_is_left_out_and_told(tmp_path):
    good, bare, bad = labelled(), molecule("CH3OH"), labelled(energy=float("nan"))
    for atoms, name in ((good, "good.extxyz"), (bare, "bare.extxyz"), (bad, "bad.traj")):
        ase.io.write(tmp_path / name, atoms)
    files = [tmp_path / name for name in ("good.extxyz", "bare.extxyz", "bad.traj")]
    new, known, refused = bring_in(files, THEORY, Store(tmp_path / "store"))
    assert (new, known, len(refused)) == (1, 0, 2)
    assert "no energy or no forces" in refused[0] and "not a finite number" in refused[1]


def test_a_file_that_nobody_can_read_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="notes.txt: ASE cannot read it"):
        bring_in([tmp_path / "notes.txt"], THEORY, Store(tmp_path / "store"))
    with pytest.raises(UserError, match="no such file"):
        bring_in([tmp_path / "gone"], THEORY, Store(tmp_path / "store"))
