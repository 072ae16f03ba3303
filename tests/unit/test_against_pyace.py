"""Against pacemaker's own evaluator, live: the files that we write, read by both. `make oracle` installs it.

LAMMPS' ML-PACE is the same C++ code, so these are also the files that `explore.engine: pace` gives to LAMMPS. Numbers
of pyace that are kept in tests/data/pace, and need no pyace, are compared elsewhere.

Not compared, since pyace differs: rows of the design matrix where a core is blended in, which its `compute_b_grad`
ignores. What pyace refuses is given to it in another form: left-handed cells, slabs.
"""

import functools
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from pace import DATA as PACE

from oligopoly.ace import ACECalculator, active_set, yace
from oligopoly.ace import fit as fitting
from oligopoly.ace.design import Design
from oligopoly.ace.functions import bonds, select
from oligopoly.ace.potential import Potential, read_yaml, write_yaml
from oligopoly.frames import read
from oligopoly.potentials.pace import PairPACE
from oligopoly.systems.box import read_box
from oligopoly.systems.topology import Topology

pytestmark = pytest.mark.slow  # a minute of fits and frames
pyace = pytest.importorskip("pyace", reason="no pyace here: `make oracle` installs it")
if not hasattr(pyace, "PyACECalculator"):
    pytest.skip("PyPI's `pyace` is here, which is not pacemaker's", allow_module_level=True)

DATA = PACE.parent
ELEMENTS = {
    "fitted": "CH",
    "fitted_3": "CHO",
    "fitted_4": "CHNO",
    "random": "CH",
    "random_5": "CFHNO",
    "pacemakers": "CHO",
}
POTENTIALS = [*ELEMENTS]


# ------------------------------------------------------------------------------------------ frames


def liquid(elements: str, seed: int = 0) -> Atoms:
    """Liquid hexane, with some of its atoms made into the other elements."""
    box = read_box(DATA / "hexane" / "equilibrated.data", Topology.read(DATA / "hexane" / "system.json"))
    atoms = Atoms(box.numbers, box.positions, cell=box.cell, pbc=True)
    others = [element for element in elements if element not in "CH"]
    rng = np.random.default_rng(seed)
    symbols = np.array(atoms.symbols)
    for element in others:
        symbols[rng.choice(len(atoms), 12, replace=False)] = element
    atoms.set_chemical_symbols(list(symbols))
    return atoms


def rattled(atoms: Atoms, by: float, seed: int = 0) -> Atoms:
    moved = atoms.copy()
    moved.positions += by * np.random.default_rng(seed).normal(size=moved.positions.shape)
    return moved


def scaled(atoms: Atoms, by: float) -> Atoms:
    other = atoms.copy()
    other.set_cell(by * atoms.cell.array, scale_atoms=True)
    return other


def with_cell(atoms: Atoms, rows) -> Atoms:
    """The same lattice by other vectors."""
    other = atoms.copy()
    other.set_cell(np.array(rows) @ atoms.cell.array, scale_atoms=False)
    return other


def liquids(elements):
    box = liquid(elements)
    yield "liquid", box
    yield "hot", rattled(box, 0.15)
    for by in (0.9, 0.75, 0.55):
        yield f"compressed to {by}", scaled(box, by)
    yield "skewed", with_cell(box, [[1, 0, 0], [1, 1, 0], [-1, 2, 1]])
    sheared = box.copy()
    sheared.set_cell(box.cell.array @ (np.eye(3) + [[0, 0.3, -0.2], [0, 0, 0.4], [0.1, 0, 0]]), scale_atoms=True)
    yield "sheared", sheared
    outside = box.copy()
    outside.positions += np.random.default_rng(1).integers(-3, 4, size=(len(box), 3)) @ box.cell.array
    yield "unwrapped", outside


def tiny_cells(elements):
    """Cells much smaller than the cutoff."""
    rng = np.random.default_rng(2)
    for element in elements:
        for edge in (0.9, 1.6, 2.6):
            # not quite cubic: of neighbours that are equally near, either may be the one that blends a core in
            yield f"{element}, {edge} A", Atoms(element, cell=edge * np.array([1, 1.01, 1.03]), pbc=True)
        yield f"{element}, needle", Atoms(element, cell=[[1.5, 0, 0], [4.9, 1.1, 0], [-7.0, 3.0, 1.9]], pbc=True)
    for number in range(6):
        cell = 2.6 * np.eye(3) + 0.6 * rng.normal(size=(3, 3))
        if np.linalg.det(cell) < 0:
            cell = cell[[1, 0, 2]]
        symbols = list(rng.choice(list(elements), 4))
        yield f"triclinic {number}", Atoms(symbols, scaled_positions=rng.random((4, 3)), cell=cell, pbc=True)


def clusters(elements):
    box = liquid(elements)
    yield "a molecule", Atoms(box.numbers[:20], box.positions[:20])
    yield "all of it", Atoms(box.numbers, box.positions)
    yield "pushed together", Atoms(box.numbers[:60], 0.6 * box.positions[:60])
    gas = np.random.default_rng(3).uniform(0, 6, (25, 3))
    yield "a gas", Atoms(np.random.default_rng(4).choice(list(elements), 25).tolist(), gas)
    for element in elements:
        yield f"{element} alone", Atoms(element)


def dimers(elements):
    for a in elements:
        for b in elements:
            for r in (0.05, 0.2, 0.5, 0.75, 0.9, 1.0, 1.1, 1.4, 2.0, 3.1, 3.99, 4.0, 4.49, 5.3, 5.51):
                yield f"{a}{b} at {r} A", Atoms([a, b], [[0.1, -0.2, 0.3], [0.1, -0.2, 0.3 + r]])


KINDS = [liquids, tiny_cells, clusters, dimers]


# -------------------------------------------------------------------------------------- potentials


def labelled(elements: str) -> list[Atoms]:
    """Small frames with the labels of a potential that costs nothing."""
    frames = []
    box = liquid(elements)
    for seed in range(12):
        part = rattled(scaled(box, 1 + 0.02 * (seed % 3)), 0.05 + 0.01 * seed, seed)
        frames.append(Atoms(part.numbers[:80], part.positions[:80]) if seed % 4 == 3 else part)
    known = {*elements}
    frames += [atoms for atoms in read(DATA / "molecules.extxyz") if {*atoms.symbols} <= known]
    for atoms in frames:
        atoms.info.clear()
        atoms.calc = EMT()
        atoms.info["REF_energy"] = atoms.get_potential_energy()
        atoms.arrays["REF_forces"] = atoms.get_forces()
        if atoms.pbc.all():
            atoms.info["REF_stress"] = atoms.get_stress(voigt=False)
        atoms.calc = None
    return frames


def random_potential(elements: str, prefix, core: bool) -> None:
    """One that no data made, with functions of all ranks."""
    symbols = sorted(elements)
    chosen = select(symbols, 60, [6, 3, 2, 1], [0, 3, 2, 1])
    rng = np.random.default_rng(5)
    chosen = {e: [replace(f, c=float(rng.normal())) for f in own] for e, own in chosen.items()}
    E0 = {e: float(rng.normal()) for e in symbols}
    made = bonds(chosen, 4.5)
    if core:
        radii = {(a, b): 0.8 + 0.1 * k for k, a in enumerate(symbols) for b in symbols if a <= b}
        made = fitting.with_core(made, radii)
    potential = Potential(symbols, made, chosen, E0)
    write_yaml(potential, f"{prefix}.yaml")
    yace.write(potential, f"{prefix}.yace")
    frames = [rattled(liquid(elements, seed), 0.2, seed) for seed in range(3)]
    active_set.build(potential, frames).write(f"{prefix}.asi")


@pytest.fixture(scope="module", params=POTENTIALS)
def potential(request, tmp_path_factory):
    """Path of a potential's files without suffix, and its elements."""
    name = request.param
    elements = ELEMENTS[name]
    prefix = tmp_path_factory.mktemp(name) / "potential"
    if name == "pacemakers":
        return PACE / "cho_chebexpcos_r4", elements
    if name.startswith("random"):
        random_potential(elements, prefix, core=name == "random_5")
    else:
        fitting.fit(labelled(elements), [], prefix, functions=40, cutoff=4.5)
    return prefix, elements


# --------------------------------------------------------------------------------------- comparing


def theirs(prefix, suffix=".yaml"):
    calculator = pyace.PyACECalculator(f"{prefix}{suffix}")
    if suffix == ".yaml":
        calculator.set_active_set(f"{prefix}.asi")
    return calculator


def compare(found, expected, E0=0.0):
    """Energies per atom within 1e-10 eV; the rest within 1e-9 of what is largest, which splines differ by, and 1e-13 of
    the energy, which is lost where large terms cancel."""
    np.testing.assert_allclose(found["energies"] - E0, expected["energies"], rtol=1e-12, atol=1e-10)
    cancelled = 1e-10 + 1e-13 * np.abs(expected["energies"]).max()
    for key in ("forces", "stress"):
        if key in found or key in expected:
            largest = np.abs(expected[key]).max()
            np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=cancelled + 1e-9 * largest)


@functools.cache
def basis_of(prefix) -> Potential:
    return read_yaml(f"{prefix}.yaml")


def free_atoms(prefix, atoms) -> np.ndarray:
    """E0 of each atom, which pyace knows of a `.yace` only."""
    return np.array([basis_of(prefix).E0[symbol] for symbol in atoms.symbols])


@pytest.mark.parametrize("kind", KINDS)
def test_energies_forces_stress_gamma_and_projections(potential, kind):
    prefix, elements = potential
    ours, oracle = ACECalculator(f"{prefix}.yaml", f"{prefix}.asi"), theirs(prefix)
    compared = 0
    for name, atoms in kind(elements):
        ours.calculate(atoms)
        oracle.calculate(atoms)
        try:
            compare(ours.results, oracle.results, free_atoms(prefix, atoms))
            np.testing.assert_allclose(ours.results["gamma"], oracle.results["gamma"], rtol=1e-7, atol=1e-10)
            rows = ours.evaluator.projections(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
            for row, expected in zip(rows, oracle.projections, strict=True):
                np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max())
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
        compared += 1
    assert compared > 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_yace_says_the_same(potential, kind):
    """Read by both, ours written by us and by pyace, and its energies are whole: E0 too."""
    prefix, elements = potential
    ours, oracle = ACECalculator(f"{prefix}.yace"), theirs(prefix, ".yace")
    for name, atoms in kind(elements):
        ours.calculate(atoms)
        oracle.calculate(atoms)
        try:
            compare(ours.results, oracle.results)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def test_what_pyace_makes_of_our_files_is_read_again(potential, tmp_path):
    prefix, elements = potential
    basis = pyace.ACEBBasisSet(f"{prefix}.yaml")
    basis.to_BBasisConfiguration().save(str(tmp_path / "again.yaml"))
    basis.to_ACECTildeBasisSet().save_yaml(str(tmp_path / "again.yace"))
    atoms = rattled(liquid(elements), 0.1)
    first = ACECalculator(f"{prefix}.yaml")
    first.calculate(atoms)
    for again in ("again.yaml", "again.yace"):
        second = ACECalculator(tmp_path / again)
        second.calculate(atoms)
        compare(first.results, second.results, free_atoms(prefix, atoms) if again.endswith("yace") else 0.0)


def test_rows_of_the_design_matrix(potential):
    """Force of every function by itself, where no core is blended in."""
    prefix, elements = potential
    design, oracle = Design(basis_of(prefix)), theirs(prefix)
    frames = [("a molecule of the liquid, twice", with_cell(liquid(elements)[:20], np.eye(3) / 2))]
    frames += [(name, atoms) for kind in KINDS for name, atoms in kind(elements) if len(atoms) < 100]
    compared = 0
    for name, atoms in frames:
        pairs = design._pairs(atoms)
        if (pairs.fcut < 1).any():
            continue
        oracle.get_atomic_env(atoms)
        oracle.ace.compute(oracle.ae, compute_projections=True, compute_b_grad=True)
        expected = np.moveaxis(oracle.ace.forces_bfuncs, 1, 2).reshape(3 * len(atoms), design.size)
        atol = 1e-10 + 1e-12 * max(np.abs(values).max() for values in design.projections(atoms).values())
        np.testing.assert_allclose(design.rows(atoms).forces, expected, rtol=1e-8, atol=atol, err_msg=name)
        compared += 1
    assert compared > 10


def test_left_handed_cells_are_as_right_handed_ones(potential):
    """pyace refuses them."""
    prefix, elements = potential
    ours, oracle = ACECalculator(f"{prefix}.yaml", f"{prefix}.asi"), theirs(prefix)
    for _, atoms in tiny_cells(elements):
        other = with_cell(atoms, np.eye(3)[[1, 0, 2]])
        assert np.linalg.det(other.cell.array) < 0
        ours.calculate(other)
        oracle.calculate(atoms)
        compare(ours.results, oracle.results, free_atoms(prefix, atoms))


def test_a_slab_is_a_crystal_with_much_vacuum(potential):
    """pyace wants all directions periodic or none."""
    prefix, elements = potential
    slab = liquid(elements)
    slab.pbc = [True, False, True]
    slab.set_cell([slab.cell[0], [0, 0, 0], slab.cell[2]])
    ours, oracle = ACECalculator(f"{prefix}.yaml", f"{prefix}.asi"), theirs(prefix)
    ours.calculate(slab)
    padded = slab.copy()
    padded.set_cell([slab.cell[0], [0, 200, 0], slab.cell[2]])
    padded.pbc = True
    oracle.calculate(padded)
    expected = {key: oracle.results[key] for key in ("energies", "forces")}
    compare(ours.results, expected, free_atoms(prefix, slab))


def test_what_lammps_is_told_to_read_is_read(potential):
    """The files in the commands of `explore.engine: pace`, by the readers of ML-PACE."""
    prefix, elements = potential
    symbols = sorted(elements)
    commands = PairPACE(f"{prefix}.yaml", f"{prefix}.asi").commands(symbols)
    (basis, asi, *names), *_ = (line.split()[3:] for line in commands if line.startswith("pair_coeff"))
    assert names == symbols == list(pyace.ACEBBasisSet(basis).elements_name)
    evaluator = pyace.ACEBEvaluator(known := pyace.ACEBBasisSet(basis))  # which lives no longer than its basis
    evaluator.load_active_set(asi)
    assert known.nelements == len(symbols)
    (yace_file, *names), *_ = (
        line.split()[3:] for line in PairPACE(f"{prefix}.yaml").commands(symbols) if line.startswith("pair_coeff")
    )
    assert names == symbols == list(pyace.ACECTildeBasisSet(yace_file).elements_name)
