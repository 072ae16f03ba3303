"""Choice of functions by data: each step removes what costs least, and what made the labels survives."""

import numpy as np
import pytest
from ase import Atoms

from oligopoly.ace.design import Design
from oligopoly.ace.elimination import RIDGE, most_useful, normal_matrix
from oligopoly.ace.fit import MANY_BODY_CUTOFFS, Weights, basis_for, weighted_rows
from oligopoly.ace.functions import bonds, candidates
from oligopoly.ace.potential import Potential
from oligopoly.ace.survey import inner_radii, survey


def columns(rows, count, seed=0):
    """Columns of equal length that overlap, as those of radial functions do."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rows, count)) + 2.0 * rng.normal(size=(rows, 1))
    return a / np.linalg.norm(a, axis=0)


def loss(a, b):
    c = np.linalg.solve(a.T @ a + RIDGE * np.eye(a.shape[1]), a.T @ b)
    return np.sum((a @ c - b) ** 2) + RIDGE * c @ c


def test_removes_the_function_whose_loss_costs_least():
    a = columns(60, 12)
    b = a @ np.random.default_rng(1).normal(size=12) + 0.1 * np.random.default_rng(2).normal(size=60)
    kept, reached = most_useful(normal_matrix([np.column_stack([a, b])], 12), np.zeros(12, int), {0: 11})
    losses = [loss(np.delete(a, k, axis=1), b) for k in range(12)]
    assert kept.tolist() == np.delete(np.arange(12), np.argmin(losses)).tolist()
    assert reached == pytest.approx(min(losses), rel=1e-6)


def test_finds_the_functions_that_made_the_labels():
    a = columns(400, 90)
    made_of = np.array([3, 17, 18, 44, 45, 46, 71, 88])
    rng = np.random.default_rng(3)
    b = a[:, made_of] @ (1.0 + rng.random(len(made_of))) + 1e-3 * rng.normal(size=400)
    group = np.repeat([0, 1], 45)
    blocks = np.array_split(np.column_stack([a, b]), 7)
    kept, _ = most_useful(normal_matrix(blocks, 90), group, {0: 4, 1: 4})
    assert kept.tolist() == made_of.tolist()


def test_functions_that_are_zero_go_first_and_other_columns_stay():
    a = columns(50, 10)
    a[:, [1, 2, 6]] = 0.0
    b = a[:, 5]
    group = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, -1])
    kept, _ = most_useful(normal_matrix([np.column_stack([a, b])], 10), group, {0: 2, 1: 3})
    assert kept.tolist()[-4:] == [5, 7, 8, 9]
    assert len(kept) == 6 and not {1, 2} & set(kept.tolist())


def test_twins_do_not_stop_it():
    a = np.repeat(columns(80, 30), 3, axis=1)
    b = a[:, :45:3] @ np.ones(15)
    kept, reached = most_useful(normal_matrix([np.column_stack([a, b])], 90), np.zeros(90, int), {0: 15})
    assert sorted(set((kept // 3).tolist())) == list(range(15))
    assert reached < 1e-6


@pytest.mark.parametrize("reach", MANY_BODY_CUTOFFS)
def test_the_data_choose_functions_and_reach(reach):
    rng = np.random.default_rng(0)
    made_of = candidates(["C", "H"], 60, (0, 4, 3), {("C", "C"), ("C", "H"), ("H", "H")})
    truth = Design(Potential(["C", "H"], bonds(made_of, 4.0, reach, {}), made_of, {}))
    coefficients = rng.normal(size=truth.size) * (rng.random(truth.size) < 0.3)
    frames = []
    for _ in range(40):
        # spread wide enough for the reaches to differ, no contacts
        grid = 1.7 * np.array([(x, y, z) for x in range(3) for y in range(2) for z in range(2)])
        atoms = Atoms("C6H6", positions=rng.permutation(grid) + 0.2 * rng.normal(size=(12, 3)))
        rows = truth.rows(atoms)
        atoms.info["REF_energy"] = float(rows.energy @ coefficients)
        atoms.arrays["REF_forces"] = (rows.forces @ coefficients).reshape(-1, 3)
        frames.append(atoms)
    chosen = basis_for(frames, survey(frames, 4.0), 40, 4.0, {}, Weights())
    assert {e: len(functions) for e, functions in chosen.functions.items()} == {"C": 40, "H": 40}
    expected = bonds(chosen.functions, 4.0, reach, inner_radii(survey(frames, 4.0), 4.0))
    np.testing.assert_array_equal(chosen.bonds["C", "H"].radcoefficients, expected["C", "H"].radcoefficients)

    design = Design(chosen)
    rows = np.concatenate([weighted_rows(atoms, design, {}, Weights()) for atoms in frames])
    a, b = rows[:, : design.size], rows[:, -1]
    left = np.linalg.norm(a @ np.linalg.lstsq(a, b, rcond=1e-12)[0] - b) / np.linalg.norm(b)
    assert left < 1e-6
    used = {e: {f for f, c in zip(made_of[e], coefficients[truth.slices[e]], strict=True) if c} for e in made_of}
    found = sum(len(used[e] & set(chosen.functions[e])) for e in used) / sum(map(len, used.values()))
    assert found > 0.8
