"""What every force field keeps: parameters for chains, forces that are derivatives, and a name for what has none."""

import json

import numpy as np
import pytest
from quantum import force_error, stress_error

from oligopoly.errors import UserError
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.systems import datafile
from oligopoly.systems.box import read_box
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology

from .examples import kinds, settings

ALKANES = ("trappe-ua", "kremer-grest")  # that know nothing else
CHAINS = {"hexane": ("*CC*", ("*[H]", "*[H]"), 3), "glycol ether": ("*CCO*", ("*CO", "*C"), 2)}


@pytest.fixture(scope="module", params=kinds("forcefields"))
def model(request):
    return settings("forcefields", request.param)


def build(folder, model, unit, ends, units, **more):
    build_system(
        folder / "built.data", folder / "system.json", repeat_unit=unit, end_groups=ends,
        degree_of_polymerisation=units, chains=4, force_field=model, seed=2, **more,
        density=0.3 * model.create().density,
    )  # fmt: skip
    return folder / "built.data", folder / "system.json"


@pytest.fixture(scope="module", params=CHAINS)
def system(request, model, tmp_path_factory):
    """A box of four chains."""
    if request.param != "hexane" and model.kind in ALKANES:
        pytest.skip("it knows alkanes only")
    if model.from_data:
        pytest.skip("its systems are data files: tests/unit/test_given.py")
    return build(tmp_path_factory.mktemp("system"), model, *CHAINS[request.param])


def test_a_box_remembers_its_force_field(model, system):
    """The name, and the settings that it is made again from."""
    block = json.loads(system[1].read_text())["force_field"]
    assert block == model.model_dump() and of_system(system[1]).level_of_theory() == model.create().level_of_theory()
    assert model.create().name in system[0].read_text().splitlines()[0]


def test_chains_have_their_parameters(system):
    data, description = system
    described = json.loads(description.read_text())
    chain, positions, _ = datafile.read(data, described["atoms_per_chain"])
    assert len(positions) == 4 * len(chain) and abs(chain.charges.sum()) < 1e-6
    if "limits" not in described:
        assert set(described["type_elements"]) <= {"C", "H", "O"}
    assert len(described["type_elements"]) == len(chain.coefficients["Masses"]) == chain.types.max()


def test_its_level_of_theory_is_plain_data_and_its_own(model):
    own = model.create().level_of_theory()
    assert json.loads(json.dumps(own)) == own and own["force_field"]
    assert json.dumps(model.create().level_of_theory("md"))
    others = [settings("forcefields", kind).create().level_of_theory() for kind in kinds("forcefields")]
    assert others.count(own) == 1, "labels of two force fields would have one key"


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("purpose", ["md", "label"])
def test_its_commands_are_those_of_a_box_and_of_a_cluster(model, purpose, periodic):
    commands = model.create().commands(purpose, periodic, True)
    assert {"units real", "atom_style full"} <= set(commands)
    assert f"boundary {'p p p' if periodic else 's s s'}" in commands
    assert any(command.startswith("kspace_style") for command in commands) <= periodic


def test_forces_of_a_cluster_are_the_gradient_of_the_energy(system):
    """Two molecules side by side, in LAMMPS."""
    topology = Topology.read(system[1])
    n = topology.atoms_per_chain
    pair = read_box(system[0], topology)[: 2 * n]
    pair.cell, pair.pbc = None, False
    first, second = pair.positions[:n], pair.positions[n:]
    pair.positions[n:] += first.mean(axis=0) - second.mean(axis=0)
    pair.positions[n:, 2] += np.ptp(first[:, 2]) / 2 + np.ptp(second[:, 2]) / 2 + 2.5
    with ClassicalLabeler(*system) as labeler:
        assert force_error(labeler, pair, components=4, step=1e-3) < 1e-4


def test_forces_and_stress_of_a_box_are_derivatives(system):
    """As far as the mesh of charges in a box is fine."""
    box = read_box(system[0], Topology.read(system[1]))
    with ClassicalLabeler(*system) as labeler:
        assert force_error(labeler, box, components=2, step=1e-3) < 2e-3
        assert stress_error(labeler, box, components=((0, 0), (1, 2)), step=1e-3) < 1e-4


def test_md_and_labels_are_one_energy_surface(model, system):
    box = read_box(system[0], Topology.read(system[1]))
    with ClassicalLabeler(*system) as labeler:
        label = labeler.label(box)
    engine = Classical(system[0], model.create())
    with open_simulation(engine, box, Conditions("nve", 10.0, 0.5), seed=1) as simulation:
        simulation.ensemble(4)
        simulation.advance(0)
        first = simulation.sample()
        simulation.advance(4)
        last = simulation.sample()
    assert first.potential == pytest.approx(label.energy, abs=5e-3)
    total = [sample.potential + sample.kinetic for sample in (first, last)]
    assert total[1] == pytest.approx(total[0], abs=0.02), "energy is kept"
    assert np.isfinite(last.positions).all()


def test_what_has_no_parameters_is_named(model, tmp_path):
    if model.from_data:
        pytest.skip("its systems are data files: tests/unit/test_given.py")
    with pytest.raises(UserError, match=r"repeat unit '\*\[Si\]\(C\)\(C\)O\*'.* Si\b"):
        build(tmp_path, model, "*[Si](C)(C)O*", ("*[H]", "*[H]"), 2)
