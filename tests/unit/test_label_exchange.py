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
    found = bring_in([VASP / "vasprun.xml", VASP / "vasprun.xml"], THEORY, store)
    assert (found.new, found.known) == (1, 1)
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
    found = bring_in(files, THEORY, Store(tmp_path / "store"))
    assert (found.new, found.known, len(found.refused)) == (1, 0, 2)
    assert "no energy or no forces" in found.refused[0] and "energy: is not finite" in found.refused[1]


def test_a_label_that_says_another_level_of_theory_is_left_out(tmp_path):
    atoms = labelled()
    atoms.info["REF_method"] = "xtb GFN2-xTB (b61d6db3)"
    ase.io.write(tmp_path / "one.extxyz", atoms)
    found = bring_in([tmp_path / "one.extxyz"], THEORY, Store(tmp_path / "store"))
    assert found.new == 0 and "is a label of 'xtb GFN2-xTB (b61d6db3)', not of 'vasp PBE (" in found.refused[0]
    assert bring_in([tmp_path / "one.extxyz"], THEORY, Store(tmp_path / "store"), trusted=True).new == 1


def test_a_file_that_nobody_can_read_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="notes.txt: of no format that is read"):
        bring_in([tmp_path / "notes.txt"], THEORY, Store(tmp_path / "store"))
    with pytest.raises(UserError, match="no such file"):
        bring_in([tmp_path / "gone"], THEORY, Store(tmp_path / "store"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"energy": -3.0 * 627.509},
            "energy -3 eV is there, -1882.527 is given, 627.51 times as large: kcal/mol over Hartree",
        ),
        ({"energy": -3.1}, "energy -3 eV is there, -3.1 is given"),
        ({"forces": "other"}, "a force on atom"),
    ],
)
def test_a_contradiction_is_refused_with_both_values(tmp_path, change, said):
    """Also from the same file, and of the structure turned and renumbered; what is there stays."""
    store = Store(tmp_path / "store")
    first = labelled()
    forces = first.get_forces()
    if change == {"forces": "other"}:
        change = {"forces": -forces}
    other = labelled(**change)
    for atoms in (first, other):  # no two atoms alike
        atoms.rattle(0.05, seed=1)
        atoms.calc.atoms = atoms.copy()
    order = [0, 1, 5, 3, 4, 2]
    turned = other[order]
    turned.calc = SinglePointCalculator(turned, energy=other.get_potential_energy(), forces=other.get_forces()[order])
    ase.io.write(tmp_path / "one.traj", [first, other])
    ase.io.write(tmp_path / "two.traj", [turned, first])
    found = bring_in([tmp_path / "one.traj", tmp_path / "two.traj"], THEORY, store, trusted=True)
    assert (found.new, found.known, len(found.contradictions)) == (1, 1, 2)
    assert all(said in sentence for sentence in found.contradictions)
    assert "one.traj, frame 1" in found.contradictions[0] and "two.traj, frame 0" in found.contradictions[1]
    (record,) = store.records()
    assert record.label.energy == -3.0
