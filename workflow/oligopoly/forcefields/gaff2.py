"""GAFF2 in LAMMPS: one energy surface for MD and for labels.

RadonPy (Hayashi et al., npj Comput. Mater. 8 (2022) 222) assigns types and parameters. Gasteiger charges come from
RDKit, of the whole chain, so that a junction of two units carries the charges of the junction and not those of capped
monomers; RESP charges from Psi4 (`forcefields.resp`).

Lennard-Jones is switched off between 8 and 10 A in the CHARMM way (the energy is multiplied by a
smooth function and the force is its derivative), so that forces are the gradient of the energy; a
plain cutoff makes the two disagree, and a tail correction would be no part of the forces. Coulomb
is exact: PPPM in periodic boxes, all pairs in open clusters. The two purposes differ only in how
tightly PPPM is converged.
"""

import contextlib
import io
import logging
import re
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from oligopoly.errors import UserError
from oligopoly.forcefields.contract import ForceFieldSettings, Purpose
from oligopoly.labelers import programs
from oligopoly.settings import PathText
from oligopoly.systems import datafile
from oligopoly.systems.topology import Limits

if TYPE_CHECKING:
    from rdkit import Chem

log = logging.getLogger(__name__)

INNER, OUTER = 8.0, 10.0  # A
PPPM_ACCURACY = {"md": 1e-5, "label": 1e-7}  # of the force of two unit charges 1 A apart
PPPM_ORDER = {"md": 5, "label": 7}
OPEN_COULOMB = 1000.0  # A: holds every pair of any cluster


class Settings(ForceFieldSettings):
    """GAFF2 as RadonPy assigns it: H, C, N, O, F, P, S, Cl, Br, I in common bonding."""

    kind: Literal["gaff2"] = "gaff2"
    charges: Literal["gasteiger", "resp"] = Field(
        "gasteiger",
        description="how partial charges are assigned: gasteiger, or resp: fitted to the potential of HF/6-31G* around "
        "three units, by Psi4, minutes at build; GAFF2 was made for these",
    )
    executable: PathText = Field("psi4", description="for resp: Psi4, or its path")

    def create(self) -> "GAFF2":
        return GAFF2(self.executable if self.charges == "resp" else None)

    def check(self, repeat_unit: str, end_groups: Any, units: int) -> None:
        if self.charges == "resp":
            programs.find(self.executable, "force_field.executable", "Psi4")
        # what has parameters does not depend on the charges
        typed = self.model_copy(update={"charges": "gasteiger"})
        ForceFieldSettings.check(typed, repeat_unit, end_groups, units)


class GAFF2:
    """The force field as `forcefields.contract.ForceField` has it. `psi4`: the program, for RESP charges."""

    name = "GAFF2, Gasteiger"
    density = 1.0
    limits: Limits | None = None
    psi4: str | None = None

    def __init__(self, psi4: str | None = None):
        if psi4:
            self.name, self.psi4 = "GAFF2, RESP", psi4

    local = (0.5, 0.5)

    def torsion(self, coefficients: list[float], angle: np.ndarray) -> np.ndarray:
        """As `dihedral_style fourier` has it."""
        terms = np.array(coefficients[1:]).reshape(-1, 3)
        return sum((k * (1 + np.cos(n * angle - np.radians(d))) for k, n, d in terms), np.zeros_like(angle))

    def sites(self, mol: "Chem.Mol") -> np.ndarray:
        """All atoms."""
        return np.arange(mol.GetNumAtoms())

    def place(self, positions: np.ndarray) -> np.ndarray:
        """As they are."""
        return positions

    def parametrise(self, mol: "Chem.Mol", described: str) -> tuple[datafile.Chain, list[str]]:
        """Types, charges and coefficients; the atoms of `mol` keep GAFF2's types and parameters as properties."""
        _assign(mol, described)
        if self.psi4:
            from oligopoly.forcefields import resp

            for atom, charge in zip(mol.GetAtoms(), resp.charges(mol, self.psi4), strict=True):
                atom.SetDoubleProp("AtomicCharge", float(charge))
        chain, types = _parameters(mol)
        return chain, [element for element, _ in types]

    def commands(self, purpose: Purpose, periodic: bool, impropers: bool = True) -> list[str]:
        """LAMMPS commands to give before `read_data` (the kspace style included).

        `periodic` False: shrink-wrapped open boundaries and bare Coulomb of all pairs.
        """
        if periodic:
            pair = [
                f"pair_style lj/charmm/coul/long {INNER} {OUTER}",
                f"kspace_style pppm {PPPM_ACCURACY[purpose]}",
                f"kspace_modify order {PPPM_ORDER[purpose]}",
                # The tables that speed up MD leave steps of 1e-7 eV in the energy.
                f"pair_modify table {12 if purpose == 'md' else 0}",
            ]
        else:
            # Its Coulomb part is switched off only between 999 and 1000 A.
            pair = [f"pair_style lj/charmm/coul/charmm {INNER} {OUTER} {OPEN_COULOMB - 1} {OPEN_COULOMB}"]
        return [
            "units real",
            "atom_style full",
            "atom_modify map array",
            f"boundary {'p p p' if periodic else 's s s'}",
            *pair,
            "pair_modify mix arithmetic",
            "special_bonds lj 0.0 0.0 0.5 coul 0.0 0.0 0.8333333333333333",
            "bond_style harmonic",
            "angle_style harmonic",
            "dihedral_style fourier",
            *(["improper_style cvff"] if impropers else []),
        ]

    def level_of_theory(self, purpose: Purpose = "label") -> dict:
        """The settings that define the energy surface, for keys and for provenance."""
        return {
            "force_field": "GAFF2 (gaff2_mod of RadonPy)",
            "lj_switch_A": [INNER, OUTER],
            "mixing": "arithmetic",
            "special_lj": [0.0, 0.0, 0.5],
            "special_coulomb": [0.0, 0.0, 5 / 6],
            "coulomb": "pppm, open: all pairs",
            "pppm_accuracy": PPPM_ACCURACY[purpose],
            "pppm_order": PPPM_ORDER[purpose],
            **({"charges": "RESP, HF/6-31G*"} if self.psi4 else {}),
        }


def _assign(mol: "Chem.Mol", described: str) -> None:
    """Give `mol` GAFF2 types, parameters and charges; UserError names what has none."""
    messages = io.StringIO()
    with contextlib.redirect_stdout(messages):
        try:
            forcefield = _piecewise()
            assigned = forcefield.ff_assign(mol, charge="gasteiger")
            if assigned:
                _complete_impropers(mol, forcefield)
        except Exception as error:
            # RadonPy's rules stumble in many ways over environments that they do not foresee.
            print(f"{type(error).__name__}: {error}")
            assigned = False
    log.debug(messages.getvalue())
    if assigned and all(np.isfinite(atom.GetDoubleProp("AtomicCharge")) for atom in mol.GetAtoms()):
        return
    untyped = [atom for atom in mol.GetAtoms() if not atom.HasProp("ff_type")]
    if untyped:
        worst = min(untyped, key=lambda atom: (atom.GetAtomicNum() == 1, atom.GetIdx()))
        raise UserError(
            f"{described}: GAFF2 has no type for {_name(worst)}. "
            "It knows H, C, N, O, F, P, S, Cl, Br, I in common bonding."
        )
    for bond in mol.GetBonds():
        if not bond.HasProp("ff_type"):
            raise UserError(f"{described}: GAFF2 has no bond between {_pair(bond)}.")
    if not assigned and forcefield.stumbled:
        what, where = forcefield.stumbled[0]
        types = re.search(r"this (?:angle|dihedral) (\S+)", messages.getvalue())
        kind = f" {types.group(1).replace(',', '-')}" if types else ""
        raise UserError(f"{described}: GAFF2 has no parameters for the {what}{kind} {where}.")
    if assigned:
        atom = next(atom for atom in mol.GetAtoms() if not np.isfinite(atom.GetDoubleProp("AtomicCharge")))
        raise UserError(f"{described}: there is no Gasteiger charge for {_name(atom)}.")
    said = " ".join(line.split(":", 1)[-1].strip() for line in messages.getvalue().splitlines()[:3])
    raise UserError(f"{described}: GAFF2 lacks parameters ({said})")


def _piecewise():
    """RadonPy's force field, that types angles and dihedrals atom by atom and bond by bond.

    RadonPy compares each angle and dihedral with all before it, which takes minutes for long chains; those around
    another atom or bond are others anyway. `stumbled`: what had no parameters.
    """
    from radonpy.ff.gaff2_mod import GAFF2_mod

    class Part:
        def __init__(self, atoms=(), bonds=()):
            self._atoms, self._bonds = atoms, bonds
            self.angles, self.dihedrals = [], []

        def GetAtoms(self):  # noqa: N802
            return self._atoms

        def GetBonds(self):  # noqa: N802
            return self._bonds

        def SetProp(self, *_):  # noqa: N802
            pass

    class Piecewise(GAFF2_mod):
        def assign_atypes(self, mol):
            mol.angles, self.stumbled = [], []
            for atom in mol.GetAtoms():
                part = Part(atoms=[atom])
                if not super().assign_atypes(part):
                    self.stumbled.append(("angle", f"at {_name(atom)}"))
                mol.angles += part.angles
            return not self.stumbled

        def assign_dtypes(self, mol):
            mol.dihedrals, self.stumbled = [], []
            for bond in mol.GetBonds():
                part = Part(bonds=[bond])
                if not super().assign_dtypes(part):
                    self.stumbled.append(("dihedral", f"about the bond of {_pair(bond)}"))
                mol.dihedrals += part.dihedrals
            return not self.stumbled

    forcefield = Piecewise()
    forcefield.stumbled = []
    return forcefield


def _pair(bond: "Chem.Bond") -> str:
    return " and ".join(_name(atom) for atom in (bond.GetBeginAtom(), bond.GetEndAtom()))


def _complete_impropers(mol: "Chem.Mol", forcefield) -> None:
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


def _name(atom: "Chem.Atom") -> str:
    neighbours = ", ".join(sorted(n.GetSymbol() for n in atom.GetNeighbors()))
    what = f"{atom.GetSymbol()} (atom {atom.GetIdx()} of the chain, bonded to {neighbours}"
    if atom.HasProp("place"):
        fragment, place = atom.GetProp("fragment"), atom.GetIntProp("place")
        what += f"; symbol {place} of the {fragment}'s SMILES, '*' counted"
    return what + ")"


def _parameters(mol: "Chem.Mol") -> tuple[datafile.Chain, list[tuple[str, str]]]:
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
