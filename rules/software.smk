# Environment modules by the config's cluster.modules, and resources of rules that are alike; included last, when all are
# known.
import difflib

from snakemake.deployment.env_modules import EnvModules

RULES = {known.name: known for known in workflow.rules}
for name in cfg.cluster.modules.keys() - RULES.keys() - {"default"}:
    near = difflib.get_close_matches(name, [*RULES, "default"], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f" (one of default, {', '.join(RULES)})"
    refuse(f"{source}: cluster.modules.{name}: no rule has this name{hint}")
for name, known in RULES.items():
    first = ALIKE.get(name, name)
    if first != name and first in RULES:
        known.resources.update(RULES[first].resources)  # cores, memory and time that the profile has for it
    modules = cfg.cluster.modules.get(first, cfg.cluster.modules.get("default"))
    if modules:
        known.env_modules = EnvModules(*modules)
