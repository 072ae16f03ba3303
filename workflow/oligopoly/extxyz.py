"""Extended XYZ, read to its end: where each frame lies in a file, and one frame from its text.

ASE parses a frame. What stands here is what its reader leaves out: it ends at a blank line between frames without a
word, drops columns that have no name, knows no atomic numbers among the species, no colon in the name of a column, and
says neither frame nor line of what it cannot read.
"""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import ase.io
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from vesin import ase_neighbor_list

from oligopoly.errors import UserError

SAME_PLACE = 0.05  # A: no core is learned that far in
FAR = 1e4  # A: no structure is that large, and lists of neighbours end the process for some that seem to be
BOM = b"\xef\xbb\xbf"
# A value of the comment: quoted, in brackets, or a word.
_VALUE = r'\s*=\s*("[^"]*"|\'[^\']*\'|\{[^}]*\}|\[[^=]*\]|\S*)'
# Quoted text is passed over.
_OF_FORMAT = re.compile(rf'"[^"]*"|(?<!\S)(Lattice|pbc){_VALUE}')
_TRUTH = {word: "T" for word in ("t", "true", ".true.", "1", "yes")} | {
    word: "F" for word in ("f", "false", ".false.", "0", "no")
}
_LATTICE = 'Lattice="ax ay az bx by bz cx cy cz" (A)'
_CELLS = {"cell", "box", "lattice_vectors", "cell_vectors"}  # of other programs
_ELEMENTS = ("species", "Z", "numbers")
_PROPERTIES = re.compile(r'\bProperties\s*=\s*("[^"]*"|\S+)')
_COLUMN = re.compile(r"(.+?):([SRIL]):(\d+)(?::|$)")
_PLAIN = "species:S:1:pos:R:3"
_SYMBOLS = {symbol.lower(): symbol for symbol in chemical_symbols[1:]}
# Two letters of one case that no force field uses as an atom type: CA may be C-alpha, ho a hydrogen of GAFF.
_SHOUTED = {"CL": "Cl", "BR": "Br", "SI": "Si", "AL": "Al", "LI": "Li", "MG": "Mg", "ZN": "Zn"}


class Place(NamedTuple):
    """Of a frame in a file: its first byte, how many, and the line on which it starts, from 1."""

    first: int
    size: int
    line: int


def places(file: BinaryIO, name: object) -> Iterator[Place]:
    """Where each frame of an open file lies; lines without text between frames are passed over.

    Raises UserError, with the line, where the file ends within a frame or goes on with something else than a frame.
    """
    first, line_number, frame = 0, 0, 0
    while line := file.readline():
        line_number += 1
        if line_number == 1 and line.startswith(BOM):
            line = line[len(BOM) :]
            first += len(BOM)
        if not line.strip():
            first += len(line)
            continue
        try:
            count = int(line)
        except ValueError:
            start = line[:40].decode(errors="replace").strip()
            if frame == 0 and {"\0", "\ufffd"} & set(start):
                raise UserError(f"{name}: is no text in UTF-8, and so no extended XYZ{_encoding(line)}") from None
            what = "is no extended XYZ" if frame == 0 else f"frame {frame} should start there"
            raise UserError(f"{name}, line {line_number}: {what}: found {start!r}, not a number of atoms") from None
        if count < 1:
            raise UserError(f"{name}, line {line_number}, frame {frame}: says that it has {count} atoms")
        started, size = line_number, len(line)
        for _ in range(count + 1):
            line = file.readline()
            if not line:
                raise UserError(
                    f"{name}, frame {frame} from line {started}: ends too early: after {line_number - started} of "
                    f"{count + 1} lines"
                )
            line_number += 1
            size += len(line)
        yield Place(first, size, started)
        first, frame = first + size, frame + 1


def parse(text: str, line: int = 1) -> Atoms:
    """The frame in `text`, which starts on `line` of a file, labels that ASE knows in its calculator.

    Raises UserError, with the line.
    """
    count, _, rest = text.partition("\n")
    comment, _, body = rest.partition("\n")
    lines = body.splitlines()
    if not text.endswith("\n"):
        _whole(lines, line + 1 + len(lines))
    comment = _as_written(comment, line + 1)
    found = _PROPERTIES.search(comment)
    columns = _columns(found[1].strip('"') if found else _PLAIN, line + 1)
    renamed = {name: name.replace(":", "_") for name, _, _ in columns if ":" in name}
    renamed |= {name: "Z" for name, kind, _ in columns if (name, kind) == ("species", "I")}
    if found and renamed:
        new = ":".join(f"{renamed.get(name, name)}:{kind}:{width}" for name, kind, width in columns)
        comment = comment[: found.start()] + f"Properties={new}" + comment[found.end() :]
    width = sum(width for _, _, width in columns)
    if len(body.split()) != width * len(lines):
        _unlike(lines, line + 2, width, bool(found))
    _of_one_element(lines, line + 2, columns)
    number, named = _of_species(columns)
    if named:
        place = sum(width for _, _, width in columns[:number])
        body = _with_elements(body, lines, place, line + 2)
    try:
        return ase.io.read(io.StringIO(f"{count.strip()}\n{comment}\n{body}"), index=0, format="extxyz")
    except Exception as error:
        _not_numbers(lines, line + 2, columns)
        raise UserError(f"line {line + 1}: not readable as extended XYZ ({type(error).__name__}: {error})") from error


def _encoding(line: bytes) -> str:
    return ": it is UTF-16" if line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in line[1:4:2] else ""


def _whole(lines: list[str], number: int) -> None:
    """Raises UserError where the last number of a file without a last line end is shorter than all above it."""
    decimals = [len(line.split()[-1].partition(".")[2]) for line in lines if line.strip()]
    if len(decimals) > 3 and len(set(decimals[:-1])) == 1 and decimals[-1] < decimals[0]:
        raise UserError(
            f"line {number}: the file ends within a number, it seems: '{lines[-1].split()[-1]}' has fewer digits than "
            "those above it, and no line end follows"
        )


def _as_written(comment: str, line: int) -> str:
    """The comment with the format's own keys as ASE writes them.

    Raises UserError for a key that stands twice, and for a cell or periodicity that is none.
    """
    for name in ("Properties", "Lattice", "pbc"):
        comment = re.sub(rf"(?i)(?<!\S){name}(?=\s*=)", name, comment)
    bare = re.sub(r'"[^"]*"|\{[^}]*\}', '""', comment)
    keys = re.findall(r"(?<!\S)([^\s=]+)\s*=", bare)
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise UserError(f"line {line}: '{twice}' stands twice")
    other = next((key for key in keys if key.lower() in _CELLS), None)
    if other and "Lattice" not in keys:
        raise UserError(f"line {line}: has '{other}' and no Lattice: a cell is {_LATTICE}")
    return _OF_FORMAT.sub(lambda found: _cell_or_pbc(found, line), comment)


def _cell_or_pbc(found: re.Match, line: int) -> str:
    """Nine numbers, or three of T and F. ASE takes any word for T."""
    name, value = found[1], found[2]
    if name is None:
        return found[0]
    words = re.findall(r"[^\s,\[\]{}\"']+", value)
    if name == "pbc":
        if len(words) == 1 and len(words[0]) == 3:
            words = list(words[0])
        truth = [_TRUTH.get(word.lower()) for word in words]
        if len(truth) not in (1, 3) or None in truth or value.count('"') == 1:
            raise UserError(f"line {line}: pbc={value}: is not three of T and F")
        return f'pbc="{" ".join(map(str, truth * (3 // len(truth))))}"'
    numbers = [word for word in words if _is_number(word)]
    if len(words) != 9 or len(numbers) != 9 or "[[" in value:
        raise UserError(f"line {line}: Lattice={value}: is not {_LATTICE}")
    return f'Lattice="{" ".join(words)}"'


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def finite(atoms: Atoms) -> None:
    """Raises UserError for a place or a cell that is not finite, and for a periodic cell without a volume."""
    wrong = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(wrong):
        raise UserError(f"the position of atom {wrong[0]} is not finite")
    if not np.isfinite(atoms.cell.array).all():
        raise UserError("the cell is not finite")
    if (far := farthest(atoms)) is not None:
        raise UserError(f"atom {far} lies more than {FAR:g} A from atom 0")
    if atoms.pbc.any() and abs(np.linalg.det(np.asarray(atoms.cell.complete()))) < 1e-6 or (
        atoms.pbc & ~atoms.cell.array.any(axis=1)
    ).any():  # fmt: skip
        raise UserError(f"is periodic (pbc {_letters(atoms.pbc)}) and has no cell of any volume (Lattice)")


def farthest(atoms: Atoms) -> int | None:
    """An atom beyond FAR of the first, if there is one."""
    far = np.abs(atoms.positions - atoms.positions[:1]).max(axis=1, initial=0.0)
    return int(far.argmax()) if len(far) and far.max() > FAR else None


def apart(atoms: Atoms) -> None:
    """Raises UserError for two atoms in one place."""
    i, j, d = ase_neighbor_list("ijd", atoms, SAME_PLACE)
    if len(d):
        raise UserError(
            f"atoms {i[0]} ({atoms.symbols[int(i[0])]}) and {j[0]} ({atoms.symbols[int(j[0])]}) lie {d[0]:.3f} A apart"
        )


def _letters(pbc: np.ndarray) -> str:
    return " ".join("T" if one else "F" for one in pbc)


def _columns(properties: str, line: int) -> list[tuple[str, str, int]]:
    """(name, type, width) of each, and a UserError for what does not fit."""
    found, end = [], 0
    while match := _COLUMN.match(properties, end):
        found.append((match[1], match[2], int(match[3])))
        end = match.end()
    if end < len(properties) or not found:
        raise UserError(
            f"line {line}: Properties={properties}: is not name:type:width by turns (types S R I L), such as {_PLAIN}"
        )
    names = [name for name, _, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"line {line}: Properties has the column '{twice}' twice")
    if "pos" not in names or not set(_ELEMENTS) & set(names):
        raise UserError(f"line {line}: Properties={properties}: has no columns species:S:1 and pos:R:3")
    return found


def _of_species(columns: list[tuple[str, str, int]]) -> tuple[int, bool]:
    """Which column says the element, and whether by name."""
    kinds = {name: (number, kind) for number, (name, kind, _) in enumerate(columns)}
    number, kind = next(kinds[name] for name in _ELEMENTS if name in kinds)
    return number, kind == "S"


def _of_one_element(lines: list[str], first: int, columns: list[tuple[str, str, int]]) -> None:
    """Raises UserError where two columns, such as QUIP's species and Z, say different elements of an atom."""
    names = [name for name, _, _ in columns]
    places = [sum(width for _, _, width in columns[: names.index(name)]) for name in _ELEMENTS if name in names]
    for number, line in enumerate(lines, first) if len(places) > 1 else ():
        given = [line.split()[place] for place in places]
        if len({_symbol(word, number)[1] for word in given}) > 1:
            raise UserError(f"line {number}: an atom is {' and '.join(given)} at once")


def _with_elements(body: str, lines: list[str], place: int, first: int) -> str:
    """The lines of a frame with what its species mean in place of what they say."""
    symbols = [_symbol(line.split()[place], number) for number, line in enumerate(lines, first)]
    if all(given == meant for given, meant in symbols):
        return body
    _not_types({given for given, _ in symbols if given.isdigit()}, first)
    pairs = zip(lines, symbols, strict=True)
    return "\n".join(_replaced(line, place, meant) for line, (_, meant) in pairs) + "\n"


def _unlike(lines: list[str], first: int, width: int, named: bool) -> None:
    for number, line in enumerate(lines, first):
        if (there := len(line.split())) != width:
            which = "Properties name" if named else "without Properties an atom has"
            raise UserError(f"line {number}: has {there} columns, and {which} {width}: {line.strip()[:60]!r}")


def _symbol(given: str, line: int) -> tuple[str, str]:
    """What stands in the file, and the element that it means."""
    if given.isascii() and given.isdigit() and 0 < int(given) < len(chemical_symbols):
        return given, chemical_symbols[int(given)]
    like_a_type = len(given) == 2 and (given.isupper() or given.islower())
    meant = _SHOUTED.get(given.upper(), given if like_a_type else given.capitalize())
    if meant not in _SYMBOLS.values():
        hint = {"D": ": write H", "T": ": write H"}.get(given, "")
        if len(given) == 2 and given.capitalize() in _SYMBOLS.values():
            hint = f": an atom type of {given[0].upper()}, or {given.capitalize()}?"
        raise UserError(f"line {line}: '{given}' is no element{hint}")
    return given, meant


def _not_types(numbers: set[str], line: int) -> None:
    if len(numbers) > 1 and numbers == {str(k + 1) for k in range(len(numbers))}:
        raise UserError(
            f"line {line}: the species are {', '.join(sorted(numbers))}: these look like types of LAMMPS, not like "
            "atomic numbers: give elements"
        )


def _replaced(line: str, place: int, word: str) -> str:
    words = line.split()
    words[place] = word
    return " ".join(words)


def _not_numbers(lines: list[str], first: int, columns: list[tuple[str, str, int]]) -> None:
    """Raises UserError for the first word that is not of its column's type."""
    kinds = [(name, kind) for name, kind, width in columns for _ in range(width)]
    for number, line in enumerate(lines, first):
        for word, (name, kind) in zip(line.split(), kinds, strict=True):
            try:
                {"R": float, "I": int}.get(kind, str)(word)
            except ValueError:
                what = "number" if kind == "R" else "whole number"
                hint = ": write E for D" if re.fullmatch(r"[-+.\d]+[dD][-+]?\d+", word) else ""
                raise UserError(f"line {number}: column {name}: given '{word}': is no {what}{hint}") from None
