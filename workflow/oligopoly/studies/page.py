"""The page of a study: what its members have in common and what sets them apart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oligopoly.files import write_text
from oligopoly.report import results
from oligopoly.report.page import page, paragraph, section, shown, table, text
from oligopoly.studies.contract import Members, StudySettings

if TYPE_CHECKING:
    import pandas


def write(
    settings: StudySettings,
    folders: Mapping[str, str | Path],
    members: Members,
    html: str | Path,
    tables_file: str | Path,
    *,
    title: str,
    owners: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
) -> None:
    """Collect, draw, and write the page and its tables (JSON: lists of rows by name).

    folders: by member; owners: by member, as `layout.owners` has them.
    """
    from oligopoly.plotting import style

    found = {name: results.read(folder, (owners or {}).get(name)) for name, folder in folders.items()}
    study = settings.create()
    tables = study.collect(found, members)
    kept = {name: json.loads(frame.to_json(orient="records")) for name, frame in tables.items()}
    write_text(tables_file, json.dumps({"members": members, "tables": kept}, indent=1, default=str) + "\n")
    with style.styled():
        parts = [shown(one) for one in study.draw(tables, members)]
        sections = [
            section("study", settings.kind.replace("_", " ").capitalize(), *parts),
            section("members", "Members", _members(members)),
            section("tables", "All numbers", *(_all(name, frame) for name, frame in tables.items())),
        ]
        opening = f"<h1>{text(title)}</h1>" + paragraph((settings.__doc__ or "").strip(), kind="soft")
        content = page(f"oligopoly: {title}", opening, sections)
    write_text(html, content)


def _members(members: Members):
    keys = list(dict.fromkeys(key for varied in members.values() for key in varied))
    rows = [(name, *(varied.get(key, "") for key in keys)) for name, varied in members.items()]
    return table(("member", *keys), rows)


def _all(name: str, frame: "pandas.DataFrame"):
    numbers = [k for k, column in enumerate(frame.columns) if frame[column].dtype.kind in "fi"]
    rows = [[_cell(value) for value in row] for row in frame.to_numpy(object)]
    return table([str(column).replace("_", " ") for column in frame.columns], rows, numbers, caption=name)


def _cell(value):
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else value
