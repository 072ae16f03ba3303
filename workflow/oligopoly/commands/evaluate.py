"""`oligopoly evaluate`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from oligopoly import frames as frame_files
from oligopoly.commands import outputs
from oligopoly.commands.references import labelled
from oligopoly.commands.tables import print_errors
from oligopoly.errors import UserError
from oligopoly.files import as_json, write_text
from oligopoly.potentials.uncertainty import first_of


def evaluate(options: argparse.Namespace) -> None:
    """Energies, forces, stress and uncertainty of frames; errors where references are given."""
    from oligopoly.accuracy import beyond_spread, errors
    from oligopoly.potentials.registry import open_potential
    from oligopoly.progress import Progress

    potential = open_potential(options.potential, options.active_set)
    manifest = potential.manifest
    outputs.check(options.output, [options.frames, options.potential])
    by_manifest = Path(options.potential).suffix == ".json"
    if by_manifest and options.active_set is not None:
        raise UserError(f"--active-set: goes with a bare .yaml; {options.potential} names its own: leave it out.")
    kind = first_of(manifest.uncertainty)
    if not by_manifest and options.active_set is None:
        kind = "none"
    bars = _error_bars(options, manifest)
    key = "ACE" if manifest.kind in ("ace", "pace") else manifest.kind.upper()
    frames: list[Atoms] = []
    # the files of the potential are opened here, before a large file of frames is read
    predicted = potential.predict(_known(frames, options, manifest.species), kind, options.threads)
    frames.extend(labelled([options.frames], options, needed=False))
    predictions = []
    progress = Progress(len(frames), "evaluate", "frames")
    for number, (atoms, found) in enumerate(zip(frames, predicted, strict=True)):
        if not (np.isfinite(found.energy) and np.isfinite(found.forces).all()):
            raise UserError(
                f"{options.frames}, frame {number}: {options.potential} gives an energy or forces that are not finite"
            )
        predictions.append(found)
        atoms.info[f"{key}_energy"] = found.energy
        atoms.arrays[f"{key}_forces"] = np.asarray(found.forces)
        if found.energies is not None:
            atoms.arrays[f"{key}_energies"] = np.asarray(found.energies)
        if found.stress is not None:
            atoms.info[f"{key}_stress"] = found.stress
        if found.score is not None:
            atoms.arrays[f"{key}_{kind}"] = found.score.per_atom
            atoms.info[f"{key}_max_{kind}"] = found.score.frame
        if bars:
            deviations = bars.of(atoms)
            atoms.info[f"{key}_energy_per_atom_std"] = deviations.energy
            atoms.arrays[f"{key}_forces_std"] = deviations.forces
        progress.update()
    summary = errors(frames, predictions)
    frame_files.write(options.output, frames)
    wrote = sorted({name for atoms in frames for name in (*atoms.info, *atoms.arrays) if name.startswith(f"{key}_")})
    print(f"wrote {options.output}: {', '.join(wrote)}")
    if summary["all"]["force_rmse_meV_A"] is None and summary["all"]["energy_rmse_meV_atom"] is None:
        print("no references in the frames, so no errors")
        return
    errors_file = Path(options.output).with_suffix(".errors.json")
    write_text(errors_file, as_json(summary))
    print_errors({"errors": summary})
    print(f"wrote {errors_file}")
    for sentence in beyond_spread(summary["all"], frames):
        print(f"oligopoly: {options.potential} does not describe {options.frames}: {sentence}", file=sys.stderr)


def _error_bars(options: argparse.Namespace, manifest):
    from oligopoly.ace.error_bars import ErrorBars
    from oligopoly.ace.potential import read_yaml

    if options.error_bars is None:
        return None
    path = manifest.path("potential")
    potential = read_yaml(path) if path.suffix != ".yace" else None
    return ErrorBars.load(options.error_bars or manifest.path("checkpoint"), potential)


def _known(frames: list[Atoms], options: argparse.Namespace, species: list[str]) -> Iterator[Atoms]:
    """The frames, as long as the potential knows their elements."""
    for number, atoms in enumerate(frames):
        unknown = sorted(set(atoms.symbols) - set(species))
        if unknown:
            raise UserError(
                f"{options.frames}, frame {number}: contains {unknown}; {options.potential} knows {list(species)}."
            )
        yield atoms


def add_to(commands: argparse._SubParsersAction, keys: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `oligopoly`."""
    two = commands.add_parser(
        "evaluate", parents=[keys], help=(evaluate.__doc__ or "").splitlines()[0], description=evaluate.__doc__
    )
    two.add_argument("potential", help="manifest.json, or a bare .yaml or .yace")
    two.add_argument("frames", help="extended XYZ, or what else ASE reads")
    two.add_argument("--active-set", metavar="FILE", help=".asi of a bare .yaml; adds the extrapolation grade per atom")
    two.add_argument(
        "--error-bars", metavar="FILE", nargs="?", const="",
        help=".factor.npz of the fit (default: the manifest's); adds standard deviations",
    )  # fmt: skip
    two.add_argument("-o", "--output", default="out.extxyz", metavar="FILE", help="default: out.extxyz")
    two.set_defaults(run=evaluate)
