"""`oligopoly label`, `import-labels`: labels for people with files of their own.

The same function labels as in the workflow, into the same kind of store.
"""

import argparse
from functools import partial
from pathlib import Path

from oligopoly.commands import exit_codes, outputs, references
from oligopoly.commands.numbers import positive_integer
from oligopoly.commands.tables import print_first
from oligopoly.errors import UserError
from oligopoly.intake.references import unlabelled

LIMITS = ("min_distance", "max_bond", "max_force", "max_net_force")


def label(options: argparse.Namespace) -> int:
    """Reference energies and forces of frames, through a store, so that nothing is computed twice."""
    from oligopoly.config.load import check_label
    from oligopoly.labelers.outcomes import Outcome
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.cost import Costs
    from oligopoly.labelling.run import label_chunk
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.walltime import seconds_left
    from oligopoly.systems.topology import Topology

    outputs.check(options.output, [options.frames, options.data, options.system, options.settings])
    frames = unlabelled(options.frames)
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
    return exit_codes.of(done, len(verdicts))


def import_labels(options: argparse.Namespace) -> int:
    """Put labels that were computed elsewhere into a store, at the level of theory that they are of."""
    from oligopoly.config.load import check_label
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.exchange import bring_in
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.theory import name_of

    labeler = check_label({"labeler": _labeler(options)}, options.settings or "--labeler").labeler.model_dump()
    settings = create(labeler, data=options.data, system=options.system).settings()
    found = bring_in(options.files, settings, Store(options.store), references.asked(options), options.trust)
    print_first("left out", found.refused)
    print_first("contradicts the store", found.contradictions)
    print(
        f"{options.store}: {found.new} new labels of {name_of(settings)}, {found.known} were there, "
        f"{len(found.refused)} left out, {len(found.contradictions)} contradict what is there"
    )
    good = found.new + found.known
    return exit_codes.of(good, good + len(found.refused) + len(found.contradictions))


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser of `oligopoly`."""
    keys = argparse.ArgumentParser(add_help=False)
    references.add_to(keys)
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
    one.add_argument("frames", help="extended XYZ, or what else ASE reads")
    one.add_argument(
        "-o", "--output", default="labelled.extxyz", metavar="FILE",
        help="default: labelled.extxyz; outcomes go to the same name with .outcomes.tsv",
    )  # fmt: skip
    one.add_argument("--threads", type=positive_integer, default=1, help="cores to use, default 1")
    one.set_defaults(run=label)

    two = commands.add_parser(
        "import-labels", parents=[theory, keys], help=import_labels.__doc__, description=import_labels.__doc__
    )
    two.add_argument(
        "files", nargs="+", help="labelled extended XYZ, ASE's .traj or .db, or output of VASP, Quantum ESPRESSO, ..."
    )
    two.set_defaults(run=import_labels)


def _labeler(options: argparse.Namespace) -> dict:
    settings: dict = {}
    if options.settings:
        from oligopoly.config import strict

        settings = strict.load(options.settings)
    if settings.get("kind", options.labeler) != options.labeler:
        raise UserError(f"{options.settings}: is for the labeler '{settings['kind']}', not '{options.labeler}'")
    for option in ("data", "system"):
        if options.labeler == "classical" and not getattr(options, option):
            raise UserError(f"--{option}: the classical labeler needs to know its force field's molecules")
    return {**settings, "kind": options.labeler}
