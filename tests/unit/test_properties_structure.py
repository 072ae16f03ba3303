"""Density, g(r), MSD and chain size against closed forms."""

import numpy as np
import pytest
from ase.build import bulk

from oligopoly.errors import UserError
from oligopoly.properties import density, dimensions, msd, rdf


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
    result = dimensions.dimensions(positions, masses, molecules, numbers, bonds)
    assert result["end_to_end_A2"]["value"] == pytest.approx(4.5**2)
    assert result["gyration_A2"]["value"] == pytest.approx((0.75**2 + 2.25**2) / 2)
    ring = dimensions.dimensions(positions, masses, molecules, numbers, bonds, ring=True)
    assert ring["end_to_end_A2"] is None


def test_alignment_is_one_for_parallel_chains_and_small_for_random_ones():
    random = np.random.default_rng(0).normal(size=(3, 4000, 3))
    assert dimensions.alignment(random).max() < 0.05
    parallel = np.tile([[0.0, 1.0, 2.0]], (2, 5, 1)) * np.array([1, -1, 2, 1, -3])[None, :, None]
    np.testing.assert_allclose(dimensions.alignment(parallel), 1.0)
