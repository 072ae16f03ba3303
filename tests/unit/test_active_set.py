"""Active set: pyace's gamma, the property that defines it, and what happens when data are missing."""

import numpy as np
import pace
import pytest
from ase import Atoms

from oligopoly.ace.active_set import ActiveSet, build, extend, maxvol
from oligopoly.ace.design import Design
from oligopoly.ace.functions import bonds, select
from oligopoly.ace.potential import Potential, read_yaml
from oligopoly.errors import UserError


def test_gamma_is_pyaces():
    design = Design(read_yaml(pace.DATA / "cho_chebexpcos_r4.yaml"))
    active = ActiveSet.read(pace.DATA / "cho_chebexpcos_r4.asi")
    reference = pace.frame("cho_chebexpcos_r4", "peg4_box_600K")
    atoms = Atoms(reference["numbers"], reference["positions"], cell=reference["cell"], pbc=reference["pbc"])
    for element, rows in design.projections(atoms).items():
        expected = reference["gamma"][np.array(atoms.symbols) == element]
        np.testing.assert_allclose(active.gamma(element, rows), expected, rtol=1e-6)


@pytest.mark.parametrize("start", [None, np.arange(8)])
def test_maxvol_leaves_no_row_outside(start):
    rows = np.random.default_rng(0).normal(size=(400, 8)) * 10.0 ** np.arange(-4, 4)
    index = maxvol(rows, start)
    shares = rows @ np.linalg.inv(rows[index])
    assert len(set(index)) == 8
    assert np.abs(shares).max() <= 1.011
    before = np.linalg.slogdet(rows[:8])[1]
    assert np.linalg.slogdet(rows[index])[1] > before


def test_maxvol_finds_the_largest_volume_of_a_diagonal_problem():
    rows = np.concatenate([np.diag([1.0, 2.0, 3.0]), np.diag([5.0, 1.0, 7.0]), np.diag([2.0, 4.0, 1.0])])
    assert sorted(maxvol(rows)) == [3, 5, 7]


def test_candidates_enter_only_when_they_extrapolate():
    rng = np.random.default_rng(1)
    active = rng.normal(size=(300, 6))
    active = active[maxvol(active)]
    inside, outside = 0.5 * active, active[2:3] * 3.0
    assert len(extend(active, inside)) == 0
    assert list(extend(active, np.concatenate([inside, outside]))) == [6]


def frames(count, seed):
    rng = np.random.default_rng(seed)
    return [Atoms("C2H4", positions=3.0 * rng.random((6, 3))) for _ in range(count)]


def potential():
    chosen = select(["C", "H"], 20, [4, 3], [0, 2])
    return Potential(["C", "H"], bonds(chosen, 4.0), chosen)


def test_training_environments_interpolate(tmp_path):
    design, train = Design(potential()), frames(100, 0)
    build(potential(), train, design).write(tmp_path / "x.asi")
    active = ActiveSet.read(tmp_path / "x.asi")
    assert active.elements == ["C", "H"]
    for atoms in train:
        for element, rows in design.projections(atoms).items():
            assert active.gamma(element, rows).max() < 1.02


def test_a_torn_file_is_told(tmp_path):
    build(potential(), frames(2, 0)).write(tmp_path / "x.asi")
    (tmp_path / "x.asi").write_bytes((tmp_path / "x.asi").read_bytes()[:-100])
    with pytest.raises(UserError, match="x.asi is not an active set"):
        ActiveSet.read(tmp_path / "x.asi")


def test_directions_without_data_count_as_extrapolation():
    design, train = Design(potential()), frames(2, 0)
    active = build(potential(), train, design)
    seen, new = (
        [active.gamma(element, rows).max() for element, rows in design.projections(atoms).items()]
        for atoms in (train[0], frames(1, 9)[0])
    )
    assert max(seen) < 1.02
    assert min(new) > 100.0


def test_files_that_are_not_active_sets_are_refused(tmp_path):
    with pytest.raises(UserError, match="no active set"):
        ActiveSet.read(tmp_path / "absent.asi")
    (tmp_path / "text.asi").write_text("no")
    with pytest.raises(UserError, match="not an active set"):
        ActiveSet.read(tmp_path / "text.asi")
