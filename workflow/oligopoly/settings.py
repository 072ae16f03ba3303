"""What all blocks of the config have in common, and the words that they take."""

import re
import shlex
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

LONGEST_NAME = 60  # characters: names become names of files, some of which hold two
MOST = 200  # things with names in one block


class Settings(BaseModel):
    """A block of the config: no unknown keys, never changed after reading, numbers that are finite numbers and neither
    texts nor true."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, strict=True, allow_inf_nan=False,
        str_min_length=1, str_max_length=500,
    )  # fmt: skip


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text):
        near = re.sub(r"[^A-Za-z0-9]+", "-", unicodedata.normalize("NFKD", text).replace("\u0308", "")).strip("-")
        hint = f", such as '{near[:LONGEST_NAME]}'" if near[:1].isalpha() else ""
        raise ValueError(f"a name begins with a letter, and letters, digits, '_' and '-' follow{hint}")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} characters, and this has {len(text)}")
    return text


def _apart(named: dict[str, Any]) -> dict[str, Any]:
    if len(named) > MOST:
        raise ValueError(f"has {len(named)} entries, and at most {MOST} are possible")
    known: dict[str, str] = {}
    for name in named:
        if name.lower() in known:
            raise ValueError(
                f"'{known[name.lower()]}' and '{name}' differ in capitals alone, which some file systems do not tell "
                "apart: rename one"
            )
        known[name.lower()] = name
    return named


def _word(text: str) -> str:
    if not text.isprintable() or " " in text or any(mark in text for mark in "'\"`$;&|<>\\"):
        raise ValueError("is one word: without blanks, quotes, and marks of the shell such as $ ; & | < >")
    return text


def _path(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("is no path: it begins or ends with a blank, or has a character that cannot be seen")
    if "$" in text or "`" in text:
        raise ValueError("variables and commands ($, `) are not evaluated: write the path itself (~ may begin it)")
    if any(len(part.encode()) > 255 for part in text.split("/")):
        raise ValueError("is no path: a part of it is longer than the 255 bytes that file systems take")
    _expanded(text)
    return text


def _expanded(text: str) -> str:
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:
        raise ValueError(f"there is no home folder of a user '{text.split('/')[0][1:]}' on this machine") from None


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("is no command: a quote in it is not closed") from None
    if not words or not text.isprintable():
        raise ValueError("is no command: give a program, and its arguments behind it")
    if any(mark in text for mark in "$`;&|<>"):
        raise ValueError("is run without a shell: $ ` ; & | < > mean nothing there; put it in a script")
    return text


# The name of a run, a system, a state: part of names of files.
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_-]*$"})]
# Of what has names: they differ in more than capitals.
Apart = AfterValidator(_apart)
Word = Annotated[str, AfterValidator(_word)]
PathText = Annotated[str, AfterValidator(_path)]
ExpandedPath = Annotated[str, AfterValidator(_path), AfterValidator(_expanded)]
Command = Annotated[str, AfterValidator(_command)]
