"""The evaluator: pyace's numbers, and the physics that needs no reference."""

import dataclasses
import itertools

import numpy as np
import pytest
from ase import Atoms
from pace import DATA, FRAMES, frame, where

from oligopoly.ace import ACECalculator, coupling, repulsion, terms
from oligopoly.ace.evaluator import Evaluator
from oligopoly.ace.functions import bonds, select
from oligopoly.ace.potential import BasisFunction, Potential
from oligopoly.ace.reading import read
from oligopoly.errors import UserError


@pytest.fixture(scope="module")
def evaluators():
    """Evaluator per potential file, made once."""
    made = {}

    def get(name, suffix=".yaml", active_set=False):
        key = (name, suffix, active_set)
        if key not in made:
            made[key] = Evaluator(DATA / f"{name}{suffix}", active_set=DATA / f"{name}.asi" if active_set else None)
        return made[key]

    return get


CASES = [(name, f, suffix) for name in sorted(FRAMES) for f in FRAMES[name] for suffix in (".yaml", ".yace")]


@pytest.mark.parametrize("name, which, suffix", CASES)
def test_agrees_with_pyace(name, which, suffix, evaluators):
    f = frame(name, which)
    grade = "gamma" in f and suffix == ".yaml"
    result = evaluators(name, suffix, grade).compute(*where(f), gamma=grade)
    assert abs(result.energy - f["energy"]) < 1e-10
    assert np.abs(result.forces - f["forces"]).max() < 1e-9
    assert np.abs(result.energies - f["atomic_energies"]).max() < 1e-10
    if "stress_voigt" in f:
        stress = result.virial / abs(np.linalg.det(f["cell"]))
        assert np.abs(stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] - f["stress_voigt"]).max() < 1e-10
        assert np.array_equal(stress, stress.T)
    if grade:
        assert np.abs(result.gamma / f["gamma"] - 1).max() < 1e-6


def test_projections_are_pyaces(evaluators):
    f = frame("ch_sbessel_r3", "decane")
    ours = evaluators("ch_sbessel_r3").projections(*where(f))
    with np.load(DATA / "ch_sbessel_r3.decane.projections.npz") as archive:
        assert np.abs(np.array(ours) - archive["projections"]).max() < 1e-11


def test_calculator(tmp_path):
    f = frame("cho_chebexpcos_r4", "peg4_box_600K")
    atoms = Atoms(f["numbers"], f["positions"], cell=f["cell"], pbc=f["pbc"])
    atoms.calc = ACECalculator(DATA / "cho_chebexpcos_r4.yaml", DATA / "cho_chebexpcos_r4.asi")
    assert np.abs(atoms.get_stress() - f["stress_voigt"]).max() < 1e-10
    assert np.abs(atoms.get_forces() - f["forces"]).max() < 1e-9
    assert abs(atoms.get_potential_energies().sum() - atoms.get_potential_energy()) < 1e-9
    assert np.allclose(atoms.calc.results["gamma"], f["gamma"], rtol=1e-6)
    cluster = Atoms(f["numbers"][:31], f["positions"][:31], calculator=atoms.calc)
    assert np.isfinite(cluster.get_potential_energy()) and "stress" not in atoms.calc.results


# ------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("name, which", [("cho_chebexpcos_r4", "peg4_box"), ("cho_zbl_r2", "peg4_compressed")])
def test_forces_are_the_gradient(name, which, evaluators):
    numbers, positions, cell, pbc = where(frame(name, which))
    evaluator = evaluators(name)
    forces = evaluator.compute(numbers, positions, cell, pbc).forces
    rng = np.random.default_rng(1)
    for _ in range(3):
        direction = rng.normal(size=positions.shape)
        h = 1e-4 / np.linalg.norm(direction)
        energy = [evaluator.compute(numbers, positions + s * h * direction, cell, pbc).energy for s in (-2, -1, 1, 2)]
        slope = (energy[0] - 8 * energy[1] + 8 * energy[2] - energy[3]) / (12 * h)
        assert abs(slope + np.sum(forces * direction)) < 2e-5 * np.linalg.norm(direction)


@pytest.mark.parametrize("a, b, r", [("C", "H", 0.75), ("O", "H", 0.65), ("C", "C", 0.8), ("O", "O", 0.61)])
def test_zbl_forces_inside_the_inner_cutoff(a, b, r, evaluators):
    atoms = Atoms([a, b, "H"], [[0, 0, 0], [0.1, 0.2, r], [0.9, -0.2, 0.1]])
    evaluator = evaluators("cho_zbl_r2")
    result = evaluator.compute(atoms.numbers, atoms.positions)
    h = 1e-5
    for i in range(3):
        for axis in range(3):
            moved = [atoms.positions.copy() for _ in range(2)]
            moved[0][i, axis] -= h
            moved[1][i, axis] += h
            low, high = (evaluator.compute(atoms.numbers, p).energy for p in moved)
            assert abs((high - low) / (2 * h) + result.forces[i, axis]) < 1e-5 * (1 + np.abs(result.forces).max())
    strained = -np.einsum("ia,ib->ab", atoms.positions, result.forces)
    assert np.allclose(result.virial, strained, atol=1e-10 * np.abs(strained).max())


def test_zbl_repels_at_any_short_distance(evaluators):
    energies = [evaluators("cho_zbl_r2").compute([6, 8], [[0, 0, 0], [0, 0, r]]).energy for r in (0.05, 0.1, 0.2, 0.4)]
    assert np.all(np.diff(energies) < 0) and energies[-1] > 10


def test_a_core_without_zbl_adds_to_the_ace_energy():
    p = read(DATA / "ch_sbessel_r3.yaml")
    numbers, positions = [6, 1, 1], np.array([[0, 0, 0], [0, 0.2, 0.9], [1.1, 0.1, 0]])
    bare = Evaluator(p).compute(numbers, positions)
    for pair, bond in p.bonds.items():
        p.bonds[pair] = dataclasses.replace(bond, core_repulsion=(7.0, 0.3), inner_cutoff_type="density")
    full = Evaluator(p).compute(numbers, positions)
    expected = np.zeros(3)
    for i in range(3):
        for j in range(3):
            if i != j:
                r = np.linalg.norm(positions[i] - positions[j])
                expected[i] += repulsion.energy(p.bonds["C", "H"], "C", "H", np.array([r]))[0][0]
    assert np.allclose(full.energies - bare.energies, expected, atol=1e-7)
    h = np.array([[0, 0, 0], [0, 0, 1e-4], [0, 0, 0]])
    low, high = (Evaluator(p).compute(numbers, positions + s * h).energy for s in (-1, 1))
    assert abs((high - low) / 2e-4 + full.forces[1, 2]) < 1e-6


@pytest.mark.parametrize("name, which", [("ch_sbessel_r3", "decane_box"), ("cho_chebexpcos_r4", "peg4_box_600K")])
def test_virial_is_the_strain_derivative(name, which, evaluators):
    numbers, positions, cell, pbc = where(frame(name, which))
    evaluator = evaluators(name)
    virial = evaluator.compute(numbers, positions, cell, pbc).virial
    rng = np.random.default_rng(2)
    strain = rng.normal(size=(3, 3))
    strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
    h = 2e-6
    energy = []
    for s in (-2, -1, 1, 2):
        deformation = np.eye(3) + s * h * strain
        energy.append(evaluator.compute(numbers, positions @ deformation, cell @ deformation, pbc).energy)
    slope = (energy[0] - 8 * energy[1] + 8 * energy[2] - energy[3]) / (12 * h)
    assert abs(slope - np.sum(virial * strain)) < 2e-5 * max(1, np.abs(virial).max())


# -------------------------------------------------------------------------------- invariances


def rotation(rng) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q  # improper ones included: the energy is even under inversion


def test_rotation_translation_permutation():
    numbers, positions, cell, pbc = where(frame("cho_chebexpcos_r4", "peg4_box"))
    evaluator = Evaluator(DATA / "cho_chebexpcos_r4.yace")
    before = evaluator.compute(numbers, positions, cell, pbc)
    rng = np.random.default_rng(3)
    turn, order = rotation(rng), rng.permutation(len(numbers))
    images = rng.integers(-2, 3, size=positions.shape) @ cell
    moved = ((positions + images + rng.normal(size=3)) @ turn)[order]
    after = evaluator.compute(numbers[order], moved, cell @ turn, pbc)
    assert abs(after.energy - before.energy) < 1e-9
    assert np.abs(after.forces - before.forces[order] @ turn).max() < 1e-9
    assert np.abs(after.virial - turn.T @ before.virial @ turn).max() < 1e-8
    assert np.abs(before.forces.sum(axis=0)).max() < 1e-10


@pytest.mark.parametrize("name", ["ch_sbessel_r3", "cho_chebexpcos_r4", "cho_zbl_r2"])
def test_smooth_to_second_order_at_the_cutoff(name, evaluators):
    """Energy, force and the slope of the force of an atom that leaves go to zero with its distance to the cutoff."""
    evaluator = evaluators(name)
    cutoff = evaluator.cutoff

    def at(r):
        result = evaluator.compute([6, 1, 1], [[0, 0, 0], [0, 0.4, 1.0], [r, 0, 0]])
        return np.array([result.energy, *result.forces[2]])

    outside = at(cutoff)
    assert np.array_equal(at(cutoff + 1.0), outside)
    assert np.abs(outside[1:]).max() == 0.0
    # the last 0.01 A of ChebExpCos are another factor, so that it is about these
    d, h = np.array([5e-3, 2e-3, 5e-4]), 1e-4
    away = np.array([at(cutoff - x) - outside for x in d])
    slopes = np.array([(at(cutoff - x + h) - at(cutoff - x - h))[1:] / (2 * h) for x in d])
    energy, force, slope = np.abs(away[:, 0]), np.abs(away[:, 1:]).max(axis=1), np.abs(slopes).max(axis=1)
    assert slope[0] > 1e-6
    # ten times nearer: a tenth of the slope, a hundredth of the force, a thousandth of the energy, or less
    assert slope[2] < 0.2 * slope[0] and force[2] < 0.03 * force[0] and energy[2] < 3e-3 * energy[0] + 1e-15


def test_smooth_where_many_body_functions_end():
    """The reach of many-body functions is no step: energies there change by what the pair functions do."""
    chosen = {"C": [dataclasses.replace(f, c=1.0) for f in select(["C"], 60, [5, 4, 3], [0, 3, 2])["C"] if f.rank > 1]}
    evaluator = Evaluator(Potential(["C"], bonds(chosen, 8.0, (2.5, 4.5)), chosen))
    reach = evaluator._near[0, 0]
    assert reach < 5.0
    triangle = lambda r: np.array([[0, 0, 0], [0, 1.5, 0], [r, 0, 0]])  # noqa: E731
    inside, outside = (evaluator.compute([6, 6, 6], triangle(reach + s)) for s in (-1e-6, 1e-6))
    assert abs(inside.energy - outside.energy) < 1e-11
    assert np.abs(inside.forces - outside.forces).max() < 1e-9


@pytest.mark.parametrize("core", [False, True])
def test_neighbours_beyond_the_reach_of_many_body_functions(core, monkeypatch):
    """Only pair functions see them, and that changes nothing: neither with a core, nor in the grade."""
    radii = {("C", "C"): 1.6, ("C", "H"): 1.15, ("H", "H"): 1.3} if core else None
    rng = np.random.default_rng(7)
    chosen = {
        element: [dataclasses.replace(f, c=rng.normal()) for f in fs]
        for element, fs in select(["C", "H"], 100, [12, 5, 3], [0, 5, 4]).items()
    }
    p = Potential(["C", "H"], bonds(chosen, 7.0, (2.5, 4.5), radii), chosen)
    inverses = {e: rng.normal(size=(len(f), len(f))) for e, f in p.functions.items()}
    box = where(frame("ch_sbessel_r3", "decane_box"))
    fast = Evaluator(p, inverses)
    assert (fast._near < 5.0).all() and (fast._far == 7.0).all()
    a = fast.compute(*box, gamma=True)
    monkeypatch.setattr(terms, "NEGLIGIBLE", 0.0)
    whole = Evaluator(p, inverses)
    assert (whole._near == 7.0).all() and not whole._far.any()
    b = whole.compute(*box, gamma=True)
    assert np.abs(a.energies - b.energies).max() < 1e-10 * np.abs(b.energies).max()
    assert np.abs(a.forces - b.forces).max() < 1e-9 * np.abs(b.forces).max()
    assert np.abs(a.virial - b.virial).max() < 1e-9 * np.abs(b.virial).max()
    assert np.abs(a.gamma - b.gamma).max() < 1e-9 * np.abs(b.gamma).max()


def test_isolated_atoms_have_their_own_energy():
    p = read(DATA / "ch_sbessel_r3.yaml")
    p.E0 = {"C": -3.0, "H": -0.5}
    evaluator = Evaluator(p, active_set=DATA / "ch_sbessel_r3.asi")
    result = evaluator.compute([6, 1, 1], [[0, 0, 0], [0, 0, 50], [9, 0, 0]], gamma=True)
    assert np.array_equal(result.energies, [-3.0, -0.5, -0.5])
    assert not result.forces.any() and not result.virial.any() and not result.gamma.any()
    assert evaluator.compute([6], [[1, 2, 3]]).energy == -3.0


@pytest.mark.parametrize("repeat", [(3, 3, 3), (4, 1, 2)])
def test_a_small_periodic_cell_is_its_supercell(repeat, evaluators):
    """Cutoff beyond half the cell: each atom sees several images of the others and of itself."""
    rng = np.random.default_rng(4)
    cell = np.array([[3.1, 0, 0], [0.7, 4.2, 0], [-0.4, 0.9, 3.6]])
    pbc = np.array(repeat) > 1
    small = Atoms("CHOH", rng.random((4, 3)) @ cell, cell=cell, pbc=pbc)
    large = small * repeat
    evaluator = evaluators("cho_chebexpcos_r4", ".yaml", True)
    one = evaluator.compute(small.numbers, small.positions, small.cell.array, small.pbc, gamma=True)
    many = evaluator.compute(large.numbers, large.positions, large.cell.array, large.pbc, gamma=True)
    copies = int(np.prod(repeat))
    assert abs(many.energy - copies * one.energy) < 1e-9 * abs(many.energy) + 1e-9
    assert np.allclose(many.forces, np.tile(one.forces, (copies, 1)), atol=1e-8)
    assert np.allclose(many.virial, copies * one.virial, atol=1e-7)
    assert np.allclose(many.gamma, np.tile(one.gamma, copies), rtol=1e-8)


# ----------------------------------------------------------------------------- neighbour list


def test_the_kept_list_is_as_good_as_a_new_one():
    """A walk in a cell that shears and shrinks: the list is rebuilt now and then, never too late."""
    numbers, positions, cell, pbc = where(frame("cho_chebexpcos_r4", "peg4_box"))
    kept = Evaluator(DATA / "cho_chebexpcos_r4.yace", skin=0.6)
    fresh = Evaluator(DATA / "cho_chebexpcos_r4.yace", skin=1e-3)
    rng = np.random.default_rng(5)
    lists = []
    for _ in range(40):
        deformation = np.eye(3) + rng.normal(scale=4e-3, size=(3, 3)) - 2e-3 * np.eye(3)
        cell = cell @ deformation
        positions = positions @ deformation + rng.normal(scale=0.02, size=positions.shape)
        a, b = (e.compute(numbers, positions, cell, pbc) for e in (kept, fresh))
        if not lists or kept._list is not lists[-1]:
            lists.append(kept._list)
        assert abs(a.energy - b.energy) < 1e-8 * abs(b.energy)
        assert np.abs(a.forces - b.forces).max() < 1e-10 * np.abs(b.forces).max() + 1e-9
    assert 1 < len(lists) < 30


def test_the_list_notices_another_system():
    evaluator = Evaluator(DATA / "ch_sbessel_r3.yace")
    box, lone = frame("ch_sbessel_r3", "decane_box"), frame("ch_sbessel_r3", "decane")
    for f in (box, lone, box):
        assert abs(evaluator.compute(*where(f)).energy - f["energy"]) < 1e-10
    swapped = box["numbers"][::-1]
    again = evaluator.compute(swapped, *where(box)[1:]).energy
    assert abs(again - Evaluator(DATA / "ch_sbessel_r3.yace").compute(swapped, *where(box)[1:]).energy) < 1e-10


def test_a_wide_cluster_needs_no_giant_grid(evaluators):
    positions = np.array([[0, 0, 0], [0, 0, 1.1], [1e6, 0, 0], [1e6, 1.1, 0], [0, 1e7, -1e6]])
    result = evaluators("ch_sbessel_r3").compute([6, 1, 6, 1, 1], positions)
    assert abs(result.energies[0] - result.energies[2]) < 1e-7


def test_threads_give_the_same(evaluators):
    f = frame("cho_chebexpcos_r4", "peg4_box")
    one = evaluators("cho_chebexpcos_r4").compute(*where(f))
    two = Evaluator(DATA / "cho_chebexpcos_r4.yace", threads=2).compute(*where(f))
    assert np.abs(one.forces - two.forces).max() < 1e-10 and abs(one.energy - two.energy) < 1e-9


def test_threads_are_deterministic():
    """Each thread has its own atoms and sums, so that the same call gives the same bits, the grade included."""
    f = frame("cho_chebexpcos_r4", "peg4_box")
    files = DATA / "cho_chebexpcos_r4.yaml", DATA / "cho_chebexpcos_r4.asi"
    one = Evaluator(*files).compute(*where(f), gamma=True)
    for threads in (2, 3):
        evaluator = Evaluator(*files, threads=threads)
        first = evaluator.compute(*where(f), gamma=True)
        again = [evaluator.compute(*where(f), gamma=True) for _ in range(3)]
        assert all(np.array_equal(first.forces, r.forces) and first.energy == r.energy for r in again)
        assert all(np.array_equal(first.gamma, r.gamma) for r in again)
        assert np.allclose(first.gamma, one.gamma, rtol=1e-6)


# ---------------------------------------------------------------------------------- any rank


def test_ranks_five_and_six_against_the_sum_over_products():
    """Random functions of rank 1 to 6 on a few atoms, against the literal sum over neighbours and m."""
    rng = np.random.default_rng(6)
    p = read(DATA / "ch_sbessel_r3.yaml")
    functions = [BasisFunction(("C", "H"), (2,), (0,), (), 0.3)]
    for rank in range(2, 7):
        while sum(f.rank == rank for f in functions) < 4:
            l = tuple(int(x) for x in rng.integers(0, 3, rank))
            couplings = coupling.inner_momenta(l)
            if sum(l) % 2 == 0 and couplings:
                f = BasisFunction(
                    ("C", *rng.choice(["C", "H"], rank).tolist()),
                    tuple(int(x) for x in rng.integers(1, 3, rank)),
                    l, couplings[rng.integers(len(couplings))], 1.0,
                )  # fmt: skip
                if coupling.expand(f):
                    functions.append(f)
    p.functions = {"C": functions, "H": []}
    positions = rng.normal(size=(5, 3)) * 1.5
    numbers = [6, 1, 6, 1, 1]
    expected = [literal(p, f, numbers, positions) for f in functions]
    ours = Evaluator(p).projections(numbers, positions)[0]
    assert np.allclose(ours, expected, rtol=1e-9, atol=1e-10)
    energy = Evaluator(p).compute(numbers, positions).energies[0]
    assert abs(energy - sum(f.c * b for f, b in zip(functions, expected, strict=True))) < 1e-8
    evaluator, h = Evaluator(p), 1e-4
    forces = evaluator.compute(numbers, positions).forces
    for i, axis in itertools.product(range(5), range(3)):
        step = np.zeros((5, 3))
        step[i, axis] = h
        e = [evaluator.compute(numbers, positions + s * step).energy for s in (-2, -1, 1, 2)]
        slope = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
        assert abs(slope + forces[i, axis]) < 1e-7 * np.abs(forces).max()


def literal(p, f: BasisFunction, numbers, positions) -> float:
    """B of atom 0 by its definition, with scipy's spherical harmonics."""
    from scipy.special import sph_harm_y

    from oligopoly.ace import radial

    factors = []
    for mu, n, l in zip(f.elements[1:], f.n, f.l, strict=True):
        b = p.bonds[(f.elements[0], mu)]
        a = dict.fromkeys(range(-l, l + 1), 0j)
        for z, r in zip(numbers[1:], positions[1:] - positions[0], strict=True):
            d = np.linalg.norm(r)
            if z == {"C": 6, "H": 1}[mu] and d < b.rcut:
                g = radial.base(b, np.array([d]))[0][:, 0]
                value = g[n - 1] if f.rank == 1 else b.radcoefficients[n - 1, l] @ g
                for m in a:
                    y = sph_harm_y(l, m, np.arccos(r[2] / d), np.arctan2(r[1], r[0]))
                    a[m] += value * y * np.sqrt(4 * np.pi)
        factors.append(a)
    unit = dataclasses.replace(f, c=1.0)
    return sum(c * np.prod([a[m] for a, m in zip(factors, ms, strict=True)]).real for ms, c in coupling.expand(unit))


def test_products_are_shared():
    """The plan multiplies far fewer pairs than there are products of three and four."""
    p = read(DATA / "cho_chebexpcos_r4.yaml")
    deep = sum(len(coupling.expand(f)) for f in p.functions["C"] if f.rank > 2)
    assert len(terms.plan(p, "C", True).products) < deep / 2


# ---------------------------------------------------------------------------------- messages


def test_messages(evaluators):
    f = frame("ch_sbessel_r3", "decane")
    with pytest.raises(UserError, match="knows C, H, but not O"):
        evaluators("ch_sbessel_r3").compute([8], [[0, 0, 0]])
    with pytest.raises(UserError, match="needs an active set"):
        evaluators("ch_sbessel_r3").compute(*where(f), gamma=True)
    with pytest.raises(UserError, match="not the .yace"):
        Evaluator(DATA / "ch_sbessel_r3.yace", active_set=DATA / "ch_sbessel_r3.asi")
    with pytest.raises(UserError, match=r"active set of C should be \(60, 60\)"):
        Evaluator(DATA / "cho_zbl_r2.yaml", active_set=DATA / "cho_chebexpcos_r4.asi")
    with pytest.raises(UserError, match="no volume"):
        evaluators("ch_sbessel_r3").compute([6], [[0, 0, 0]], np.diag([9.0, 9.0, 0.0]), [True, True, True])
    with pytest.raises(UserError, match="not finite"):
        evaluators("ch_sbessel_r3").compute([6], [[np.nan, 0, 0]])
    walking = Evaluator(DATA / "ch_sbessel_r3.yace")
    walking.compute(*where(f))
    for wrong in (np.nan, np.inf):
        positions = f["positions"].copy()
        positions[3, 1] = wrong
        with pytest.raises(UserError, match="not finite"):
            walking.compute(f["numbers"], positions, f["cell"], f["pbc"])
        walking.compute(*where(f))


def test_an_active_set_of_another_potential_is_refused():
    potential, foreign = DATA / "ch_sbessel_r3.yaml", DATA / "cho_chebexpcos_r4.asi"
    with pytest.raises(UserError, match="is for C, H, O, the potential for C, H"):
        Evaluator(potential, foreign)


def test_an_active_set_may_be_given_as_an_object():
    from oligopoly.ace.active_set import ActiveSet

    active = ActiveSet.read(DATA / "ch_sbessel_r3.asi")
    assert Evaluator(DATA / "ch_sbessel_r3.yaml", active).active_set is not None
