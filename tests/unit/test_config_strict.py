"""Config files are data of one meaning: what a file says wrongly or in two ways is told with its line."""

import json
from pathlib import Path

import pytest
import yaml

from oligopoly.config import strict
from oligopoly.config.load import read
from oligopoly.errors import UserError

TINY = Path(__file__).parents[1] / "workflow" / "tiny.yaml"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 12)
)


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message, message
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("run: a\nseed: 1\nseed: 2\n", 3, "'seed' is given twice, first in line 2"),
        ("systems:\n  a: {}\n  b: {}\n  a: {}\n", 4, "'a' is given twice, first in line 2"),
        ("loop: {seed: 1, seed: 2}", 1, "'seed' is given twice"),
        ("run: a\nloop:\n\tseed: 1\n", 3, "has a tab: YAML is indented with spaces"),
        ("run: a\n\tseed: 1\n", 2, "has a tab"),
        ("loop: {seed: 1\nrun: a\n", 2, "the bracket '{' that opens in line 1 is not closed"),
        ("budget: [1, 2\nrun: a\n", 2, "the bracket '[' that opens in line 1 is not closed"),
        ("run: 'a\nseed: 1\n", 1, "the quote that opens in line 1 is not closed"),
        ("run: 'it's'\n", 1, "something follows a value that has ended"),
        ("systems:\n  a:\n    role: train\n   chains: 1\n", 4, "is not indented like the block that begins in line 2"),
        ("systems:\n   role: train\n    chains: 1\n", 3, "indented wrongly"),
        ("run: a\nseed\nloop: {}\n", 2, "a key stands without ':'"),
        ("unit: *CC*\n", 1, "put SMILES in quotes, '*CC*'"),
        ("unit: *CC\n", 1, "*CC refers to nothing"),
        ("run: a: b\n", 1, "does the value need quotes"),
        ("run: @a\n", 1, "no value begins with '@'"),
        ("run: `id`\n", 1, "no value begins with '`'"),
        ("run: - a\n", 1, "a '-' stands where no list can begin"),
        ("run: !!python/name:os.system\n", 1, "has the tag !!python/name:os.system"),
        ("run: !!python/object/apply:os.system ['id']\n", 1, "has the tag !!python/object/apply:os.system"),
        ("run: !mine a\n", 1, "has the tag !mine"),
        ("run: ! a\n", 1, "has the tag !"),
        ("a: &a {b: *a}\n", 1, "*a refers to the block that it stands in"),
        (BOMB, 6, "more than 200000 values"),
        ("a: " + "[" * 5000, 1, "more than 30 blocks"),
        ("a: " + "{a: " * 50, 1, "more than 30 blocks"),
        ("run: a\n---\nrun: b\n", 2, "a second document begins"),
        ("seed: 010\n", 1, "010 begins with 0: write 10"),
        ("seed: 1e400\n", 1, "1e400 is not a finite number"),
        ("seed: -.inf\n", 1, "-.inf is not a finite number"),
        ("seed: .nan\n", 1, ".nan is not a finite number"),
        ("1: a\n", 1, "the key 1 means a number"),
        ("run: a\nnull: b\n", 2, "the key null means nothing"),
        ("true: a\n", 1, "the key true means true or false"),
        (": a\n", 1, "a ':' stands without a key"),
        ("{{run}}: a\n", 1, "a key is a block or a list"),
        ("run: {{run}}\n", 1, "a key is a block or a list"),
        ("<<: 3\n", 1, "'<<' takes a reference to a block"),
        ("run:\n\u00a0 seed: 1\n", 2, "an invisible character (no-break space"),
        ("run: a\u200bb\n", 1, "an invisible character (zero width space"),
        ("run: a # x\u2028seed: 2\n", 1, "an invisible character (line separator"),
        ("run: a\x00\n", 1, "an invisible character (control character, 0x0000)"),
        ('{"run": "a",\n"run": "b"}', 2, "'run' is given twice"),
        ('{"run": "a",\n"seed": [1, 2\n', 3, "is not closed"),
        ('run: "\\q"\n', 1, "unknown escape"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, line, words):
    file = tmp_path / "mine.yaml"
    file.write_text(text, newline="")
    message = refused(file)
    assert message.startswith(f", line {line}") and words in message, message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- run: a\n", "is a list"),
        ("run\n", "is one value"),
        ("__use_yte__: true\nseed: ?1 + 1\n", "__use_yte__: a config is data, and templates are not evaluated"),
        ('{"__use_yte__": true}', "__use_yte__"),
        ('"__use\\u005fyte__": true\n', "__use_yte__"),
        ("x: &x {__use_yte__: true}\n<<: *x\n", "__use_yte__"),
        ("__definitions__:\n  - import os\n", "__definitions__"),
        ("a: " + "x" * 300_000, "has 300003 bytes"),
    ],
)
def test_what_is_no_config(tmp_path, text, words):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert words in refused(file)


def test_encodings(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes(TINY.read_bytes() + "# Jürgen\n".encode("latin-1"))
    line = TINY.read_text().count("\n") + 1
    assert f", line {line}: is not written in UTF-8 (byte 0xfc): save the file as UTF-8" in refused(file)
    file.write_text(TINY.read_text(), encoding="utf-16")
    assert "is written in UTF-16: save it as UTF-8" in refused(file)
    file.write_text(TINY.read_text() + "# Jürgen, 300\u00a0K \U0001f600\n", encoding="utf-8-sig")
    assert read(file) == read(TINY)
    file.write_text(TINY.read_text(), newline="\r\n")
    assert read(file) == read(TINY)


def test_what_is_no_file(tmp_path):
    assert refused(tmp_path).startswith(": is a folder")
    (tmp_path / "mine.yaml").touch()
    assert f"no such config file; did you mean '{tmp_path}/mine.yaml'?" in refused(tmp_path / "mine.yml")
    assert "no such config file" in refused(tmp_path / "no" / "folder.yaml")
    assert "cannot be read" in refused(tmp_path / ("x" * 300))
    assert refused(Path("/dev/null")).startswith(": is no regular file")


def test_words_are_words_and_numbers_are_numbers():
    said = "[NO, yes, 1e-3, 1:30, 2026-99-99, 1_000, 0x10, true, ~, -5, +.5, y, '010']"
    values = ["NO", "yes", 1e-3, "1:30", "2026-99-99", "1_000", "0x10", True, None, -5, 0.5, "y", "010"]
    found = strict.loads(f"a: {said}", "x")["a"]
    assert found == values and list(map(type, found)) == list(map(type, values))


def test_references_are_copies():
    found = strict.loads("a: &a {x: 1, y: [2]}\nb: *a\nc: {<<: *a, x: 3}\n", "x")
    assert found == {"a": {"x": 1, "y": [2]}, "b": {"x": 1, "y": [2]}, "c": {"x": 3, "y": [2]}}
    found["b"]["y"].append(5)
    assert found["a"]["y"] == [2]


def test_json_says_the_same(tmp_path):
    for indent in (None, 2, "\t"):
        file = tmp_path / "mine.json"
        file.write_text(json.dumps(strict.load(TINY), indent=indent))
        assert read(file) == read(TINY)


def test_what_yaml_writes_is_read_back():
    data = strict.load(TINY) | {"odd": ["NO", "on", "1:30", "010", "null", "~", 1e-9, 5e300, True, None, "a: b"]}
    assert strict.loads(yaml.safe_dump(data), "x") == data
    assert strict.loads(json.dumps(data), "x") == data


def test_the_command_line_comes_last(tmp_path):
    (tmp_path / "a.yaml").write_text("run: a\nloop: {seed: 1, mode: until}\n")
    assert strict.retyped(["010", "~", "1:30"]) == ["010", None, "1:30"]
    (tmp_path / "b.yaml").write_text("loop: {seed: 2}\nselect: {budget: 3}\n")
    given = {
        "loop": {"generations": "3"},
        "run": "NO",
        "cutoff": "5 A",
        "learn": "false",
        "ridge": "1e-3",
    }
    assert strict.merged([tmp_path / "a.yaml", tmp_path / "b.yaml"], given) == {
        "run": "NO", "loop": {"seed": 2, "mode": "until", "generations": 3}, "select": {"budget": 3}, "cutoff": "5 A",
        "learn": False, "ridge": 1e-3,
    }  # fmt: skip
