"""The parts that contracts are checked on: those of the registries, and an example of each kind."""

from pathlib import Path

from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.labelers.registry import LABELERS
from oligopoly.parts import Registry
from oligopoly.potentials.registry import POTENTIALS
from oligopoly.properties.registry import PROPERTIES
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.selectors.registry import SELECTORS
from oligopoly.studies.registry import STUDIES
from oligopoly.trainers.registry import TRAINERS

REGISTRIES = {
    "labelers": LABELERS,
    "trainers": TRAINERS,
    "selectors": SELECTORS,
    "samplers": SAMPLERS,
    "properties": PROPERTIES,
    "forcefields": FORCE_FIELDS,
    "studies": STUDIES,
}
# By registry: kind, and its file in `parts`.
EXAMPLES = {
    "labelers": ("ase", "labeler"),
    "trainers": ("harmonic", "harmonic"),
    "potentials": ("harmonic", "harmonic"),
    "selectors": ("farthest_points", "selector"),
    "properties": ("pressure", "property"),
    "forcefields": ("gaff2_scaled", "forcefield"),
    "studies": ("cost", "study"),
}
# Settings that a part cannot do without, in the words of a config, where its fields have no `examples`.
NEEDED = {
    "md": {"duration": "0.4 ps"},
    "learning_curve": {"vary": {"seed": [1, 2]}},
    "comparison": {"vary": {"seed": [1, 2]}},
    "lammps": {"settings": "none.in", "styles": ["pair_style lj/cut 10", "bond_style harmonic"]},
    "cost": {"vary": {"seed": [1, 2]}},
}


def registries() -> dict[str, Registry]:
    """All of them, that of potentials too, which no config chooses from."""
    return {**REGISTRIES, "potentials": POTENTIALS}


def kinds(name: str) -> list[str]:
    """The parts of a registry, and its example."""
    return list(dict.fromkeys([*registries()[name], *EXAMPLES.get(name, ())[:1]]))


def settings(name: str, kind: str, **more):
    """Settings of a part as a config that says no more than it must would make them."""
    model = registries()[name].settings(kind)
    block = {
        key: field.examples[0] for key, field in model.model_fields.items() if field.is_required() and field.examples
    }
    if name != "properties":  # which stand under the name of their kind
        block["kind"] = kind
    return model.model_validate(block | NEEDED.get(kind, {}) | more)


def register() -> None:
    """The example parts are found as if their registries had a line for each."""
    for name, (kind, file) in EXAMPLES.items():
        registries()[name].modules[kind] = f"tests.contracts.parts.{file}"


def unregister() -> None:
    """And are no longer."""
    for name, (kind, _) in EXAMPLES.items():
        del registries()[name].modules[kind]


def finished_run(folder: Path, **more) -> Path:
    """A run folder as `report_run` of tests/unit makes it, by the config without examples."""
    import report_run

    unregister()
    try:
        report_run.write(folder, **more)
    finally:
        register()
    return folder
