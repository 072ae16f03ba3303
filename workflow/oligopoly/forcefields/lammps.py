"""A force field of the user's own: a LAMMPS data file, and the styles that belong to it, as LigParGen, Moltemplate,
EMC, CHARMM-GUI or a paper's archive provide them (OPLS, PCFF, CHARMM, ...)."""

import difflib
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, StringConstraints, model_validator

from oligopoly.errors import UserError
from oligopoly.forcefields.contract import ForceFieldSettings, Purpose
from oligopoly.settings import ExpandedPath

if TYPE_CHECKING:
    from rdkit import Chem

    from oligopoly.systems import datafile
    from oligopoly.systems.topology import Limits

TypeNumber = Annotated[str, StringConstraints(pattern=r"^[1-9]\d*$")]
OPEN_COULOMB = 1000.0  # A: holds every pair of any cluster
# What a file of settings may say, in the order in which LAMMPS wants it: before the box is read, and after it.
BEFORE = (
    "pair_style", "bond_style", "angle_style", "dihedral_style", "improper_style", "special_bonds", "kspace_style",
    "kspace_modify", "pair_modify", "dielectric",
)  # fmt: skip
AFTER = ("pair_coeff", "bond_coeff", "angle_coeff", "dihedral_coeff", "improper_coeff", "mass", "set")
# What such files say besides, and what is ours to say.
OURS = (
    "units", "atom_style", "boundary", "newton", "neighbor", "neigh_modify", "timestep", "thermo", "thermo_style",
    "thermo_modify", "read_data", "log", "echo", "atom_modify", "processors", "print", "suffix", "comm_modify",
)  # fmt: skip
# Long-range Coulomb and what has all pairs of a cluster in its place; words: global cutoffs before that of Coulomb.
OPEN = {
    "lj/cut/coul/long": ("lj/cut/coul/cut", 1),
    "lj/charmm/coul/long": ("lj/charmm/coul/charmm", 2),
    "lj/class2/coul/long": ("lj/class2/coul/cut", 1),
    "buck/coul/long": ("buck/coul/cut", 1),
}
LABEL_ACCURACY = 1e-6  # of PPPM in labels, at most


class Settings(ForceFieldSettings):
    """Your own LAMMPS data files and styles: systems name a `data` file each in place of a repeat unit."""

    from_data: ClassVar[bool] = True

    kind: Literal["lammps"]
    data: ExpandedPath | None = Field(
        None,
        description="data file of the systems that name none: a box of one kind of chain, units real, atom_style full",
    )
    settings: ExpandedPath = Field(
        examples=["pcff.in"],
        description="LAMMPS input with its styles (pair_style, special_bonds, ...) and, if the data file has none, "
        "coefficients",
    )
    styles: list[str] | None = Field(
        None, description="such commands in place of those of the file: what a built box remembers"
    )
    elements: dict[TypeNumber, str] = Field(
        {}, description="element of atom types whose mass does not tell, e.g. {'3': C}; of united atoms and beads one "
        "that stands for them",
    )  # fmt: skip

    @model_validator(mode="after")
    def _elements_are_some(self):
        from ase.data import chemical_symbols

        for kind, symbol in self.elements.items():
            if symbol not in chemical_symbols[1:]:
                raise ValueError(f"elements: given '{symbol}' for type {kind}: is no element")
        return self

    def create(self) -> "OwnForceField":
        return OwnForceField(self.commands())

    def commands(self) -> list[str]:
        """Styles and coefficients, in the order of the file. Raises UserError for commands that are no settings."""
        if self.styles is not None:
            told = [_allowed(line, "force_field.styles", number) for number, line in enumerate(self.styles, 1)]
            return [command for command in told if command]
        return _read(Path(self.settings).expanduser())

    def source(self, system: Any) -> str:
        """The data file of a system of the config."""
        path = system.data or self.data
        assert path is not None  # the config has one of both
        return path

    def check_system(self, system: Any) -> None:
        """Raise UserError for a data file that cannot be used."""
        from oligopoly.forcefields.given import given

        given(self.source(system), self)

    def identity(self, system: Any) -> Any:
        """What decides whether it can: the contents of the files."""
        path = Path(self.source(system)).expanduser()
        return [
            self.model_dump_json(),
            self.commands(),
            path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest(),
        ]

    def inputs(self, system: Any) -> list[str]:
        """The data file, and that of the settings."""
        path = system.data or self.data
        return [path, self.settings] if path else []

    def chain_of(self, system: Any) -> tuple[list[int], int]:
        """Atomic numbers of a chain, and how many chains there are."""
        from oligopoly.forcefields.given import given

        topology = given(self.source(system), self).topology
        return topology.numbers[: topology.atoms_per_chain].tolist(), topology.n_molecules

    def build(self, data: str, json_path: str, system: dict[str, Any], seed: int) -> None:
        """The user's box as it is; seeds make replicates differ in equilibration."""
        from oligopoly.forcefields.given import build_given

        source = system["data"] or self.data
        assert source is not None  # the config has one of both
        build_given(data, json_path, source, self)

    def rewrite(self, source: str | Path, target: str | Path) -> None:
        """The data file as LAMMPS writes it, with the coefficients of all types, those of pairs for each pair. Raises
        UserError that says what LAMMPS misses."""
        from oligopoly.md.lammps import start

        commands = self.commands()
        lmp = start()
        try:
            for command in [*_preamble(True), *(c for c in commands if c.split()[0] in BEFORE)]:
                _tell(lmp, command, source)
            _tell(lmp, f'read_data "{source}"', source)
            # a tilted box wants its kspace anew
            for command in (c for c in commands if c.split()[0] in AFTER or c.startswith("kspace")):
                _tell(lmp, command, source)
            # sets all up, and so finds coefficients that are missing
            _tell(lmp, "run 0 post no", source)
            _tell(lmp, f"write_data {target} nofix pair ij", source)
        finally:
            lmp.close()


class OwnForceField:
    """The force field as `forcefields.contract.ForceField` has it, with coefficients that stand in the data file."""

    name = "own LAMMPS styles"
    density = 1.0
    limits: "Limits | None" = None

    def __init__(self, commands: list[str]):
        self.styles = [command for command in commands if command.split()[0] in BEFORE]

    local = (1.0, 1.0)

    def torsion(self, coefficients: list[float], angle: np.ndarray) -> np.ndarray:
        """Nothing is built."""
        raise UserError("force_field.kind: lammps makes no chains: systems are data files")

    def sites(self, mol: "Chem.Mol") -> np.ndarray:
        """Nothing is built."""
        raise UserError("force_field.kind: lammps makes no chains: systems are data files")

    def place(self, positions: np.ndarray) -> np.ndarray:
        """Nothing is built."""
        return positions

    def parametrise(self, mol: "Chem.Mol", described: str) -> "tuple[datafile.Chain, list[str]]":
        """Nothing is built."""
        raise UserError(f"{described}: force_field.kind: lammps makes no chains: systems are data files")

    def commands(self, purpose: Purpose, periodic: bool, impropers: bool = True) -> list[str]:
        """LAMMPS commands to give before `read_data`. Raises UserError where its Coulomb needs a periodic box."""
        styles = self.styles if periodic else [c for c in map(_opened, self.styles) if c]
        styles = [c for c in styles if impropers or not c.startswith("improper_style")]
        if purpose == "label" and periodic:
            styles = [*map(_accurate, styles), *(["pair_modify table 0"] if any("/long" in c for c in styles) else [])]
        return [*_preamble(periodic), *styles]

    def level_of_theory(self, purpose: Purpose = "label") -> dict[str, Any]:
        """The styles; parameters are hashed besides, from the data file."""
        return {"force_field": "LAMMPS", "styles": [" ".join(command.split()) for command in self.styles]}


def _preamble(periodic: bool) -> list[str]:
    boundary = "p p p" if periodic else "s s s"
    return ["units real", "atom_style full", "atom_modify map array", f"boundary {boundary}"]


def _opened(command: str) -> str:
    """The command for a cluster without boundaries; empty where it has no place there."""
    words = command.split()
    if words[0] in ("kspace_style", "kspace_modify") or (words[0] == "pair_modify" and "table" in words):
        return ""
    if words[0] != "pair_style" or "long" not in words[1]:
        return command
    if words[1] not in OPEN:
        raise UserError(
            f"force_field: clusters cannot be computed with pair_style {words[1]}, whose Coulomb needs a periodic box "
            f"(known are {', '.join(OPEN)}): give pool.clusters.count: 0, pool.contacts.pairs: 0 and "
            "label.structures: frames"
        )
    style, cutoffs = OPEN[words[1]]
    own = words[2 : 2 + cutoffs]
    coulomb = [f"{OPEN_COULOMB - 1:g}", f"{OPEN_COULOMB:g}"] if style.endswith("charmm") else [f"{OPEN_COULOMB:g}"]
    return " ".join(["pair_style", style, *own, *coulomb])


def _accurate(command: str) -> str:
    """A mesh fine enough for labels."""
    words = command.split()
    if words[0] == "kspace_style" and words[1] != "none" and float(words[2]) > LABEL_ACCURACY:
        return " ".join([*words[:2], f"{LABEL_ACCURACY:g}", *words[3:]])
    return command


def _read(path: Path, within: tuple[Path, ...] = ()) -> list[str]:
    """The settings in a LAMMPS input, and in the files that it includes, which lie relative to it."""
    if path.resolve() in within:
        raise UserError(f"force_field.settings: {path}: includes itself")
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"force_field.settings: {path}: cannot be read ({getattr(error, 'strerror', error)})") from None
    text = re.sub(r"&[ \t]*(#.*)?\n", " ", text)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if words[:1] == ["include"] and len(words) == 2:
            found += _read(path.parent / words[1].strip("\"'"), (*within, path.resolve()))
            continue
        if command := _allowed(line, str(path), number):
            found.append(command)
    return found


def _allowed(line: str, where: str, number: int) -> str:
    """A command that is one of settings; empty for comments and for what is ours to say."""
    words = line.split("#")[0].split()
    if not words:
        return ""
    name = words[0]
    if name in BEFORE or name in AFTER:
        if any("$" in word for word in words):
            raise UserError(f"{where}, line {number}: '{' '.join(words)}' has a variable: write the value")
        if words[1:2] in (["hybrid"], ["hybrid/overlay"]):
            raise UserError(
                f"{where}, line {number}: '{' '.join(words[:3])}': LAMMPS writes no coefficients of hybrid styles "
                "into data and restart files: give one style of each kind"
            )
        return " ".join(words)
    if name == "units" and words[1:] != ["real"]:
        raise UserError(f"{where}, line {number}: units {' '.join(words[1:])}: must be real (A, kcal/mol)")
    if name == "atom_style" and words[1:2] != ["full"]:
        raise UserError(f"{where}, line {number}: atom_style {' '.join(words[1:])}: must be full")
    if name in OURS:
        return ""
    near = difflib.get_close_matches(name, (*BEFORE, *AFTER), n=1, cutoff=0.75)
    hint = f"; did you mean '{near[0]}'?" if near else ": give styles and coefficients alone, what moves atoms is ours"
    raise UserError(f"{where}, line {number}: '{name}' is no setting of a force field{hint}")


def _tell(lmp: Any, command: str, source: str | Path) -> None:
    try:
        lmp.command(command)
    except Exception as error:
        said = " ".join(str(error).split())
        said = re.sub(r"^ERROR( on proc \d+)?:\s*", "", said).split(" (src/")[0].split(" For more information")[0]
        if missing := re.search(r"All (\w+) coeffs are not set", said):
            kind = missing[1]
            raise UserError(
                f"{source}: has no {kind} coefficients of all its types: they stand in its section "
                f"{kind.capitalize()} Coeffs, or as {kind}_coeff in force_field.settings"
            ) from None
        what = "" if command.startswith(("read_data", "run", "write_data")) else f" at '{command}'"
        raise UserError(f"{source}: LAMMPS cannot use it with these styles{what}: {said}") from None
