"""Fit: recovers a potential from its own labels, and weighs them as documented."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_numbers
from labelled import LIMITS, labelled_frames

from oligopoly.accuracy import Labels, errors, labels
from oligopoly.ace import fit as fitting
from oligopoly.ace.checkpoint import Checkpoint
from oligopoly.ace.design import Design
from oligopoly.ace.fit import Weights, fit, weighted_rows
from oligopoly.errors import UserError


@pytest.mark.parametrize("ridge", [None, 1e-14])
def test_recovers_the_potential_that_made_the_labels(tmp_path, ridge):
    train, test = labelled_frames(60), labelled_frames(5, seed=1)
    result = fit(train, test, tmp_path / "p", functions=30, cutoff=4.0, ridge=ridge, **LIMITS)
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


def test_rows_are_weighted_by_their_sigma():
    atoms = labelled_frames(1)[0]
    design = Design(fitting.basis(["C", "H"], 10, 4.0, **LIMITS))
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
    fit(labelled_frames(20), [], tmp_path / "p", functions=30, cutoff=4.0, **LIMITS)
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
    result = fit(frames, frames[:2], tmp_path / "p", functions=30, cutoff=4.0, **LIMITS)
    assert result["E0_eV"] == {"C": 0.0, "H": 0.0}


def same_bytes(one, other, suffixes=(".yaml", ".yace", ".asi", ".factor.npz", ".predictions.npz")):
    return [
        suffix for suffix in suffixes if Path(f"{one}{suffix}").read_bytes() != Path(f"{other}{suffix}").read_bytes()
    ]


@pytest.mark.slow
def test_a_new_generation_adds_its_rows_only(tmp_path, capsys, monkeypatch):
    """Same result as from the beginning, also when the new frames come closer and the core shrinks."""
    first, more, test = labelled_frames(40), labelled_frames(15, seed=7), labelled_frames(5, seed=1)
    more += labelled_frames(15, seed=8, periodic=False)
    more[3].positions[0] += 0.8 * (more[3].positions[1] - more[3].positions[0])
    fit(first, test, tmp_path / "0", functions=30, cutoff=4.0)
    built = []
    monkeypatch.setattr(
        "oligopoly.ace.rows.weighted_rows", lambda atoms, *a: built.append(atoms) or weighted_rows(atoms, *a)
    )
    updated = fit(
        first + more, test, tmp_path / "1", functions=30, cutoff=4.0, before=tmp_path / "0.factor.npz", threads=2
    )
    assert len(built) == len(more)
    assert "30 new frames on top of the 40" in capsys.readouterr().err
    assert updated["frames_of_the_fit_before"] == 40
    # the basis is the one of the first fit, as long as the settings stay
    basis = Checkpoint.load(tmp_path / "0.factor.npz").basis
    monkeypatch.setattr(fitting, "basis_for", lambda *a: basis)
    whole = fit(first + more, test, tmp_path / "whole", functions=30, cutoff=4.0)
    assert whole["rows"] == updated["rows"]
    assert whole["inner_radii_A"] == updated["inner_radii_A"]
    radius = json.loads((tmp_path / "0.metrics.json").read_text())["inner_radii_A"]
    assert min(whole["inner_radii_A"][pair] - radius[pair] for pair in radius) < 0
    checkpoints = [Checkpoint.load(tmp_path / f"{name}.factor.npz") for name in ("1", "whole")]
    one, other = (checkpoint.factor.r for checkpoint in checkpoints)
    # the estimates of E0 that the energies are relative to differ; the columns before the last would shift them
    apart = [checkpoints[1].E0[element] - checkpoints[0].E0[element] for element in ("C", "H")]
    other[:, -1] += other[:, -3:-1] @ apart
    # R itself is not unique where columns depend on each other
    lengths = np.linalg.norm(other, axis=0)
    lengths[lengths == 0] = 1.0
    one, other = one / lengths, other / lengths
    np.testing.assert_allclose(one.T @ one, other.T @ other, atol=1e-12)
    assert updated["test"]["all"]["force_rmse_meV_A"] == pytest.approx(
        whole["test"]["all"]["force_rmse_meV_A"], rel=1e-3
    )


def test_a_fit_repeats_to_the_byte_for_any_number_of_threads(tmp_path):
    first, more = labelled_frames(20), labelled_frames(10, seed=7)
    fit(first, [], tmp_path / "0", functions=30, cutoff=4.0, **LIMITS)
    for name, threads in (("1", 1), ("2", 2)):
        fit(
            first + more,
            more,
            tmp_path / name,
            functions=30,
            cutoff=4.0,
            before=tmp_path / "0.factor.npz",
            threads=threads,
        )
    assert same_bytes(tmp_path / "1", tmp_path / "2") == []


def test_functions_are_chosen_again_when_the_frames_have_doubled(tmp_path, capsys):
    first, more = labelled_frames(4), labelled_frames(4, seed=7)
    fit(first, [], tmp_path / "0", functions=10, cutoff=4.0)
    fit(first + more[:3], [], tmp_path / "1", functions=10, cutoff=4.0, before=tmp_path / "0.factor.npz")
    assert "3 new frames on top of the 4" in capsys.readouterr().err
    result = fit(first + more, [], tmp_path / "2", functions=10, cutoff=4.0, before=tmp_path / "1.factor.npz")
    assert "chosen again: they were from 4 frames" in capsys.readouterr().err
    assert result["frames_of_the_fit_before"] == 0
    assert Checkpoint.load(tmp_path / "2.factor.npz").chosen_from == 8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": Weights(force=0.2)}, "changed since: weights"),
        ({"functions": 31}, "changed since: functions"),
        ({"frames": 1}, "do not begin with the 20"),
        ({}, None),
    ],
)
def test_what_no_longer_fits_starts_again_and_says_why(tmp_path, capsys, change, reason):
    first = labelled_frames(20)
    settings = {"functions": 30, "cutoff": 4.0, **LIMITS}
    fit(first, [], tmp_path / "0", **settings)
    frames = first[::-1] if change.pop("frames", None) else first
    again = fit(frames, [], tmp_path / "1", **(settings | change), before=tmp_path / "0.factor.npz")
    told = capsys.readouterr().err
    assert again["frames_of_the_fit_before"] == (0 if reason else 20)
    assert (reason in told) if reason else "starts from the first frame" not in told


def test_energies_that_need_E0_continue_from_the_E0_before(tmp_path):
    first, more = labelled_frames(20), labelled_frames(20, seed=7)
    for atoms in first + more:
        atoms.info["REF_energy"] -= 300.0 * np.sum(atoms.numbers == 6)
    fit(first, [], tmp_path / "0", functions=30, cutoff=4.0, **LIMITS)
    one = fit(first + more, [], tmp_path / "1", functions=30, cutoff=4.0, **LIMITS, before=tmp_path / "0.factor.npz")
    other = fit(first + more, [], tmp_path / "2", functions=30, cutoff=4.0, **LIMITS)
    assert one["frames_of_the_fit_before"] == 20
    assert one["train"]["all"]["energy_rmse_meV_atom"] == pytest.approx(
        other["train"]["all"]["energy_rmse_meV_atom"], rel=0.05, abs=1e-3
    )


def test_frames_may_stay_in_their_file(tmp_path):
    from oligopoly import frames as frame_files

    frame_files.write(tmp_path / "train.extxyz", labelled_frames(20) + [Atoms("N", info={"REF_energy": -1.0})])
    in_memory = frame_files.read(tmp_path / "train.extxyz")
    stored = frame_files.Stored([tmp_path / "train.extxyz"])
    for name, train in (("1", in_memory), ("2", stored)):
        fit(train, train[:5], tmp_path / name, functions=30, cutoff=4.0, **LIMITS)
    assert same_bytes(tmp_path / "1", tmp_path / "2") == []


def test_error_bars_are_as_large_as_the_errors_and_a_committee_spreads_like_them(tmp_path):
    """Labels of a larger basis than the one that is fitted: errors of the model, not noise."""
    from oligopoly.ace.error_bars import ErrorBars
    from oligopoly.ace.evaluator import Evaluator

    train, test = labelled_frames(60, periodic=False), labelled_frames(40, seed=1, periodic=False)
    settings = {"functions": 15, "cutoff": 4.0, **LIMITS}
    result = fit(train, test, tmp_path / "p", **settings, committee=60)
    found = result["calibration"]
    assert found["frames"] == 20 and found["factors_from"] == "20 held-out frames"
    assert found["force_factor"] > 1.2  # the bare posterior is over-confident
    assert 0.8 < found["force"]["ratio"] < 1.25
    assert 0.6 < found["force"]["within"][0] < 0.8
    predicted, true = found["force"]["predicted"], found["force"]["true"]
    assert true[-1] > 1.5 * true[0]  # it knows where
    np.testing.assert_allclose(true[:-1], predicted[:-1], rtol=0.5)  # the last holds an outlier

    members = [Evaluator(tmp_path / f"p.member_{n:02d}.yaml") for n in range(1, 61)]
    one, other = test[0], train[0].copy()
    bars = ErrorBars.load(tmp_path / "p.factor.npz")
    for atoms in (one, other):
        where = atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc
        said = [member.compute(*where) for member in members]
        spread = np.std([result.forces for result in said], axis=0)
        expected = bars.of(atoms)
        assert np.sqrt(np.mean((spread / expected.forces) ** 2)) == pytest.approx(1.0, abs=0.15)
        energies = np.std([result.energy for result in said]) / len(atoms)
        ratio = bars.energy_factor / bars.force_factor
        assert ratio * energies == pytest.approx(expected.energy, rel=0.3)
    mean = np.mean([result.forces for result in said], axis=0)
    fitted = Evaluator(tmp_path / "p.yaml").compute(*where).forces
    assert np.abs(mean - fitted).max() < 4 * expected.forces.max() / np.sqrt(60)


def test_without_held_out_frames_error_bars_follow_from_rows_and_parameters(tmp_path):
    result = fit(labelled_frames(20), [], tmp_path / "p", functions=30, cutoff=4.0, **LIMITS)
    found = result["calibration"]
    assert found["factors_from"] == "rows / parameters"
    assert found["force_factor"] == pytest.approx(np.sqrt(result["rows"] / result["parameters_from_data"]), rel=1e-3)
