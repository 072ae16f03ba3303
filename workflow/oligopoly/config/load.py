"""Reading and checking a config, with one message per mistake."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from oligopoly.config import strict
from oligopoly.config.contradictions import contradictions, unmade
from oligopoly.config.messages import messages
from oligopoly.config.models import Config, Label
from oligopoly.config.renamed import current
from oligopoly.config.series import as_written, expanded
from oligopoly.errors import UserError
from oligopoly.parts import DUMPED


def read(path: str | Path) -> Config:
    """Config in the file `path`, YAML or JSON.

    Raises UserError: missing file, broken YAML, or any wrong key or value (all of them, one per line).
    """
    return check(strict.load(path), source=str(path))


def check(data: Any, source: str = "config", quiet: bool = False) -> Config:
    """Config from plain data, as YAML or Snakemake read it; `source` names it in messages; keys of earlier
    versions are told on stderr unless `quiet`."""
    if not isinstance(data, Mapping):
        raise UserError(f"{source}: must be a mapping of keys to values")
    data, moved = current(data)
    for line in [] if quiet else moved:
        print(f"{source}: {line}", file=sys.stderr)
    try:
        data, series = expanded(data)
    except UserError as error:
        raise _refusal(source, [str(error)]) from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _refusal(source, as_written(messages(error, data), series)) from None
    if lines := list(unmade(config)):
        raise _refusal(source, as_written(lines, series))
    for name, system in ({} if config.force_field.from_data else config.systems).items():
        _check_chemistry(source, name, system)
    found = list(contradictions(config, data))
    if found:
        raise _refusal(source, as_written(found, series))
    return config


def checked(dumped: Mapping) -> Config:
    """A config that was checked before, from what `model_dump` made of it."""
    return Config.model_validate(dict(dumped), context=DUMPED)


def check_label(data: Mapping, source: str) -> Label:
    """The block `label` alone, as `check` reads it."""
    try:
        return Label.model_validate(dict(data))
    except ValidationError as error:
        raise _refusal(source, messages(error, {"label": data}, ("label",))) from None


def _refusal(source: str, lines: list[str]) -> UserError:
    return UserError("\n  ".join([f"{source} cannot be used:", *lines]))


def _check_chemistry(source: str, name: str, system: Any) -> None:
    from oligopoly.systems.unit import check_unit

    try:
        check_unit(system.repeat_unit, system.end_groups, system.degree_of_polymerisation, system.tacticity)
    except UserError as error:
        raise UserError(f"{source} cannot be used:\n  systems.{name}: {error}") from None
