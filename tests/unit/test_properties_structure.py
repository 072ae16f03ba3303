"""Density, g(r), MSD and chain size against closed forms."""

import numpy as np
import pytest
from ase.build import bulk

from oligopoly.errors import UserError
from oligopoly.properties import density, dimensions, msd, rdf
from oligopoly.properties.contract import Context


def test_density_units_and_equilibration():
    # 1 g/mol per A^3 is 1.66054 g/cm3; water: 18.015 g/mol in 29.9 A^3
    assert density.from_volume([29.9], [18.015])[0] == pytest.approx(1.0005, abs=1e-3)
    rng = np.random.default_rng(1)
    times = np.arange(2000) * 0.1
    series = 0.7 + 0.01 * rng.normal(size=2000) - 0.2 * np.exp(-times / 5)
    result = density.measure(times, series)
    assert result["value"] == pytest.approx(0.7, abs=5 * result["error"])
    assert 5 < result["equilibration_ps"] < 60
    assert result["equilibration_ps"] + result["production_ps"] == pytest.approx(times[-1])


def test_density_from_thermo(tmp_path):
    path = tmp_path / "thermo.tsv"
    rows = [f"{k}\t{0.1 * k}\t{29.9 + 0.1 * (-1) ** k}" for k in range(40)]
    path.write_text("\n".join(["step\ttime_ps\tvolume_A3", *rows]) + "\n")
    assert density.from_thermo(path, [16, 1, 1])["value"] == pytest.approx(0.99966, abs=1e-4)
    path.write_text("step\ttime_ps\n1\t2\n")
    with pytest.raises(UserError, match="volume_A3"):
        density.from_thermo(path, [1])


def test_ideal_molecules_have_flat_intermolecular_g():
    """Dimers thrown at random into skewed, breathing boxes: inter 1 everywhere, intra one partner."""
    rng = np.random.default_rng(2)
    frames, chains = 60, 40
    numbers = np.tile([6, 1], chains)
    molecules = np.repeat(np.arange(chains), 2)
    cells = np.array([[20, 0, 0], [4, 19, 0], [-3, 5, 21]]) * rng.uniform(0.97, 1.03, (frames, 1, 1))
    first = np.einsum("fmx,fxy->fmy", rng.uniform(size=(frames, chains, 3)), cells)
    bond = rng.normal(size=first.shape)
    bond *= 1.53 / np.linalg.norm(bond, axis=2, keepdims=True)
    positions = np.stack([first, first + bond], axis=2).reshape(frames, -1, 3)
    result = rdf.pair_distributions(positions, cells, numbers, molecules)
    assert set(result["pairs"]) == {"C-C", "C-H", "H-H"}
    r = np.array(result["r_A"])
    for pair, kinds in result["pairs"].items():
        g, error = np.array(kinds["inter"]["g"]), np.array(kinds["inter"]["error"])
        outer = r > 3
        assert g[outer].mean() == pytest.approx(1, abs=0.02), pair
        assert np.mean(abs(g - 1)[outer] < 3 * error[outer]) > 0.95
    volume = np.mean(np.linalg.det(cells))
    intra = np.array(result["pairs"]["C-H"]["intra"]["g"])
    shell = 4 / 3 * np.pi * ((r + 0.05) ** 3 - (r - 0.05) ** 3)
    partners = (intra * shell).sum() * chains / volume
    assert partners == pytest.approx(1, rel=0.01)
    assert r[intra.argmax()] == pytest.approx(1.55, abs=0.051)
    same = rdf.difference(r, result["pairs"]["C-C"]["inter"], result["pairs"]["C-C"]["inter"])
    assert same["share"] == 0 and same["noise"] > 0


def test_g_of_a_crystal_does_not_depend_on_its_cell():
    """fcc: 12 neighbours at a/sqrt(2), in the cubic cell, the rotated and the skewed one."""
    from ase.build import make_supercell

    atoms = bulk("Ar", "fcc", 5.26, cubic=True).repeat(4)
    skew = make_supercell(atoms, [[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    turned = atoms.copy()
    turned.rotate(33, (1, 2, 3), rotate_cell=True)
    partners = []
    for a in (atoms, turned, skew):
        n = len(a)
        g = rdf.pair_distributions([a.positions] * 2, [a.cell.array] * 2, a.numbers, np.arange(n), r_max=5.0)
        r, curve = np.array(g["r_A"]), np.array(g["pairs"]["Ar-Ar"]["inter"]["g"])
        shell = 4 / 3 * np.pi * ((r + 0.05) ** 3 - (r - 0.05) ** 3)
        partners.append((curve * shell)[r < 4.5].sum() * (n - 1) / a.get_volume())
    assert partners == pytest.approx([12, 12, 12], rel=1e-3)
    with pytest.raises(UserError, match="half"):
        rdf.pair_distributions([atoms.positions] * 2, [atoms.cell.array] * 2, atoms.numbers, np.arange(n), r_max=11.0)


def chains_at_random(rng, frames, step, chains=12, size=6, box=14.0):
    """Stiff-less chains of alternating C and H that move by `step` (A) from frame to frame, shapes as they were."""
    start = rng.uniform(0, box, (1, chains, 3)) + np.cumsum(rng.normal(0, step, (frames, chains, 3)), axis=0)
    shape = np.cumsum(rng.normal(0, 0.9, (chains, size, 3)), axis=1)
    positions = (start[:, :, None] + shape).reshape(frames, -1, 3)
    cells = np.tile(np.eye(3) * box, (frames, 1, 1))
    return positions, cells, np.tile([6, 1], chains * size // 2), np.repeat(np.arange(chains), size)


@pytest.mark.parametrize("step", [0.0, 0.2, 10.0])
def test_errors_of_g_cover_what_another_run_would_give(step):
    """Also of chains that hardly move, which time alone would think it knew."""
    rng = np.random.default_rng(6)
    runs = [rdf.pair_distributions(*chains_at_random(rng, 20, step), width=0.3) for _ in range(40)]
    r = np.array(runs[0]["r_A"])
    for kind, where in (("inter", r > 2), ("intra", (r > 1) & (r < 4))):
        curves = [one["pairs"]["C-H"][kind] for one in runs]
        g, error = (np.array([curve[key] for curve in curves])[:, where] for key in ("g", "error"))
        ratio = np.sqrt((error**2).mean() / g.var(axis=0, ddof=1).mean())
        assert 0.85 < ratio < (1.3 if step == 0 else 1.6), kind
    found = [
        rdf.difference(r, one["pairs"]["C-H"]["inter"], two["pairs"]["C-H"]["inter"])
        for one, two in zip(runs[::2], runs[1::2], strict=True)
    ]
    share, noise = (np.mean([one[key] for one in found]) for key in ("share", "noise"))
    assert 0.7 < share / noise < 1.2


def compared(one, two, tolerance=4.0):
    """The check of two runs of chains."""
    settings = rdf.Settings(tolerance_percent={"train": tolerance})
    context = Context("x", None, {}, "train", 300.0)
    found = {"reference": one, "learned": two, "comparison": settings.create().compare(one, two, context)}
    (check,) = settings.create().checks(found, context)
    return check


def test_g_passes_where_it_is_the_same_and_is_not_known_where_chance_is_larger_than_the_tolerance():
    rng = np.random.default_rng(7)
    one, two, other = (
        rdf.pair_distributions(*chains_at_random(rng, frames, 10.0, chains=30)) for frames in (100, 100, 4)
    )
    assert compared(one, two).passed is True and compared(one, two).code == "rdf"
    assert compared(one, other).passed is None
    positions, cells, numbers, molecules = chains_at_random(rng, 100, 0.0, chains=30)
    centres = rng.uniform(0, 14.0, (100, 30, 3)) * [0.5, 1, 1]  # all in one half of the box
    moved = rdf.pair_distributions(positions * 0.1 + centres[:, molecules], cells, numbers, molecules)
    assert compared(one, moved).passed is False


@pytest.mark.parametrize(
    ("pairs", "shown", "passed"),
    [
        ({"C-C": (4.9, 0.5), "H-H": (1.0, 0.2)}, "C-C", True),
        ({"C-C": (5.1, 0.5), "H-H": (1.0, 0.2)}, "C-C", False),
        ({"C-C": (6.0, 4.5), "H-H": (4.3, 0.2)}, "C-C", None),  # the other one is known, but not enough
        ({"C-C": (6.0, 4.5), "H-H": (9.0, 0.2)}, "H-H", False),
        ({"C-C": (14.0, 4.5), "H-H": (1.0, 0.2)}, "C-C", False),
    ],
)
def test_every_pair_must_be_known_and_none_be_off(pairs, shown, passed):
    """Percent of pairs elsewhere, and by chance, with 4 % allowed."""
    found = {pair: {"inter": {"share": a / 100, "noise": b / 100}} for pair, (a, b) in pairs.items()}
    context = Context("x", None, {}, "train", 300.0)
    comparison = {"comparison": {"pairs": found, "tolerance_percent": 4.0}}
    (check,) = rdf.Settings().create().checks(comparison, context)
    assert check.passed is passed and check.found.startswith(f"{shown}: ")


def test_chain_sizes_are_checked_and_not_known_of_short_runs():
    property_, context = dimensions.Settings().create(), Context("x", None, {}, "train", 300.0)

    def size(value, error=0.1, known=True):
        one = {"value": value, "error": error, "known": known, "relaxation_ps": 80.0}
        return {"gyration_A2": one, "end_to_end_A2": one, "alignment": None}

    def checks(one, two):
        found = {"reference": one, "learned": two, "comparison": property_.compare(one, two, context)}
        return property_.checks(found, context)

    assert [check.code for check in checks(size(10), size(10.2))] == [
        "dimensions.gyration_A2", "dimensions.end_to_end_A2",
    ]  # fmt: skip
    assert [check.passed for check in checks(size(10), size(10.6))] == [True, True]
    assert [check.passed for check in checks(size(10), size(11))] == [False, False]
    short = checks(size(10), size(10.2, known=False))
    assert [check.passed for check in short] == [None, None] and "chains relax in 80 ps" in short[0].found
    ring = size(10) | {"end_to_end_A2": None}
    assert [check.code for check in checks(ring, ring)] == ["dimensions.gyration_A2"]


def walk(seed, frames=2000, chains=12, units=4, step=0.05, box=20.0):
    """Chains that diffuse as rigid bodies (D = step^2/2 per frame and axis) in a drifting box."""
    rng = np.random.default_rng(seed)
    paths = np.cumsum(rng.normal(0, step, (frames, chains, 3)), axis=0)
    paths += rng.uniform(0, box, (1, chains, 3))
    paths += np.linspace(0, 40, frames)[:, None, None]
    shape = rng.normal(0, 2, (chains, units, 3))
    positions = (paths[:, :, None] + shape).reshape(frames, -1, 3)
    molecules = np.repeat(np.arange(chains), units)
    repeat_units = np.tile(np.arange(units), chains)
    return positions, np.tile(np.eye(3) * box, (frames, 1, 1)), molecules, repeat_units


def test_msd_of_diffusing_chains():
    step, chains = 0.05, 12
    positions, cells, molecules, units = walk(3, step=step, chains=chains)
    masses = np.ones(len(molecules))
    times = np.arange(len(positions)) * 100.0
    # Wrap whole molecules back into the box: jumps must not be mistaken for motion.
    middles = msd.centres(positions, masses, molecules)
    wrapped = positions - (np.floor(middles / 20) * 20)[:, molecules]
    result = msd.displacements(wrapped, cells, times, masses, molecules, units)
    lags = np.array(result["lag_ps"])
    early = lags < 10
    # Removing the box's own motion takes 1/M of it from M independent chains.
    expected = 3 * step**2 * lags / 0.1 * (1 - 1 / chains)
    for name in ("chains", "segments"):
        found = np.array(result[name]["msd_A2"])
        assert np.all(abs(found / expected - 1)[early] < 0.1)
        assert np.all(abs(np.array(result[name]["exponent"]) - 1)[early] < 0.1)
        assert np.all(np.array(result[name]["error_A2"])[early] / found[early] < 0.15)


def test_exponents_of_ballistic_and_of_power_laws():
    lags = np.array([1, 4, 20, 100, 199])
    t = np.arange(200.0)
    assert msd.local_exponent(3 * t**2, lags) == pytest.approx(2)
    assert msd.local_exponent(0.1 * np.sqrt(t), lags) == pytest.approx(0.5)


def test_msd_refuses_a_breathing_box():
    positions, cells, molecules, units = walk(4, frames=20)
    cells = cells * np.linspace(1, 1.01, 20)[:, None, None]
    with pytest.raises(UserError, match="NVT"):
        msd.displacements(positions, cells, np.arange(20.0), np.ones(len(molecules)), molecules, units)


def test_chain_size():
    # Two straight chains of four carbons 1.5 A apart, with a hydrogen on each end.
    one = np.array([[x, 0, 0] for x in (-1.0, 0, 1.5, 3, 4.5, 5.5)])
    numbers = np.tile([1, 6, 6, 6, 6, 1], 2)
    bonds = np.array([[i, i + 1] for i in range(5)] + [[i + 6, i + 7] for i in range(5)])
    molecules = np.repeat([0, 1], 6)
    positions = np.tile(np.concatenate([one, one + 10]), (3, 1, 1))
    masses = np.where(numbers == 6, 12.0, 0.0)
    result = dimensions.per_chain(positions, masses, molecules, numbers, bonds)
    assert result["end_to_end_A2"] == pytest.approx(np.full((3, 2), 4.5**2))
    assert result["gyration_A2"] == pytest.approx(np.full((3, 2), (0.75**2 + 2.25**2) / 2))
    assert result["alignment"].shape == (3, 1) and result["alignment"] == pytest.approx(1)
    ring = dimensions.per_chain(positions, masses, molecules, numbers, bonds, ring=True)
    assert ring["end_to_end_A2"] is None and ring["alignment"] is None


def test_alignment_is_one_for_parallel_chains_and_small_for_random_ones():
    random = np.random.default_rng(0).normal(size=(3, 4000, 3))
    assert dimensions.alignment(random).max() < 0.05
    parallel = np.tile([[0.0, 1.0, 2.0]], (2, 5, 1)) * np.array([1, -1, 2, 1, -3])[None, :, None]
    np.testing.assert_allclose(dimensions.alignment(parallel), 1.0)
