"""From SMILES to a box of chains with GAFF2 parameters.

RadonPy (Hayashi et al., npj Comput. Mater. 8 (2022) 222) links the units to a chain in 3D and
assigns GAFF2 types and parameters; each chain of the box then walks its own way. Gasteiger charges
come from RDKit, of the whole chain, so that a junction of two units carries the charges of the
junction and not those of capped monomers.
"""

import contextlib
import io
import json
import logging
import random
from itertools import permutations
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import AllChem
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.seeds import derive
from oligopoly.systems import datafile
from oligopoly.systems.unit import RING, check_unit
from oligopoly.systems.walk import backbone, random_walk

__all__ = ["build_system", "check_unit"]

log = logging.getLogger(__name__)

INITIAL_DENSITY = 0.05  # g/cm3: dilute enough that chains are placed without overlap at once
CLEARANCE = 2.0  # A between atoms of different molecules when they are placed
AVOGADRO_A3 = 0.602214076  # g/mol per A^3 -> 1 g/cm3 is 0.602 g/mol/A^3


def build_system(
    data: str | Path,
    json_path: str | Path,
    *,
    repeat_unit: str,
    end_groups,
    degree_of_polymerisation: int,
    chains: int,
    charges: str = "gasteiger",
    density: float | None = None,
    seed: int,
) -> None:
    """Write a dilute box of `chains` chains as a LAMMPS data file and its description as JSON.

    `end_groups`: pair of SMILES with one '*' each, or "ring" for a cyclic oligomer. `density` in
    g/cm3 of the initial box. Raises UserError for SMILES that make no chain, and for units that
    GAFF2 has no parameters for (naming the atom).
    """
    check_unit(repeat_unit, end_groups, degree_of_polymerisation)
    if charges != "gasteiger":
        raise UserError(f"charges: {charges!r} is not known; only 'gasteiger' is available")
    if chains < 1:
        raise UserError(f"chains: {chains} given, at least 1 is needed")
    with _quiet(seed) as messages:
        template, conformations, units = _conformations(
            repeat_unit, end_groups, degree_of_polymerisation, chains, seed, messages
        )
        chain, types = _parameters(template)
    positions, length = _place(conformations, chains, template, density or INITIAL_DENSITY, seed)
    datafile.write(
        data,
        chain,
        positions,
        length * np.eye(3),
        title=f"{chains} chains of {repeat_unit}, GAFF2, Gasteiger",
    )

    n = len(chain)
    numbers = [atom.GetAtomicNum() for atom in template.GetAtoms()]
    bonds = chain.topology["Bonds"][:, 1:]
    description = {
        "numbers": numbers * chains,
        "molecules": np.repeat(np.arange(chains), n).tolist(),
        "repeat_units": units * chains,
        "bonds": (bonds[None] + n * np.arange(chains)[:, None, None]).reshape(-1, 2).tolist(),
        "chains": chains,
        "atoms_per_chain": n,
        "repeat_unit": repeat_unit,
        "end_groups": end_groups if end_groups == RING else list(end_groups),
        "degree_of_polymerisation": degree_of_polymerisation,
        "type_elements": [t[0] for t in types],
        "masses": [atom.GetMass() for atom in template.GetAtoms()] * chains,
        "net_charge": round(float(chain.charges.sum()) * chains, 8),
    }
    write_text(json_path, json.dumps(description) + "\n")


@contextlib.contextmanager
def _quiet(seed: int):
    """Seed every generator that RadonPy draws from, and send what it prints to the log."""
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    captured = io.StringIO()
    try:
        with contextlib.redirect_stdout(captured), rdBase.BlockLogs():
            yield captured
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        for line in captured.getvalue().splitlines():
            log.debug(line)


def _conformations(repeat_unit, end_groups, dp, chains, seed, messages):
    """Typed template, a conformation (n, 3) per chain, and the repeat unit of each atom."""
    if end_groups == RING:
        template = _ring(repeat_unit, dp)
        _assign(template, repeat_unit, end_groups, messages)
        conformations = [_embedded(template, repeat_unit, derive(seed, "conformation", k)) for k in range(chains)]
        return template, conformations, _repeat_units(template, dp)

    # A long chain takes its time to grow: parameters are looked for before.
    _assign(_linear(repeat_unit, end_groups, min(dp, 3), seed), repeat_unit, end_groups, messages)
    template = _linear(repeat_unit, end_groups, dp, seed)
    _assign(template, repeat_unit, end_groups, messages)
    residues = [atom.GetPDBResidueInfo().GetResidueName().strip() for atom in template.GetAtoms()]
    turnable, place = backbone(template, residues.index("TU0"), residues.index("TU1"))
    start = template.GetConformer(0).GetPositions()
    conformations = [
        random_walk(start, turnable, place, np.random.default_rng(derive(seed, "conformation", k)))
        for k in range(chains)
    ]
    return template, conformations, _repeat_units(template, dp)


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


def _linear(repeat_unit: str, end_groups, dp: int, seed: int) -> Chem.Mol:
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


def _ring(repeat_unit: str, dp: int) -> Chem.Mol:
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


def _embedded(ring: Chem.Mol, repeat_unit: str, seed: int) -> np.ndarray:
    """Positions (n, 3) of a ring by distance geometry and MMFF."""
    mol = Chem.Mol(ring)
    options = AllChem.ETKDGv3()
    options.randomSeed = seed
    options.useRandomCoords = True
    if AllChem.EmbedMolecule(mol, options) != 0:
        raise UserError(f"repeat unit {repeat_unit!r}: no 3D structure found for a ring of it")
    AllChem.MMFFOptimizeMolecule(mol, maxIters=500)
    return mol.GetConformer(0).GetPositions()


def _repeat_units(chain: Chem.Mol, dp: int) -> list[int]:
    """Repeat unit (0-based) of each atom; end groups belong to the unit they sit on."""
    if chain.GetAtomWithIdx(0).HasProp("unit"):
        return [atom.GetIntProp("unit") for atom in chain.GetAtoms()]
    residues = [atom.GetPDBResidueInfo() for atom in chain.GetAtoms()]
    inner = sorted({r.GetResidueNumber() for r in residues if r.GetResidueName().startswith("RU")})
    index = {number: k for k, number in enumerate(inner)}
    ends = {"TU0": 0, "TU1": dp - 1}
    return [ends.get(r.GetResidueName().strip(), index.get(r.GetResidueNumber())) for r in residues]


def _assign(mol: Chem.Mol, repeat_unit: str, end_groups, messages: io.StringIO) -> None:
    """Give `mol` GAFF2 types, parameters and charges; UserError names what has none."""
    from radonpy.ff.gaff2_mod import GAFF2_mod

    before = len(messages.getvalue())
    try:
        forcefield = GAFF2_mod()
        assigned = forcefield.ff_assign(mol, charge="gasteiger")
        if assigned:
            _complete_impropers(mol, forcefield)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        # RadonPy's typing rules stumble over environments they do not foresee.
        print(f"{type(error).__name__}: {error}")
        assigned = False
    if assigned and all(np.isfinite(atom.GetDoubleProp("AtomicCharge")) for atom in mol.GetAtoms()):
        return
    said = " ".join(line.split(":", 1)[-1].strip() for line in messages.getvalue()[before:].splitlines()[:3])
    system = f"repeat unit {repeat_unit!r}" + ("" if end_groups == RING else f" with end groups {list(end_groups)}")
    untyped = [atom for atom in mol.GetAtoms() if not atom.HasProp("ff_type")]
    if untyped:
        worst = min(untyped, key=lambda atom: (atom.GetAtomicNum() == 1, atom.GetIdx()))
        raise UserError(
            f"{system}: GAFF2 has no type for {_name(worst)}. "
            "It knows H, C, N, O, F, P, S, Cl, Br, I in common bonding."
        )
    for bond in mol.GetBonds():
        if not bond.HasProp("ff_type"):
            pair = " and ".join(_name(atom) for atom in (bond.GetBeginAtom(), bond.GetEndAtom()))
            raise UserError(f"{system}: GAFF2 has no bond between {pair}.")
    if assigned:
        atom = next(atom for atom in mol.GetAtoms() if not np.isfinite(atom.GetDoubleProp("AtomicCharge")))
        raise UserError(f"{system}: there is no Gasteiger charge for {_name(atom)}.")
    raise UserError(f"{system}: GAFF2 lacks parameters ({said})")


def _complete_impropers(mol: Chem.Mol, forcefield) -> None:
    # RadonPy 0.2.11 gives up on an atom when the first order of its neighbours has no improper, so
    # that whether an ester is kept planar depends on how its SMILES was written.
    have = {improper.a for improper in mol.impropers}
    for atom in mol.GetAtoms():
        neighbours = atom.GetNeighbors()
        if len(neighbours) != 3 or atom.GetIdx() in have:
            continue
        for b, c, d in permutations(neighbours):
            it = ",".join(x.GetProp("ff_type") for x in (atom, b, c, d))
            if forcefield.set_itype(mol, a=atom.GetIdx(), b=b.GetIdx(), c=c.GetIdx(), d=d.GetIdx(), it=it):
                break


def _name(atom: Chem.Atom) -> str:
    neighbours = ", ".join(sorted(n.GetSymbol() for n in atom.GetNeighbors()))
    what = f"{atom.GetSymbol()} (atom {atom.GetIdx()} of the chain, bonded to {neighbours}"
    if atom.HasProp("place"):
        fragment, place = atom.GetProp("fragment"), atom.GetIntProp("place")
        what += f"; symbol {place} of the {fragment}'s SMILES, '*' counted"
    return what + ")"


def _parameters(mol: Chem.Mol) -> tuple[datafile.Chain, list[tuple[str, str]]]:
    """The typed chain as LAMMPS sees it, and (element, GAFF2 type) per LAMMPS atom type."""

    def number(keys: list) -> tuple[list[int], list[int]]:
        """1-based type of each entry, and the first entry of each type."""
        first: dict = {}
        types = [first.setdefault(key, (len(first) + 1, i))[0] for i, key in enumerate(keys)]
        return types, [i for _, i in first.values()]

    def lines(values: list[list]) -> list[str]:
        return [
            " ".join([str(k + 1), *(str(v) if isinstance(v, int) else f"{v:.10g}" for v in row)])
            for k, row in enumerate(values)
        ]

    atoms, bonds = list(mol.GetAtoms()), list(mol.GetBonds())
    types, firsts = number([(a.GetSymbol(), a.GetProp("ff_type")) for a in atoms])
    names = [(atoms[i].GetSymbol(), atoms[i].GetProp("ff_type")) for i in firsts]
    coefficients = {
        "Masses": lines([[atoms[i].GetMass()] for i in firsts]),
        "Pair Coeffs": lines(
            [[atoms[i].GetDoubleProp("ff_epsilon"), atoms[i].GetDoubleProp("ff_sigma")] for i in firsts]
        ),
    }
    bond_types, firsts = number([b.GetProp("ff_type") for b in bonds])
    coefficients["Bond Coeffs"] = lines(
        [[bonds[i].GetDoubleProp("ff_k"), bonds[i].GetDoubleProp("ff_r0")] for i in firsts]
    )
    topology = {"Bonds": [[t, b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for t, b in zip(bond_types, bonds, strict=True)]}

    angle_types, firsts = number([a.ff.type for a in mol.angles])
    coefficients["Angle Coeffs"] = lines([[float(mol.angles[i].ff.k), float(mol.angles[i].ff.theta0)] for i in firsts])
    topology["Angles"] = [[t, x.a, x.b, x.c] for t, x in zip(angle_types, mol.angles, strict=True)]

    dihedral_types, firsts = number([d.ff.type for d in mol.dihedrals])
    rows = []
    for i in firsts:
        ff = mol.dihedrals[i].ff
        rows.append(
            [
                int(ff.m),
                *(v for k, n, d in zip(ff.k, ff.n, ff.d0, strict=True) for v in (float(k), int(n), float(d))),
            ]
        )
    coefficients["Dihedral Coeffs"] = lines(rows)
    topology["Dihedrals"] = [[t, x.a, x.b, x.c, x.d] for t, x in zip(dihedral_types, mol.dihedrals, strict=True)]

    improper_types, firsts = number([m.ff.type for m in mol.impropers])
    coefficients["Improper Coeffs"] = lines(
        [[float(mol.impropers[i].ff.k), int(mol.impropers[i].ff.d0), int(mol.impropers[i].ff.n)] for i in firsts]
    )
    topology["Impropers"] = [[t, x.a, x.b, x.c, x.d] for t, x in zip(improper_types, mol.impropers, strict=True)]

    charges = np.array([a.GetDoubleProp("AtomicCharge") for a in atoms])
    charges -= charges.mean()  # Gasteiger's iteration leaves a residue of 1e-6 or so; PPPM wants none
    arrays = {name: np.array(topology[name], dtype=int).reshape(-1, 1 + k) for name, k in datafile.TOPOLOGY.items()}
    return datafile.Chain(coefficients, np.array(types), np.round(charges, 8), arrays), names


def _place(conformations, chains, template, density, seed):
    """Positions (chains*n, 3), molecules whole, and the length of the cubic box, in A.

    Random places and orientations with at least CLEARANCE between atoms of different molecules;
    the box grows by 10 % in length when a chain finds no room.
    """
    rng = np.random.default_rng(derive(seed, "placement"))
    mass = sum(atom.GetMass() for atom in template.GetAtoms()) * chains
    length = (mass / (density * AVOGADRO_A3)) ** (1 / 3)
    while True:
        placed = []
        for k in range(chains):
            shape = conformations[k] - conformations[k].mean(axis=0)
            for _ in range(200):
                trial = Rotation.random(random_state=rng.integers(2**31)).apply(shape) + rng.uniform(0, length, 3)
                if not placed:
                    break
                tree = cKDTree(np.mod(np.concatenate(placed), length), boxsize=length * (1 + 1e-12))
                if tree.query(np.mod(trial, length))[0].min() > CLEARANCE:
                    break
            else:
                break
            placed.append(trial)
        if len(placed) == chains:
            return np.concatenate(placed), length
        length *= 1.1
