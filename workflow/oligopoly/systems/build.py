"""From SMILES to a box of chains with the parameters of a force field.

All chains have the same atoms and parameters; each has its own sequence of configurations and walks its own way.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers
from rdkit import rdBase

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.seeds import derive
from oligopoly.systems import datafile, rotamers, shape, stereo
from oligopoly.systems.chain import Assembly, assemble
from oligopoly.systems.packing import CLEARANCE, overlapping, place
from oligopoly.systems.unit import RING, Piece, Tacticity, check_unit, name_of, pieces

if TYPE_CHECKING:
    from oligopoly.forcefields.contract import ForceField, ForceFieldSettings

__all__ = ["build_system", "check_unit"]

MELT = 450.0  # K, of the torsions that long chains are built with
# Of a liquid's density: long chains are placed through each other, for `md.push_off`. Not those with rings in their
# units, which others would go through.
DENSE = 0.7
DILUTE = 0.05  # of a liquid's density: chains are placed without overlap at once


def build_system(
    data: str | Path,
    json_path: str | Path,
    *,
    repeat_unit: str,
    end_groups,
    degree_of_polymerisation: int,
    chains: int,
    force_field: "ForceFieldSettings",
    density: float | None = None,
    tacticity: Tacticity | None = None,
    seed: int,
) -> None:
    """Write a dilute box of `chains` chains as a LAMMPS data file and its description as JSON.

    `end_groups`: pair of SMILES with one '*' each, or "ring" for a cyclic oligomer. `density` in g/cm3 of the initial
    box. `tacticity`: of the unmarked stereocentre of the main chain; None: atactic, each chain with a sequence of its
    own; marks in the SMILES fix it. The JSON has the sequences. Raises UserError for SMILES that make no chain, and for
    units that the force field has no parameters for (naming the atom).
    """
    check_unit(repeat_unit, end_groups, degree_of_polymerisation, tacticity)
    if chains < 1:
        raise UserError(f"chains: {chains} given, at least 1 is needed")
    unit, ends = pieces(repeat_unit, end_groups)
    described = name_of(repeat_unit, end_groups)
    model = force_field.create()
    with _told(described):
        assembly = assemble(unit, ends, degree_of_polymerisation)
        chain, elements = model.parametrise(assembly.mol, described)
        # rings would be speared by chains that go through each other, and by their own chain
        flowing = shape.is_long(assembly) and not assembly.mol.GetRingInfo().NumRings()
        melt = _melt(model, chain, assembly) if flowing else None
        drawn = _Configurations(unit, ends, degree_of_polymerisation, tacticity, chains, seed)
        conformations = [
            shape.conformation(assembly, drawn.of_chain(k), drawn.shapes, derive(seed, "conformation", k), melt)
            for k in range(chains)
        ]
    template = assembly.mol
    sites = model.sites(template)
    conformations = [model.place(one[sites]) for one in conformations]
    masses = [template.GetAtomWithIdx(int(i)).GetMass() for i in sites] if model.limits is None else chain.masses
    pushed = density is None and melt is not None
    if pushed:
        positions, length = overlapping(conformations, sum(masses), DENSE * model.density, seed)
    else:
        positions, length = place(
            conformations, chains, sum(masses), density or DILUTE * model.density, seed, apart=end_groups == RING,
            clearance=CLEARANCE if model.limits is None else model.limits.contact,
        )  # fmt: skip
    datafile.write(
        data,
        chain,
        positions,
        length * np.eye(3),
        title=f"{chains} chains of {repeat_unit}, {model.name}",
    )

    n = len(chain)
    numbers = [atomic_numbers[elements[kind - 1]] for kind in chain.types.tolist()]
    bonds = chain.topology["Bonds"][:, 1:]
    description = {
        "numbers": numbers * chains,
        "molecules": np.repeat(np.arange(chains), n).tolist(),
        "repeat_units": [template.GetAtomWithIdx(int(i)).GetIntProp("unit") for i in sites] * chains,
        "bonds": (bonds[None] + n * np.arange(chains)[:, None, None]).reshape(-1, 2).tolist(),
        "chains": chains,
        "atoms_per_chain": n,
        "repeat_unit": repeat_unit,
        "end_groups": end_groups if end_groups == RING else list(end_groups),
        "degree_of_polymerisation": degree_of_polymerisation,
        **drawn.described(),
        "type_elements": elements,
        "masses": list(masses) * chains,
        **({} if model.limits is None else {"limits": asdict(model.limits)}),
        "net_charge": round(float(chain.charges.sum()) * chains, 8),
        "force_field": force_field.model_dump(),
        **({"overlapping": True} if pushed else {}),
    }
    write_text(json_path, json.dumps(description) + "\n")


def _melt(model: "ForceField", chain: datafile.Chain, assembly: Assembly) -> shape.Melt:
    """What decides about the torsions of long chains."""

    def values(section: str) -> dict[int, list[float]]:
        rows = (line.split() for line in chain.coefficients[section])
        return {int(row[0]): [float(word) for word in row[1:]] for row in rows}

    dihedrals, kinds = chain.topology["Dihedrals"], values("Dihedral Coeffs")
    energies = [partial(model.torsion, kinds[kind]) for kind in dihedrals[:, 0].tolist()]
    pairs = np.array([values("Pair Coeffs")[kind][:2] for kind in chain.types.tolist()])
    local = rotamers.Local(
        chain.topology["Bonds"][:, 1:], dihedrals[:, 1:], energies, pairs[:, 1], pairs[:, 0], model.local
    )
    return shape.Melt(model.sites(assembly.mol), model.place, local, MELT)


@contextlib.contextmanager
def _told(described: str) -> Iterator[None]:
    """What RDKit stumbles over is told as a mistake of the unit, without a traceback and without RDKit's own lines."""
    try:
        with rdBase.BlockLogs():
            yield
    except UserError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{described}: no chain could be made of it ({reason})") from error


class _Configurations:
    """Configurations of all pieces of all chains. The same seed gives the same."""

    def __init__(self, unit: Piece, ends: list[Piece], dp: int, tacticity: Tacticity | None, chains: int, seed: int):
        self.unit, self.ends, self.tacticity = unit, ends, tacticity
        self.shapes = shape.Shapes(seed)
        generators = [np.random.default_rng(derive(seed, "tacticity", k)) for k in range(chains)]
        self.units = np.array([self.shapes.drawn(unit, tacticity, dp, rng) for rng in generators])
        self.of_ends = [np.array([self.shapes.drawn(end, None, 1, rng) for rng in generators]) for end in ends]

    def of_chain(self, chain: int) -> list[tuple[int, ...]]:
        """Signs of each piece, in the order of the pieces."""
        rows = [tuple(row.tolist()) for row in self.units[chain]]
        if not self.ends:
            return rows
        head, tail = (tuple(signs[chain, 0].tolist()) for signs in self.of_ends)
        return [head, *rows, tail]

    def described(self) -> dict:
        """What stands of them in system.json."""
        closed = not self.ends
        backbone = [centre for centre in self.unit.centres if centre.backbone]
        marked = all(centre.mark is not None for centre in backbone)
        parts = [("repeat unit", self.unit, self.units)]
        parts += [(name, end, s) for name, end, s in zip(("head", "tail"), self.ends, self.of_ends, strict=False)]
        return {
            "tacticity": None if not backbone else "isotactic" if marked else self.tacticity or "atactic",
            "stereocentres": [
                {"of": name, **entry}
                for name, piece, signs in parts
                for entry in stereo.described(piece.centres, piece.mol, signs, closed)
            ],
            "double_bonds": [
                {
                    "of": name,
                    "symbols": [i + 1 for i in bond.atoms],
                    "main_chain": bond.backbone,
                    "marked": bond.mark is not None,
                    "form": bond.form,
                }
                for name, piece, _ in parts
                for bond in piece.double_bonds
            ],
        }
