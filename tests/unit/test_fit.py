"""Fit: recovers a potential from its own labels, streams, updates, and weighs as documented."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_numbers

from oligopoly.ace import fit as fitting
from oligopoly.ace.design import Design
from oligopoly.ace.fit import Factor, Weights, fit, solve, weighted_rows
from oligopoly.ace.metrics import Labels, errors, labels
from oligopoly.errors import UserError


def labelled_frames(count, seed=0, periodic=True):
    """Frames of C and H labelled by a random linear potential of the basis that `fit` uses (30 per element)."""
    rng = np.random.default_rng(seed)
    basis = fitting.basis(["C", "H"], 30, 4.0, E0={"C": -3.0, "H": -1.0})
    design = Design(basis)
    coefficients = 0.1 * np.random.default_rng(99).normal(size=design.size)
    frames = []
    for _ in range(count):
        # no contacts, so that no atom sits in the core that `fit` adds
        grid = 1.9 * np.array([(x, y, z) for x in range(2) for y in range(2) for z in range(2)])
        atoms = Atoms("C4H4", positions=grid + 0.25 * rng.normal(size=(8, 3)))
        if periodic:
            atoms.set_cell([3.8 * rng.uniform(0.98, 1.1)] * 3)
            atoms.pbc = True
        rows = design.rows(atoms)
        atoms.info["REF_energy"] = float(rows.energy @ coefficients) - 16.0
        atoms.arrays["REF_forces"] = (rows.forces @ coefficients).reshape(-1, 3)
        if periodic:
            s = rows.virial @ coefficients / atoms.get_volume()
            atoms.info["REF_stress"] = s[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
        frames.append(atoms)
    return frames


def test_recovers_the_potential_that_made_the_labels(tmp_path):
    train, test = labelled_frames(60), labelled_frames(5, seed=1)
    result = fit(train, test, tmp_path / "p", functions=30, cutoff=4.0, ridge=1e-14)
    assert result["test"]["all"]["force_rmse_percent"] < 0.01
    assert result["test"]["all"]["energy_rmse_meV_atom"] < 0.1
    assert result["test"]["all"]["pressure_rmse_bar"] < 50
    for suffix in (".yaml", ".yace", ".asi", ".metrics.json", ".predictions.npz"):
        assert (tmp_path / f"p{suffix}").exists()
    assert json.loads((tmp_path / "p.metrics.json").read_text())["n_functions"] == 60
    with np.load(tmp_path / "p.predictions.npz") as arrays:
        assert arrays["test_force_reference"].shape == (5 * 24,)


def test_isolated_atoms_fix_E0(tmp_path):
    train = labelled_frames(20, periodic=False)
    for symbol, energy in (("C", -3.0), ("H", -1.0), ("N", -9.0)):
        train.append(Atoms(symbol, info={"REF_energy": energy}))
    result = fit(train, [], tmp_path / "p", functions=10, cutoff=4.0)
    assert result["E0_eV"] == {"C": -3.0, "H": -1.0}


def problem(rows=300, unknowns=12, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rows, unknowns)) * 10.0 ** rng.uniform(-3, 3, unknowns)
    return np.column_stack([a, a @ rng.normal(size=unknowns) + 0.1 * rng.normal(size=rows)])


def test_streaming_and_updating_give_the_solution_of_the_whole(tmp_path):
    whole = problem()
    factor = Factor.empty(12)
    for start in range(0, 200, 7):
        factor.update(whole[start : min(start + 7, 200)])
    factor.save(tmp_path / "factor.npz")
    again = Factor.load(tmp_path / "factor.npz")
    again.update(whole[200:])
    assert again.rows == 300
    expected, *_ = np.linalg.lstsq(whole[:, :-1], whole[:, -1], rcond=None)
    solution = solve(again, ridge=1e-20)
    np.testing.assert_allclose(solution.coefficients, expected, rtol=1e-9)
    residual = whole[:, :-1] @ expected - whole[:, -1]
    assert solution.chi_squared == pytest.approx(np.mean(residual**2))


def test_ridge_is_relative_to_columns_their_median_and_penalties():
    whole = problem()
    factor = Factor.empty(12)
    factor.update(whole)
    penalties = np.linspace(1, 4, 12)
    lengths = np.linalg.norm(whole[:, :-1], axis=0)
    lengths = np.maximum(lengths, np.median(lengths))
    a = np.concatenate([whole[:, :-1], np.diag(np.sqrt(0.1) * penalties * lengths)])
    expected, *_ = np.linalg.lstsq(a, np.concatenate([whole[:, -1], np.zeros(12)]), rcond=None)
    np.testing.assert_allclose(solve(factor, 0.1, penalties).coefficients, expected, rtol=1e-9)


def test_columns_without_data_get_no_coefficient():
    whole = problem()
    whole[:, 3] = 0.0
    factor = Factor.empty(12)
    factor.update(whole)
    assert solve(factor, 1e-9).coefficients[3] == 0.0


def test_rows_are_weighted_by_their_sigma():
    atoms = labelled_frames(1)[0]
    design = Design(fitting.basis(["C", "H"], 10, 4.0))
    atoms.arrays["REF_forces"] = 0.01 * np.ones((8, 3))
    atoms.arrays["REF_forces"][0] = [30.0, 0, 0]  # on a wall
    block = weighted_rows(atoms, design, {}, Weights(force=0.2, energy=1e-3, volume=None))
    rows = design.rows(atoms)
    np.testing.assert_allclose(block[1:, : design.size][3:], rows.forces[3:] / 0.2, rtol=1e-5)
    np.testing.assert_allclose(block[1, : design.size], rows.forces[0] / (0.2 * 10.0))
    assert block[1, -1] == pytest.approx(30.0 / (0.2 * 10.0))
    np.testing.assert_allclose(block[0, : design.size], rows.energy / (8 * 1e-3 * 10.0))
    assert len(block) == 25
    assert len(weighted_rows(atoms, design, {}, Weights())) == 31


def test_labels_fall_back_to_ase_and_errors_count_config_types():
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 1]], info={"config_type": "pair"})
    atoms.calc = SinglePointCalculator(atoms, energy=2.0, forces=np.ones((2, 3)))
    assert labels(atoms).energy == 2.0
    atoms.info["REF_energy"] = 1.0
    assert labels(atoms).energy == 1.0
    summary = errors([atoms], [Labels(1.2, np.ones((2, 3)) * 1.5, None)])
    assert summary["by_config_type"]["pair"]["energy_rmse_meV_atom"] == pytest.approx(100.0)
    assert summary["all"]["force_rmse_meV_A"] == pytest.approx(500.0)
    assert summary["all"]["force_rmse_percent"] == pytest.approx(50.0)
    assert summary["all"]["pressure_rmse_bar"] is None


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="no training frames"):
        fit([], [], tmp_path / "p")
    with pytest.raises(UserError, match="neither `REF_energy` nor `REF_forces`"):
        fit([Atoms("C2", positions=[[0, 0, 0], [0, 0, 1.4]])], [], tmp_path / "p", functions=5)
    broken = labelled_frames(1)[0]
    broken.info["REF_energy"] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        fit([broken], [], tmp_path / "p", functions=5)


def test_written_potential_is_what_lammps_would_read(tmp_path):
    """The .yace evaluates to the same numbers as the .yaml."""
    from oligopoly.ace.evaluator import Evaluator

    atoms = labelled_frames(1)[0]
    fit(labelled_frames(20), [], tmp_path / "p", functions=30, cutoff=4.0)
    where = np.array([atomic_numbers[s] for s in atoms.symbols]), atoms.positions, np.array(atoms.cell), atoms.pbc
    one, other = (Evaluator(tmp_path / f"p{suffix}").compute(*where) for suffix in (".yaml", ".yace"))
    assert one.energy == pytest.approx(other.energy, abs=1e-8)
    np.testing.assert_allclose(one.forces, other.forces, atol=1e-7)


def test_force_field_energies_need_no_E0(tmp_path):
    """pacemaker's .yaml has no place for E0: without it the same file has the same energy everywhere."""
    frames = labelled_frames(30)
    for atoms in frames:
        atoms.info["REF_energy"] += 3.0 * np.sum(atoms.numbers == 6) + 1.0 * np.sum(atoms.numbers == 1)
        atoms.info["REF_energy"] *= 0.01
        atoms.arrays["REF_forces"] *= 0.01
    result = fit(frames, frames[:2], tmp_path / "p", functions=30, cutoff=4.0)
    assert result["E0_eV"] == {"C": 0.0, "H": 0.0}
