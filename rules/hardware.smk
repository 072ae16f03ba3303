# What each job of MD runs on, by the profile's set-threads and set-resources (mpi, tasks, nodes, gpu); told before any job.
from oligopoly.md import capabilities
from oligopoly.md.hardware import Hardware
from oligopoly.operations import ways

try:
    HARDWARE = {
        name: hardware_of(getattr(rules, name).rule) for name in ("equilibrate", "reference", "explore", "produce")
    }
    if workflow.is_main_process and not QUESTION:
        # the LAMMPS of jobs, unless a module, conda or a container brings another
        own = not workflow.deployment_settings.deployment_method
        for one in CONFIGS.values():
            for note in ways.check(one, HARDWARE, capabilities.installed if own else lambda: None):
                print(note, file=sys.stderr, flush=True)
except UserError as error:
    refuse(error)

# What preflight asks for, to time them all.
LARGEST = max(HARDWARE, key=lambda name: HARDWARE[name].cores)
ASKED = {
    name: asked
    for name in ("mpi", "tasks", "nodes", "gpu")
    if (asked := getattr(getattr(rules, LARGEST).rule.resources.get(name), "raw", None)) is not None
}
