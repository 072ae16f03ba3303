"""LAMMPS data files of boxes that hold n copies of one chain.

Every box of a system is made of the same chain, so a file is known by the chain (types, charges,
topology, coefficients) and the positions. The built box, the equilibrated box and the small
clusters of the labeler are all written from one `Chain`, with atoms in the order of the template.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oligopoly.errors import UserError
from oligopoly.files import atomic

TOPOLOGY = {"Bonds": 2, "Angles": 3, "Dihedrals": 4, "Impropers": 4}  # sections, and atoms per entry
COEFFICIENTS = (
    "Masses",
    "Pair Coeffs",
    "Bond Coeffs",
    "Angle Coeffs",
    "Dihedral Coeffs",
    "Improper Coeffs",
)
# Of class 2, and of pairs of unlike types: they have no counts of their own.
MORE_COEFFICIENTS = (
    "PairIJ Coeffs",
    "BondBond Coeffs",
    "BondAngle Coeffs",
    "MiddleBondTorsion Coeffs",
    "EndBondTorsion Coeffs",
    "AngleTorsion Coeffs",
    "AngleAngleTorsion Coeffs",
    "BondBond13 Coeffs",
    "AngleAngle Coeffs",
)


@dataclass(frozen=True)
class Chain:
    """One chain as LAMMPS sees it (units real, atom_style full).

    `coefficients` maps a section of COEFFICIENTS to its lines, the type first (without comments).
    `types` (n,) are 1-based, `charges` (n,) in e, `topology` maps a section of TOPOLOGY to an
    integer array (m, 1 + k): the type and the k atoms, 0-based within the chain.
    """

    coefficients: dict[str, list[str]]
    types: np.ndarray
    charges: np.ndarray
    topology: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.types)

    @property
    def masses(self) -> list[float]:
        """Of each of its particles, g/mol."""
        of_type = {int(line.split()[0]): float(line.split()[1]) for line in self.coefficients["Masses"]}
        return [of_type[kind] for kind in self.types.tolist()]

    @property
    def has_impropers(self) -> bool:
        """Whether LAMMPS needs an improper style for it."""
        return len(self.topology["Impropers"]) > 0


def write(path: str | Path, chain: Chain, positions: np.ndarray, cell: np.ndarray | None, title: str = "") -> None:
    """Write n = len(positions) / len(chain) molecules.

    `positions` (n*len(chain), 3) in A, molecules whole. `cell` (3, 3) in A, lower triangular as
    LAMMPS wants it with its corner in the origin: atoms are wrapped and get image flags. None:
    a box around the atoms with 5 A to spare, no image flags.
    """
    size = len(chain)
    copies = len(positions) // size
    if copies * size != len(positions):
        raise ValueError(f"{len(positions)} positions are not whole molecules of {size} atoms")
    if cell is None:
        low, high = positions.min(axis=0) - 5.0, positions.max(axis=0) + 5.0
        tilts = np.zeros(3)
        images = None
    else:
        cell = np.asarray(cell, float)
        low, high = np.zeros(3), np.diag(cell)
        tilts = np.array([cell[1, 0], cell[2, 0], cell[2, 1]])
        images = np.floor(np.linalg.solve(cell.T, positions.T).T).astype(int)
        positions = positions - images @ cell

    lines = [title or f"oligopoly: {copies} molecules of {size} atoms", "", f"{len(positions)} atoms"]
    for name in TOPOLOGY:
        lines.append(f"{copies * len(chain.topology[name])} {name.lower()}")
    for name, kind in zip(COEFFICIENTS[1:], ("atom", "bond", "angle", "dihedral", "improper"), strict=True):
        count = len(chain.coefficients["Masses" if kind == "atom" else name])
        lines.append(f"{count} {kind} types")
    lines.append("")
    for axis, lo, hi in zip("xyz", low, high, strict=True):
        lines.append(f"{lo:.15g} {hi:.15g} {axis}lo {axis}hi")
    if np.any(tilts != 0):
        lines.append("{:.15g} {:.15g} {:.15g} xy xz yz".format(*tilts))
    for name in (*COEFFICIENTS, *MORE_COEFFICIENTS):
        if chain.coefficients.get(name):
            lines += ["", name, "", *chain.coefficients[name]]

    lines += ["", "Atoms # full", ""]
    for i, r in enumerate(positions):
        k = i % size
        line = f"{i + 1} {i // size + 1} {chain.types[k]} {chain.charges[k]:.10g}"
        line += " {:.12g} {:.12g} {:.12g}".format(*r)
        lines.append(line if images is None else line + " {} {} {}".format(*images[i]))
    for name in TOPOLOGY:
        entries = chain.topology[name]
        if len(entries) == 0:
            continue
        lines += ["", name, ""]
        for m in range(copies):
            for j, entry in enumerate(entries):
                atoms = " ".join(str(a + 1 + m * size) for a in entry[1:])
                lines.append(f"{m * len(entries) + j + 1} {entry[0]} {atoms}")
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def sections(path: Path) -> tuple[dict[str, list[list[str]]], dict[str, list[float]]]:
    """Words of the lines of each section, and low and high of the box by axis, its `tilt` too."""
    found: dict[str, list[list[str]]] = {}
    box: dict[str, list[float]] = {}
    current = None
    for number, raw in enumerate(path.read_text().splitlines()):
        words = raw.split("#")[0].split()
        if number == 0 or not words:
            continue
        if words[0][0].isalpha():
            current = found.setdefault(" ".join(words), [])
        elif current is not None:
            current.append(words)
        elif words[-1] in ("xhi", "yhi", "zhi"):
            box[words[-1][0]] = [float(words[0]), float(words[1])]
        elif words[-3:] == ["xy", "xz", "yz"]:
            box["tilt"] = [float(w) for w in words[:3]]
    return found, box


def read(path: str | Path, atoms_per_chain: int) -> tuple[Chain, np.ndarray, np.ndarray]:
    """Chain, positions (N, 3) with molecules whole as the image flags say, cell (3, 3) of a data file.

    The box is moved to the origin. Raises UserError when the file is not n equal chains.
    """
    path = Path(path)
    found, box = sections(path)
    if "Atoms" not in found or not all(axis in box for axis in "xyz"):
        raise UserError(f"{path}: not a LAMMPS data file with a box and an Atoms section")
    rows = sorted(found["Atoms"], key=lambda words: int(words[0]))
    if len(rows) % atoms_per_chain:
        raise UserError(f"{path}: {len(rows)} atoms are not whole chains of {atoms_per_chain} atoms")
    low = np.array([box[axis][0] for axis in "xyz"])
    cell = np.diag([box[axis][1] - box[axis][0] for axis in "xyz"])
    cell[1, 0], cell[2, 0], cell[2, 1] = box.get("tilt", (0.0, 0.0, 0.0))
    positions = np.array([[float(w) for w in words[4:7]] for words in rows]) - low
    if len(rows[0]) >= 10:
        positions = positions + np.array([[int(w) for w in words[7:10]] for words in rows]) @ cell

    n = atoms_per_chain
    types = np.array([int(words[2]) for words in rows])
    charges = np.array([float(words[3]) for words in rows])
    if np.any(types.reshape(-1, n) != types[:n]) or np.any(charges.reshape(-1, n) != charges[:n]):
        raise UserError(f"{path}: the molecules are not copies of one chain of {n} atoms")
    topology = {}
    for name, k in TOPOLOGY.items():
        entries = [[int(w) for w in words[1:]] for words in sorted(found.get(name, []), key=lambda w: int(w[0]))]
        entries = [[e[0], *(a - 1 for a in e[1:])] for e in entries if max(e[1:]) <= n]
        topology[name] = np.array(entries, dtype=int).reshape(-1, 1 + k)
    return Chain(coefficients_of(found), types[:n], charges[:n], topology), positions, cell


def coefficients_of(found: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Lines by section of coefficients, of `sections`."""
    lines = {name: [" ".join(words) for words in found.get(name, [])] for name in COEFFICIENTS}
    more = {name: [" ".join(words) for words in found[name]] for name in MORE_COEFFICIENTS if name in found}
    if "PairIJ Coeffs" in more:
        lines["Pair Coeffs"] = []
    return lines | more
