"""Frames in whatever file they come: extended XYZ stays in its file, anything else goes through ASE into memory."""

import bz2
import gzip
import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import ase.io.jsonio
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from oligopoly.errors import UserError
from oligopoly.frames import Stored

# What packed files begin with.
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
# Formats in which atoms have types and no elements: ASE would read hydrogen, helium and lithium.
NO_ELEMENTS = {"lammps-dump-text", "lammps-dump-binary", "lammps-data", "gromacs"}
READ = "extended XYZ, ASE's .traj, .db and JSON, and output of VASP, Quantum ESPRESSO, ORCA and others that ASE reads"

Prepare = Callable[[str, int, Atoms], None]


def open_frames(path: str | Path) -> Sequence[Atoms]:
    """The frames of a file.

    Raises UserError for a file that is missing, empty, broken, or of a format that is not read.
    """
    path = Path(path).expanduser()
    kind = _kind(path)
    frames = Stored([path]) if kind == "extxyz" else _whole(path, kind)
    if not len(frames):
        raise UserError(f"{path}: no frames in this file, read as {kind}")
    return frames


def prepared(path: str | Path, frames: Sequence[Atoms], prepare: Prepare) -> Sequence[Atoms]:
    """The frames of `open_frames`, each changed by `prepare`, which is called with the file's name, the frame's number
    and the frame: those that stay in their file when they are read, others at once.

    Raises UserError where `prepare` does, with the file and the frame.
    """
    if isinstance(frames, Stored):
        return frames.prepared(prepare)
    for number, atoms in enumerate(frames):
        try:
            prepare(str(path), number, atoms)
        except UserError as error:
            raise UserError(f"{path}, frame {number}: {error}") from error
    return frames


def _kind(path: Path) -> str:
    if path.is_dir():
        deepmd = any(path.glob("**/coord.*"))
        hint = ": a system of DeePMD: dpdata writes it as extended XYZ" if deepmd else ""
        raise UserError(f"{path}: is a folder, not a file of frames{hint}")
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if not start.strip():
        raise UserError(f"{path}: no frames in this file: it is empty")
    if start.startswith(tuple(PACKED)):
        return "packed"
    if start.startswith(b"SQLite format 3"):
        return "db"
    if start.startswith(b"- of Ulm"):
        return "traj"
    if start.lstrip().startswith((b"{", b"[")):
        return "json"
    if path.suffix in (".xyz", ".extxyz") or start.removeprefix(b"\xef\xbb\xbf").split(None, 1)[0].isdigit():
        return "extxyz"
    if re.search(rb"(?m)^\s*\d+\s+atom types\b", start):
        raise UserError(_no_elements(path, "lammps-data"))
    try:
        found = filetype(str(path))
    except (UnknownFileTypeError, OSError, ValueError, UnicodeDecodeError, IndexError):
        raise UserError(f"{path}: of no format that is read: {READ}") from None
    if found not in ioformats:  # the suffix, for want of anything better
        raise UserError(f"{path}: of no format that is read: {READ}")
    if found in NO_ELEMENTS:
        raise UserError(_no_elements(path, found))
    return found


def _no_elements(path: Path, kind: str) -> str:
    return (
        f"{path}: looks like {kind}, in which atoms have types, and elements are not sure: write it as extended XYZ "
        "(LAMMPS: dump extxyz)"
    )


def _whole(path: Path, kind: str) -> Sequence[Atoms]:
    if kind == "packed":
        return _unpacked(path)
    try:
        if kind == "db":
            return _rows(path)
        if kind == "json":
            return _json(path)
        return ase.io.read(path, index=":")
    except UserError:
        raise
    except Exception as error:
        said = str(error).strip().split("\n")[0]
        raise UserError(f"{path}: not readable as {kind} ({type(error).__name__}: {said})") from error


def _unpacked(path: Path) -> list[Atoms]:
    with tempfile.TemporaryDirectory(prefix="oligopoly-") as folder:
        whole = Path(folder) / (path.stem if path.suffix in (".gz", ".bz2", ".xz") else path.name)
        start = path.read_bytes()[:6]
        try:
            with next(opened for magic, opened in PACKED.items() if start.startswith(magic))(path, "rb") as packed:
                whole.write_bytes(packed.read())
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise UserError(f"{path}: cannot be unpacked ({error})") from error
        try:
            return list(open_frames(whole))
        except UserError as error:
            raise UserError(str(error).replace(str(whole), str(path))) from error


def _json(path: Path) -> list[Atoms]:
    found: Any = ase.io.jsonio.decode(path.read_text(encoding="utf-8-sig"))
    if isinstance(found, Atoms):
        return [found]
    if isinstance(found, list) and all(isinstance(one, Atoms) for one in found):
        return found
    return _rows(path)


def _rows(path: Path) -> list[Atoms]:
    """Of a database of ASE's, with what its rows say in pairs of keys and values and in data."""
    with ase.db.connect(path, type="json" if path.suffix == ".json" else "db") as database:
        found = []
        for row in database.select():
            atoms = row.toatoms()
            atoms.info.update(row.key_value_pairs)
            for name, value in row.data.items():
                per_atom = getattr(value, "shape", None) and len(value) == len(atoms)
                (atoms.arrays if per_atom else atoms.info)[name] = value
            found.append(atoms)
    return found
