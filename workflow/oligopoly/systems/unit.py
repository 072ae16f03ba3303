"""Repeat units and end groups as SMILES: are they what a chain can be made of?"""

import contextlib
import io
import math
import re
from dataclasses import dataclass
from typing import Literal

from rdkit import Chem, rdBase

from oligopoly.errors import UserError
from oligopoly.systems.stereo import Centre, DoubleBond, find, isomers

RING = "ring"
UNIT, END = "repeat unit", "end group"
EXAMPLES = {UNIT: "*CC* for polyethylene", END: "*C for a methyl end, *[H] for a hydrogen"}
LARGEST = 500  # atoms of a repeat unit or end group; a macrocycle of as many takes RDKit a minute
MOST_WAYS = 4096  # round a ring; all are found, in half a second
BONDS = {Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC}
# How others write attachment points: BigSMILES, and R groups
FOREIGN = re.compile(r"[{}]|\[[<>$]\d*\]|\[R\d*\]|\bR\d*\b")

Tacticity = Literal["isotactic", "syndiotactic", "atactic"]


@dataclass(frozen=True)
class Piece:
    """A repeat unit or an end group.

    `mol` has its hydrogens (its first `written` atoms stand in the SMILES, in this order), and its attachment points as
    dummy atoms `stars`: of a repeat unit head and tail, with isotopes 1 and 2.
    """

    name: str
    smiles: str
    mol: Chem.Mol
    written: int
    stars: tuple[int, ...]
    centres: tuple[Centre, ...]
    double_bonds: tuple[DoubleBond, ...]

    def inner(self, star: int) -> int:
        """The atom that an attachment point is bonded to."""
        return self.mol.GetAtomWithIdx(star).GetNeighbors()[0].GetIdx()


def read(smiles: str, name: str) -> Piece:
    """A repeat unit (`name` UNIT, two '*') or an end group (END, one '*').

    Raises UserError that says what is wrong with it. `[*:1]` and `[*:2]` are head and tail of a repeat unit; without
    numbers the first '*' is its head.
    """
    what = f"{name} {smiles!r}"
    mol = _molecule(smiles, name)
    try:
        return _read(mol, smiles, name)
    except UserError:
        raise
    except (RuntimeError, ValueError) as error:  # RDKit's
        raise UserError(f"{what} is no molecule: {str(error).strip().splitlines()[0]}") from error


def _read(mol: Chem.Mol, smiles: str, name: str) -> Piece:
    what = f"{name} {smiles!r}"
    stars = _attachment_points(mol, what, name)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise UserError(f"{what} is more than one molecule; remove the '.'")
    others = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum()]
    if any(atom.GetIsotope() for atom in others):
        raise UserError(f"{what} carries isotope labels; write plain elements")
    if any(atom.GetAtomMapNum() for atom in others):
        raise UserError(f"{what} has numbers on its atoms (':1'); only attachment points may have them")
    for number, star in enumerate(stars, start=1):
        mol.GetAtomWithIdx(star).SetIsotope(number)
        mol.GetAtomWithIdx(star).SetAtomMapNum(0)
    _sanitize(mol, what)
    if any(atom.GetNumRadicalElectrons() for atom in others):
        raise UserError(f"{what} has an unpaired electron (an atom in brackets without its hydrogens?)")
    if Chem.GetFormalCharge(mol) != 0:
        raise UserError(f"{what} has a net charge; only neutral chains can be built")
    centres, double_bonds = find(mol, stars, what)
    written = mol.GetNumAtoms()
    mol = Chem.AddHs(mol)
    if mol.GetNumAtoms() > LARGEST:
        raise UserError(f"{what} has {mol.GetNumAtoms() - len(stars)} atoms; at most {LARGEST} can be built")
    return Piece(name, smiles, mol, written, stars, centres, double_bonds)


def pieces(repeat_unit: str, end_groups) -> tuple[Piece, list[Piece]]:
    """The repeat unit, and two end groups (the first is bonded to its head) or none of a ring.

    Raises UserError.
    """
    unit = read(repeat_unit, UNIT)
    if end_groups == RING:
        return unit, []
    if isinstance(end_groups, str) or len(end_groups) != 2:
        raise UserError(f'end groups must be a pair of SMILES such as ["*[H]", "*C"], or "ring", not {end_groups!r}')
    return unit, [read(smiles, END) for smiles in end_groups]


def check_unit(
    repeat_unit: str, end_groups, degree_of_polymerisation: int = 3, tacticity: Tacticity | None = None
) -> None:
    """Raise UserError when no chain can be made of these SMILES; says what is wrong.

    `repeat_unit` has two '*', `end_groups` is a pair of SMILES with one '*' each (the first is bonded to the head of
    the repeat unit) or "ring". Whether there are parameters for it the force field says.
    """
    unit, _ = pieces(repeat_unit, end_groups)
    if degree_of_polymerisation < 1:
        raise UserError(f"degree of polymerisation {degree_of_polymerisation}: at least 1 is needed")
    if end_groups == RING:
        backbone = len(Chem.GetShortestPath(unit.mol, *unit.stars)) - 2
        if backbone * degree_of_polymerisation < 3:
            raise UserError(
                f"{degree_of_polymerisation} repeat unit(s) {repeat_unit!r} close to a ring of "
                f"{backbone * degree_of_polymerisation} backbone atoms; at least 3 are needed"
            )
        ways = _shortest_paths(unit)
        largest = math.floor(math.log(MOST_WAYS, ways)) if ways > 1 else degree_of_polymerisation
        if degree_of_polymerisation > largest:
            raise UserError(
                f"a ring of {degree_of_polymerisation} repeat units {repeat_unit!r} is too much for RDKit's search for "
                f"rings: {ways} equally short ways lead through a unit; degree_of_polymerisation is at most {largest}"
            )
    _check_tacticity(unit, tacticity)
    if end_groups == RING and tacticity == "syndiotactic" and degree_of_polymerisation % 2:
        raise UserError(
            f"tacticity: a ring of {degree_of_polymerisation} units cannot alternate; syndiotactic rings have an even "
            "degree_of_polymerisation"
        )


def name_of(repeat_unit: str, end_groups) -> str:
    """How messages call a chain."""
    return f"repeat unit {repeat_unit!r}" + ("" if end_groups == RING else f" with end groups {list(end_groups)}")


def numbers_of(repeat_unit: str, end_groups, degree_of_polymerisation: int) -> list[int]:
    """Atomic numbers of the atoms in a chain of these SMILES, which `check_unit` has found good; in no order."""
    unit, ends = pieces(repeat_unit, end_groups)
    of = [[a.GetAtomicNum() for a in piece.mol.GetAtoms() if a.GetAtomicNum()] for piece in (unit, *ends)]
    return of[0] * degree_of_polymerisation + [number for numbers in of[1:] for number in numbers]


def _check_tacticity(unit: Piece, tacticity: Tacticity | None) -> None:
    if tacticity is None:
        return
    what = f"tacticity: {tacticity} given, and repeat unit {unit.smiles!r}"
    backbone = [centre for centre in unit.centres if centre.backbone]
    unmarked = [centre for centre in backbone if centre.mark is None]
    if not backbone:
        raise UserError(f"{what} has no stereocentre in its main chain; leave the key out")
    if not unmarked and tacticity != "isotactic":
        other = "drop the marks '@'" + (
            ", or write two units of different marks as one" if tacticity == "syndiotactic" else ""
        )
        raise UserError(f"{what} marks its stereocentres, which makes every unit the same, isotactic; {other}")
    if len(unmarked) > 1 and tacticity != "atactic":
        symbols = ", ".join(str(centre.atom + 1) for centre in unmarked)
        raise UserError(
            f"{what} has {len(unmarked)} stereocentres in its main chain without a mark (symbols {symbols} of its "
            "SMILES): how they stand to each other must be marked with @ and @@ "
            f"(all but one for syndiotactic), such as {' or '.join(isomers(unit.mol, unit.centres))}"
        )


def _shortest_paths(unit: Piece) -> int:
    """How many equally short paths lead from one attachment point to the other, such as 2 through a phenylene."""
    distances = Chem.GetDistanceMatrix(unit.mol)[unit.stars[1]]
    paths = {unit.stars[1]: 1}
    for i in sorted(range(len(distances)), key=lambda i: distances[i]):
        if i not in paths:
            around = (n.GetIdx() for n in unit.mol.GetAtomWithIdx(i).GetNeighbors())
            paths[i] = sum(paths[j] for j in around if distances[j] < distances[i])
    return paths[unit.stars[0]]


def _molecule(smiles: str, name: str) -> Chem.Mol:
    """Of a SMILES as it is written, not sanitized."""
    if not isinstance(smiles, str):
        raise UserError(f"{name} must be a SMILES string, not {smiles!r}")
    what = f"{name} {smiles!r}"
    if smiles != smiles.strip() or len(smiles.split()) > 1:
        raise UserError(f"{what} has blanks in it; a SMILES has none")
    if FOREIGN.search(smiles):
        raise UserError(
            f"{what} is written in another notation than SMILES (braces, [R1], [$], [<]); "
            f"write attachment points as '*', such as {EXAMPLES[name]}"
        )
    options = Chem.SmilesParserParams()
    options.removeHs = options.sanitize = options.allowCXSMILES = options.parseName = False
    said = io.StringIO()
    rdBase.LogToPythonStderr()
    try:
        with contextlib.redirect_stderr(said):
            mol = Chem.MolFromSmiles(smiles, options)
    except (ValueError, RuntimeError):  # RDKit's, for characters it cannot take
        mol = None
    finally:
        rdBase.LogToCppStreams()
    if mol is None or mol.GetNumAtoms() == 0:
        raise UserError(f"{what} is not a valid SMILES{_reason(said.getvalue())}")
    if any(bond.GetBondType() not in BONDS for bond in mol.GetBonds()):
        raise UserError(f"{what}: bonds are single, double (=), triple (#) or aromatic")
    return mol


def _reason(said: str) -> str:
    """What RDKit's parser has to say, in a few words."""
    position = re.search(r"around position (\d+)", said)
    if position:
        return f": look at character {position.group(1)}"
    unclosed = re.search(r"unclosed ring|extra (open|close) parentheses|duplicated ring closure \d+", said)
    return f": {unclosed.group(0)}" if unclosed else ""


def _attachment_points(mol: Chem.Mol, what: str, name: str) -> tuple[int, ...]:
    ends = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    needed = 2 if name == UNIT else 1
    if len(ends) != needed:
        hint = ""
        if name == UNIT and len(ends) == 4:
            hint = "; ladder polymers, whose units are linked by two bonds (PIM-1), cannot be built"
        elif name == UNIT and len(ends) == 3:
            hint = "; branched and cross-linked polymers cannot be built"
        raise UserError(
            f"{what} has {len(ends)} attachment point(s) '*'; it needs exactly {needed}, such as {EXAMPLES[name]}{hint}"
        )
    for atom in ends:
        # the parser takes a bond between an aromatic atom and a '*' for aromatic until it is sanitized
        bonds = [bond.GetBondType() for bond in atom.GetBonds()]
        if bonds not in ([Chem.BondType.SINGLE], [Chem.BondType.AROMATIC]):
            raise UserError(f"{what}: each '*' must be bonded to one atom by a single bond, at an end of the SMILES")
        if atom.GetNeighbors()[0].GetAtomicNum() == 0:
            raise UserError(f"{what} has no atom between its '*'")
        if atom.GetIsotope():
            raise UserError(f"{what}: write attachment points as '*', or as [*:1] (head) and [*:2] (tail)")
        if atom.GetFormalCharge() or atom.GetNumExplicitHs():
            raise UserError(f"{what}: an attachment point is a plain '*', without charge and hydrogens")
    numbers = [atom.GetAtomMapNum() for atom in ends]
    if name == UNIT and sorted(numbers) not in ([0, 0], [1, 2]):
        raise UserError(
            f"{what}: write attachment points without numbers, or [*:1] for the head and [*:2] for the tail"
        )
    return tuple(atom.GetIdx() for atom in sorted(ends, key=lambda atom: atom.GetAtomMapNum()))


def _sanitize(mol: Chem.Mol, what: str) -> None:
    with rdBase.BlockLogs():
        problems = Chem.DetectChemistryProblems(mol)
        if not problems:
            Chem.SanitizeMol(mol)
            return
    problem = problems[0]
    if problem.GetType() == "AtomValenceException":
        atom = mol.GetAtomWithIdx(problem.GetAtomIdx())
        raise UserError(
            f"{what}: atom {atom.GetSymbol()} (symbol {atom.GetIdx() + 1}) has more bonds than its valence allows"
        )
    if "ekulize" in problem.GetType():
        raise UserError(f"{what}: its aromatic ring has no pattern of double bonds; is a hydrogen missing, as in [nH]?")
    raise UserError(f"{what} is no molecule: {problem.Message().splitlines()[0]}")
