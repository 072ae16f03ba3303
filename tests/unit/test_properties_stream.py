"""Long trajectories: read a few frames at a time, with the numbers that all at once would give."""

import json
import tracemalloc

import numpy as np
import pytest
from tidynamics import msd as by_fft

from oligopoly.errors import UserError
from oligopoly.md import stored, text, trajectory
from oligopoly.md.simulation import Sample
from oligopoly.properties import compare, dimensions, displacement, msd, pair_counts, rdf, torsions
from oligopoly.properties.registry import PROPERTIES

CHAINS, SIZE, BOX = 6, 8, 14.0
MOLECULES = np.repeat(np.arange(CHAINS), SIZE)
UNITS = np.tile(np.repeat([0, 1], SIZE // 2), CHAINS)
NUMBERS = np.tile([1, 6, 6, 6, 6, 6, 6, 1], CHAINS)
BONDS = np.array([[k, k + 1] for k in range(CHAINS * SIZE - 1) if (k + 1) % SIZE])
MASSES = np.where(NUMBERS == 6, 12.011, 1.008)


def motion(frames, seed=1, wrapped=True):
    """Chains that diffuse; whole molecules are put back into the box."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform(0, BOX, (1, CHAINS, 3)) + np.cumsum(rng.normal(0, 0.3, (frames, CHAINS, 3)), axis=0)
    shape = np.cumsum(rng.normal(0, 0.8, (CHAINS, SIZE, 3)), axis=1)
    shape = shape + rng.normal(0, 0.1, (frames, CHAINS, SIZE, 3))
    positions = middles[:, :, None] + shape
    if wrapped:
        positions -= BOX * np.floor(positions.mean(axis=2, keepdims=True) / BOX)
    return positions.reshape(frames, -1, 3)


def written(folder, positions, every_fs=250.0):
    cell = BOX * np.eye(3)
    copies = positions.shape[1] // len(NUMBERS)
    with trajectory.writers(folder, np.tile(NUMBERS, copies), np.tile(MASSES, copies), True) as (frames, thermo):
        for k, one in enumerate(positions):
            sample = Sample(500 * k, every_fs * k, one, cell, 300.0, 1.0, 0.0, 0.0)
            frames.write(sample)
            thermo.write(sample)
    return folder / "trajectory.extxyz"


def system_json(folder, copies=1):
    keys = {"numbers": np.tile(NUMBERS, copies), "repeat_units": np.tile(UNITS, copies)}
    keys |= {"molecules": np.repeat(np.arange(CHAINS * copies), SIZE), "masses": np.tile(MASSES, copies)}
    keys |= {"bonds": np.concatenate([BONDS + k * len(NUMBERS) for k in range(copies)])}
    (folder / "system.json").write_text(json.dumps({key: value.tolist() for key, value in keys.items()}))
    return folder / "system.json"


def test_numbers_in_text_are_those_of_python_to_the_last_bit():
    rng = np.random.default_rng(3)
    words = [f"{x:16.8f}" for x in rng.normal(0, 300, 3000)] + [f"{x:.6g}" for x in rng.normal(0, 1e-3, 3000)]
    words += ["0", "-0.0", "+1.5", "1e3", "-2.5E-04", ".5", "7.", "123456789012345", "1e-9"]
    words += ["9" * (3 - len(words) % 3)] if len(words) % 3 else []
    words = words[: len(words) // 3 * 3]
    lines = "".join(f"C  {a}\t{b} {c} and more\n" for a, b, c in np.reshape(words, (-1, 3)))
    found, _ = text.table(lines.encode(), len(words) // 3, [text.NAME, 0, 1, 2], 3)
    np.testing.assert_array_equal(found, np.reshape([float(word) for word in words], (-1, 3)))


@pytest.mark.parametrize(
    ("lines", "row"), [("C 1 2 3\nC 1 2\n", 1), ("C 1 2 x\n", 0), ("C 1 2 3\n", 1), ("C 1 2 3\n\nC 1 2 3\n", 1)]
)
def test_text_that_is_no_table_says_in_which_row(lines, row):
    with pytest.raises(ValueError, match=f"^{row}$"):
        text.table(lines.encode(), 2, [text.NAME, 0, 1, 2], 3)


def test_words_tell_frames_of_other_atoms_apart(tmp_path):
    path = written(tmp_path, motion(3))
    lines = path.read_text().splitlines(keepends=True)
    last = 2 * (CHAINS * SIZE + 2) + 4
    lines[last] = lines[last].replace("C ", "O ")
    path.write_text("".join(lines))
    found = trajectory.stored(path)
    found.positions[1]
    with pytest.raises(UserError, match="frame 2 holds other atoms"):
        found.positions[2]


def test_what_stays_in_the_file_reads_as_what_was_read_at_once(tmp_path, monkeypatch):
    positions = np.round(motion(40), 8)
    found = trajectory.stored(written(tmp_path, positions))
    np.testing.assert_array_equal(np.asarray(found.positions), positions)
    np.testing.assert_array_equal(found.positions[-1], positions[-1])
    part = found.positions[5:30:3]
    assert isinstance(part, stored.StoredPositions) and len(part) == 9
    np.testing.assert_array_equal(np.array(list(part)), positions[5:30:3])
    monkeypatch.setattr(stored, "COORDINATES", 7 * positions[0].size)
    firsts, blocks = zip(*stored.blocks(found.positions), strict=True)
    assert firsts == (0, 7, 14, 21, 28, 35)
    np.testing.assert_array_equal(np.concatenate(blocks), positions)
    assert list(stored.blocks(positions[:0])) == []


def test_blank_lines_between_frames_end_nothing(tmp_path):
    positions = np.round(motion(4), 8)
    path = written(tmp_path, positions)
    lines, size = path.read_text().splitlines(keepends=True), CHAINS * SIZE + 2
    path.write_text("".join("".join(lines[i : i + size]) + "\n\n" for i in range(0, len(lines), size)))
    np.testing.assert_array_equal(np.asarray(trajectory.stored(path).positions), positions)


def test_a_file_that_ends_within_a_frame_is_used_up_to_there_if_that_may_be_said(tmp_path):
    path = written(tmp_path, motion(5))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match="frame 4 is cut short"):
        trajectory.stored(path)
    notes = []
    assert len(trajectory.stored(path, notes)) == 4 and "ends within frame 4" in notes[0]


@pytest.mark.parametrize("cell", [np.diag([11.0, 12.0, 14.0]), [[12, 0, 0], [4, 11, 0], [-3, 5, 13]], np.eye(3) * 40])
@pytest.mark.parametrize("threads", [1, 3])
def test_pairs_are_those_of_all_pairs_one_by_one(cell, threads):
    rng = np.random.default_rng(4)
    cell = np.array(cell, float)
    frames = [rng.uniform(-1, 2, (150, 3)) @ cell for _ in range(4)]
    species, molecules = rng.integers(0, 2, 150), np.repeat(np.arange(10), 15)
    for frame in frames:  # of a chain, partly bonded to its own image
        frame[:15] = frame[0] + np.cumsum(rng.normal(0, 1.0, (15, 3)), axis=0)
    pair_of, width = np.array([[0, 1], [1, 2]]), 0.25
    bins = int(rdf.largest_radius(cell[None]) * 0.999 / width)
    counted, of_chain = pair_counts.count(frames, [cell] * 4, species, pair_of, molecules, bins, width, threads)
    expected = np.zeros((4, 3, 2, 10, bins), int)
    i, j = np.nonzero(~np.eye(150, dtype=bool))
    for f, frame in enumerate(frames):
        straight = frame[j] - frame[i]
        nearest = straight - np.round(straight @ np.linalg.inv(cell)) @ cell
        images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) @ cell
        d = np.linalg.norm(nearest[:, None] + images, axis=2).min(axis=1)
        within = (molecules[i] == molecules[j]) & (np.linalg.norm(straight, axis=1) < d + 1e-3)
        near = d < bins * width
        where = (pair_of[species[i], species[j]], within.astype(int), molecules[i], (d / width).astype(int))
        np.add.at(expected[f], tuple(one[near] for one in where), 1)
    np.testing.assert_array_equal(counted, expected.sum(axis=3))
    np.testing.assert_allclose(of_chain, expected.sum(axis=0) * abs(np.linalg.det(cell)))


def test_of_a_long_run_every_nth_frame_counts(monkeypatch):
    positions, cells = motion(30), np.tile(BOX * np.eye(3), (30, 1, 1))
    third = rdf.pair_distributions(positions[::3], cells[::3], NUMBERS, MOLECULES)
    monkeypatch.setattr(rdf, "FRAMES", 10)
    assert rdf.pair_distributions(positions, cells, NUMBERS, MOLECULES) == third


def test_centres_are_those_of_a_dense_matrix():
    positions = motion(5)
    dense = np.zeros((CHAINS, len(MOLECULES)))
    dense[MOLECULES, np.arange(len(MOLECULES))] = MASSES
    dense /= dense.sum(axis=1, keepdims=True)
    expected = np.einsum("gn,fnx->fgx", dense, positions)
    np.testing.assert_allclose(msd.centres(positions, MASSES, MOLECULES), expected, rtol=1e-14)


def test_doubling_lags_are_exact_where_they_are_short_and_of_fewer_origins_beyond():
    rng = np.random.default_rng(5)
    path, owners = np.cumsum(rng.normal(size=(700, 5, 3)), axis=0), np.array([1, 0, 0, 1, 1])
    motion_ = displacement.Doubling(700, owners, 2)
    for block in np.array_split(path, 9):
        motion_.add(block)
    found, lags = motion_.result(), motion_.lags
    exact = np.array([by_fft(path[:, g]) for g in range(5)])
    exact = np.array([exact[owners == o].mean(axis=0) for o in range(2)])
    short = lags < displacement.WINDOW
    assert short.sum() == displacement.WINDOW and 300 < lags[-1] <= 350
    np.testing.assert_allclose(found[:, short], exact[:, lags[short]], rtol=1e-9, atol=1e-8)
    for place, lag in enumerate(lags):
        step = 1
        while lag >= step * displacement.WINDOW:
            step *= 2
        origins = np.arange(0, 700 - lag, step)
        squares = ((path[origins + lag] - path[origins]) ** 2).sum(axis=2).mean(axis=0)
        np.testing.assert_allclose(found[:, place], [squares[owners == o].mean() for o in range(2)])
    np.testing.assert_allclose(found, exact[:, lags], rtol=0.2, atol=1e-8)


def test_displacements_that_are_not_kept_are_those_that_are(tmp_path, monkeypatch):
    positions, times = motion(600), 250.0 * np.arange(600)
    run = trajectory.stored(written(tmp_path, positions))
    whole = msd.displacements(positions, run.cells, times, MASSES, MOLECULES, UNITS)
    free = msd.displacements(motion(600, wrapped=False), run.cells, times, MASSES, MOLECULES, UNITS, followed=True)
    monkeypatch.setattr(stored, "COORDINATES", 11 * positions[0].size)
    blocked = msd.displacements(run.positions, run.cells, times, MASSES, MOLECULES, UNITS)
    monkeypatch.setattr(displacement, "AT_ONCE", 1)
    long = msd.displacements(run.positions, run.cells, times, MASSES, MOLECULES, UNITS)
    monkeypatch.setattr(msd, "LARGEST", 6)
    half = msd.displacements(run.positions, run.cells, times, MASSES, MOLECULES, UNITS)
    for kind in ("segments", "chains"):
        for key in ("msd_A2", "error_A2", "exponent", "exponent_error"):
            for other in (free, blocked):
                np.testing.assert_allclose(other[kind][key], whole[kind][key], rtol=1e-6, atol=1e-9)
        expected = np.interp(long["lag_ps"], whole["lag_ps"], whole[kind]["msd_A2"])
        np.testing.assert_allclose(long[kind]["msd_A2"], expected, rtol=0.1)
        assert half[kind]["msd_A2"] == pytest.approx(long[kind]["msd_A2"], rel=0.9)
    assert abs(len(long["lag_ps"]) - len(whole["lag_ps"])) <= 2


def test_molecules_that_nobody_can_follow_are_refused():
    positions = motion(20, wrapped=False)
    positions[7:] += np.where(MOLECULES == 2, 0.46 * BOX, 0.0)[:, None]
    cells = np.tile(BOX * np.eye(3), (20, 1, 1))
    with pytest.raises(UserError, match="0.4. of the box between two frames"):
        msd.displacements(positions, cells, 250.0 * np.arange(20), MASSES, MOLECULES, UNITS, followed=False)
    for followed in (None, True):  # our own runs are continuous
        msd.displacements(positions, cells, 250.0 * np.arange(20), MASSES, MOLECULES, UNITS, followed)


def test_the_longest_way_of_each_molecule():
    """A chain with a branch, one that is longer, and one whose atoms stand among those of others."""
    numbers = np.array([6, 6, 6, 6, 1, 6, 6, 6, 6, 6, 6, 6])
    molecules = np.array([0, 0, 0, 0, 0, 1, 1, 2, 1, 2, 1, 1])
    bonds = np.array([[0, 1], [1, 2], [1, 3], [3, 4], [5, 6], [6, 8], [8, 10], [10, 11], [7, 9]])
    ways = dimensions.longest_ways(numbers, bonds, molecules)
    assert [len(way) for way in ways] == [3, 5, 2] and {int(ways[1][0]), int(ways[1][-1])} == {5, 11}
    with pytest.raises(UserError, match="several lengths"):
        torsions.backbone_torsions(numbers, bonds, molecules)


def measure(folder, **more):
    kinds = ("rdf", "msd", "dimensions", "torsions")
    (folder / "status.json").write_text(json.dumps({"nvt": {"outcome": "completed", "reason": ""}}))
    return compare.compare(
        {"learned": [folder]}, {"nvt": "nvt"}, folder / "system.json", folder / "out.json",
        properties={kind: PROPERTIES.settings(kind)() for kind in kinds}, temperature=300.0, **more,
    )["properties"]  # fmt: skip


def test_a_long_run_needs_memory_for_some_of_its_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "COORDINATES", 20_000)
    monkeypatch.setattr(displacement, "AT_ONCE", 10_000)
    monkeypatch.setattr(rdf, "FRAMES", 10)
    positions = np.tile(motion(700), (1, 10, 1))
    whole = positions.nbytes
    written(tmp_path / "nvt", positions)
    system_json(tmp_path, copies=10)
    del positions
    measure(tmp_path)  # what is compiled and imported counts not
    tracemalloc.start()
    found = measure(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not any("missing" in one for one in found.values())
    assert peak < 0.4 * whole


def test_a_job_that_was_killed_goes_on_with_the_next_property(tmp_path, monkeypatch):
    written(tmp_path / "nvt", motion(60))
    system_json(tmp_path)
    expected = measure(tmp_path)
    calls = []

    def counted(*arguments, of=rdf.pair_distributions, **more):
        calls.append("rdf")
        return of(*arguments, **more)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rdf, "pair_distributions", counted)
    with monkeypatch.context() as patch:
        patch.setattr(dimensions, "per_chain", killed)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path)
    assert sorted(path.name for path in (tmp_path / "out.measured").iterdir()) == [
        "msd.learned.json",
        "rdf.learned.json",
    ]
    assert measure(tmp_path) == expected and calls == ["rdf"]
    assert not (tmp_path / "out.measured").exists()
    with monkeypatch.context() as patch:
        patch.setattr(dimensions, "per_chain", killed)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path)
    written(tmp_path / "nvt", motion(60, seed=2))  # another run: what was measured of the first is of no use
    assert measure(tmp_path) != expected and calls == ["rdf"] * 3
