"""One chain in 3D: units linked by RadonPy, or closed to a ring by RDKit."""

import contextlib

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

from oligopoly.errors import UserError
from oligopoly.seeds import derive


@contextlib.contextmanager
def _seeded_embedding(seed: int):
    # RadonPy embeds its monomers with an unseeded generator of RDKit's that nothing else reaches.
    embed = AllChem.EmbedMolecule

    def seeded(mol, options):
        options.randomSeed = seed
        return embed(mol, options)

    AllChem.EmbedMolecule = seeded
    try:
        yield
    finally:
        AllChem.EmbedMolecule = embed


def _fragment(smiles: str, name: str, seed: int) -> Chem.Mol:
    """Monomer or end group in 3D as RadonPy wants it, its atoms marked with where they come from."""
    from radonpy.core import utils

    try:
        with _seeded_embedding(seed):
            mol = utils.mol_from_smiles(smiles)
    except utils.RadonPyError as error:
        raise UserError(f"{name} {smiles!r}: no 3D structure could be made of it ({error})") from error
    for atom in mol.GetAtoms():
        atom.SetProp("fragment", name)
        atom.SetIntProp("place", atom.GetIdx() + 1)
        atom.SetDoubleProp("AtomicCharge", 0.0)
    return mol


def linear(repeat_unit: str, end_groups, dp: int, seed: int) -> Chem.Mol:
    from radonpy.core import calc, const, poly, utils

    const.tqdm_disable = True
    # Half of the units of an atactic chain are mirror images; without stereocentres both are the same.
    mirrored = np.random.default_rng(derive(seed, "tacticity")).permutation(np.arange(dp) % 2 == 1)
    try:
        unit = _fragment(repeat_unit, "repeat unit", seed)
        chain = None
        for mirror in mirrored:
            other = calc.mirror_inversion_mol(unit) if mirror else utils.deepcopy_mol(unit)
            chain = poly.connect_mols(chain, other)
        head, tail = (_fragment(smiles, "end group", seed) for smiles in end_groups)
        chain = poly.terminate_rw(chain, head, tail, opt=None)
    except utils.RadonPyError as error:
        raise UserError(
            f"repeat unit {repeat_unit!r}: RadonPy could not grow a chain of {dp} units ({error})"
        ) from error
    for atom in chain.GetAtoms():
        atom.SetIsotope(0)  # RadonPy marks linkers and hydrogen ends by isotopes
    return chain


def ring(repeat_unit: str, dp: int) -> Chem.Mol:
    """dp repeat units closed to a ring, atoms ordered by unit; without coordinates."""
    unit = Chem.MolFromSmiles(repeat_unit)
    for atom in unit.GetAtoms():
        atom.SetProp("fragment", "repeat unit")
        atom.SetIntProp("place", atom.GetIdx() + 1)
    stars = [atom.GetIdx() for atom in unit.GetAtoms() if atom.GetAtomicNum() == 0]
    head, tail = (unit.GetAtomWithIdx(star).GetNeighbors()[0].GetIdx() for star in stars)
    n = unit.GetNumAtoms()
    ring = Chem.RWMol()
    for k in range(dp):
        for atom in unit.GetAtoms():
            atom.SetIntProp("unit", k)
        ring.InsertMol(unit)
    for k in range(dp):
        ring.AddBond(k * n + tail, (k + 1) % dp * n + head, Chem.BondType.SINGLE)
    for index in sorted((k * n + star for k in range(dp) for star in stars), reverse=True):
        ring.RemoveAtom(index)
    Chem.SanitizeMol(ring)
    mol = Chem.AddHs(ring)
    for atom in mol.GetAtoms():
        if not atom.HasProp("unit"):
            parent = atom.GetNeighbors()[0]
            atom.SetIntProp("unit", parent.GetIntProp("unit"))
            atom.SetIntProp("place", parent.GetIntProp("place"))
            atom.SetProp("fragment", "repeat unit")
    order = sorted(range(mol.GetNumAtoms()), key=lambda i: (mol.GetAtomWithIdx(i).GetIntProp("unit"), i))
    return Chem.RenumberAtoms(mol, order)


def embedded(ring: Chem.Mol, repeat_unit: str, seed: int) -> np.ndarray:
    """Positions (n, 3) of a ring by distance geometry and MMFF."""
    mol = Chem.Mol(ring)
    options = AllChem.ETKDGv3()
    options.randomSeed = seed
    options.useRandomCoords = True
    if AllChem.EmbedMolecule(mol, options) != 0:
        raise UserError(f"repeat unit {repeat_unit!r}: no 3D structure found for a ring of it")
    AllChem.MMFFOptimizeMolecule(mol, maxIters=500)
    return mol.GetConformer(0).GetPositions()


def repeat_units(chain: Chem.Mol, dp: int) -> list[int]:
    """Repeat unit (0-based) of each atom; end groups belong to the unit they sit on."""
    if chain.GetAtomWithIdx(0).HasProp("unit"):
        return [atom.GetIntProp("unit") for atom in chain.GetAtoms()]
    residues = [atom.GetPDBResidueInfo() for atom in chain.GetAtoms()]
    inner = sorted({r.GetResidueNumber() for r in residues if r.GetResidueName().startswith("RU")})
    index = {number: k for k, number in enumerate(inner)}
    ends = {"TU0": 0, "TU1": dp - 1}
    names = [(r.GetResidueName().strip(), r.GetResidueNumber()) for r in residues]
    return [ends[name] if name in ends else index[number] for name, number in names]
