"""Settings of all parts: read back as they were written, documented, and with facts that hold."""

import json
import typing
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from oligopoly.config.models import Config

from .examples import REGISTRIES, kinds, settings

ROOT = Path(__file__).parents[2]
PARTS = [(name, kind) for name in REGISTRIES for kind in kinds(name)]


@pytest.fixture(params=PARTS, ids=lambda part: ".".join(part))
def part(request):
    return request.param


def read(name, kind, block):
    registry = REGISTRIES[name]
    return registry.read_one(kind, block) if name == "properties" else registry.read(block)


def test_they_are_read_back_as_they_were_dumped(part):
    """Snakemake hands them to scripts as plain data, and manifests keep them as JSON."""
    given = settings(*part)
    assert read(*part, given.model_dump()) == given
    assert read(*part, json.loads(json.dumps(given.model_dump(mode="json")))) == given
    assert read(*part, yaml.safe_load(yaml.safe_dump(given.model_dump(mode="json")))) == given


def test_they_do_not_change_and_know_no_other_keys(part):
    given = settings(*part)
    with pytest.raises(ValidationError, match="frozen"):
        given.kind = "other"
    with pytest.raises(ValidationError, match="nonsense"):
        settings(*part, nonsense=1)


@pytest.mark.parametrize(("name", "kind"), [part for part in PARTS if part[0] != "properties"])
def test_the_kind_is_that_of_the_registry(name, kind):
    assert settings(name, kind).kind == kind
    assert typing.get_args(type(settings(name, kind)).model_fields["kind"].annotation) == (kind,)


def test_the_environment_is_there(part):
    """`--sdm conda` looks for it when the rule is planned."""
    assert (ROOT / "envs" / f"{settings(*part).conda}.yaml").exists()


@pytest.mark.parametrize(("name", "kind"), [part for part in PARTS if part[0] != "labelers"])
def test_a_part_is_created_without_more(name, kind):
    """Labelers want more: see test_labelers.py."""
    assert settings(name, kind).create() is not None


def described(model: type[BaseModel]):
    """What a user reads of each key: nothing where there is neither a description nor a described type."""
    schema = model.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        text = json.dumps(_resolved(field, schema.get("$defs", {})))
        yield name, '"description"' in text or '"const"' in text


def _resolved(value, definitions, depth=4):
    if isinstance(value, dict):
        if "$ref" in value and depth:
            value = {**value, **definitions[value["$ref"].rpartition("/")[2]]}
        return {key: _resolved(one, definitions, depth - 1) if depth else one for key, one in value.items()}
    return [_resolved(one, definitions, depth - 1) for one in value] if isinstance(value, list) and depth else value


def models() -> dict[str, type[BaseModel]]:
    """Every model that a config is made of, by where it stands."""
    found = {f"{name}.{kind}": REGISTRIES[name].settings(kind) for name, kind in PARTS if kind in REGISTRIES[name]}
    todo = [("config", Config), *found.items()]
    while todo:
        where, model = todo.pop()
        found[where] = model
        for key, field in model.model_fields.items():
            todo += [(f"{where}.{key}", one) for one in _models_in(field.annotation) if one not in found.values()]
    return found


def _models_in(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for inner in typing.get_args(annotation) for one in _models_in(inner)]


def test_all_blocks_and_keys_are_explained():
    """Docstrings and descriptions are the documentation: the schema and config/config.yaml are made of them."""
    lacking = [where for where, model in models().items() if not (model.__doc__ or "").strip() or "!!" in model.__doc__]
    lacking += [f"{where}.{key}" for where, model in models().items() for key, known in described(model) if not known]
    assert not lacking
