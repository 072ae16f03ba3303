"""`manifest.json`: what a learned potential is, which files it consists of, and how it was made."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from oligopoly.errors import UserError
from oligopoly.files import write_text

FORMAT = 1
NAME = "manifest.json"


class Manifest(BaseModel):
    """A learned potential. `files` by role and `members` (one such table each) name files beside the manifest.

    kind: of potential (`potentials.registry`). species: elements, sorted. cutoff in A. sha256 by file. uncertainty:
    kinds of score that it has of itself. trainer: the settings that made it. dataset: SHA-256 of the training frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    kind: str
    species: list[str]
    cutoff: float | None
    files: dict[str, str]
    sha256: dict[str, str] = {}
    uncertainty: list[str] = []
    members: list[dict[str, str]] = []
    trainer: dict[str, Any] = {}
    dataset: str | None = None
    versions: dict[str, str] = {}
    folder: Path = Path()

    def path(self, role: str, member: int | None = None) -> Path:
        """The file with a role, of the potential or of a member (from 0). Raises UserError where there is none."""
        files = self.files if member is None else self.members[member]
        if role not in files:
            raise UserError(f"{self.folder / NAME}: this potential has no {role} (it has {', '.join(files)})")
        path = self.folder / files[role]
        if not path.exists():
            raise UserError(f"{path}: no such file, and it is the {role} of {self.folder / NAME}")
        return path

    def paths(self) -> list[Path]:
        """All its files."""
        return [self.folder / name for name in dict.fromkeys(self._names())]

    def unchanged(self, source: Path) -> "Manifest":
        """Itself. Raises UserError if one of its files is another than when it was written."""
        for name, known in self.sha256.items():
            path = self.folder / name
            if path.exists() and sha256(path) != known:
                raise UserError(
                    f"{path}: is not the file that {source} was written with (its SHA-256 differs): its extrapolation "
                    "grade and error bars may belong to another fit; bring the file back, or give it alone"
                )
        return self

    def _names(self) -> list[str]:
        return [*self.files.values(), *(name for member in self.members for name in member.values())]

    def write(self, path: str | Path) -> "Manifest":
        """Write it beside its files, with their hashes; returns it as `read` would."""
        path = Path(path)
        hashes = {name: sha256(path.parent / name) for name in dict.fromkeys(self._names())}
        whole = self.model_copy(update={"sha256": hashes, "folder": path.parent})
        write_text(path, whole.model_dump_json(exclude={"folder"}, indent=1) + "\n")
        return whole


def read(path: str | Path) -> Manifest:
    """The manifest in a file. Raises UserError for one that is missing, broken, or of a later format."""
    path = Path(path)
    try:
        content = json.loads(path.read_text())
        if int(content.get("format", FORMAT)) > FORMAT:
            raise UserError(f"{path}: format {content['format']} is newer than this oligopoly knows ({FORMAT})")
        return Manifest.model_validate(content | {"folder": path.parent})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, TypeError, AttributeError, RecursionError, ValidationError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a manifest of a potential ({str(error).splitlines()[0]})") from None


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
