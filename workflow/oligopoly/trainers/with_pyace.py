"""What only pacemaker's own Python can do; `trainers.pacemaker_fit` runs this file there.

That Python lives in an environment of its own (python-ace fixes the versions of numpy and pandas), so nothing of
oligopoly is imported here, and data come and go as npz and JSON.
"""

import importlib.metadata
import json
import sys
from collections.abc import Callable

import numpy as np


def versions():
    """Print the versions of all packages that this Python finds as JSON; nothing is imported, so it takes no time."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        found.setdefault(package.metadata["Name"], package.version)  # the first on the path is what is imported
    print(json.dumps(found))


def check():
    """Print the version of pacemaker as JSON, or a `problem` with what is imported as `pyace`."""
    import pyace

    if not hasattr(pyace, "PyACECalculator"):
        return print(json.dumps({"problem": "the `pyace` there is an unrelated package, not pacemaker's"}))
    print(json.dumps({"python-ace": pyace.__version__}))


def structures(frames_file):
    """Structures in an npz of `trainers.pacemaker_fit.save_frames`, as (Atoms, arrays of that structure)."""
    from ase import Atoms

    with np.load(frames_file) as content:
        data = dict(content)
    ends = np.cumsum(data["sizes"])
    for k, (begin, end) in enumerate(zip(ends - data["sizes"], ends)):  # noqa: B905 - Python 3.9
        own = {name: data[name][k] for name in ("energy", "w_energy")}
        own |= {name: data[name][begin:end] for name in ("forces", "w_forces")}
        numbers, positions = data["numbers"][begin:end], data["positions"][begin:end]
        yield Atoms(numbers, positions, cell=data["cells"][k], pbc=bool(data["periodic"][k])), own


def dataset(frames_file, pickle_file):
    """Write structures as the table that pacemaker reads."""
    import pandas

    rows = [
        {
            "ase_atoms": atoms,
            "energy_corrected": float(own["energy"]),
            "forces": own["forces"],
            "w_energy": float(own["w_energy"]),
            "w_forces": own["w_forces"],
        }
        for atoms, own in structures(frames_file)
    ]
    pandas.DataFrame(rows).to_pickle(pickle_file, compression="gzip", protocol=4)


def finish(fitted, core_file, potential_file, yace_file):
    """Give the fitted potential its cores and E0, and write it in both forms.

    The JSON in `core_file` has `r_in` (A, by "C H", sorted), `delta_in` (share of r_in) and `E0` (eV by element).
    """
    from pyace import ACEBBasisSet, BBasisConfiguration

    with open(core_file) as stream:
        core = json.load(stream)
    potential = BBasisConfiguration(fitted)
    for block in potential.funcspecs_blocks:
        names = sorted(set(block.elements_vec))
        if len(names) > 2:
            continue
        r_in = core["r_in"][" ".join(names if len(names) == 2 else names * 2)]
        block.inner_cutoff_type = "zbl"
        block.core_rep_parameters = [1.0, 1.0]
        block.r_in, block.delta_in = r_in, core["delta_in"] * r_in
    potential.metadata["E0"] = json.dumps(core["E0"])
    potential.save(potential_file)
    ACEBBasisSet(potential_file).to_ACECTildeBasisSet().save_yaml(yace_file)


def predict(potential_file, frames_file, out_file):
    """Energies (eV, without E0), forces and, of periodic structures, stresses by pyace's own evaluator."""
    from pyace import PyACECalculator

    calculator = PyACECalculator(potential_file)
    calculator.compute_projections = False
    energies, forces, stresses = [], [], []
    for atoms, _ in structures(frames_file):
        calculator.calculate(atoms)
        energies.append(float(np.ravel(calculator.results["energy"])[0]))
        forces.append(calculator.results["forces"])
        stresses.append(calculator.results["stress"] if atoms.pbc.all() else np.full(6, np.nan))
    np.savez(out_file, energy=energies, forces=np.concatenate(forces), stress=np.array(stresses))


if __name__ == "__main__":
    known = (versions, check, dataset, finish, predict)
    steps: dict[str, Callable] = {step.__name__: step for step in known}
    steps[sys.argv[1]](*sys.argv[2:])
