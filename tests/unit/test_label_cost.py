"""What jobs ask for follows what labels cost."""

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from oligopoly import frames as frame_files
from oligopoly.dataset import collect
from oligopoly.errors import UserError
from oligopoly.labelers.registry import LABELERS
from oligopoly.labelling import cost
from oligopoly.labelling.cost import Costs
from oligopoly.labelling.theory import name_of
from oligopoly.labelling.walltime import BATCH, seconds_left

DFT = {"kind": "pyscf", "method": "wB97X-D3BJ", "basis": "def2-SVP"}


def polymer(n):
    return Atoms("C" * n + "H" * (2 * n + 2))


def test_size_is_the_number_of_basis_functions():
    from pyscf import gto

    for name in ("CH3OH", "C2H6", "CH3SH", "NH3", "CH3Cl"):
        atoms = molecule(name)
        mol = gto.M(atom=list(zip(atoms.symbols, atoms.positions, strict=True)), basis="def2-svp", verbose=0)
        assert cost.size(atoms) == mol.nao


def test_the_guess_is_what_was_measured(tmp_path):
    """Ethylene glycol and its dimer in PySCF, def2-SVP: 7.9 s and 33 s."""
    glycol = Atoms("C2O2H6")
    costs = Costs(tmp_path, DFT)
    assert costs.seconds(glycol) == pytest.approx(7.9, rel=0.1)
    assert costs.seconds(glycol + glycol) == pytest.approx(33, rel=0.2)
    assert Costs(tmp_path, DFT | {"basis": "def2-TZVPD"}).seconds(glycol) == pytest.approx(20, rel=0.2)


@pytest.mark.parametrize(
    "labeler",
    [
        {"kind": "cp2k"},  # whose Gaussians are small: it costs what plane waves do
        {"kind": "espresso", "pseudopotentials": {"S": "S.UPF"}, "pseudopotential_folder": "."},
        {"kind": "vasp", "potentials": {"S": "S"}, "potential_folder": "."},
    ],
    ids=lambda labeler: labeler["kind"],
)
def test_plane_waves_cost_what_was_measured(tmp_path, labeler):
    """20 atoms with 360 functions in def2-SVP: 20 to 60 s."""
    atoms = Atoms("S20")
    assert cost.size(atoms) == 360
    assert 20 < Costs(tmp_path, labeler).seconds(atoms) < 60


def test_timings_teach_the_exponent_and_a_busy_node_does_not_spoil_it(tmp_path):
    rng = np.random.default_rng(0)
    sizes = rng.integers(60, 600, 40)
    seconds = 3e-5 * sizes**2.7 * rng.lognormal(sigma=0.1, size=40)
    seconds[::10] *= 8
    Costs(tmp_path, DFT).add((int(n), float(t), 500 + 0.02 * n**1.7) for n, t in zip(sizes, seconds, strict=True))
    learned = Costs(tmp_path, DFT)
    assert learned.b == pytest.approx(2.7, abs=0.25)
    big = polymer(12)
    assert learned.seconds(big) == pytest.approx(3e-5 * cost.size(big) ** 2.7, rel=0.3)
    # Another level of theory has learned nothing from it.
    other = DFT | {"method": "PBE"}
    assert Costs(tmp_path, other).b == LABELERS.read(other).guess().exponent


def test_one_size_tells_the_factor_and_leaves_the_exponent(tmp_path):
    costs = Costs(tmp_path, DFT)
    costs.add([(86, 100.0, 900.0)] * 10)
    assert costs.b == LABELERS.read(DFT).guess().exponent
    assert costs.seconds(Atoms("C2O2H6")) == pytest.approx(100.0)


def test_jobs_ask_for_more_with_each_attempt_and_share_their_cores(tmp_path):
    costs = Costs(tmp_path, DFT)
    chunk = [polymer(12) for _ in range(40)]
    one = [cost.resources(chunk, costs, 1, attempt) for attempt in (1, 2, 3)]
    assert one[0][0] < one[1][0] < one[2][0] and one[0][1] < one[1][1] < one[2][1]
    assert 60 * one[0][0] > 40 * costs.seconds(chunk[0])
    many = cost.resources(chunk, costs, 8)
    assert many[0] < one[0][0] / 3 and many[1] > 4 * one[0][1]
    # What is asked for is enough for as many side by side.
    assert cost.side_by_side(chunk, costs, 8, many[1]) == 8
    assert cost.side_by_side(chunk[:2], costs, 8, many[1]) == 2
    assert cost.side_by_side(chunk, costs, 8, costs.megabytes(chunk[0])) == 1


def test_what_a_job_asks_for_is_known_once_its_chunk_is_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        cost.asked(tmp_path / "0.extxyz", tmp_path / "store", DFT, 1, 1)
    frame_files.write(tmp_path / "0.extxyz", [molecule("C2H6")])
    assert cost.asked(tmp_path / "0.extxyz", tmp_path / "store", DFT, 1, 1)[0] >= 3
    frame_files.write(tmp_path / "0.extxyz", [])
    assert cost.asked(tmp_path / "0.extxyz", tmp_path / "store", DFT, 1, 1)[0] >= 3


def test_the_time_left_is_that_of_the_batch_system(monkeypatch):
    for name in (*BATCH, "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    assert seconds_left(60) is None  # nobody ends a job here
    monkeypatch.setenv("PBS_JOBID", "1")
    assert 0 < 3600 - seconds_left(60) < 3600
    assert seconds_left(None) is None
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 100))
    assert seconds_left(60) == pytest.approx(100, abs=2)


def test_two_levels_of_theory_do_not_come_into_one_dataset(tmp_path):
    one, two = (name_of({"kind": "xtb", "method": method}) for method in ("GFN1-xTB", "GFN2-xTB"))
    for number, method in enumerate((one, two)):
        atoms = molecule("CH3OH")
        atoms.info |= {"REF_energy": -1.0, "REF_method": method, "split": "train"}
        atoms.arrays["REF_forces"] = np.zeros((6, 3))
        frame_files.write(tmp_path / f"{number}.extxyz", [atoms])
    files = [str(tmp_path / name) for name in ("train.extxyz", "test.extxyz")]
    collect([str(tmp_path / "0.extxyz")], [], *files)
    with pytest.raises(UserError) as caught:
        collect([str(tmp_path / "1.extxyz")], files, *files)
    assert one in str(caught.value) and two in str(caught.value)


def test_a_level_of_theory_is_the_same_for_all_systems_of_a_force_field():
    assert name_of({"kind": "classical", "parameters": "a"}) == name_of({"kind": "classical", "parameters": "b"})
    assert name_of({"kind": "pyscf", "functional": "pbe", "basis": "def2-svp"}).startswith("pyscf pbe def2-svp (")
