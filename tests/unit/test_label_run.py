"""One outcome per structure; nothing computed twice; nothing torn believed; nothing stopped by one that fails."""

import subprocess
import time
from functools import partial

import numpy as np
import psutil
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation
from springs import Springs

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelling.cost import Costs
from oligopoly.labelling.run import ATTEMPTS, Unfinished, label_chunk
from oligopoly.labelling.store import Record, Store, key

LIMITS = {"min_distance": 0.5, "max_bond": 1.5, "max_force": 500.0, "max_net_force": 0.05}


def frame(seed, **info):
    """Methanol, a little bent."""
    atoms = molecule("CH3OH")
    atoms.positions = np.round(atoms.positions + np.random.default_rng(seed).normal(scale=0.03, size=(6, 3)), 8)
    frame_files.set_origin(atoms, "s", 0, "test", seed)
    atoms.info.update(info)
    return atoms


def run(frames, tmp_path, k=1.0, store=None, missing=False, **options):
    folder = store or tmp_path / "store"
    return label_chunk(
        frames, {"s": partial(Springs, k=k, log=str(tmp_path / "log"), missing=missing)}, Store(folder),
        tmp_path / "out.extxyz", tmp_path / "outcomes.tsv",
        costs=Costs(folder, {"kind": "xtb"}), **(LIMITS | options),
    )  # fmt: skip


def computed(tmp_path):
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def test_each_structure_has_one_outcome_and_the_batch_goes_on(tmp_path):
    fused, lost, ill = frame(1), frame(2), frame(3, ends="failure")
    fused.positions[1] = fused.positions[0] + [0.1, 0, 0]
    lost.positions[0, 0] = np.nan
    verdicts = run([frame(0), fused, lost, ill, frame(4)], tmp_path)
    assert [v.outcome for v in verdicts] == [
        Outcome.LABELLED, Outcome.OVERLAP, Outcome.INVALID, Outcome.UNCONVERGED, Outcome.LABELLED,
    ]  # fmt: skip
    assert "0.100 A apart" in verdicts[1].reason
    written = frame_files.read(tmp_path / "out.extxyz")
    assert [atoms.info["origin_step"] for atoms in written] == [0, 4]
    expected = Springs().label(frame(0))
    assert written[0].info["REF_energy"] == pytest.approx(expected.energy, rel=1e-7)
    assert written[0].info["REF_method"].startswith("springs (")
    np.testing.assert_allclose(written[0].arrays["REF_forces"], expected.forces, atol=1e-7)
    rows = (tmp_path / "outcomes.tsv").read_text().splitlines()
    assert len(rows) == 6 and rows[2].split("\t")[2] == "geometry overlap"


def test_labels_of_another_method_do_not_shine_through(tmp_path):
    atoms = frame(0, REF_energy=5.0, REF_stress=np.eye(3), REF_dipole=1.0)
    run([atoms], tmp_path)
    (written,) = frame_files.read(tmp_path / "out.extxyz")
    assert not {"REF_stress", "REF_dipole"} & set(written.info)
    assert written.info["REF_energy"] == pytest.approx(Springs().label(atoms).energy)


def test_nothing_is_computed_twice(tmp_path):
    frames = [frame(k) for k in range(5)] + [frame(7, ends="failure")]
    run(frames, tmp_path)
    again = run([*frames, frame(9)], tmp_path)
    assert len(computed(tmp_path)) == 7
    assert [v.reused for v in again] == [True] * 6 + [False]


def test_the_order_of_what_is_written_is_that_of_what_was_given(tmp_path):
    frames = [frame(k, sleeps=0.3 if k == 0 else 0.0) for k in range(6)]
    run(frames, tmp_path, cores=3)
    assert [a.info["origin_step"] for a in frame_files.read(tmp_path / "out.extxyz")] == list(range(6))


def test_what_comes_twice_in_a_chunk_is_computed_once(tmp_path):
    verdicts = run([frame(0, sleeps=0.5), frame(0, sleeps=0.5), frame(0)], tmp_path, cores=3)
    assert len(computed(tmp_path)) == 1
    assert [v.outcome for v in verdicts] == [Outcome.LABELLED] * 3


def test_a_label_survives_the_round_trip_through_a_file(tmp_path):
    atoms, settings = frame(0), Springs().settings()
    frame_files.write(tmp_path / "a.extxyz", [atoms])
    (copy,) = frame_files.read(tmp_path / "a.extxyz")
    assert key(copy, settings) == key(atoms, settings)


def test_another_geometry_level_of_theory_or_spin_is_another_label():
    atoms, moved = frame(0), frame(0)
    moved.positions[2, 1] += 1e-5
    keys = {key(atoms, Springs().settings()), key(moved, Springs().settings()), key(atoms, Springs(2).settings())}
    broken = frame(0, config_type="decomposed")
    assert len(keys | {key(broken, Springs().settings())}) == 4


@pytest.mark.parametrize("periodic", [False, True])
def test_turned_moved_and_renumbered_it_is_the_same_structure(tmp_path, periodic):
    rng = np.random.default_rng(0)
    atoms = frame(0)
    if periodic:
        atoms.set_cell([[9.0, 0, 0], [1.5, 8.7, 0], [0.3, -1.0, 9.3]])
        atoms.pbc = True
    run([atoms], tmp_path)
    (labelled,) = frame_files.read(tmp_path / "out.extxyz")
    order, rotation = rng.permutation(len(atoms)), Rotation.random(random_state=1).as_matrix()
    turned = atoms[order]
    turned.set_cell(np.round(atoms.cell.array @ rotation, 8))
    turned.positions = np.round(turned.positions @ rotation + [10.0, 3.0, -7.0], 8)
    if periodic:
        turned.wrap()
    (verdict,) = run([turned], tmp_path)
    assert verdict.reused and len(computed(tmp_path)) == 1
    (copy,) = frame_files.read(tmp_path / "out.extxyz")
    assert copy.info["REF_energy"] == labelled.info["REF_energy"]
    np.testing.assert_allclose(copy.positions, turned.positions, atol=1e-8)
    forces = labelled.arrays["REF_forces"][order] @ rotation
    np.testing.assert_allclose(copy.arrays["REF_forces"], forces, atol=1e-6)
    np.testing.assert_array_equal(copy.arrays["REF_charges"], labelled.arrays["REF_charges"][order])


def test_a_mirror_image_or_a_small_displacement_is_another_structure(tmp_path):
    mirrored, moved = frame(0), frame(0)
    mirrored.positions[:, 0] *= -1
    moved.positions[3, 0] += 1e-5
    run([frame(0), mirrored, moved], tmp_path)
    assert len(computed(tmp_path)) == 3


def test_a_torn_record_is_set_aside_and_recomputed(tmp_path):
    (verdict,) = run([frame(0)], tmp_path)
    path = Store(tmp_path / "store").path(verdict.key)
    whole = path.read_text()
    for number, torn in enumerate(
        [whole[: len(whole) // 2], "", whole.replace("0.", "1.", 1), whole.replace(verdict.key[:8], "0" * 8, 1)]
    ):
        path.write_text(torn)
        run([frame(0)], tmp_path)
        assert len(computed(tmp_path)) == number + 2
        assert path.with_suffix(".torn").read_text() == torn
        assert path.read_text()


def test_a_record_of_another_structure_under_this_name_is_not_believed(tmp_path):
    one, two = run([frame(0), frame(1)], tmp_path)
    store = Store(tmp_path / "store")
    store.path(one.key).write_text(store.path(two.key).read_text())
    run([frame(0)], tmp_path)
    (atoms,) = frame_files.read(tmp_path / "out.extxyz")
    assert atoms.info["REF_energy"] == pytest.approx(Springs().label(frame(0)).energy)


def test_a_failure_never_takes_the_place_of_a_label(tmp_path):
    (verdict,) = run([frame(0)], tmp_path)
    store, settings = Store(tmp_path / "store"), Springs().settings()
    store.put(Record(frame(0), settings, Outcome.CRASHED, "it crashed elsewhere", None, {"seconds": 1, "attempts": 3}))
    assert store.get(frame(0), settings).outcome is Outcome.LABELLED


def test_a_changed_threshold_needs_no_new_calculation(tmp_path):
    (verdict,) = run([frame(0)], tmp_path, max_force=1e-3)
    assert verdict.outcome is Outcome.FORCE and "eV/A on atom" in verdict.reason
    (verdict,) = run([frame(0)], tmp_path)
    assert verdict.outcome is Outcome.LABELLED and len(computed(tmp_path)) == 1


def test_an_empty_chunk_is_no_error(tmp_path):
    assert run([], tmp_path) == []
    assert frame_files.read(tmp_path / "out.extxyz") == []


@pytest.mark.parametrize(
    ("ends", "outcome", "reason"),
    [
        ("exception", Outcome.CRASHED, "ZeroDivisionError: the sky fell"),
        ("abort", Outcome.CRASHED, "SIGABRT; last output: last words"),
        ("killed", Outcome.OUT_OF_MEMORY, "memory runs out"),
        ("nan", Outcome.CRASHED, "not a finite number"),
    ],
)
def test_a_code_may_die_in_any_way(tmp_path, ends, outcome, reason):
    verdicts = run([frame(0), frame(1, ends=ends), frame(2)], tmp_path)
    assert [v.outcome for v in verdicts] == [Outcome.LABELLED, outcome, Outcome.LABELLED]
    assert reason in verdicts[1].reason


def test_what_crashed_is_tried_again_a_few_times(tmp_path):
    frames = [frame(0), frame(1, ends="abort"), frame(2, ends="once")]
    with pytest.raises(Unfinished, match="2 of 3 structures are left for the next attempt"):
        run(frames, tmp_path, last_attempt=False)
    with pytest.raises(Unfinished, match="1 of 3"):
        run(frames, tmp_path, last_attempt=False)
    # From now on it is known, and no longer a reason to try again.
    for number in range(2):
        verdicts = run([*frames, frame(3 + number)], tmp_path, last_attempt=False)
        assert [v.outcome for v in verdicts] == [Outcome.LABELLED, Outcome.CRASHED, Outcome.LABELLED, Outcome.LABELLED]
        assert verdicts[1].attempts == ATTEMPTS
    assert sorted(computed(tmp_path)) == list("01112234")


def test_where_the_code_never_works_it_is_not_the_structures(tmp_path):
    frames = [frame(k, ends="abort") for k in range(3)]
    for _ in range(ATTEMPTS + 1):
        with pytest.raises(UserError, match="crashed for every structure"):
            run(frames, tmp_path)
    assert len(computed(tmp_path)) == 3 * (ATTEMPTS + 1)
    with pytest.raises(UserError, match="springs is not installed"):
        run([frame(9)], tmp_path, missing=True)


@pytest.mark.slow
def test_a_job_stops_before_its_time_and_the_next_goes_on(tmp_path):
    frames = [frame(k, sleeps=0.5) for k in range(12)]
    start = time.monotonic()
    with pytest.raises(Unfinished, match="deferred"):
        run(frames, tmp_path, seconds_left=4.0, last_attempt=False)
    assert time.monotonic() - start < 4.0
    done = len(computed(tmp_path))
    assert 1 <= done < 12
    # The last attempt leaves the rest to the outcomes, so that the loop goes on with what there is.
    verdicts = run(frames, tmp_path, seconds_left=1.0)
    outcomes = {v.outcome for v in verdicts}
    # On a busy machine the one in flight may have had all of so little time.
    assert Outcome.DEFERRED in outcomes and outcomes <= {Outcome.LABELLED, Outcome.DEFERRED, Outcome.OUT_OF_TIME}
    assert all(v.outcome is Outcome.LABELLED for v in run(frames, tmp_path))
    # What was in flight when a job stopped is all that was begun twice.
    assert len(computed(tmp_path)) <= 14


@pytest.mark.slow
def test_one_that_takes_all_the_time_there_is_does_so_a_few_times_only(tmp_path):
    frames = [frame(0, sleeps=60.0)]
    for number in range(ATTEMPTS):
        (verdict,) = run(frames, tmp_path, seconds_left=2.0)
        assert verdict.outcome is Outcome.OUT_OF_TIME and verdict.attempts == number + 1
    (verdict,) = run(frames, tmp_path, seconds_left=2.0)
    assert verdict.reused and len(computed(tmp_path)) == ATTEMPTS


def test_no_process_stays_behind(tmp_path):
    before = set(psutil.Process().children(recursive=True))  # other tests' codes and daemons
    run([frame(k) for k in range(3)] + [frame(5, ends="abort")], tmp_path, cores=2)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_full_disk_loses_nothing(tmp_path):
    """On a real file system that runs full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        frames = [frame(k) for k in range(30)]
        with pytest.raises(UserError, match="No space left on device.*make room and run the same command again"):
            run(frames, tmp_path, store=disk / "store", disk_patience_s=0.3)
        settings = Springs().settings()
        kept = [a for a in frames if Store(disk / "store").get(a, settings)]
        done = len(computed(tmp_path))
        assert 0 < len(kept) < 30
        assert not list(disk.rglob("*.torn"))
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        verdicts = run(frames, tmp_path, store=disk / "store")
        assert [v.outcome for v in verdicts] == [Outcome.LABELLED] * 30
        assert [v.reused for v in verdicts].count(True) == len(kept)
        assert len(computed(tmp_path)) == done + 30 - len(kept)
        for atoms in frame_files.read(tmp_path / "out.extxyz"):
            assert atoms.info["REF_energy"] == pytest.approx(Springs().label(atoms).energy)
    finally:
        subprocess.run(["umount", disk], check=True)
