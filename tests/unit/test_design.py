"""Design matrix: pyace's projections and forces, and the derivative of its own energy row."""

import numpy as np
import pace
import pytest
from ase import Atoms

from oligopoly.ace.design import Design
from oligopoly.ace.functions import bonds, select
from oligopoly.ace.potential import Potential, read_yaml
from oligopoly.errors import UserError


def atoms_of(f):
    return Atoms(f["numbers"], f["positions"], cell=f["cell"], pbc=f["pbc"])


@pytest.mark.parametrize("name", pace.FRAMES)
def test_rows_times_coefficients_are_pyaces_energies_and_forces(name):
    design = Design(read_yaml(pace.DATA / f"{name}.yaml"))
    coefficients = np.array([f.c for f in design.functions])
    for frame in pace.FRAMES[name]:
        reference = pace.frame(name, frame)
        atoms = atoms_of(reference)
        rows, fixed = design.rows(atoms), design.fixed(atoms)
        assert rows.energy @ coefficients + fixed.energy == pytest.approx(float(reference["energy"]), abs=1e-8)
        forces = (rows.forces @ coefficients).reshape(-1, 3) + fixed.forces
        np.testing.assert_allclose(forces, reference["forces"], atol=1e-8)
        if "stress_voigt" in reference:
            stress = (rows.virial @ coefficients + fixed.virial) / atoms.get_volume()
            np.testing.assert_allclose(stress, reference["stress_voigt"], atol=1e-10)


def test_projections_are_pyaces():
    design = Design(read_yaml(pace.DATA / "ch_sbessel_r3.yaml"))
    atoms = atoms_of(pace.frame("ch_sbessel_r3", "decane"))
    with np.load(pace.DATA / "ch_sbessel_r3.decane.projections.npz") as archive:
        expected, per_atom = archive["force_projections"], archive["projections"]
    for element, values in design.projections(atoms).items():
        np.testing.assert_allclose(values, per_atom[np.array(atoms.symbols) == element], atol=1e-12)
    np.testing.assert_allclose(design.rows(atoms).forces, expected.transpose(0, 2, 1).reshape(-1, 200), atol=1e-9)


def small_design(core):
    chosen = select(["C", "H"], 60, [6, 4, 3, 2, 1, 1], [0, 3, 2, 1, 1, 1])
    radii = {("C", "C"): 1.3, ("C", "H"): 1.1, ("H", "H"): 1.0} if core else None
    return Design(Potential(["C", "H"], bonds(chosen, 4.0, inner_radii=radii), chosen, {"C": -1.0, "H": -2.0}))


@pytest.mark.parametrize("core", [False, True])
def test_forces_and_virial_are_derivatives_of_the_energy(core):
    """In a cell smaller than the cutoff, with atoms inside the ZBL core when there is one."""
    design = small_design(core)
    rng = np.random.default_rng(1)
    atoms = Atoms("CHCH", scaled_positions=rng.random((4, 3)), cell=np.diag([3.4, 3.1, 3.9]) + 0.2, pbc=True)
    if core:
        atoms.positions[1] = atoms.positions[0] + [0.6, 0.5, 0.55]
    coefficients = rng.normal(size=design.size)

    def energy(a):
        return design.rows(a).energy @ coefficients + design.fixed(a).energy

    rows, fixed = design.rows(atoms), design.fixed(atoms)
    forces = (rows.forces @ coefficients).reshape(-1, 3) + fixed.forces
    step = 1e-4
    for i, x in [(0, 0), (1, 2), (3, 1)]:
        moved = []
        for sign in (1, -1):
            a = atoms.copy()
            a.positions[i, x] += sign * step
            moved.append(energy(a))
        assert -(moved[0] - moved[1]) / (2 * step) == pytest.approx(forces[i, x], rel=2e-5, abs=1e-4)
    virial = rows.virial @ coefficients + fixed.virial
    for component, (x, y) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        moved = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[x, y] += sign * step / 2
            strain[y, x] += sign * step / 2
            a = atoms.copy()
            a.set_cell(atoms.cell @ strain, scale_atoms=True)
            moved.append(energy(a))
        assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(virial[component], rel=2e-5, abs=1e-4)


def test_rows_do_not_depend_on_the_order_of_atoms():
    design = small_design(core=False)
    rng = np.random.default_rng(2)
    atoms = Atoms("C3H5", positions=4 * rng.random((8, 3)))
    order = rng.permutation(8)
    rows, shuffled = design.rows(atoms), design.rows(atoms[order])
    np.testing.assert_allclose(shuffled.energy, rows.energy, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        shuffled.forces.reshape(8, 3, -1), rows.forces.reshape(8, 3, -1)[order], rtol=1e-8, atol=1e-9
    )


def test_unknown_elements_are_named():
    with pytest.raises(UserError, match="'N'"):
        small_design(core=False).rows(Atoms("N"))
