"""A linear ACE potential in the B-basis, and its file: the `.yaml` of pacemaker.

The atomic energy is E_i = E0 + sum_f c_f B_f, where each B_f is a rotational invariant of `rank`
atomic base functions A_nlm (Drautz, Phys. Rev. B 99, 014104 (2019); Lysogorskiy et al., npj Comput.
Mater. 7, 97 (2021)). Energies in eV, lengths in Angstrom.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from oligopoly.ace import fingerprint
from oligopoly.ace.coupling import complete, couple
from oligopoly.ace.potential_text import load, understood
from oligopoly.errors import UserError
from oligopoly.files import atomic

RADIAL_FUNCTIONS = ("ChebExpCos", "ChebLinear", "ChebPow", "SBessel")  # see `radial`
INNER_CUTOFFS = ("distance", "zbl", "density")
EMBEDDING = "FinnisSinclairShiftedScaled"
# pacemaker's defaults for keys that may be absent
RHO_CORE_CUT = 100000.0
DRHO_CORE_CUT = 250.0


@dataclass
class Bond:
    """Radial basis of one ordered pair of elements.

    R_nl(r) = sum_k radcoefficients[n-1, l, k] g_k(r), with `nradbase` base functions g_k of the kind
    `radbase`; functions of rank 1 use g_n itself. `r_in` and `delta_in` (Angstrom) are the inner
    cutoff and its width; `core_repulsion` is (prefactor, lambda).
    """

    nradmax: int
    lmax: int
    nradbase: int
    radbase: str
    radparameters: list[float]
    radcoefficients: np.ndarray  # (nradmax, lmax + 1, nradbase)
    rcut: float
    dcut: float = 0.01
    r_in: float = 0.0
    delta_in: float = 0.0
    inner_cutoff_type: str = "distance"
    core_repulsion: tuple[float, float] = (0.0, 0.0)
    cutoff_function: str = "cos"


@dataclass(frozen=True)
class BasisFunction:
    """One B-basis function and its coefficient.

    `elements` is (central, neighbour 1, ... neighbour rank); `n` (from 1) and `l` have one entry per
    neighbour; `lint` are the internal couplings as the file gives them (rank - 2 of them, none for
    rank 1 and 2); `c` is in eV.
    """

    elements: tuple[str, ...]
    n: tuple[int, ...]
    l: tuple[int, ...]  # noqa: E741 (the field's name for it)
    lint: tuple[int, ...] = ()
    c: float = 0.0

    @property
    def rank(self) -> int:
        return len(self.n)


@dataclass
class Potential:
    """A linear ACE potential: what a pacemaker `.yaml` says.

    `functions[element]` is in pacemaker's internal order (see `ordered`), which is also the order of
    the rows of an active set; `E0` (eV) is not part of pacemaker's B-basis format and travels in the
    file's `metadata`.
    """

    elements: list[str]
    bonds: dict[tuple[str, str], Bond]
    functions: dict[str, list[BasisFunction]]
    E0: dict[str, float] = field(default_factory=dict)
    delta_spline_bins: float = 0.001
    metadata: dict[str, str] = field(default_factory=dict)


def ordered(functions: list[BasisFunction], elements: list[str]) -> list[BasisFunction]:
    """`functions` of one central element in pacemaker's order: rank, neighbours, n, l, couplings.

    Functions that differ only in `lint` are ordered by the number of their m combinations, then by m.
    """
    index = {element: i for i, element in enumerate(elements)}

    def key(f: BasisFunction):
        # below rank 4 the couplings follow from l
        m = [] if f.rank < 4 else sorted((m for m, _ in couple(f.l, f.lint)), key=lambda m: m[::-1])
        return f.rank, [index[e] for e in f.elements[1:]], f.n, f.l, len(m), m

    return sorted(functions, key=key)


# ---------------------------------------------------------------------------------------- reading


def read_yaml(path: str | Path, linear_only: bool = True) -> Potential:
    """Read a pacemaker B-basis file.

    Raises `UserError` if the file is not one, or if it is not linear: one density with an exponent
    other than 1, or several densities. Without `linear_only` it gives any potential's functions and
    radial bases, which is all that active sets are about, with the coefficients of the first density.
    """
    with understood(path, "B-basis file of ACE"):
        return _read_yaml(path, linear_only)


def _read_yaml(path: str | Path, linear_only: bool) -> Potential:
    text = load(path)
    if not isinstance(text, dict) or "species" not in text or "global" not in text:
        raise UserError(f"{path}: not a pacemaker B-basis file: `global` and `species` are missing.")
    blocks = text["species"]
    names = [block["speciesblock"].split() for block in blocks]
    elements = sorted({element for name in names for element in name})
    bonds: dict[tuple[str, str], Bond] = {}
    functions: dict[str, list[BasisFunction]] = {element: [] for element in elements}
    core_limits: list[float] = []
    for name, block in zip(names, blocks, strict=True):
        where = f"{path}, speciesblock '{' '.join(name)}'"
        kinds = len(set(name))
        if kinds == 1 and linear_only:
            require_linear(block.get("ndensityi", 1), block.get("npoti"), block["parameters"], where)
        if kinds == 1:
            core_limits.append(float(block.get("rho_core_cut", RHO_CORE_CUT)))
        if kinds <= 2 and "lmaxi" in block:
            bonds[(name[0], name[-1])] = _bond(block, where)
        for entry in block.get("nbody") or []:
            if not entry.get("skip", False):
                functions[name[0]].append(_function(entry, where))
    for name in names:
        # a pair block without a radial basis takes the one of its mirror image
        pair = (name[0], name[-1])
        if len(set(name)) <= 2 and pair not in bonds:
            if pair[::-1] not in bonds:
                raise UserError(f"{path}: no radial basis for {pair[0]}-{pair[1]} (`lmaxi`, `nradmaxi`, ...).")
            bonds[pair] = bonds[pair[::-1]]
    require_pair_core(bonds, core_limits, str(path))
    metadata = {str(k): str(v) for k, v in (text.get("metadata") or {}).items()}
    potential = Potential(
        elements=elements,
        bonds=bonds,
        functions={e: ordered(functions[e], elements) for e in elements},
        E0={e: 0.0 for e in elements} | json.loads(metadata.pop("E0", "{}")),
        delta_spline_bins=float(text["global"]["DeltaSplineBins"]),
        metadata=metadata,
    )
    validate(potential, str(path))
    fingerprint.unchanged(potential, str(path))
    return potential


def is_linear(text: Any, suffix: str) -> bool:
    """Whether oligopoly's own evaluator can run the potential of a `.yaml` or `.yace` file with this content."""
    if suffix == ".yace":
        embeddings = [(e["ndensity"], e["FS_parameters"]) for e in text["embeddings"].values()]
    else:
        single = [block for block in text["species"] if len(set(block["speciesblock"].split())) == 1]
        embeddings = [(block.get("ndensityi", 1), block["parameters"]) for block in single]
    return all(_is_identity(*embedding) for embedding in embeddings)


def _is_identity(ndensity: int, parameters: list[float]) -> bool:
    return ndensity == 1 and [float(p) for p in parameters] == [1.0, 1.0]


def require_linear(ndensity: int, npoti: str, parameters: list[float], where: str) -> None:
    """Raise `UserError` unless the embedding is the identity: one density, parameters [1, 1]."""
    if not _is_identity(ndensity, parameters):
        raise UserError(
            f"{where}: only linear potentials are supported, that is one density, parameters [1, 1]; "
            f"this one has ndensity {ndensity}, {npoti}, parameters {parameters}. "
            f"In pacemaker's input: `embeddings: {{ALL: {{npot: '{EMBEDDING}', fs_parameters: [1, 1], "
            "ndensity: 1}}`."
        )


def require_pair_core(bonds: dict[tuple[str, str], Bond], limits: list[float], where: str) -> None:
    """Raise `UserError` if core energies that occur would switch the ACE energy off (`rho_core_cut`).

    pacemaker does that beyond 1e5 eV unless told otherwise, and with its zbl core never.
    """
    cores = [b for b in bonds.values() if b.core_repulsion[0] != 0 and b.inner_cutoff_type != "zbl"]
    if cores and min(limits) < 1e4:
        raise UserError(
            f"{where}: rho_core_cut {min(limits):g} eV with inner_cutoff_type "
            f"'{cores[0].inner_cutoff_type}' is not supported; use inner_cutoff_type zbl, or leave "
            f"rho_core_cut at {RHO_CORE_CUT:g}."
        )


def _bond(block: dict, where: str) -> Bond:
    nradmax, lmax, nradbase = (int(block[key]) for key in ("nradmaxi", "lmaxi", "nradbaseij"))
    coefficients = np.array(block["radcoefficients"], dtype=float)
    if coefficients.shape == (nradmax * (lmax + 1) * nradbase,):  # old files: [k][n][l], flat
        coefficients = coefficients.reshape(nradbase, nradmax, lmax + 1).transpose(1, 2, 0).copy()
    if coefficients.shape != (nradmax, lmax + 1, nradbase):
        raise UserError(
            f"{where}: radcoefficients have the shape {coefficients.shape}, where "
            f"(nradmaxi, lmaxi + 1, nradbaseij) = {(nradmax, lmax + 1, nradbase)} is needed."
        )
    core = [float(x) for x in block.get("core-repulsion", [0.0, 0.0])]
    return Bond(
        nradmax=nradmax,
        lmax=lmax,
        nradbase=nradbase,
        radbase=block["radbase"],
        radparameters=[float(x) for x in block["radparameters"]],
        radcoefficients=coefficients,
        rcut=float(block["rcutij"]),
        dcut=float(block["dcutij"]),
        r_in=float(block.get("r_in", 0.0)),
        delta_in=float(block.get("delta_in", 0.0)),
        inner_cutoff_type=block.get("inner_cutoff_type", "density"),
        core_repulsion=(core[0], core[1]),
        cutoff_function=block.get("NameOfCutoffFunctionij", "cos"),
    )


def _function(entry: dict, where: str) -> BasisFunction:
    c = entry["c"]
    function = BasisFunction(
        elements=tuple(entry["type"].split()),
        n=tuple(entry["nr"]),
        l=tuple(entry["nl"]),
        lint=complete(tuple(entry["nl"]), tuple(entry.get("lint", ()))),
        c=float(c[0] if isinstance(c, list) else c),
    )
    rank = function.rank
    if len(function.elements) != rank + 1 or len(function.l) != rank:
        raise UserError(f"{where}: in {entry} the lengths of type, nr and nl do not fit each other.")
    return function


# ------------------------------------------------------------------------------------- validation


def validate(potential: Potential, where: str) -> None:
    """Raise `UserError` if pacemaker would refuse the potential (functions beyond their radial basis,
    mirror pairs that differ, mixed inner cutoffs)."""
    require_sound(potential.bonds, potential.E0, where)
    for element, functions in potential.functions.items():
        for number, f in enumerate(functions):
            if not np.isfinite(f.c):
                raise UserError(f"{where}: the coefficient of function {number} of {element} is not finite.")
    for (a, b), bond in potential.bonds.items():
        if bond.inner_cutoff_type not in INNER_CUTOFFS:
            raise UserError(
                f"{where}: inner_cutoff_type '{bond.inner_cutoff_type}' of {a}-{b} is not one of {INNER_CUTOFFS}."
            )
        mirror = potential.bonds.get((b, a))
        if mirror is not None and mirror is not bond and not _same(bond, mirror):
            raise UserError(f"{where}: the radial bases of {a}-{b} and {b}-{a} differ; they must be the same.")
    kinds = {bond.inner_cutoff_type for bond in potential.bonds.values()}
    if len(kinds) > 1:
        raise UserError(f"{where}: all pairs need the same inner_cutoff_type, but these occur: {sorted(kinds)}.")
    for element, functions in potential.functions.items():
        for f in functions:
            if f.elements[0] != element:
                raise UserError(f"{where}: {f} stands among the functions of {element}.")
            for neighbour, n, l in zip(f.elements[1:], f.n, f.l, strict=True):
                needed = potential.bonds.get((element, neighbour))
                if needed is None:
                    raise UserError(f"{where}: no speciesblock '{element} {neighbour}', which {f} needs.")
                top = needed.nradbase if f.rank == 1 else needed.nradmax
                if not 1 <= n <= top or not 0 <= l <= needed.lmax:
                    raise UserError(
                        f"{where}: {f} lies beyond the radial basis of {element}-{neighbour} "
                        f"(n <= {top}, l <= {needed.lmax})."
                    )


def require_sound(bonds: dict[tuple[str, str], Bond], E0: dict[str, float], where: str) -> None:
    """Raise `UserError` for a radial basis that is not known, and for numbers that cannot be."""
    for (a, b), bond in bonds.items():
        if bond.radbase not in RADIAL_FUNCTIONS:
            raise UserError(
                f"{where}: radbase '{bond.radbase}' of {a}-{b} is not one of {', '.join(RADIAL_FUNCTIONS)}."
            )
        for name, value in vars(bond).items():
            if not isinstance(value, str) and not np.isfinite(np.asarray(value, dtype=float)).all():
                raise UserError(f"{where}: {name} of {a}-{b} is not finite.")
        if not 0 < bond.rcut < 1000:
            raise UserError(f"{where}: the cutoff of {a}-{b} is {bond.rcut:g} A.")
    for element, energy in E0.items():
        if not np.isfinite(energy):
            raise UserError(f"{where}: E0 of {element} is not finite.")


def _same(a: Bond, b: Bond) -> bool:
    left, right = dict(vars(a)), dict(vars(b))
    return bool(np.array_equal(left.pop("radcoefficients"), right.pop("radcoefficients"))) and left == right


# ---------------------------------------------------------------------------------------- writing


def write_yaml(potential: Potential, path: str | Path) -> None:
    """Write a pacemaker B-basis file, numbers with full precision.

    E0 goes to `metadata`, which pacemaker keeps but does not add to its energies (its B-basis has no
    place for it); the `.yace` file carries it for LAMMPS.
    """
    validate(potential, str(path))
    lines = []
    metadata = dict(potential.metadata) | {"fit": fingerprint.of(potential)}
    if any(potential.E0.values()):
        metadata["E0"] = json.dumps({e: float(v) for e, v in potential.E0.items()})
    lines.append("metadata:")
    lines += [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in metadata.items()]
    lines += ["global:", f"  DeltaSplineBins: {number_text(potential.delta_spline_bins)}", "species:"]
    for name, functions in _blocks(potential):
        lines.append(f"  - speciesblock: {' '.join(name)}")
        if len(name) == 1:
            lines += [
                "    ndensityi: 1",
                f"    npoti: {EMBEDDING}",
                "    parameters: [1, 1]",
                f"    rho_core_cut: {number_text(RHO_CORE_CUT)}",
                f"    drho_core_cut: {number_text(DRHO_CORE_CUT)}",
            ]
        if len(name) <= 2:
            lines += _bond_lines(potential.bonds[(name[0], name[-1])])
        lines.append("    nbody:" if functions else "    nbody: []")
        for f in functions:
            lint = f", lint: {number_text(list(f.lint))}" if f.rank > 2 else ""
            lines.append(
                f"      - {{type: {' '.join(f.elements)}, nr: {number_text(list(f.n))}, "
                f"nl: {number_text(list(f.l))}{lint}, c: [{number_text(f.c)}]}}"
            )
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _blocks(potential: Potential) -> list[tuple[tuple[str, ...], list[BasisFunction]]]:
    """(block name, functions): central element first, then the other elements, sorted."""
    blocks: dict[tuple[str, ...], list[BasisFunction]] = {}
    for a, b in potential.bonds:
        blocks[(a,) if a == b else (a, b)] = []
    for element in potential.elements:
        for f in ordered(potential.functions.get(element, []), potential.elements):
            name = (element, *sorted(set(f.elements[1:]) - {element}))
            blocks.setdefault(name, []).append(f)
    return sorted(blocks.items())


def _bond_lines(bond: Bond) -> list[str]:
    return [
        f"    nradmaxi: {bond.nradmax}",
        f"    lmaxi: {bond.lmax}",
        f"    rcutij: {number_text(bond.rcut)}",
        f"    dcutij: {number_text(bond.dcut)}",
        f"    NameOfCutoffFunctionij: {bond.cutoff_function}",
        f"    r_in: {number_text(bond.r_in)}",
        f"    delta_in: {number_text(bond.delta_in)}",
        f"    inner_cutoff_type: {bond.inner_cutoff_type}",
        f"    nradbaseij: {bond.nradbase}",
        f"    radbase: {bond.radbase}",
        f"    radparameters: {number_text(bond.radparameters)}",
        f"    radcoefficients: {number_text(np.asarray(bond.radcoefficients).tolist())}",
        f"    core-repulsion: {number_text(list(bond.core_repulsion))}",
    ]


def number_text(value) -> str:
    """A number or nested list of numbers as YAML; whole numbers without a decimal point."""
    if isinstance(value, list):
        return "[" + ", ".join(number_text(v) for v in value) + "]"
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
