"""`oligopoly label`, `export-labels`, `import-labels`: labels for people with files of their own.

The same function labels as in the workflow, into the same kind of store.
"""

import argparse
from functools import partial
from pathlib import Path

import yaml

from oligopoly import frames as frame_files
from oligopoly.commands.numbers import positive_integer
from oligopoly.errors import UserError

LIMITS = ("min_distance", "max_bond", "max_force", "max_net_force")


def label(options: argparse.Namespace) -> None:
    """Reference energies and forces of frames, through a store, so that nothing is computed twice."""
    from oligopoly.config.load import check_label
    from oligopoly.labelers.outcomes import Outcome
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.cost import Costs
    from oligopoly.labelling.run import label_chunk
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.walltime import seconds_left
    from oligopoly.systems.topology import Topology

    frames = frame_files.read(options.frames)
    if not frames:
        raise UserError(f"{options.frames}: no frames in this file.")
    settings = check_label({"labeler": _labeler(options)}, options.settings or "--labeler")
    labeler = settings.labeler.model_dump()
    settings.labeler.check({symbol for atoms in frames for symbol in atoms.symbols})
    names = dict.fromkeys(str(atoms.info.get("origin_system", "")) for atoms in frames)
    topology = Topology.read(options.system) if options.system else None
    outcomes = Path(options.output).with_suffix(".outcomes.tsv")
    verdicts = label_chunk(
        frames,
        dict.fromkeys(names, partial(create, labeler, data=options.data, system=options.system)),
        Store(options.store),
        options.output,
        outcomes,
        **settings.model_dump(include=set(LIMITS)),
        costs=Costs(options.store, labeler),
        topologies=dict.fromkeys(names, topology) if topology else None,
        cores=options.threads,
        seconds_left=seconds_left(None),
    )
    done = sum(verdict.outcome is Outcome.LABELLED for verdict in verdicts)
    print(f"wrote {options.output}: {done} of {len(verdicts)} frames with labels; what became of each: {outcomes}")


def export_labels(options: argparse.Namespace) -> None:
    """All labels of a store, as extended XYZ."""
    from oligopoly.labelling.exchange import export
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.theory import name_of

    _existing(options.store)
    store = Store(options.store)
    if options.method:
        there = sorted({name_of(record.settings) for record in store.records()})
        if options.method not in there:
            names = ", ".join(f"'{name}'" for name in there) or "nothing at all"
            raise UserError(f"{options.store}: holds no labels of '{options.method}', but of {names}")
    counts = export(store, options.output, {options.method} if options.method else None)
    print(f"wrote {options.output}: " + (", ".join(f"{n} of {name}" for name, n in counts.items()) or "no labels"))
    if len(counts) > 1:
        print("these are several levels of theory, which cannot be learned together: --method exports one of them")


def import_labels(options: argparse.Namespace) -> None:
    """Put labels that were computed elsewhere into a store, at the level of theory that they are of."""
    from oligopoly.config.load import check_label
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.exchange import bring_in
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.theory import name_of

    labeler = check_label({"labeler": _labeler(options)}, options.settings or "--labeler").labeler.model_dump()
    settings = create(labeler, data=options.data, system=options.system).settings()
    new, known, refused = bring_in(options.files, settings, Store(options.store))
    for sentence in refused:
        print(f"left out: {sentence}")
    print(f"{options.store}: {new} new labels of {name_of(settings)}, {known} were there, {len(refused)} left out")


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser of `oligopoly`."""
    theory = argparse.ArgumentParser(add_help=False)
    theory.add_argument("--labeler", required=True, metavar="KIND", help="classical, xtb, pyscf, ...")
    theory.add_argument(
        "--settings", metavar="FILE", help="YAML with the labeler's keys, as in the config's label.labeler"
    )
    theory.add_argument("--store", required=True, metavar="DIR", help="folder of the label store")
    theory.add_argument("--data", metavar="FILE", help="LAMMPS data file of the system; only for classical")
    theory.add_argument(
        "--system", metavar="FILE", help="system.json of the system that the frames consist of: molecules are checked"
    )

    one = commands.add_parser("label", parents=[theory], help=label.__doc__, description=label.__doc__)
    one.add_argument("frames", help="extended XYZ")
    one.add_argument(
        "-o", "--output", default="labelled.extxyz", metavar="FILE",
        help="default: labelled.extxyz; outcomes go to the same name with .outcomes.tsv",
    )  # fmt: skip
    one.add_argument("--threads", type=positive_integer, default=1, help="cores to use, default 1")
    one.set_defaults(run=label)

    two = commands.add_parser("export-labels", help=export_labels.__doc__, description=export_labels.__doc__)
    two.add_argument("store", metavar="DIR", help="folder of the label store")
    two.add_argument("-o", "--output", default="labels.extxyz", metavar="FILE", help="default: labels.extxyz")
    two.add_argument("--method", metavar="NAME", help="one level of theory only, as REF_method names it")
    two.set_defaults(run=export_labels)

    three = commands.add_parser(
        "import-labels", parents=[theory], help=import_labels.__doc__, description=import_labels.__doc__
    )
    three.add_argument("files", nargs="+", help="labelled extended XYZ, or output of VASP, Quantum ESPRESSO, ...")
    three.set_defaults(run=import_labels)


def _labeler(options: argparse.Namespace) -> dict:
    settings: dict = {}
    if options.settings:
        try:
            settings = yaml.safe_load(Path(options.settings).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"{options.settings}: not readable as YAML ({error})") from error
        if not isinstance(settings, dict):
            raise UserError(f"{options.settings}: must be a mapping of keys to values")
    if settings.get("kind", options.labeler) != options.labeler:
        raise UserError(f"{options.settings}: is for the labeler '{settings['kind']}', not '{options.labeler}'")
    for option in ("data", "system"):
        if options.labeler == "classical" and not getattr(options, option):
            raise UserError(f"--{option}: the classical labeler needs to know its force field's molecules")
    return {**settings, "kind": options.labeler}


def _existing(folder: str) -> None:
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder")
