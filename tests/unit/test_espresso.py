"""Labels from the real Quantum ESPRESSO."""

import numpy as np
import pytest
from quantum import check, create, force_error, ice, molecule, needs, outcome, stress_error

from oligopoly.errors import UserError
from oligopoly.labelers import espresso
from oligopoly.labelers.outcomes import Outcome

pytestmark = needs("pw.x")
RYDBERG = 13.605693122994
SETTINGS = {
    "method": "PBE-D3BJ",
    "pseudopotentials": {"H": "H.pbe-kjpaw.UPF", "C": "C.pbe-n-kjpaw_psl.0.1.UPF", "O": "O.pbe-kjpaw.UPF"},
    "pseudopotential_folder": "/usr/share/espresso/pseudo",
    "wavefunction_cutoff": 25 * RYDBERG,
    "density_cutoff": 150 * RYDBERG,
    "kpoints": (1, 1, 1),
    "vacuum": 2.5,
    "command": "pw.x",
}


@pytest.fixture(scope="module")
def labeler():
    return create("espresso", **SETTINGS)


def test_a_structure_and_how_it_may_fail(labeler, monkeypatch):
    water = molecule("water")
    monkeypatch.setattr(espresso, "TRIES", ((4, 0.7, 8), (100, 0.5, 8)))
    label = labeler.label(water)
    assert label.notes["scf"] == "second try, 100 cycles and mixing 0.5"
    assert label.notes["code"].startswith("Quantum ESPRESSO ") and label.stress is None
    assert np.abs(label.forces.sum(axis=0)).max() < 1e-3 and np.abs(label.forces).max() > 0.5
    monkeypatch.setattr(espresso, "TRIES", ((3, 0.7, 8), (3, 0.2, 8)))
    what, why = outcome(labeler, water)
    assert what is Outcome.UNCONVERGED and "in 3 cycles at mixing 0.2" in why
    fused = water.copy()
    fused.positions[1] = fused.positions[0]
    what, why = outcome(labeler, fused)
    assert what is Outcome.CRASHED and "check_atoms" in why and "overlap" in why
    assert outcome(labeler, water[:2])[0] is Outcome.ODD_ELECTRONS


@pytest.mark.slow
def test_derivatives():
    """At a low cutoff the stress would feel the plane waves that a strained cell gains or loses."""
    fine = create("espresso", **SETTINGS | {"wavefunction_cutoff": 60 * RYDBERG, "density_cutoff": 480 * RYDBERG})
    cell = ice()
    assert force_error(fine, cell, components=1) < 5e-3
    stress = fine.label(cell).stress
    assert stress_error(fine, cell, components=((0, 0),), step=0.01) < 0.02 * abs(stress[0, 0])
    assert stress[0, 0] < 0  # compressed, in ASE's sign


@pytest.mark.slow
def test_a_cell_of_two_molecules_has_no_net_force():
    labeler = create("espresso", **SETTINGS | {"command": "mpirun -np {threads} pw.x"}, threads=2)
    label = labeler.label(molecule("methanol cell"))
    assert np.abs(label.forces.sum(axis=0)).max() < 1e-4
    np.testing.assert_allclose(label.stress, label.stress.T, atol=1e-6)
    bare = create("espresso", **SETTINGS | {"method": "PBE"}).label(molecule("methanol cell"))
    assert -1.0 < label.energy - bare.energy < -0.1, "the dispersion of two small molecules"
    assert np.abs(label.stress - bare.stress).max() > 1e-4


@pytest.mark.slow
def test_another_functional_and_a_radical(labeler):
    norm_conserving = {"H": "H.blyp-vbc.UPF", "O": "O.blyp-mt.UPF"}
    settings = SETTINGS | {"method": "BLYP-D3BJ", "pseudopotentials": norm_conserving}
    settings |= {"wavefunction_cutoff": 40 * RYDBERG, "density_cutoff": 160 * RYDBERG}
    check("espresso", elements={"H", "O"}, **settings)
    assert np.abs(create("espresso", **settings).label(molecule("water")).forces.sum(axis=0)).max() < 0.05
    hydroxyl = molecule("water")[:2]
    hydroxyl.info["config_type"] = "decomposed"
    label = labeler.label(hydroxyl)
    assert label.notes["unpaired_electrons"] == 1 and np.isfinite(label.energy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": "pw.xx"}, ["label.labeler.command", "no program `pw.xx`"]),
        ({"method": "B3LYP"}, ["label.labeler.method", "'B3LYP'", "PBE, BLYP"]),
        ({"method": "BLYP-D3BJ"}, ["label.labeler.pseudopotentials.C", "made for the functional 'SLA PW PBX PBC'"]),
        ({"pseudopotentials": {"H": "H.pbe-kjpaw.UPF"}}, ["pseudopotentials", "element C"]),
        ({"pseudopotentials": {"C": "C.pbe.UPF"}}, ["no file", "C.pbe.UPF", "C.pbe-n-kjpaw_psl.0.1.UPF"]),
        ({"pseudopotentials": {"C": "O.pbe-kjpaw.UPF"}}, ["pseudopotentials.C", "is for the element O"]),
        ({}, None),
    ],
)
def test_what_is_known_before_any_job(change, words):
    if words is None:
        return check("espresso", elements={"C", "H", "O"}, **SETTINGS | change)
    with pytest.raises(UserError) as caught:
        check("espresso", elements={"C", "H", "O"}, **SETTINGS | change)
    for word in words:
        assert word in str(caught.value)


def test_the_content_of_a_pseudopotential_is_part_of_the_key(tmp_path, labeler):
    for file in labeler.files.values():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    there = SETTINGS | {"pseudopotential_folder": str(tmp_path)}
    assert create("espresso", **there).settings() == labeler.settings()
    (tmp_path / "O.pbe-kjpaw.UPF").write_text("another")
    assert create("espresso", **there).settings() != labeler.settings()
