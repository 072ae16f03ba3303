"""From SMILES to a box of chains with the parameters of a force field.

RadonPy (Hayashi et al., npj Comput. Mater. 8 (2022) 222) links the units to a chain in 3D; each chain of the box then
walks its own way.
"""

import contextlib
import io
import json
import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem, rdBase

from oligopoly.errors import UserError
from oligopoly.files import write_text
from oligopoly.seeds import derive
from oligopoly.systems import datafile
from oligopoly.systems.chain import embedded, linear, repeat_units, ring
from oligopoly.systems.packing import place
from oligopoly.systems.unit import RING, check_unit
from oligopoly.systems.walk import backbone, random_walk

if TYPE_CHECKING:
    from oligopoly.forcefields.contract import ForceFieldSettings

__all__ = ["build_system", "check_unit"]

log = logging.getLogger(__name__)

INITIAL_DENSITY = 0.05  # g/cm3: dilute enough that chains are placed without overlap at once


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
    seed: int,
) -> None:
    """Write a dilute box of `chains` chains as a LAMMPS data file and its description as JSON.

    `end_groups`: pair of SMILES with one '*' each, or "ring" for a cyclic oligomer. `density` in
    g/cm3 of the initial box. Raises UserError for SMILES that make no chain, and for units that
    the force field has no parameters for (naming the atom).
    """
    check_unit(repeat_unit, end_groups, degree_of_polymerisation)
    if chains < 1:
        raise UserError(f"chains: {chains} given, at least 1 is needed")
    model = force_field.create()
    described = f"repeat unit {repeat_unit!r}" + ("" if end_groups == RING else f" with end groups {list(end_groups)}")

    def parametrise(mol: Chem.Mol) -> tuple[datafile.Chain, list[str]]:
        return model.parametrise(mol, described)

    with _quiet(seed):
        template, (chain, elements), conformations, units = _conformations(
            repeat_unit, end_groups, degree_of_polymerisation, chains, seed, parametrise
        )
    positions, length = place(conformations, chains, template, density or INITIAL_DENSITY, seed)
    datafile.write(
        data,
        chain,
        positions,
        length * np.eye(3),
        title=f"{chains} chains of {repeat_unit}, {model.name}",
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
        "type_elements": elements,
        "masses": [atom.GetMass() for atom in template.GetAtoms()] * chains,
        "net_charge": round(float(chain.charges.sum()) * chains, 8),
        "force_field": force_field.model_dump(),
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


def _conformations(repeat_unit, end_groups, dp, chains, seed, parametrise):
    """Template, its parameters, a conformation (n, 3) per chain, and the repeat unit of each atom."""
    if end_groups == RING:
        template = ring(repeat_unit, dp)
        parameters = parametrise(template)
        conformations = [embedded(template, repeat_unit, derive(seed, "conformation", k)) for k in range(chains)]
        return template, parameters, conformations, repeat_units(template, dp)

    # A long chain takes its time to grow: parameters are looked for before.
    parametrise(linear(repeat_unit, end_groups, min(dp, 3), seed))
    template = linear(repeat_unit, end_groups, dp, seed)
    parameters = parametrise(template)
    residues = [atom.GetPDBResidueInfo().GetResidueName().strip() for atom in template.GetAtoms()]
    turnable, first = backbone(template, residues.index("TU0"), residues.index("TU1"))
    start = template.GetConformer(0).GetPositions()
    conformations = [
        random_walk(start, turnable, first, np.random.default_rng(derive(seed, "conformation", k)))
        for k in range(chains)
    ]
    return template, parameters, conformations, repeat_units(template, dp)
