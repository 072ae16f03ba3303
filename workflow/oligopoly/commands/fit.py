"""`oligopoly fit`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from oligopoly.accuracy import beyond_spread
from oligopoly.commands import outputs
from oligopoly.commands.exit_codes import DONE, NOTHING
from oligopoly.commands.numbers import integers, positive, positive_integer
from oligopoly.commands.references import labelled
from oligopoly.commands.tables import print_errors


def fit(options: argparse.Namespace) -> int:
    """Train a potential and say how good it is."""
    from oligopoly.ace.fit import fit as fit_potential
    from oligopoly.potentials.manifest import sha256
    from oligopoly.trainers import ace
    from oligopoly.trainers.registry import write_manifest

    outputs.prefix(options.output)
    train = labelled(options.train, options)
    test = labelled([options.test], options) if options.test else []
    prefix = Path(options.output)
    settings = _settings(options, ace.Settings)
    result = fit_potential(
        train, test, prefix, weights=settings.weights(), threads=options.threads, **settings.arguments()
    )
    files = {role: name.replace("potential", prefix.name, 1) for role, name in ace.FILES.items()}
    files["checkpoint"] = f"{prefix.name}.factor.npz"
    members = [
        {role: name.replace("potential", prefix.name, 1) for role, name in member.items()}
        for member in settings.members()
    ]
    made = ace.manifest(settings, sorted(result["functions_per_element"]), files, members)
    dataset = sha256(options.train[0]) if len(options.train) == 1 else None
    write_manifest(made, settings, dataset, prefix.with_name(f"{prefix.name}.manifest.json"))
    sizes = ", ".join(f"{element} {count}" for element, count in result["functions_per_element"].items())
    print(f"functions per element: {sizes}; {result['rows']} rows; {result['seconds']['total']:.0f} s")
    parts = {name: result[name] for name in ("train", "test") if result[name]["all"]["frames"]}
    count = sum(result["functions_per_element"].values())
    if count >= result["rows"]:
        print(
            f"oligopoly: {count} functions from {result['rows']} rows: they can pass through every label, so errors "
            "on the training frames mean nothing and are not shown; give more frames or fewer --functions",
            file=sys.stderr,
        )
        del parts["train"]
    if parts:
        print_errors(parts)
    bars = result["calibration"]
    if "force" in bars:
        print(
            f"error bars of forces: true / expected = {bars['force']['ratio']:.2f} on {bars['frames']} held-out frames "
            f"(posterior times {bars['force_factor']:.1f})"
        )
    more = f", {prefix}.member_*.yaml and .yace ({options.committee})" if options.committee else ""
    names = ("yaml", "yace", "asi", "factor.npz", "manifest.json", "metrics.json", "predictions.npz")
    print("wrote " + ", ".join(f"{prefix}.{name}" for name in names) + more)
    return _describes(parts, {"train": train, "test": test})


def _describes(parts: Mapping[str, dict], frames: Mapping[str, Sequence[Atoms]]) -> int:
    """The exit code: whether errors stay within the spread of what is to be described; sentences say where not."""
    part = "test" if "test" in parts else "train"
    said = beyond_spread(parts[part]["all"], frames[part]) if part in parts else []
    for sentence in said:
        print(f"oligopoly: the potential does not describe the {part} frames: {sentence}", file=sys.stderr)
    return NOTHING if said else DONE


def _settings(options: argparse.Namespace, kind: type) -> Any:
    """The options as the trainer's block of the config would have them, so that both mean the same."""
    given: dict[str, Any] = {
        "functions": options.functions,
        "cutoff": f"{options.cutoff} A",
        "sigma_force": f"{options.sigma_force} eV/A",
        "sigma_energy": f"{options.sigma_energy} eV",
        "sigma_energy_cluster": f"{options.sigma_energy_cluster} eV",
        "sigma_volume": f"{options.sigma_volume} eV",
        "ridge": options.ridge or "auto",
        "committee": options.committee,
    }
    if options.n_max and options.l_max:
        given["ranks"] = {"n": options.n_max, "l": options.l_max}
    return kind(**given)


def add_to(commands: argparse._SubParsersAction, keys: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `oligopoly`."""
    one = commands.add_parser("fit", parents=[keys], help=(fit.__doc__ or "").splitlines()[0], description=fit.__doc__)
    one.add_argument(
        "train", nargs="+", help="labelled frames, extended XYZ or what else ASE reads; frames of one atom give E0"
    )
    one.add_argument("--test", help="labelled frames held out")
    one.add_argument("-o", "--output", default="potential", metavar="PREFIX", help="default: potential")
    one.add_argument("--functions", type=positive_integer, default=300, help="per element, default 300")
    one.add_argument("--cutoff", type=positive, default=5.0, help="Angstrom, default 5")
    one.add_argument("--n-max", type=integers, metavar="N,N,...", help="largest n by rank, e.g. 20,8,4,2")
    one.add_argument("--l-max", type=integers, metavar="L,L,...", help="largest l by rank, e.g. 0,5,4,2")
    one.add_argument("--sigma-force", type=positive, default=0.1, help="expected error, eV/A, default 0.1")
    one.add_argument("--sigma-energy", type=positive, default=0.3e-3, help="periodic frames, eV/atom, default 0.0003")
    one.add_argument("--sigma-energy-cluster", type=positive, default=1e-3, help="others, eV/atom, default 0.001")
    one.add_argument(
        "--sigma-volume", type=positive, default=3e-5,
        help="of the energy change on 1 %% of volume, eV/atom: the weight of the stress, default 0.00003",
    )  # fmt: skip
    one.add_argument(
        "--ridge", type=positive, help="relative regularisation, e.g. 1e-9; default: a prior chosen by the data"
    )
    one.add_argument(
        "--committee", type=int, default=0, metavar="N", help="draw N potentials from the posterior, default 0"
    )
    one.set_defaults(run=fit)
