"""The linear ACE potential as an ASE calculator."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from oligopoly.ace.evaluator import Evaluator


class ACECalculator(Calculator):
    """ASE calculator of a `.yaml` or `.yace` file, a `Potential` or a `CTilde`.

    With `active_set` (an `.asi` file; needs the `.yaml`) `results["gamma"]` holds the extrapolation
    grade of each atom. eV and Angstrom; `stress` in eV/A^3, ASE's sign and Voigt order, periodic
    frames only.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]

    def __init__(self, potential, active_set=None, threads: int = 1, skin: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.evaluator = Evaluator(potential, active_set=active_set, threads=threads, skin=skin)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        result = self.evaluator.compute(
            atoms.numbers,
            atoms.positions,
            atoms.cell.array,
            atoms.pbc,
            gamma=self.evaluator.active_set is not None,
        )
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.energies,
            "forces": result.forces,
        }
        if np.all(atoms.pbc):
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.virial / atoms.get_volume())
        if result.gamma is not None:
            self.results["gamma"] = result.gamma
