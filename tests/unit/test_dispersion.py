"""D3: published values, derivatives, and names."""

import numpy as np
import pytest
from ase import Atoms
from quantum import force_error, molecule, stress_error

from oligopoly.errors import UserError
from oligopoly.labelers.contract import Label
from oligopoly.labelers.dispersion import canonical, correction, split


class D3:
    """The correction alone, as a labeler."""

    def __init__(self, method):
        self.parameters = split(method)[1]

    def label(self, atoms):
        return Label(*correction(atoms, self.parameters))


@pytest.mark.parametrize("method", ["PBE-D3BJ", "PBE-D3zero"])
@pytest.mark.parametrize("name", ["ethylene glycol", "methanol cell"])
def test_derivatives(method, name):
    atoms = molecule(name)
    # in a cell, pairs enter and leave at s-dftd3's cutoff of 32 A
    assert force_error(D3(method), atoms, components=5) < (1e-5 if atoms.pbc.all() else 1e-8)
    if atoms.pbc.all():
        assert stress_error(D3(method), atoms) < 1e-6


def test_far_apart_it_is_c6_over_r6():
    d3 = D3("wB97X-D3BJ")
    energies = [d3.label(Atoms("Ar2", [[0, 0, 0], [0, 0, r]])).energy for r in (16.0, 20.0)]
    assert energies[0] / energies[1] == pytest.approx((20 / 16) ** 6, rel=0.02)
    c6 = -energies[1] * 20**6  # eV A^6; Grimme's C6(Ar-Ar) is 64.6 in atomic units
    assert c6 / 27.2114 / 0.529177**6 == pytest.approx(64.6, rel=0.02)


def test_names():
    functional, parameters = split("wB97X-D3BJ")  # Najibi and Goerigk, JCTC 14 (2018) 5725
    assert functional == "wB97X"
    assert parameters == {"damping": "bj", "s6": 1.0, "s8": 0.2641, "s9": 0.0, "a1": 0.0, "a2": 5.4959}
    assert split("CAM-B3LYP-D3(BJ)")[0] == "CAM-B3LYP" and split("wB97X-D") == ("wB97X-D", None)
    assert split("PBE") == ("PBE", None) and split("GFN2-xTB")[1] is None
    assert canonical("PBE-D3(BJ)") == canonical("pbe-d3bj") == "pbe-d3bj" and canonical("B3LYP") == "b3lyp"
    with pytest.raises(UserError, match="did you mean 'b3lyp'"):
        split("B3LYPP-D3BJ")
    with pytest.raises(UserError, match="'PBE-D3BJ'.*'PBE-D3zero'"):
        split("PBE-D3")


def test_forces_cancel():
    _, forces, _ = correction(molecule("methanol cell"), split("BLYP-D3BJ")[1])
    assert np.abs(forces.sum(axis=0)).max() < 1e-12
