"""What is written for people agrees with the code: the documented config, versions, examples of parts."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from oligopoly.config.annotations import kinds, model_of, of_entries, words
from oligopoly.config.document import PATH, document
from oligopoly.config.load import check, read
from oligopoly.config.models import Config
from oligopoly.config.renamed import current
from oligopoly.config.written import WIDTH, flow, line

ROOT = Path(__file__).parents[2]
WRITTEN = PATH.read_text()
# Blocks that stand there as comments, each in the place of one that is there: (key, text).
INSTEAD = [
    (block[2], re.sub(rf"^{block[1]}# ?", "", block[0], flags=re.M))
    for block in re.finditer(r"^( *)# (labeler|trainer|select|study):\n(?:\1#   .*\n)+", WRITTEN, re.M)
]


def every_key(model: type[BaseModel], data: dict, path: str = ""):
    """Models with their keys, and what of `data` stands there."""
    for name, field in model.model_fields.items():
        value = data.get(name)
        yield f"{path}{name}", field, name in data
        choices, entries = kinds(field.annotation), of_entries(field.annotation)
        inner = choices[value["kind"]] if choices and value else model_of(field.annotation)
        if inner and value:
            yield from every_key(inner, value, f"{path}{name}.")
        for model in filter(None, [model_of(entries), *kinds(entries).values()]):
            for key, field_of_entry in model.model_fields.items():
                there = key == "kind" or re.search(rf"^ *(# +)?{key}: ", WRITTEN, re.M)
                yield f"{path}{name}.*.{key}", field_of_entry, bool(there)


def test_the_documented_config_is_what_the_models_say():
    assert document() == WRITTEN, "run: make docs"


def test_it_has_every_key_with_its_default():
    data = yaml.safe_load(WRITTEN)
    assert [path for path, _, there in every_key(Config, data) if not there] == []
    needed = {
        "run": data["run"],
        "systems": data["systems"],
        "reference": {"states": data["reference"]["states"]},
        "explore": {"walkers": data["explore"]["walkers"]},
    }
    assert read(PATH) == check(needed)


def test_every_word_that_a_key_takes_is_named():
    for path, field, _ in every_key(Config, yaml.safe_load(WRITTEN)):
        choices = words(field.annotation)
        for choice in choices if len(choices) > 1 else ():
            assert re.search(rf"\b{choice}\b", WRITTEN), f"{path}: {choice}"


@pytest.mark.parametrize(("key", "text"), INSTEAD, ids=lambda value: value.split("\n")[1][8:] if "\n" in value else "")
def test_what_stands_there_as_a_comment_is_right_too(key, text):
    data = yaml.safe_load(WRITTEN)
    block = yaml.safe_load(text)[key]
    (data["label"] if key == "labeler" else data)[key] = block
    if key == "trainer":
        data["select"] = {"kind": "random"}  # which needs nothing of a trainer
    config = check(data)
    part = config.label.labeler if key == "labeler" else getattr(config, key)
    assert [name for name in type(part).model_fields if name not in block] == []
    needed = {name: block[name] for name, field in type(part).model_fields.items() if field.is_required()}
    assert type(part)(**needed) == part


def test_every_kind_of_part_stands_there():
    label = Config.model_fields["label"].annotation.model_fields["labeler"]
    for key, field in {"labeler": label, **Config.model_fields}.items():
        there = {yaml.safe_load(text)[key]["kind"] for name, text in INSTEAD if name == key}
        default = getattr(field.default, "kind", None)
        if found := kinds(field.annotation):
            assert there | {default} - {None} == set(found), key


def test_no_line_is_too_long():
    assert [text for text in WRITTEN.splitlines() if len(text) > WIDTH + 2] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (1, "1"), (1.0, "1"), (1e-8, "1.0e-8"), (2.5e-10, "2.5e-10"), ("300 K", "300 K"),
        ("*CC*", '"*CC*"'), ("null", '"null"'), ("a: b", '"a: b"'), ([1, "a,b"], '[1, "a,b"]'),
        ({"n": [1], "l": {}}, "{n: [1], l: {}}"),
    ],
)  # fmt: skip
def test_values_are_written_as_yaml_reads_them(value, text):
    assert flow(value) == text
    assert yaml.safe_load(text) == value


def test_a_comment_stands_above_where_there_is_no_room_beside():
    assert list(line(2, "a: 1", "x")) == ["  a: 1                        # x"]
    above = list(line(2, "a: " + 90 * "b", "words " * 30))
    assert above[-1] == "  a: " + 90 * "b" and all(text.startswith("  # words") for text in above[:-1])


@pytest.mark.parametrize(
    "file", sorted([*(ROOT / "config").glob("*.yaml"), ROOT / "tests" / "workflow" / "tiny.yaml"]), ids=lambda p: p.stem
)
def test_examples_use_the_keys_of_today(file):
    data = yaml.safe_load(file.read_text())
    now, moved = current(copy.deepcopy(data))
    assert moved == [] and now == data
