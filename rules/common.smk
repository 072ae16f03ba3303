# The checked config, the runs that it plans (one, or the members of a study), and the names of their files.
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

# Scripts find the package too when a rule runs in a conda environment of its own, and when another workflow uses this one
# as a module from a checkout. (As a module from elsewhere it needs the package installed.)
PACKAGE = str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent / "workflow")
sys.path.insert(0, PACKAGE)
os.environ.update(PYTHONPATH=PACKAGE)

from ase.data import chemical_symbols
from snakemake.settings.types import DeploymentMethod

from oligopoly import layout
from oligopoly.config import strict
from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.forcefields.check import check_systems
from oligopoly.operations import survival
from oligopoly.config.members import members

# Words for the command line that are no files: answered from what is on disk, by rules/questions.smk.
QUESTION = next((word for word in sys.argv[1:] if word in ("status", "explain")), None)
TARGET = config.pop("target", None)


def refuse(error):
    """End with a message that is for the one who wrote the config: no place in the code, no traceback."""
    print(error, file=sys.stderr, flush=True)
    sys.exit(1)


try:
    # As a module, or included, the config is what the other workflow makes it. Else it is what the files say, whatever
    # Snakemake has read in them (see oligopoly.config.strict).
    own = len(workflow.included_stack) == 2  # the Snakefile that was asked for is ours
    files = workflow.configfiles or (["config/demo.yaml"] if own else [])
    given = dict(workflow.config_settings.config)
    given.pop("target", None)
    config = strict.merged(files, given) if own else strict.retyped(config)
    source = ", ".join(map(str, files)) or "config"
    cfg = check(config, source=source, quiet=not workflow.is_main_process)
    # By run: results/{run}. The members of a study are runs of their own below the study's folder.
    CONFIGS = members(cfg, config, source)
    # Once, before any job; with --sdm conda Snakemake makes the environment itself, also before any job.
    if workflow.is_main_process and not QUESTION and (
        DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method
    ):
        # each once, however many members of a study have it: a program is started for some
        trainers, labelers = {}, {}
        for one in CONFIGS.values():
            chains = [one.force_field.chain_of(s)[0] for s in one.systems.values()] if one.force_field.atomistic else []
            found = {chemical_symbols[number] for number in set().union(*chains)}
            trainers[one.trainer.model_dump_json()] = one.trainer
            labelers[one.label.labeler.model_dump_json(), *sorted(found)] = one.label.labeler, found
        for trainer in trainers.values():
            trainer.check()
        for labeler, found in labelers.values():
            labeler.check(found)
        check_systems(
            [(one.force_field, *system) for one in CONFIGS.values() for system in one.systems.items()],
            ".snakemake/chains_with_parameters.json",
        )
except UserError as error:
    refuse(error)

if cfg.cluster.container:

    container: cfg.cluster.container


RESULTS = f"{layout.RESULTS}/{{run}}"
# What does not differ between members of a study is made once, by the first of them.
OWNERS = layout.owners({run: one.model_dump(mode="json") for run, one in CONFIGS.items()})
LIMITS = {"min_distance", "max_bond", "max_force", "max_net_force"}
SYSTEMS = sorted({name for one in CONFIGS.values() for name in one.systems})


wildcard_constraints:
    run="|".join(map(re.escape, CONFIGS)),
    system="|".join(SYSTEMS),
    box="(" + "|".join(SYSTEMS) + r")(\.\d+)?",
    state="|".join({name for one in CONFIGS.values() for name in one.reference.states}),
    walker="|".join({name for one in CONFIGS.values() for name in one.explore.walkers}),
    production="|".join({name for one in CONFIGS.values() for name in one.produce.runs}),
    engine="reference|learned",
    replicate=r"\d+",
    chunk=r"\d+",
    gen=r"\d{3}",


def out(template):
    """An output of a rule, from its template in `oligopoly.layout`."""
    return f"{RESULTS}/{template}"


def in_generation_0(template):
    """An output of the selection that takes all of the pool."""
    return template.replace("{gen}", "000")


def of_runs(template):
    """Outputs of production, one per run."""
    return [out(template).replace("{production}", name) for name in PRODUCTIONS]


def conf(wildcards):
    """The config of the run of a job."""
    return CONFIGS[wildcards.run]


def at(wildcards, template, **values):
    """A file of the run of `wildcards`, or of the run that makes it for this one too."""
    filled = {**dict(wildcards.items()), **values}
    maker = OWNERS[wildcards.run][layout.stage_of(template).rule][0 if filled.get("gen") == "000" else 1]
    return f"{layout.RESULTS}/{maker}/{template.format(**filled)}"


def trained(wildcards):
    """Systems that the potential learns on."""
    return [name for name, system in conf(wildcards).systems.items() if system.role == "train"]


def chunks(wildcards):
    """Numbers of the label jobs of a generation."""
    return [str(number) for number in range(conf(wildcards).label.chunks)]


def potential_files(one):
    """Names of the files of a potential: the manifest first, then all that it names."""
    members = (name for member in one.trainer.members() for name in member.values())
    return ["manifest.json", *one.trainer.files().values(), *members]


def potential(wildcards, gen):
    """Files of the potential of a generation."""
    return [at(wildcards, layout.POTENTIAL, gen=gen, file=name) for name in potential_files(conf(wildcards))]


def potential_before(wildcards):
    """Files of the potential of the generation before; none before the first."""
    return [] if wildcards.gen == "000" else potential(wildcards, f"{int(wildcards.gen) - 1:03d}")


def final_potential(wildcards):
    """Files of the final potential."""
    return [at(wildcards, layout.FINAL, file=name) for name in potential_files(conf(wildcards))]


def boxes(template):
    """Input function: a file of every trained system's box."""
    return lambda wildcards: [at(wildcards, template, box=system) for system in trained(wildcards)]


def walkers(wildcards, template):
    """A file of every exploration run of a generation, the first of which is 001."""
    return [
        at(wildcards, template, system=system, walker=walker)
        for system in (trained(wildcards) if wildcards.gen != "000" else [])
        for walker in conf(wildcards).explore.walkers
    ]


def at_conditions_of_system(points):
    """Name of the first npt point that has the system's own temperature and pressure."""
    for name, point in points.items():
        if getattr(point, "ensemble", None) == "npt" and point.at_own_conditions:  # not every sampler moves atoms
            return name


def liquid(wildcards, template, system):
    """A file of the force-field MD whose density is the one to meet."""
    return at(wildcards, template, system=system, state=at_conditions_of_system(conf(wildcards).reference.states))


def engines(wildcards):
    """What runs production MD: a reference that can, and the learned potential."""
    return ["reference", "learned"] if conf(wildcards).label.labeler.runs_md else ["learned"]


def replicates(wildcards):
    """Numbers of the replicates."""
    return [str(number + 1) for number in range(conf(wildcards).produce.replicates)]


def last_generation(wildcards):
    """Number of the generation whose potential is final.

    In `until` mode, and with a budget, this asks the verdict of one generation after the other, each
    time Snakemake has made one more; in `fixed` mode without one it is known from the start.
    """
    one = conf(wildcards)
    ends = {"converged"} if one.loop.mode == "until" else set()
    ends |= {"budget spent"} if one.budget.limits() else set()
    for number in range(one.loop.generations if ends else 0):
        verdict = checkpoints.assess.get(run=wildcards.run, gen=f"{number:03d}").output.verdict
        if json.loads(Path(verdict).read_text())["decision"] in ends:
            return number
    return one.loop.generations


def of_every_generation(*templates):
    """Input function: files of generation 0 to the final one."""
    return lambda wildcards: [
        at(wildcards, template, gen=f"{number:03d}")
        for number in range(last_generation(wildcards) + 1)
        for template in templates
    ]


def of_every_member(wildcards):
    """What a study needs of its members."""
    found = []
    for run in CONFIGS:
        member = SimpleNamespace(run=run, items=lambda run=run: [("run", run)])
        found += of_every_generation(layout.METRICS, layout.PREDICTIONS, layout.VERDICT)(member)
        if cfg.study.whole_runs:
            found += [at(member, layout.REPORT)]
    return found


def on(where):
    """What jobs ask of the scheduler that run on 'cpu' or 'gpu' nodes; without a name, the profile's partition."""
    partition = cfg.cluster.gpu_partition if where == "gpu" else cfg.cluster.cpu_partition
    return ({"slurm_partition": partition} if partition else {}) | ({"gpu": 1} if where == "gpu" else {})


def asked_of_label(which):
    """Resource function: minutes (0) or MB (1) that the timings in the store predict for the chunk."""

    def resource(wildcards, input, threads, attempt):
        from oligopoly.labelling import cost  # not at the start of every other job

        one = conf(wildcards).label
        return cost.asked(input.chunk, one.store, one.labeler.model_dump(), threads, attempt)[which]

    return resource


# Rules of a study that differ from another in the files they write alone: by name, the first of their kind.
ALIKE = {}


def alike(first, number, runs):
    """Name for what makes the files of `runs`. `first` itself, or, after the first, one that says their trainer."""
    name = first if number == 0 else f"{first}_{number}_{CONFIGS[runs[0]].trainer.kind}"
    ALIKE[name] = first
    return name


def cores_of(rule):
    """Cores of the jobs of a rule."""
    return rule.resources["_cores"].raw or 1


def hardware_of(rule):
    """What the jobs of a rule of MD run on."""
    from oligopoly.md.hardware import Hardware

    asked = {name: getattr(rule.resources.get(name), "raw", None) for name in ("mpi", "tasks", "gpu", "nodes")}
    return Hardware.of_job(cores_of(rule), asked, rule.name)


def asked_of_slurm():
    """What all attempts of all jobs ask for, as far as the profile says it, as arguments of `preflight.site.Ask`."""

    def value(rule, name, attempt):
        raw = getattr(rule.resources.get(name), "raw", None)
        try:
            return eval(raw, {"__builtins__": {}}, {"attempt": attempt}) if isinstance(raw, str) else raw
        except (NameError, SyntaxError):  # a word, not an expression
            return raw

    found = []
    for one in workflow.rules:
        if one.name in workflow._localrules:
            continue
        for attempt in range(1, workflow.execution_settings.retries + 2):
            asked = {name: value(one, name, attempt) for name in ("slurm_partition", "mem_mb", "runtime", "gpu", "tasks", "slurm_account")}
            found.append(
                (
                    one.name, attempt, asked["slurm_partition"], cores_of(one), asked["mem_mb"], asked["runtime"],
                    asked["gpu"] or 0, asked["slurm_account"], asked["tasks"] or 1,
                )
            )  # fmt: skip
    return found


def bonded_systems(wildcards):
    """Systems whose bonded terms a potential keeps."""
    one = conf(wildcards)
    return list(one.systems) if one.trainer.keeps_bonded else []
