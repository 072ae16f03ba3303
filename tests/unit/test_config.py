"""A config is right, or its mistakes are told apart and told well."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from oligopoly.config import quantities
from oligopoly.config.load import _kinds, check, read
from oligopoly.config.models import ACE, Config, Label, Pacemaker
from oligopoly.config.schema import PATH, schema
from oligopoly.errors import UserError

ROOT = Path(__file__).parents[2]
DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())


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
        ("systems.hexane.temperature", "-5 K", ["systems.hexane.temperature", "-5 K", "greater than 0"]),
        ("systems.hexane.pressure", "1 GPA", ["systems.hexane.pressure", "'1 GPa'"]),
        ("reference.timestep", "1.5 ps", ["reference.timestep", "1.5 ps", "less than or equal to 4"]),
        ("reference.timestep", "1.5 A", ["reference.timestep", "no unit of time", "fs"]),
        ("systems.dodecane.role", "trian", ["systems.dodecane.role", "trian", "'train'"]),
        ("systems.dodecane.chains", None, ["systems.dodecane.chains", "missing"]),
        ("systems.hexane.repeat_unit", "*CC", ["systems.hexane", "*CC", "2"]),
        ("systems.hexane.repeat_unit", "*C(*", ["systems.hexane", "valid SMILES"]),
        ("explore.gamma_break", 1.0, ["explore", "gamma_break", "gamma_select"]),
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
    with pytest.raises(UserError, match="explore.engine: ace runs linear potentials only.*explore.engine: pace"):
        check(data)
    data["trainer"]["embedding"] = "linear"
    assert check(data).explore.engine == "ace"


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


def test_the_documented_config_has_every_key():
    def missing(model: type[BaseModel], data: dict, path: str):
        for name, field in model.model_fields.items():
            if name not in data:
                yield f"{path}{name}"
            elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from missing(field.annotation, data[name], f"{path}{name}.")

    text = (ROOT / "config" / "config.yaml").read_text()
    data = yaml.safe_load(text)
    assert list(missing(Config, data, "")) == []
    assert list(missing(ACE, data["trainer"], "trainer.")) == []
    # the other trainer stands there as a comment
    data |= yaml.safe_load(
        re.search(r"^# trainer:\n(#  .*\n)+", text, re.M)[0].replace("# ", "", 1).replace("\n# ", "\n")
    )
    assert list(missing(Pacemaker, data["trainer"], "trainer.")) == []
    # and so do the other labelers, in a list
    written = yaml.safe_load(re.search(r"^# - kind: .*\n(#.*\n)+", text, re.M)[0].replace("\n# ", "\n")[2:])
    for labeler in written:
        data["label"]["labeler"] = labeler
        model = type(check(data).label.labeler)
        assert list(missing(model, labeler, f"{labeler['kind']}.")) == []
        needed = {name: labeler[name] for name, field in model.model_fields.items() if field.is_required()}
        assert model(**needed) == check(data).label.labeler, "the values that stand there are the defaults"
    assert {labeler["kind"] for labeler in written} == set(_kinds(Label.model_fields["labeler"].annotation)) - {
        "classical"
    }
    defaults = Pacemaker(kind="pacemaker")
    assert check(data).trainer == defaults
