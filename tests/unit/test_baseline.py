"""Bonded terms beside a learned potential: subtracted before the fit, added after it, and LAMMPS' own in MD."""

import json

import numpy as np
import pytest

from oligopoly.errors import UserError
from oligopoly.forcefields.bonded import Bonded, bonded_chain
from oligopoly.forcefields.engine import Classical
from oligopoly.forcefields.registry import FORCE_FIELDS, of_system
from oligopoly.labelers.classical import ClassicalLabeler
from oligopoly.md.run import run_md
from oligopoly.md.simulation import Conditions, open_simulation
from oligopoly.potentials.baseline import Baseline, without
from oligopoly.potentials.registry import open_potential
from oligopoly.systems import datafile
from oligopoly.systems.box import read_box
from oligopoly.systems.build import build_system
from oligopoly.systems.topology import Topology
from oligopoly.trainers.ace import Settings
from oligopoly.trainers.registry import train


@pytest.fixture(scope="module")
def melt(tmp_path_factory):
    """Kremer-Grest, 24 chains of 6, at T = 1 and a density of 0.8: frames with labels."""
    folder = tmp_path_factory.mktemp("melt")
    settings = FORCE_FIELDS.read({"kind": "kremer-grest"})
    build_system(
        folder / "built.data", folder / "system.json", repeat_unit="*C*", end_groups=("*[H]", "*[H]"),
        degree_of_polymerisation=6, chains=24, force_field=settings, density=0.3 * settings.create().density, seed=1,
    )  # fmt: skip
    topology = Topology.read(folder / "system.json")
    box = read_box(folder / "built.data", topology)
    run_md(
        Classical(folder / "built.data", settings.create()), box, topology, Conditions("nvt", 300.0, 4.0),
        duration_fs=4000, sample_every_fs=400, settle_fs=800, seed=1, out_dir=folder, scaling_fs=4000,
        volume_ratio=0.3 / 0.94,
    )  # fmt: skip
    from oligopoly.md.trajectory import read

    frames = read(folder / "trajectory.extxyz").frames()
    with ClassicalLabeler(folder / "built.data", folder / "system.json") as labeler:
        for atoms in frames:
            label = labeler.label(atoms)
            atoms.info |= {"REF_energy": label.energy, "REF_stress": label.stress, "origin_system": "melt"}
            atoms.arrays["REF_forces"] = label.forces
    return folder, frames, topology


def systems(folder):
    return {"melt": (folder / "built.data", folder / "system.json")}


def fitted(melt, out, baseline):
    folder, frames, _ = melt
    settings = Settings(kind="ace", functions=20, cutoff="8 A", ranks={"n": [12, 4], "l": [0, 2]}, baseline=baseline)
    return train(settings, frames[:9], frames[9:], out, systems=systems(folder) if baseline == "bonded" else None)


def test_terms_are_derivatives_and_the_rest_is_what_pairs_do(melt):
    folder, frames, topology = melt
    baseline = Baseline.of_systems(systems(folder))
    atoms = frames[0]
    energy, forces, stress = baseline.terms(atoms)
    step = 1e-4
    for i, axis in ((0, 0), (7, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[i, axis] += sign * step
            ends.append(baseline.terms(moved)[0])
        assert forces[i, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-4)
    (rest,) = without([atoms], baseline)
    assert rest.info["REF_energy"] + energy == pytest.approx(atoms.info["REF_energy"])
    np.testing.assert_allclose(rest.arrays["REF_forces"] + forces, atoms.arrays["REF_forces"], atol=1e-12)
    np.testing.assert_allclose(rest.info["REF_stress"] + stress, atoms.info["REF_stress"], atol=1e-12)
    # WCA of all pairs, bonded or not: nothing attracts
    i, j = topology.bonds[0]
    assert rest.info["REF_energy"] > 0 and abs(energy) > 1
    baseline.write(folder / "baseline.json")
    again = Baseline.read(folder / "baseline.json").terms(atoms)
    assert again[0] == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(again[1], forces, atol=1e-10)


def test_beads_are_learned_with_their_bonds_and_not_without(melt, tmp_path):
    errors = {}
    for baseline in ("none", "bonded"):
        fitted(melt, tmp_path / baseline, baseline)
        metrics = json.loads((tmp_path / baseline / "metrics.json").read_text())
        errors[baseline] = metrics["test"]["all"]["force_rmse_percent"]
    assert errors["bonded"] < 0.5 * errors["none"], errors
    potential = open_potential(tmp_path / "bonded" / "manifest.json")
    assert potential.manifest.files["baseline"] == "baseline.json" and "baseline.json" in potential.manifest.sha256
    found = list(potential.predict(melt[1][9:]))
    true = np.concatenate([a.arrays["REF_forces"].ravel() for a in melt[1][9:]])
    said = np.concatenate([f.forces.ravel() for f in found])
    rmse = np.sqrt(((said - true) ** 2).mean() / (true**2).mean())
    assert 100 * rmse == pytest.approx(errors["bonded"], rel=1e-6), "errors are those of both together"


def test_md_feels_what_is_predicted(melt, tmp_path):
    fitted(melt, tmp_path, "bonded")
    potential = open_potential(tmp_path / "manifest.json")
    topology, start = melt[2], melt[1][0]
    (found,) = potential.predict([start])
    conditions = Conditions("nve", 300.0, 2.0)
    with open_simulation(potential.engine(), topology.weighed(start), conditions, seed=1) as simulation:
        simulation.ensemble(200)
        simulation.advance(0)
        first = simulation.sample()
        simulation.advance(200)
        last = simulation.sample()
    assert first.potential == pytest.approx(found.energy, abs=1e-6)
    assert first.pressure_atm * 1.01325e-6 / 1.602176634 == pytest.approx(
        -found.stress[:3].mean() + 2 / 3 * first.kinetic / start.get_volume(), rel=1e-3
    )
    assert last.potential + last.kinetic == pytest.approx(first.potential + first.kinetic, abs=0.02 * first.kinetic)
    assert len(topology.broken_bonds(last.positions)) == 0


def test_a_frame_of_unknown_molecules_is_told(melt):
    baseline = Baseline.of_systems(systems(melt[0]))
    with pytest.raises(UserError, match="this frame is of none of them"):
        baseline.terms(melt[1][0][:5])


def test_chains_of_another_length_are_told_by_their_bonds(melt, tmp_path):
    """24 chains of 6 beads are no 12 of 12, and 12 of 12 have all the bonds of 24 of 6."""
    build_system(
        tmp_path / "built.data", tmp_path / "system.json", repeat_unit="*C*", end_groups=("*[H]", "*[H]"),
        degree_of_polymerisation=12, chains=12, force_field=FORCE_FIELDS.read({"kind": "kremer-grest"}), seed=1,
    )  # fmt: skip
    baseline = Baseline.of_systems(systems(melt[0]) | {"long": (tmp_path / "built.data", tmp_path / "system.json")})
    short = melt[1][0].copy()
    del short.info["origin_system"]
    long = read_box(tmp_path / "built.data", Topology.read(tmp_path / "system.json"))
    assert (baseline.which(short), baseline.which(long)) == ("melt", "long")


def test_pairs_leave_no_trace_in_gaff2_either():
    from class2 import HEXANE

    topology = Topology.read(HEXANE / "system.json")
    chain, _, _ = datafile.read(HEXANE / "equilibrated.data", topology.atoms_per_chain)
    whole = of_system(HEXANE / "system.json")
    box = read_box(HEXANE / "equilibrated.data", topology)
    alone = bonded_chain(whole, chain)
    with ClassicalLabeler.of(topology, Bonded(whole), alone) as labeler:
        one = labeler.label(box)
        wide = box.copy()
        wide.positions += 5.0 * topology.molecules[:, None]
        assert labeler.label(wide).energy == pytest.approx(one.energy, abs=1e-9), "molecules do not feel each other"
