"""MD with a real ACE potential, and what ML-PACE would give in its place."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from oligopoly.ace.evaluator import Evaluator
from oligopoly.md.engine import by_element, mass_commands
from oligopoly.md.external import External
from oligopoly.md.placement import create
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.md.units import METAL
from oligopoly.potentials.pace import PairPACE
from oligopoly.potentials.registry import open_potential
from oligopoly.potentials.uncertainty import Uncertainty

PACE = Path(__file__).parent.parent / "data" / "pace"
POTENTIAL = PACE / "ch_sbessel_r3.yaml"


def frame(name: str) -> Atoms:
    with np.load(PACE / "ch_sbessel_r3.reference.npz") as data:
        return Atoms(*(data[f"{name}/{k}"] for k in ("numbers", "positions")), cell=data[f"{name}/cell"],
                     pbc=data[f"{name}/pbc"])  # fmt: skip


def built_in(**scores):
    """The built-in engine of the potential; `scores` are arguments of `Uncertainty`."""
    return open_potential(POTENTIAL).engine(*([Uncertainty(**scores)] if scores else []), choice="built-in")


@pytest.mark.parametrize("name", ["decane", "decane_box"])
def test_energy_is_conserved(name):
    atoms = frame(name)
    with open_simulation(built_in(), atoms, Conditions("nve", 50, 0.05), seed=1) as simulation:
        simulation.ensemble(400)
        simulation.advance(0)
        samples = [simulation.sample()]
        for _ in range(20):
            simulation.advance(20)
            samples.append(simulation.sample())
    total = np.array([s.potential + s.kinetic for s in samples])
    kinetic = np.array([s.kinetic for s in samples])
    assert np.ptp(kinetic) > 0.02  # energy did flow
    assert np.ptp(total) < 2e-3 * np.ptp(kinetic)


def test_samples_agree_with_the_evaluator():
    atoms = frame("decane_box")
    engine = built_in(kind="gamma", every=5)
    assert engine.files() == [POTENTIAL, PACE / "ch_sbessel_r3.asi"]
    with open_simulation(engine, atoms, Conditions("npt", 100, 0.05, 1000.0), seed=1) as simulation:
        simulation.ensemble(50)
        simulation.advance(50)
        sample, score = simulation.sample(), simulation.score()
    fresh = Evaluator(POTENTIAL, active_set=PACE / "ch_sbessel_r3.asi")
    result = fresh.compute(atoms.numbers, sample.positions, sample.cell, [True] * 3, gamma=True)
    assert sample.potential == pytest.approx(result.energy, abs=1e-9)
    np.testing.assert_allclose(score.per_atom, result.gamma, rtol=1e-8)
    assert score.kind == "gamma" and score.frame == score.per_atom[score.atom] == score.per_atom.max()
    pressure = (2 * sample.kinetic - np.trace(result.virial)) / 3 / sample.volume
    assert sample.pressure_atm == pytest.approx(pressure * 1581225.3, rel=1e-5)


def test_auto_takes_what_this_lammps_has():
    engine = open_potential(POTENTIAL).engine(Uncertainty("gamma", 10))
    from oligopoly.md.lammps import start

    lmp = start()
    assert isinstance(engine, PairPACE if PairPACE.available(lmp) else External)
    lmp.close()


def test_gamma_of_a_fix_comes_in_the_order_of_the_atoms():
    """`fix pair` gives one number per atom as `fix ave/atom` does: here, the x coordinate."""
    from oligopoly.md.lammps import start

    atoms = frame("decane_box")
    elements, types = by_element(atoms)
    lmp = start()
    for command in ["units metal", "atom_style atomic", "boundary p p p", "atom_modify map array sort 1 2"]:
        lmp.command(command)
    create(lmp, atoms, types, len(elements))
    for command in [
        *mass_commands(atoms, elements, None),
        "pair_style zero 5.0",
        "pair_coeff * *",
        "fix gamma all ave/atom 1 1 5 x",
        "neigh_modify every 1 delay 0 check no",
        "fix integrate all nve",
        "run 5",
    ]:
        lmp.command(command)
    engine = PairPACE(POTENTIAL, "given", every=5)
    x = engine.score(lmp).per_atom
    assert not np.array_equal(lmp.numpy.extract_atom("id")[: len(atoms)], np.arange(1, len(atoms) + 1))
    np.testing.assert_allclose(
        x, lmp.numpy.extract_atom("x")[np.argsort(lmp.numpy.extract_atom("id")[: len(atoms)]), 0]
    )
    lmp.command("run 1")
    assert engine.score(lmp) is None
    lmp.close()
    assert engine.units == METAL
