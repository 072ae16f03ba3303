"""`oligopoly fit`, `evaluate` and `label`: trainer, evaluator and labelers for people with files of their own.

References are read from `REF_energy` (eV), `REF_forces` (eV/A) and `REF_stress` (eV/A^3, ASE's sign); where such a key
is missing, from what ASE calls `energy`, `forces` and `stress`. Other names are given with `--energy-key` and so on.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.label import commands as label_commands

KEYS = {"energy": "REF_energy", "forces": "REF_forces", "stress": "REF_stress"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. A mistake of the user's is one line on the terminal, exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (UserError, OSError) as error:
        text = str(error) if isinstance(error, UserError) else f"{error.filename}: {error.strerror}"
        print(f"oligopoly: {text}", file=sys.stderr)
        return 1
    return 0


def fit(options: argparse.Namespace) -> None:
    """Train a potential and say how good it is."""
    from oligopoly.ace.fit import Weights
    from oligopoly.ace.fit import fit as fit_potential

    train = _labelled(options.train, options)
    test = _labelled([options.test], options) if options.test else []
    prefix = Path(options.output)
    result = fit_potential(
        train,
        test,
        prefix,
        functions=options.functions,
        cutoff=options.cutoff,
        n_max=options.n_max,
        l_max=options.l_max,
        weights=Weights(
            force=options.sigma_force, energy=options.sigma_energy, energy_cluster=options.sigma_energy_cluster,
            volume=options.sigma_volume,
        ),
        ridge=options.ridge,
        committee=options.committee,
        threads=options.threads,
    )  # fmt: skip
    sizes = ", ".join(f"{element} {count}" for element, count in result["functions_per_element"].items())
    print(f"functions per element: {sizes}; {result['rows']} rows; {result['seconds']['total']:.0f} s")
    _print_errors({name: result[name] for name in ("train", "test") if result[name]["all"]["frames"]})
    bars = result["calibration"]
    if "force" in bars:
        print(
            f"error bars of forces: true / expected = {bars['force']['ratio']:.2f} on {bars['frames']} held-out frames "
            f"(posterior times {bars['force_factor']:.1f})"
        )
    members = f", {prefix}.member_*.yaml and .yace ({options.committee})" if options.committee else ""
    names = ("yaml", "yace", "asi", "factor.npz", "metrics.json", "predictions.npz")
    print("wrote " + ", ".join(f"{prefix}.{name}" for name in names) + members)


def evaluate(options: argparse.Namespace) -> None:
    """Energies, forces, stress and extrapolation grade of frames; errors where references are given."""
    from oligopoly.ace import potential as potentials
    from oligopoly.ace.error_bars import ErrorBars
    from oligopoly.ace.evaluator import Evaluator
    from oligopoly.ace.metrics import Labels, errors, labels
    from oligopoly.progress import Progress

    potential = potentials.read(options.potential)
    frames = frame_files.read(options.frames)
    if not frames:
        raise UserError(f"{options.frames}: no frames in this file.")
    for atoms in frames:
        _rename(atoms, options)
    _check_keys(frames, options, options.frames)
    evaluator = Evaluator(potential, active_set=options.active_set, threads=options.threads)
    bars = ErrorBars.load(options.error_bars) if options.error_bars else None
    predictions = []
    progress = Progress(len(frames), "evaluate", "frames")
    for number, atoms in enumerate(frames):
        unknown = sorted(set(atoms.symbols) - set(potential.elements))
        if unknown:
            raise UserError(
                f"{options.frames}, frame {number}: contains {unknown}; "
                f"{options.potential} knows {list(potential.elements)}."
            )
        result = evaluator.compute(
            atoms.numbers, atoms.positions, np.asarray(atoms.cell), atoms.pbc, gamma=options.active_set is not None
        )
        stress = None
        if atoms.pbc.all():
            v = result.virial / atoms.get_volume()
            stress = np.array([v[0, 0], v[1, 1], v[2, 2], v[1, 2], v[0, 2], v[0, 1]])
        predictions.append(Labels(result.energy, result.forces, stress))
        atoms.info["ACE_energy"] = result.energy
        atoms.arrays["ACE_energies"] = np.asarray(result.energies)
        atoms.arrays["ACE_forces"] = np.asarray(result.forces)
        if stress is not None:
            atoms.info["ACE_stress"] = stress
        if options.active_set is not None:
            atoms.arrays["ACE_gamma"] = np.asarray(result.gamma)
            atoms.info["ACE_max_gamma"] = float(np.max(result.gamma))
        if bars:
            deviations = bars.of(atoms)
            atoms.info["ACE_energy_per_atom_std"] = deviations.energy
            atoms.arrays["ACE_forces_std"] = deviations.forces
        progress.update()
    summary = errors(frames, predictions)
    for atoms in frames:
        reference = labels(atoms)
        atoms.calc = None
        # what ASE read into a calculator would be lost on writing
        if reference.energy is not None:
            atoms.info["REF_energy"] = reference.energy
        if reference.forces is not None:
            atoms.arrays["REF_forces"] = reference.forces
        if reference.stress is not None:
            atoms.info["REF_stress"] = reference.stress
    frame_files.write(options.output, frames)
    print(f"wrote {options.output}: ACE_energy, ACE_energies, ACE_forces, ACE_stress (periodic frames)" +
          (", ACE_gamma, ACE_max_gamma" if options.active_set else "") +
          (", ACE_energy_per_atom_std, ACE_forces_std" if bars else ""))  # fmt: skip
    if summary["all"]["force_rmse_meV_A"] is None and summary["all"]["energy_rmse_meV_atom"] is None:
        print("no references in the frames, so no errors")
        return
    errors_file = Path(options.output).with_suffix(".errors.json")
    write_text(errors_file, json.dumps(summary, indent=1) + "\n")
    _print_errors({"errors": summary})
    print(f"wrote {errors_file}")


def _labelled(paths: list[str], options: argparse.Namespace) -> frame_files.Stored:
    """Frames that stay in their files, with references under our names; all have been looked at once."""
    from oligopoly.ace.metrics import labels

    frames = frame_files.Stored(paths, lambda path, number, atoms: _rename(atoms, options))
    for path in paths:
        its = frame_files.Stored([path], frames.prepare)
        if not len(its):
            raise UserError(f"{path}: no frames in this file.")
        _check_keys(its, options, path)
        seen = {"energy": False, "forces": False}
        for number, atoms in enumerate(its):
            reference = labels(atoms)
            if reference.energy is None and reference.forces is None:
                raise UserError(
                    f"{path}, frame {number}: neither REF_energy nor REF_forces (nor ASE's energy and forces); "
                    f"there are {_names(atoms)}{_nearest('REF_forces', atoms)} "
                    "(--energy-key and --forces-key take other names)"
                )
            for what in seen:
                seen[what] |= getattr(reference, what) is not None
        for what in (what for what, found in seen.items() if not found):
            hint = _nearest(KEYS[what], its[0])
            print(f"oligopoly: {path}: no frame has a reference {what} ({KEYS[what]}){hint}", file=sys.stderr)
    return frames


def _rename(atoms: Atoms, options: argparse.Namespace) -> None:
    """Move references with names given by the user to ours."""
    for what, ours in KEYS.items():
        found = _value(atoms, what, getattr(options, f"{what}_key"))
        if found is not None:
            (atoms.arrays if what == "forces" else atoms.info)[ours] = found


def _check_keys(frames: Sequence[Atoms], options: argparse.Namespace, path: str) -> None:
    """Raise UserError for a name given by the user that no frame has."""
    for what in KEYS:
        name = getattr(options, f"{what}_key")
        if name is not None and all(_value(atoms, what, name) is None for atoms in frames):
            names, hint = _names(frames[0]), _nearest(name, frames[0])
            raise UserError(f"{path}: no frame has '{name}' (--{what}-key); there are {names}{hint}")


def _value(atoms: Atoms, what: str, name: str | None):
    """Of a frame what is called `name`, wherever ASE put it; None where there is no such thing."""
    results = atoms.calc.results if atoms.calc is not None else {}
    return (atoms.arrays if what == "forces" else atoms.info).get(name, results.get(name))


def _nearest(name: str, atoms: Atoms) -> str:
    found = difflib.get_close_matches(name, _names(atoms), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _names(atoms: Atoms) -> list[str]:
    results = atoms.calc.results if atoms.calc is not None else {}
    return sorted({*atoms.info, *atoms.arrays, *results} - {"numbers", "positions"})


def _print_errors(parts: dict[str, dict]) -> None:
    columns = (
        ("frames", "frames", "{:d}"),
        ("F RMSE meV/A", "force_rmse_meV_A", "{:.1f}"),
        ("F MAE meV/A", "force_mae_meV_A", "{:.1f}"),
        ("F RMSE %", "force_rmse_percent", "{:.1f}"),
        ("E RMSE meV/atom", "energy_rmse_meV_atom", "{:.2f}"),
        ("E MAE meV/atom", "energy_mae_meV_atom", "{:.2f}"),
        ("P RMSE bar", "pressure_rmse_bar", "{:.0f}"),
    )
    rows = []
    for part, entry in parts.items():
        kinds = entry["by_config_type"]
        rows.append((part, entry["all"]))
        if len(kinds) > 1:
            rows += [(f"  {kind}", values) for kind, values in kinds.items()]
    width = max(len(name) for name, _ in rows)
    print(" " * width + "".join(f"  {title}" for title, _, _ in columns))
    for name, values in rows:
        cells = [
            ("-" if values[key] is None else form.format(values[key])).rjust(len(title) + 2)
            for title, key, form in columns
        ]
        print(name.ljust(width) + "".join(cells))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oligopoly",
        description="Linear ACE potentials in pacemaker's formats.",
        epilog="References: REF_energy (eV), REF_forces (eV/A), REF_stress (eV/A^3, ASE's sign) in extended XYZ; "
        "where one is missing, ASE's energy, forces, stress.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    keys = argparse.ArgumentParser(add_help=False)
    for what, ours in KEYS.items():
        keys.add_argument(f"--{what}-key", metavar="NAME", help=f"name of the reference {what} (default {ours})")
    keys.add_argument("--threads", type=_positive_integer, default=1, help="default 1")

    one = commands.add_parser("fit", parents=[keys], help=(fit.__doc__ or "").splitlines()[0], description=fit.__doc__)
    one.add_argument("train", nargs="+", help="labelled frames, extended XYZ; frames of one atom give E0")
    one.add_argument("--test", help="labelled frames held out")
    one.add_argument("-o", "--output", default="potential", metavar="PREFIX", help="default: potential")
    one.add_argument("--functions", type=_positive_integer, default=300, help="per element, default 300")
    one.add_argument("--cutoff", type=_positive, default=5.0, help="Angstrom, default 5")
    one.add_argument("--n-max", type=_integers, metavar="N,N,...", help="largest n by rank, e.g. 20,8,4,2")
    one.add_argument("--l-max", type=_integers, metavar="L,L,...", help="largest l by rank, e.g. 0,5,4,2")
    one.add_argument("--sigma-force", type=_positive, default=0.1, help="expected error, eV/A, default 0.1")
    one.add_argument("--sigma-energy", type=_positive, default=0.3e-3, help="periodic frames, eV/atom, default 0.0003")
    one.add_argument("--sigma-energy-cluster", type=_positive, default=1e-3, help="others, eV/atom, default 0.001")
    one.add_argument(
        "--sigma-volume", type=_positive, default=3e-5,
        help="of the energy change on 1 %% of volume, eV/atom: the weight of the stress, default 0.00003",
    )  # fmt: skip
    one.add_argument(
        "--ridge", type=_positive, help="relative regularisation, e.g. 1e-9; default: a prior chosen by the data"
    )
    one.add_argument(
        "--committee", type=int, default=0, metavar="N", help="draw N potentials from the posterior, default 0"
    )
    one.set_defaults(run=fit)

    two = commands.add_parser(
        "evaluate", parents=[keys], help=(evaluate.__doc__ or "").splitlines()[0], description=evaluate.__doc__
    )
    two.add_argument("potential", help=".yaml or .yace")
    two.add_argument("frames", help="extended XYZ")
    two.add_argument("--active-set", metavar="FILE", help=".asi; adds the extrapolation grade gamma per atom")
    two.add_argument("--error-bars", metavar="FILE", help=".factor.npz of the fit; adds standard deviations")
    two.add_argument("-o", "--output", default="out.extxyz", metavar="FILE", help="default: out.extxyz")
    two.set_defaults(run=evaluate)

    label_commands.add_to(commands, _positive_integer)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _positive_integer(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return value


def _integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a list of integers like 20,8,4,2") from None


if __name__ == "__main__":
    sys.exit(main())
