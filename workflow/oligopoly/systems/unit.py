"""Repeat units and end groups as SMILES: are they what a chain can be made of?"""

from rdkit import Chem, rdBase

from oligopoly.errors import UserError

RING = "ring"


def _parse(smiles: str, what: str, stars: int) -> Chem.Mol:
    if not isinstance(smiles, str):
        raise UserError(f"{what} must be a SMILES string, not {smiles!r}")
    options = Chem.SmilesParserParams()
    options.removeHs = False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, options)
    if mol is None or mol.GetNumAtoms() == 0:
        raise UserError(f"{what} {smiles!r} is not a valid SMILES")
    ends = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    if len(ends) != stars:
        example = "*CC* for polyethylene" if stars == 2 else "*C for a methyl end, *[H] for a hydrogen"
        raise UserError(
            f"{what} {smiles!r} has {len(ends)} attachment point(s) '*'; it needs exactly {stars}, such as {example}"
        )
    for atom in ends:
        if atom.GetDegree() != 1 or atom.GetBonds()[0].GetBondType() != Chem.BondType.SINGLE:
            raise UserError(f"{what} {smiles!r}: each '*' must be bonded to one atom by a single bond")
        if atom.GetNeighbors()[0].GetAtomicNum() == 0:
            raise UserError(f"{what} {smiles!r} has no atom between its '*'")
        if atom.GetAtomMapNum() or atom.GetIsotope():
            raise UserError(f"{what} {smiles!r}: write attachment points as plain '*', without numbers")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise UserError(f"{what} {smiles!r} is more than one molecule; remove the '.'")
    if any(atom.GetIsotope() for atom in mol.GetAtoms()):
        raise UserError(f"{what} {smiles!r} carries isotope labels; write plain elements")
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms() if atom.GetAtomicNum()):
        raise UserError(f"{what} {smiles!r} has an unpaired electron (an atom in brackets without its hydrogens?)")
    if Chem.GetFormalCharge(mol) != 0:
        raise UserError(f"{what} {smiles!r} has a net charge; only neutral chains can be built")
    return mol


def check_unit(repeat_unit: str, end_groups, degree_of_polymerisation: int = 3) -> None:
    """Raise UserError when no chain can be made of these SMILES; says what is wrong.

    `repeat_unit` has two '*', `end_groups` is a pair of SMILES with one '*' each (the first is
    bonded to the first '*' of the repeat unit) or "ring". Whether the force field has parameters
    is only known when the system is built.
    """
    mol = _parse(repeat_unit, "repeat unit", 2)
    if degree_of_polymerisation < 1:
        raise UserError(f"degree of polymerisation {degree_of_polymerisation}: at least 1 is needed")
    if end_groups == RING:
        stars = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
        backbone = len(Chem.GetShortestPath(mol, *stars)) - 2
        if backbone * degree_of_polymerisation < 3:
            raise UserError(
                f"{degree_of_polymerisation} repeat unit(s) {repeat_unit!r} close to a ring of "
                f"{backbone * degree_of_polymerisation} backbone atoms; at least 3 are needed"
            )
        return
    if isinstance(end_groups, str) or len(end_groups) != 2:
        raise UserError(f'end groups must be a pair of SMILES such as ["*[H]", "*C"], or "ring", not {end_groups!r}')
    for smiles in end_groups:
        _parse(smiles, "end group", 1)


def elements(repeat_unit: str, end_groups) -> set[str]:
    """Symbols of the elements in a chain of these SMILES, which `check_unit` has found good."""
    parts = [_parse(repeat_unit, "repeat unit", 2)]
    parts += [] if end_groups == RING else [_parse(smiles, "end group", 1) for smiles in end_groups]
    return {a.GetSymbol() for part in parts for a in Chem.AddHs(part).GetAtoms() if a.GetAtomicNum()}
