"""The C-tilde form of a linear potential and its file `.yace`, which LAMMPS `pair_style pace` reads.

Each function is a sum over explicit products of atomic base functions, Re sum_m ctilde_m prod_t
A_{mu_t n_t l_t m_t}. B-basis functions that differ only in their internal couplings are one here.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oligopoly.ace import coupling, fingerprint
from oligopoly.ace.potential import (
    DRHO_CORE_CUT,
    EMBEDDING,
    RHO_CORE_CUT,
    Bond,
    Potential,
    require_linear,
    require_pair_core,
    require_sound,
)
from oligopoly.ace.potential import number_text as text
from oligopoly.ace.potential_text import load, understood
from oligopoly.errors import UserError
from oligopoly.files import atomic


@dataclass(frozen=True)
class Function:
    """`elements`, `n`, `l` as in `BasisFunction`; `terms` are (m per neighbour, coefficient in eV)."""

    elements: tuple[str, ...]
    n: tuple[int, ...]
    l: tuple[int, ...]  # noqa: E741
    terms: tuple[tuple[tuple[int, ...], float], ...]

    @property
    def rank(self) -> int:
        return len(self.n)


@dataclass
class CTilde:
    """A linear ACE potential as a `.yace` file gives it; the fields are those of `Potential`."""

    elements: list[str]
    bonds: dict[tuple[str, str], Bond]
    functions: dict[str, list[Function]]
    E0: dict[str, float]
    delta_spline_bins: float = 0.001


def expand(potential: Potential) -> CTilde:
    """C-tilde form of a B-basis potential: functions that differ only in `lint` merged, zeros kept."""
    functions = {}
    for element in potential.elements:
        merged: dict[tuple[Any, Any, Any], dict[tuple[int, ...], float]] = {}
        for f in potential.functions.get(element, []):
            terms = merged.setdefault((f.elements, f.n, f.l), {})
            for m, c in coupling.expand(f):
                terms[m] = terms.get(m, 0.0) + c
        functions[element] = [Function(*key, tuple(sorted(terms.items()))) for key, terms in merged.items() if terms]
    return CTilde(
        elements=list(potential.elements),
        bonds=dict(potential.bonds),
        functions=functions,
        E0={e: potential.E0.get(e, 0.0) for e in potential.elements},
        delta_spline_bins=potential.delta_spline_bins,
    )


def read(path: str | Path) -> CTilde:
    """Read a `.yace` file; raises `UserError` if it is not one or not linear."""
    with understood(path, ".yace file"):
        return _read(path)


def _read(path: str | Path) -> CTilde:
    _whole(path)
    content = load(path)
    if not isinstance(content, dict) or not {"elements", "bonds", "functions"} <= content.keys():
        raise UserError(f"{path}: not a .yace file: `elements`, `bonds` and `functions` are needed.")
    elements = content["elements"]
    for index, embedding in content["embeddings"].items():
        where = f"{path}, embedding of {elements[index]}"
        require_linear(embedding["ndensity"], embedding.get("npoti"), embedding["FS_parameters"], where)
    bonds = {(elements[a], elements[b]): _bond(entry) for (a, b), entry in content["bonds"].items()}
    limits = [float(e.get("rho_core_cutoff", RHO_CORE_CUT)) for e in content["embeddings"].values()]
    require_pair_core(bonds, limits, str(path))
    functions = {
        elements[index]: [_function(entry, elements) for entry in entries]
        for index, entries in content["functions"].items()
    }
    for element, its in functions.items():
        for number, f in enumerate(its):
            if not np.isfinite([c for _, c in f.terms]).all():
                raise UserError(f"{path}: a coefficient of function {number} of {element} is not finite.")
    E0 = dict(zip(elements, (float(x) for x in content["E0"]), strict=True))
    require_sound(bonds, E0, str(path))
    return CTilde(
        elements=elements,
        bonds=bonds,
        functions={e: functions.get(e, []) for e in elements},
        E0=E0,
        delta_spline_bins=float(content["deltaSplineBins"]),
    )


def _bond(entry: dict) -> Bond:
    return Bond(
        nradmax=entry["nradmax"],
        lmax=entry["lmax"],
        nradbase=entry["nradbasemax"],
        radbase=entry["radbasename"],
        radparameters=[float(x) for x in entry["radparameters"]],
        radcoefficients=np.array(entry["radcoefficients"], dtype=float),
        rcut=float(entry["rcut"]),
        dcut=float(entry["dcut"]),
        r_in=float(entry.get("rcut_in", 0.0)),
        delta_in=float(entry.get("dcut_in", 0.0)),
        inner_cutoff_type=entry.get("inner_cutoff_type", "density"),
        core_repulsion=(float(entry["prehc"]), float(entry["lambdahc"])),
    )


def _function(entry: dict, elements: list[str]) -> Function:
    rank, ms = entry["rank"], entry["ms_combs"]
    return Function(
        elements=(elements[entry["mu0"]], *(elements[mu] for mu in entry["mus"])),
        n=tuple(entry["ns"]),
        l=tuple(entry["ls"]),
        terms=tuple((tuple(ms[k * rank : (k + 1) * rank]), float(c)) for k, c in enumerate(entry["ctildes"])),
    )


def write(potential: Potential | CTilde, path: str | Path) -> None:
    """Write a `.yace` file, numbers with full precision."""
    source = expand(potential) if isinstance(potential, Potential) else potential
    index = {element: k for k, element in enumerate(source.elements)}
    lines = [
        f"elements: [{', '.join(source.elements)}]",
        f"E0: {text([source.E0[e] for e in source.elements])}",
        f"deltaSplineBins: {text(source.delta_spline_bins)}",
        "embeddings:",
    ]
    lines += [
        f"  {k}: {{ndensity: 1, FS_parameters: [1, 1], npoti: {EMBEDDING}, "
        f"rho_core_cutoff: {text(RHO_CORE_CUT)}, drho_core_cutoff: {text(DRHO_CORE_CUT)}}}"
        for k in range(len(source.elements))
    ]
    lines.append("bonds:")
    lines += [
        f"  [{index[a]}, {index[b]}]: {_bond_text(bond)}"
        for (a, b), bond in sorted(source.bonds.items(), key=lambda item: [index[e] for e in item[0]])
    ]
    lines.append("functions:")
    for element in source.elements:
        lines.append(f"  {index[element]}:" if source.functions[element] else f"  {index[element]}: []")
        for f in source.functions[element]:
            mus = [index[e] for e in f.elements[1:]]
            lines.append(
                f"    - {{mu0: {index[element]}, rank: {f.rank}, ndensity: 1, "
                f"num_ms_combs: {len(f.terms)}, "
                f"mus: {text(mus)}, ns: {text(list(f.n))}, ls: {text(list(f.l))}, "
                f"ms_combs: {text([m for ms, _ in f.terms for m in ms])}, "
                f"ctildes: {text([c for _, c in f.terms])}}}"
            )
    content = "\n".join(lines) + "\n"
    if isinstance(potential, Potential):
        content = f"# fit {fingerprint.of(potential)}, text {_digest(content)}\n{content}"
    with atomic(path) as temporary:
        temporary.write_text(content)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _whole(path: str | Path) -> None:
    head, _, content = Path(path).read_text(errors="replace").partition("\n")
    said = re.fullmatch(r"# fit [0-9a-f]{16}, text ([0-9a-f]{16})", head)
    if said and said[1] != _digest(content):
        raise UserError(
            f"{path}: was changed or cut since it was written; if the change is meant, take its first line out"
        )


def _bond_text(bond: Bond) -> str:
    entries = {
        "nradmax": bond.nradmax,
        "lmax": bond.lmax,
        "nradbasemax": bond.nradbase,
        "radbasename": bond.radbase,
        "radparameters": text(bond.radparameters),
        "radcoefficients": text(np.asarray(bond.radcoefficients).tolist()),
        "prehc": text(bond.core_repulsion[0]),
        "lambdahc": text(bond.core_repulsion[1]),
        "rcut": text(bond.rcut),
        "dcut": text(bond.dcut),
        "rcut_in": text(bond.r_in),
        "dcut_in": text(bond.delta_in),
        "inner_cutoff_type": bond.inner_cutoff_type,
    }
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
