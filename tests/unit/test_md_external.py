"""Forces from Python in LAMMPS: the same motion as LAMMPS' own pair style."""

import numpy as np
import pytest
from md_systems import LennardJones, PairLJ, argon

from oligopoly.md import placement
from oligopoly.md.external import External
from oligopoly.md.outcomes import Failed
from oligopoly.md.simulation import Conditions, open_simulation


def motion(engine, atoms, conditions, steps=150, every=15):
    with open_simulation(engine, atoms, conditions, seed=3) as simulation:
        simulation.ensemble(steps)
        simulation.advance(0)
        out = [simulation.sample()]
        for _ in range(steps // every):
            simulation.advance(every)
            out.append(simulation.sample())
    return out


@pytest.mark.parametrize("tilted", [False, True])
@pytest.mark.parametrize(
    "conditions",
    [
        Conditions("nve", 120, 2.0),
        Conditions("nvt", 120, 2.0),
        Conditions("npt", 120, 2.0, 50.0),
        Conditions("npt", 120, 2.0, 50.0, 5000.0),
    ],
    ids=["nve", "nvt", "npt", "ramp"],
)
def test_callback_moves_atoms_as_a_pair_style_does(conditions, tilted):
    atoms, _ = argon(tilted=tilted)
    ours = motion(External(LennardJones), atoms, conditions)
    theirs = motion(PairLJ(), atoms, conditions)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-10)
        np.testing.assert_allclose(a.cell, b.cell, atol=1e-10)
        assert a.potential == pytest.approx(b.potential, abs=1e-10)
        assert a.pressure_atm == pytest.approx(b.pressure_atm, abs=1e-6)
        assert a.temperature == pytest.approx(b.temperature, abs=1e-8)


def test_first_sample_is_the_structure_given():
    atoms, _ = argon(tilted=True)
    first = motion(External(LennardJones), atoms, Conditions("nve", 100, 1.0), 2, 1)[0]
    oriented = placement.oriented(atoms)
    np.testing.assert_allclose(first.positions, oriented.positions, atol=1e-10)
    assert first.temperature == pytest.approx(100, rel=1e-5)
    np.testing.assert_allclose(oriented.get_all_distances(), atoms.get_all_distances(), atol=1e-10)


def test_pressure_is_minus_the_trace_of_the_virial():
    atoms, _ = argon()
    first = motion(External(LennardJones), atoms, Conditions("nve", 100, 1.0), 2, 1)[0]
    virial = LennardJones().compute(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc).virial
    ev_per_a3 = (2 * first.kinetic - np.trace(virial)) / 3 / first.volume
    assert first.pressure_atm == pytest.approx(ev_per_a3 * 1581225.2, rel=1e-4)


def test_cluster_without_a_cell_moves_as_in_a_large_box():
    atoms, _ = argon(3)
    atoms.positions = placement.wrapped(atoms.positions, atoms.cell.array)[0]
    open_ = atoms.copy()
    open_.pbc = False
    box = atoms.copy()
    box.cell = np.eye(3) * 60
    conditions = Conditions("nve", 60, 2.0)
    a = motion(External(LennardJones), open_, conditions)[-1]
    b = motion(External(LennardJones), box, conditions)[-1]
    np.testing.assert_allclose(a.positions - a.positions.mean(0), b.positions - b.positions.mean(0), atol=1e-9)


class Breaks(LennardJones):
    """Raises at a call."""

    def __init__(self, at, what):
        super().__init__()
        self.at, self.what = at, what

    def compute(self, *arguments, **keywords):
        result = super().compute(*arguments, **keywords)
        if self.calls == self.at:
            if isinstance(self.what, BaseException):
                raise self.what
            return result._replace(energy=result.energy * self.what, forces=result.forces * self.what)
        return result


def test_exception_in_the_callback_stops_and_is_raised():
    evaluator = Breaks(20, KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        motion(External(lambda: evaluator), argon()[0], Conditions("nvt", 100, 2.0), 400, 400)
    assert evaluator.calls == 20


@pytest.mark.parametrize(("factor", "outcome"), [(float("nan"), "non_finite"), (1e6, "exploded")])
def test_explosion_is_a_failure_of_the_motion(factor, outcome):
    engine = External(lambda: Breaks(20, factor))
    with pytest.raises(Failed) as caught:
        motion(engine, argon()[0], Conditions("npt", 100, 2.0, 1.0), 400, 400)
    assert caught.value.outcome == outcome


def test_scores_come_on_their_steps_only():
    engine = External(LennardJones, every=5)
    with open_simulation(engine, argon()[0], Conditions("nvt", 100, 2.0), seed=1) as simulation:
        simulation.ensemble(20)
        simulation.advance(5)
        score = simulation.score()
        assert score.kind == "gamma" and score.per_atom.shape == (64,)
        simulation.advance(3)
        assert simulation.score() is None


def test_without_a_step_for_them_there_are_no_scores():
    """Nor is the evaluator asked for any."""
    asked = []

    class Silent(LennardJones):
        def compute(self, *arguments, scored=False):
            asked.append(scored)
            return super().compute(*arguments, scored=scored)

    with open_simulation(External(Silent), argon()[0], Conditions("nvt", 100, 2.0), seed=1) as simulation:
        simulation.ensemble(10)
        simulation.advance(10)
        assert simulation.score() is None
    assert len(asked) > 10 and not any(asked)
