"""VASP is licensed: its input is read back with ASE, its output is stored (with Quantum ESPRESSO's numbers)."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io.vasp import read_vasp
from quantum import check, create, molecule, outcome

from oligopoly.errors import UserError
from oligopoly.labelers.outcomes import Outcome

STORED = Path(__file__).parents[1] / "data" / "vasp"
# Stands for VASP: it keeps what it was given, and does what VASP_TEST says.
PROGRAM = """#!{python}
import os, pathlib, shutil, sys
for name in ("INCAR", "POSCAR", "KPOINTS", "POTCAR"):
    shutil.copy(name, "{given}")
for name in ("OUTCAR", "vasprun.xml"):
    text = pathlib.Path("{stored}", name).read_text()
    mode = os.environ.get("VASP_TEST")
    if mode == "unconverged" or (mode == "hard" and "ALGO = Fast" in open("INCAR").read()):
        text = text.replace("EDIFF is reached", "EDIFF was not reached (unconverged)")
    if mode == "killed":
        text = text[: len(text) // 2]
    pathlib.Path(name).write_text(text)
if mode == "killed":
    print("VERY BAD NEWS! internal error in subroutine SGRCON", flush=True)
    os.kill(os.getpid(), 9 if os.environ.get("SIGNAL") == "9" else 15)
"""


@pytest.fixture
def settings(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for element in ("H", "C", "O"):
        folder = tmp_path / "potcar" / element
        folder.mkdir(parents=True)
        (folder / "POTCAR").write_text(f"  PAW_PBE {element}\n   VRHFIN ={element}: test\n   End of Dataset\n")
    program = tmp_path / "vasp_gam"
    program.write_text(PROGRAM.format(python=sys.executable, given=given, stored=STORED))
    program.chmod(0o755)
    return {
        "method": "PBE",
        "potentials": {"H": "H", "C": "C", "O": "O"},
        "potential_folder": str(tmp_path / "potcar"),
        "cutoff": 500.0,
        "kpoints": (1, 1, 1),
        "vacuum": 6.0,
        "command": str(program),
    }


def test_input_and_output(settings, tmp_path):
    cell = molecule("methanol cell")
    label = create("vasp", **settings).label(cell)
    given = tmp_path / "given"
    order = np.argsort(cell.numbers, kind="stable")
    poscar = read_vasp(given / "POSCAR")
    assert poscar.get_chemical_symbols() == cell[order].get_chemical_symbols()
    np.testing.assert_allclose(poscar.positions, cell.positions[order], atol=1e-10)
    np.testing.assert_allclose(poscar.cell.array, cell.cell.array, atol=1e-10)
    assert [line.split()[1] for line in (given / "POTCAR").read_text().splitlines() if "PAW" in line] == ["H", "C", "O"]
    incar = dict(line.split(" = ") for line in (given / "INCAR").read_text().splitlines())
    assert incar["GGA"] == "PE" and incar["ENCUT"] == "500.0" and incar["ALGO"] == "Fast" and "ISPIN" not in incar
    assert (given / "KPOINTS").read_text().splitlines()[2:4] == ["Gamma", "1 1 1"]

    assert label.energy == pytest.approx(-1762.17944893) and label.notes["code"] == "VASP 6.3.2"
    # the same structure by the code whose numbers are stored, atoms in our order
    assert label.forces[cell.numbers == 8].shape == (2, 3)
    xml = (STORED / "vasprun.xml").read_text().split('name="forces"')[1].split("</varray>")[0]
    rows = np.array([line.split()[1:4] for line in xml.splitlines() if "<v>" in line], dtype=float)
    np.testing.assert_allclose(label.forces[order], rows)
    assert np.abs(label.forces.sum(axis=0)).max() < 1e-5
    kilobar = (STORED / "vasprun.xml").read_text().split('name="stress"')[1].splitlines()[1].split()[1]
    assert label.stress[0, 0] == pytest.approx(-float(kilobar) / 1602.1766208)


def test_dispersion_is_added(settings):
    cell = molecule("methanol cell")
    bare, whole = (create("vasp", **settings | {"method": m}).label(cell) for m in ("PBE", "PBE-D3BJ"))
    assert -1.0 < whole.energy - bare.energy < -0.1 and np.abs(whole.stress - bare.stress).max() > 1e-4


def test_failures(settings, monkeypatch):
    labeler, cell = create("vasp", **settings), molecule("methanol cell")
    monkeypatch.setenv("VASP_TEST", "hard")
    assert labeler.label(cell).notes["scf"] == "second try, ALGO = All"
    monkeypatch.setenv("VASP_TEST", "unconverged")
    assert outcome(labeler, cell)[0] is Outcome.UNCONVERGED
    monkeypatch.setenv("VASP_TEST", "killed")
    what, why = outcome(labeler, cell)
    assert what is Outcome.CRASHED and "VERY BAD NEWS" in why and "signal 15" in why
    monkeypatch.setenv("SIGNAL", "9")
    assert outcome(labeler, cell)[0] is Outcome.OUT_OF_MEMORY


def test_radicals_have_moments(settings, tmp_path):
    labeler, cell = create("vasp", **settings), molecule("methanol cell")
    hydrogen = int(np.flatnonzero(cell.numbers == 1)[0])
    cell.positions[hydrogen] += [0, 0, 2.9]  # two radicals: one up, one down
    cell.info["config_type"] = "decomposed"
    labeler.write_input(_with_moments(cell), 0, tmp_path, {})
    incar = dict(line.split(" = ") for line in (tmp_path / "INCAR").read_text().splitlines())
    moments = np.array(incar["MAGMOM"].split(), dtype=float)
    assert incar["ISPIN"] == "2" and incar["NUPDOWN"] == "0" and len(moments) == len(cell)
    assert moments.sum() == pytest.approx(0, abs=1e-3) and np.abs(moments).sum() == pytest.approx(2, abs=1e-3)


def _with_moments(atoms):
    from oligopoly.labelers.periodic import set_moments

    set_moments(atoms, 0)
    return atoms


def test_what_is_known_before_any_job(settings):
    def message(**change):
        with pytest.raises(UserError) as caught:
            check("vasp", elements={"C", "H", "O"}, **settings | change)
        return str(caught.value)

    check("vasp", elements={"C", "H", "O"}, **settings)
    assert "no program `vasp_gamm`" in message(command="vasp_gamm")
    assert "'BLYP' is none of PBE" in message(method="BLYP-D3BJ")
    assert "none is given for the element O" in message(potentials={"H": "H", "C": "C"})
    assert "no file" in message(potentials={"H": "H", "C": "C_h", "O": "O"})
    assert "is for the element H" in message(potentials={"H": "H", "C": "H", "O": "O"})
    shutil.rmtree(settings["potential_folder"])
    assert "no file" in message()
