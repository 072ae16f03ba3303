"""What a check found, in words: what was asked, what is there, and where it is wrong, how to mend it."""

import dataclasses
import json
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from oligopoly.errors import UserError
from oligopoly.files import as_json, write_text


@dataclass(frozen=True)
class Finding:
    """`problem` is empty where all is well; `remedy` says what to do about one."""

    what: str
    found: str
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        if not self.problem:
            return f"ok       {self.what}: {self.found}"
        return f"PROBLEM  {self.what}: {self.problem}\n         -> {self.remedy}"


def attempt(what: str, check: Callable[[], Finding | Iterable[Finding]], remedy: str) -> list[Finding]:
    """The findings of `check`; an error in it becomes one, with `remedy`."""
    try:
        found = check()
        return [found] if isinstance(found, Finding) else list(found)
    except UserError as error:
        return [Finding(what, "", str(error), remedy)]
    except Exception as error:
        traceback.print_exc()
        return [Finding(what, "", f"{type(error).__name__}: {error}", remedy)]


def write(path: str | Path, findings: list[Finding], **facts) -> None:
    """Keep findings, and numbers for the forecast, in a JSON file."""
    content = {"findings": [dataclasses.asdict(finding) for finding in findings], **facts}
    write_text(path, as_json(content))


def read(path: str | Path) -> tuple[list[Finding], dict]:
    """Findings and numbers of a file of `write`."""
    content = json.loads(Path(path).read_text())
    return [Finding(**finding) for finding in content.pop("findings")], content
