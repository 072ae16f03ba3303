"""One outcome per structure; nothing computed twice; nothing torn believed."""

import numpy as np
import pytest
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.label.labeler import Label, LabelFailure
from oligopoly.label.outcomes import Outcome
from oligopoly.label.run import label_chunk
from oligopoly.label.store import Store, key

LIMITS = {"min_distance": 0.5, "max_force": 50.0, "max_net_force": 0.05}


class Springs:
    """A real if simple method: harmonic bonds between all pairs of atoms. Counts its work."""

    def __init__(self, k=1.0):
        self.k, self.computed = k, 0

    def settings(self):
        return {"kind": "springs", "k": self.k}

    def label(self, atoms):
        self.computed += 1
        if atoms.info.get("ill"):
            raise LabelFailure(Outcome.CRASHED, "it is ill")
        x = atoms.positions
        d = x[:, None] - x[None]
        return Label(0.25 * self.k * float((d**2).sum()), -self.k * d.sum(axis=1))

    def close(self):
        pass


def frame(seed, **info):
    x = np.random.default_rng(seed).uniform(0, 4, (4, 3)) + np.arange(4)[:, None]
    atoms = Atoms("CHHO", positions=x)
    frame_files.set_origin(atoms, "s", 0, "test", seed)
    atoms.info.update(info)
    return atoms


def run(frames, labeler, tmp_path, **limits):
    return label_chunk(
        frames, {"s": labeler}, Store(tmp_path / "store"), tmp_path / "out.extxyz",
        tmp_path / "outcomes.tsv", **(LIMITS | limits),
    )  # fmt: skip


def test_each_structure_has_one_outcome_and_the_batch_goes_on(tmp_path):
    fused, lost, ill = frame(1), frame(2), frame(3, ill=True)
    fused.positions[1] = fused.positions[0] + [0.1, 0, 0]
    lost.positions[0, 0] = np.nan
    verdicts = run([frame(0), fused, lost, ill, frame(4)], Springs(), tmp_path)
    assert [v.outcome for v in verdicts] == [
        Outcome.LABELLED, Outcome.OVERLAP, Outcome.INVALID, Outcome.CRASHED, Outcome.LABELLED,
    ]  # fmt: skip
    assert "0.100 A apart" in verdicts[1].reason
    written = frame_files.read(tmp_path / "out.extxyz")
    assert [atoms.info["origin_step"] for atoms in written] == [0, 4]
    expected = Springs().label(frame(0))
    assert written[0].info["REF_energy"] == pytest.approx(expected.energy, rel=1e-7)
    np.testing.assert_allclose(written[0].arrays["REF_forces"], expected.forces, atol=1e-7)
    rows = (tmp_path / "outcomes.tsv").read_text().splitlines()
    assert len(rows) == 6 and rows[2].split("\t")[2] == "geometry overlap"


def test_nothing_is_computed_twice(tmp_path):
    frames, labeler = [frame(k) for k in range(5)] + [frame(7, ill=True)], Springs()
    run(frames, labeler, tmp_path)
    again = run(frames + [frame(9)], labeler, tmp_path)
    assert labeler.computed == 7
    assert [v.reused for v in again] == [True] * 6 + [False]


def test_a_label_survives_the_round_trip_through_a_file(tmp_path):
    atoms, labeler = frame(0), Springs()
    frame_files.write(tmp_path / "a.extxyz", [atoms])
    (copy,) = frame_files.read(tmp_path / "a.extxyz")
    assert key(copy, labeler.settings()) == key(atoms, labeler.settings())


def test_another_geometry_or_level_of_theory_is_another_label():
    atoms, moved = frame(0), frame(0)
    moved.positions[2, 1] += 1e-5
    keys = {key(atoms, Springs().settings()), key(moved, Springs().settings()), key(atoms, Springs(2).settings())}
    assert len(keys) == 3


def test_a_torn_record_is_set_aside_and_recomputed(tmp_path):
    labeler = Springs()
    (verdict,) = run([frame(0)], labeler, tmp_path)
    path = Store(tmp_path / "store").path(verdict.key)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    run([frame(0)], labeler, tmp_path)
    assert labeler.computed == 2
    assert path.with_suffix(".torn").exists() and path.read_text()

    path.write_text(path.read_text().replace("0.", "1.", 1))  # still JSON, but not what was written
    run([frame(0)], labeler, tmp_path)
    assert labeler.computed == 3


def test_a_changed_threshold_needs_no_new_calculation(tmp_path):
    labeler = Springs()
    (verdict,) = run([frame(0)], labeler, tmp_path, max_force=1e-3)
    assert verdict.outcome is Outcome.FORCE and "eV/A on atom" in verdict.reason
    (verdict,) = run([frame(0)], labeler, tmp_path)
    assert verdict.outcome is Outcome.LABELLED and labeler.computed == 1


def test_an_empty_chunk_is_no_error(tmp_path):
    assert run([], Springs(), tmp_path) == []
    assert frame_files.read(tmp_path / "out.extxyz") == []
