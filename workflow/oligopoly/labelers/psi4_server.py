"""Psi4 as a server: one JSON object per line in, one out, until the input ends.

This file is run by Psi4's own Python (`psi4.py` beside it says how), so it imports nothing of oligopoly. It stays alive
over a chunk of structures and starts each SCF from the orbitals of the one before, where that had the same atoms.
"""

import ctypes
import json
import os
import signal
import sys
import traceback

import numpy as np

# Not for a graceful end: the process that asked for labels is gone, and with it everyone who could use them.
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

sys.path.pop(0)  # this folder, where psi4.py is another file
import psi4  # noqa: E402

OUTPUT = "output.txt"
TAIL = 1500  # characters of Psi4's output that go with an error
GIGABYTE = 1024**3


class Refusal(Exception):
    """A method or basis set that cannot be used."""


def check(request):
    """{} if the method has an analytic gradient and every element a basis; Refusal otherwise."""
    name, basis = request["functional"], request["basis"]
    if isinstance(name, str):
        _check_gradient(name.lower())
    for element in request["elements"]:
        lone = psi4.geometry(f"0 1\n{element} 0 0 0\n{element} 0 0 1.4\nsymmetry c1\n")
        try:
            psi4.core.BasisSet.build(lone, "ORBITAL", basis, quiet=True)
        except Exception:
            folder = os.path.join(psi4.core.get_datadir(), "basis")
            known = sorted(n[:-4] for n in os.listdir(folder) if n.endswith(".gbs"))
            raise Refusal(json.dumps({"basis": basis, "element": element, "known": known})) from None
    return {}


def _check_gradient(name):
    from psi4.driver import procedures
    from psi4.driver.procrouting.dft import build_superfunctional_from_dictionary, functionals

    if name not in procedures["energy"]:
        raise Refusal(json.dumps({"method": name, "known": sorted(procedures["gradient"])}))
    analytic = name in procedures["gradient"]
    if name in functionals:
        psi4.set_options({"reference": "rks"})
        functional, _ = build_superfunctional_from_dictionary(functionals[name], 1, 1, True)
        analytic = analytic and not functional.needs_vv10() and not functional.is_c_hybrid()
    if not analytic:
        raise Refusal(json.dumps({"method": name, "no_gradient": True}))


class Solver:
    """Gradients, each from the orbitals of the one before."""

    def __init__(self):
        self.orbitals = {}

    def gradient(self, request):
        """Energy (Hartree), gradient (N, 3) in Hartree/Bohr, Loewdin charges, and what the SCF took."""
        symbols, unrestricted = request["symbols"], request["unrestricted"]
        same = json.dumps([symbols, unrestricted, request["functional"], request["basis"]])
        psi4.core.set_output_file(OUTPUT, False)
        psi4.core.clean_options()
        psi4.set_options(
            {**request["options"], "basis": request["basis"], "reference": "uhf" if unrestricted else "rhf"}
        )
        molecule = _molecule(request, 1 + request["unpaired"])
        basis = psi4.core.BasisSet.build(molecule, "ORBITAL", request["basis"], quiet=True)
        psi4.core.set_memory_bytes(_memory(basis, molecule, request["threads"]), True)
        psi4.core.set_num_threads(request["threads"], True)
        facts = {"basis_functions": basis.nbf()}
        parted = unrestricted and not request["unpaired"]
        guess = _parted(request) if parted else self.orbitals.pop(same, None)
        if not parted and _has_grid(request["functional"]):
            guess = _on_coarse_grid(request, molecule, basis, guess)
        for options in (None, request["second_try"]):
            if options is not None:
                psi4.set_options(options)
                facts["second_try"] = True
                guess = guess if parted else None
            try:
                result, wavefunction = _run(psi4.gradient, request, molecule, basis, guess)
                break
            except Exception as error:
                if type(error).__name__ not in ("SCFConvergenceError", "ConvergenceError") or options is not None:
                    raise
                psi4.core.clean()
        if isinstance(wavefunction, psi4.core.HF):
            facts["iterations"] = int(psi4.variable("SCF ITERATIONS"))
            facts["charges"] = _loewdin(wavefunction, molecule)
            self.orbitals = {same: _occupied(wavefunction)}
        energy = float(psi4.variable("CURRENT ENERGY"))
        psi4.core.clean()
        return {"energy": energy, "gradient": np.asarray(result).tolist(), **facts}


def potential(request):
    """Electrostatic potential, atomic units, at points (M, 3) in A around a molecule."""
    psi4.core.clean_options()
    psi4.set_options({**request["options"], "basis": request["basis"], "reference": "rhf"})
    molecule = _molecule(request, 1 + request["unpaired"])
    basis = psi4.core.BasisSet.build(molecule, "ORBITAL", request["basis"], quiet=True)
    psi4.core.set_memory_bytes(_memory(basis, molecule, request["threads"]), True)
    psi4.core.set_num_threads(request["threads"], True)
    _, wavefunction = _run(psi4.energy, request, molecule, basis, None)
    np.savetxt("grid.dat", request["points"])
    psi4.oeprop(wavefunction, "GRID_ESP")
    psi4.core.clean()
    return {"potential": np.loadtxt("grid_esp.dat", ndmin=1).tolist()}


def _has_grid(functional):
    from psi4.driver.procrouting.dft import functionals

    return not isinstance(functional, str) or functional.lower() in set(functionals) - {"hf", "scf"}


def _on_coarse_grid(request, molecule, basis, guess):
    """Guess (as of `_occupied`) from cycles on a coarse grid: a fine one matters in the last cycles only."""
    psi4.set_options(request["coarse"])
    try:
        _, wavefunction = _run(psi4.energy, request, molecule, basis, guess)
        guess = _occupied(wavefunction)
    except Exception as error:  # the cycles on the fine grid begin without
        traceback.print_exception(error)
    psi4.core.clean()
    psi4.set_options(request["options"])
    return guess


def _molecule(request, multiplicity):
    rows = [f"{s} {x!r} {y!r} {z!r}" for s, (x, y, z) in zip(request["symbols"], request["positions"], strict=True)]
    return psi4.geometry(
        "\n".join([f"0 {multiplicity}", *rows, "units angstrom", "symmetry c1", "no_reorient", "no_com"])
    )


def _memory(basis, molecule, threads):
    """Bytes: the three-index integrals (three sets for range-separated functionals) and the grid in memory."""
    auxiliary = psi4.core.BasisSet.build(
        molecule, "DF_BASIS_SCF", "", "JKFIT", psi4.core.get_global_option("BASIS"), quiet=True
    )
    integrals = 3 * 8 * basis.nbf() ** 2 * auxiliary.nbf()
    with open("/proc/meminfo") as info:
        available = next(int(line.split()[1]) for line in info if line.startswith("MemAvailable")) * 1024
    return int(min(integrals + (2 + threads // 4) * GIGABYTE, 0.8 * available))


def _run(what, request, molecule, basis, guess):
    """`what` (psi4.energy or psi4.gradient) and its wavefunction, started from the orbitals `guess`."""
    if guess is not None:
        data, orbitals = guess
        overlap = np.asarray(psi4.core.MintsHelper(basis).ao_overlap())
        filename = psi4.core.Wavefunction(molecule, basis).get_scratch_filename(180) + ".npy"
        _write_guess(data, [_orthonormal(c, overlap) for c in orbitals], filename)
        psi4.set_options({"guess": "read"})
    else:
        psi4.set_options({"guess": "sad" if molecule.natom() > 1 else "core"})
    functional = request["functional"]
    keywords = {"molecule": molecule, "return_wfn": True}
    if not isinstance(functional, str):
        return what("scf", dft_functional=functional, **keywords)
    return what(functional, **keywords)


def _orthonormal(orbitals, overlap):
    values, vectors = np.linalg.eigh(orbitals.T @ overlap @ orbitals)
    return orbitals @ (vectors / np.sqrt(values)) @ vectors.T


def _write_guess(data, orbitals, filename):
    """File of orbitals where `guess read` looks for it; `data` is that of another calculation in the same basis."""
    for spin, occupied in zip(("a", "b"), orbitals, strict=True):
        square = np.zeros_like(data["matrix"]["C" + spin])
        square[:, : occupied.shape[1]] = occupied
        data["matrix"]["C" + spin] = square
        data["dimension"][f"n{dict(a='alpha', b='beta')[spin]}pi"] = (occupied.shape[1],)
    np.save(filename, data, allow_pickle=True)


def _occupied(wavefunction):
    """All data of a wavefunction, and its occupied orbitals (alpha, beta), a column each."""
    sizes = (wavefunction.nalpha(), wavefunction.nbeta())
    orbitals = [np.array(c)[:, :n] for c, n in zip((wavefunction.Ca(), wavefunction.Cb()), sizes, strict=True)]
    return wavefunction.to_file(), orbitals


def _parted(request):
    """Guess (as of `_occupied`) for a singlet made of two radicals, from the triplet's two open shells.

    Each is localised at one end of the direction in which they can be told apart best, and one is flipped. From a
    closed shell, Psi4 would not leave it, far too high in energy.
    """
    triplet = _molecule(request, 3)
    basis = psi4.core.BasisSet.build(triplet, "ORBITAL", request["basis"], quiet=True)
    _, wavefunction = _run(psi4.energy, request, triplet, basis, None)
    data, (alpha, beta) = _occupied(wavefunction)
    psi4.core.clean()
    open_shells = alpha[:, -2:]
    dipoles = [open_shells.T @ np.asarray(d) @ open_shells for d in psi4.core.MintsHelper(basis).ao_dipole()]
    spectra = [np.linalg.eigh(d) for d in dipoles]
    best = max(spectra, key=lambda spectrum: spectrum[0][1] - spectrum[0][0])
    left, right = (open_shells @ best[1]).T
    return data, [np.column_stack([alpha[:, :-2], left]), np.column_stack([beta, right])]


def _loewdin(wavefunction, molecule):
    values, vectors = np.linalg.eigh(np.asarray(wavefunction.S()))
    root = vectors * np.sqrt(values) @ vectors.T
    density = np.asarray(wavefunction.Da()) + np.asarray(wavefunction.Db())
    population = np.einsum("ij,jk,ki->i", root, density, root)
    charges = [molecule.Z(i) for i in range(molecule.natom())]
    basis = wavefunction.basisset()
    for function, share in enumerate(population):
        charges[basis.function_to_center(function)] -= share
    return charges


def _tail():
    try:
        with open(OUTPUT, errors="replace") as output:
            return output.read()[-TAIL:]
    except OSError:
        return ""


def serve(answers):
    """Answer every request on stdin in turn."""
    solver = Solver()
    operations = {
        "version": lambda _: {"version": psi4.__version__},
        "check": check,
        "gradient": solver.gradient,
        "potential": potential,
    }
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = operations[request["do"]](request)
        except BaseException as error:  # Psi4 turns some errors into SystemExit
            answer = {"error": type(error).__name__, "message": str(error).strip(), "tail": _tail()}
            if not isinstance(error, Refusal):
                traceback.print_exc()
            solver.orbitals = {}
            psi4.core.clean()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Psi4 and its libraries print what they like to the terminal, so answers have a descriptor of their own.
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(sys.argv[1])  # Psi4 leaves timer.dat and more where it stands
    psi4.core.IOManager.shared_object().set_default_path(os.getcwd() + "/")
    psi4.core.set_output_file(OUTPUT, False)
    serve(own)
    os._exit(0)  # without Psi4's own farewell, which writes into the folder
