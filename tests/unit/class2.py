"""A box of hexane with PCFF's styles (class 2), as a user brings it: LAMMPS data file and input.

The parameters are like those of H. Sun, S. J. Mumby, J. R. Maple, A. T. Hagler, J. Am. Chem. Soc. 116 (1994) 2978, as
far as a test needs them.
"""

from pathlib import Path

import numpy as np

from oligopoly.systems import datafile
from oligopoly.systems.topology import Topology

HEXANE = Path(__file__).parents[1] / "data" / "hexane"
SETTINGS = """# PCFF, as EMC writes it
units           real
atom_style      full
pair_style      lj/class2/coul/long 9.5
kspace_style    pppm 1e-4
bond_style      class2
angle_style     class2
dihedral_style  class2
improper_style  class2
special_bonds   lj/coul 0 0 1
pair_modify     mix sixthpower tail yes
"""
C, H = 6, 1
PAIRS = {C: "0.054 4.01", H: "0.02 2.995"}
BONDS = {(C, C): "1.53 299.67 -501.77 679.81", (H, C): "1.101 345.0 -691.89 844.6"}
ANGLES = {  # theta0 K2 K3 K4, bond-bond, bond-angle; of the outer atoms
    (C, C): ("112.67 39.516 -7.443 -9.5583", "0.0 1.53 1.53", "8.016 8.016 1.53 1.53"),
    (H, C): ("110.77 41.453 -10.604 5.129", "3.3872 1.101 1.53", "11.421 20.754 1.101 1.53"),
    (H, H): ("107.66 39.641 -12.921 -2.4318", "5.3316 1.101 1.101", "18.103 18.103 1.101 1.101"),
}
TORSIONS = {
    (C, C): "0.0 0.0 0.0514 0.0 -0.143 0.0",
    (H, C): "0.0 0.0 0.0316 0.0 -0.1681 0.0",
    (H, H): "-0.1432 0.0 0.0617 0.0 -0.1083 0.0",
}


def write(folder: Path, coefficients: bool = True, wrapped: bool = True) -> tuple[Path, Path]:
    """`pe.data`, with wrapped atoms or whole molecules, and without image flags, and `pe.in`."""
    topology = Topology.read(HEXANE / "system.json")
    chain, positions, cell = datafile.read(HEXANE / "equilibrated.data", topology.atoms_per_chain)
    numbers = topology.numbers
    kinds = {"Bonds": (BONDS, (0, 1)), "Angles": (ANGLES, (0, 2)), "Dihedrals": (TORSIONS, (0, 3))}
    n, molecules = len(chain), topology.n_molecules
    sections: dict[str, list[list[int]]] = {}
    for name, (table, ends) in kinds.items():
        rows = []
        for entry in chain.topology[name][:, 1:].tolist():
            outer = [entry[end] for end in ends]
            if numbers[outer[0]] > numbers[outer[1]]:  # hydrogen first, as the tables have it
                entry = entry[::-1]
            key = tuple(sorted((int(numbers[entry[ends[0]]]), int(numbers[entry[ends[1]]]))))
            rows.append([list(table).index(key) + 1, *entry])
        sections[name] = rows
    near: dict[int, list[int]] = {}
    for _, i, j in chain.topology["Bonds"].tolist():
        near.setdefault(i, []).append(j)
        near.setdefault(j, []).append(i)
    carbons = [i for i in range(n) if numbers[i] == C]
    sections["Impropers"] = [[1, near[i][0], i, near[i][1], near[i][2]] for i in carbons]
    charges = [0.053 if numbers[i] == H else -0.053 * sum(numbers[j] == H for j in near[i]) for i in range(n)]

    lines = ["polyethylene box", "", f"{n * molecules} atoms"]
    lines += [f"{molecules * len(rows)} {name.lower()}" for name, rows in sections.items()]
    lines += ["2 atom types", "2 bond types", "3 angle types", "3 dihedral types", "1 improper types", ""]
    lines += [f"0 {length:.10f} {axis}lo {axis}hi" for axis, length in zip("xyz", np.diag(cell), strict=True)]
    lines += ["", "Masses", "", "1 12.011  # c", "2 1.008  # hc"]

    def section(name: str, rows: list[str]) -> None:
        lines.extend(["", name, "", *(f"{k} {row}" for k, row in enumerate(rows, 1))])

    if coefficients:
        section("Pair Coeffs # lj/class2/coul/long", list(PAIRS.values()))
        section("Bond Coeffs # class2", list(BONDS.values()))
        section("Angle Coeffs # class2", [row for row, _, _ in ANGLES.values()])
        section("BondBond Coeffs", [row for _, row, _ in ANGLES.values()])
        section("BondAngle Coeffs", [row for _, _, row in ANGLES.values()])
        section("Dihedral Coeffs # class2", list(TORSIONS.values()))
        for name, zeros in (
            ("MiddleBondTorsion Coeffs", "-17.787 -7.1877 0.0 1.53"),
            ("EndBondTorsion Coeffs", "0.0 0.0 0.0 0.0 0.0 0.0 1.53 1.53"),
            ("AngleTorsion Coeffs", "0.0 0.0 0.0 0.0 0.0 0.0 112.67 112.67"),
            ("AngleAngleTorsion Coeffs", "0.0 112.67 112.67"),
            ("BondBond13 Coeffs", "0.0 1.53 1.53"),
        ):
            section(name, [zeros] * 3)
        section("Improper Coeffs # class2", ["0.0 0.0"])
        section("AngleAngle Coeffs", ["-0.1729 -0.1729 -0.1729 110.0 110.0 110.0"])
    if wrapped:
        positions = positions - np.floor(positions / np.diag(cell)) * np.diag(cell)
    rows = [
        f"{2 if numbers[k % n] == H else 1} {charges[k % n]:.4f} " + " ".join(f"{x:.8f}" for x in r)
        for k, r in enumerate(positions)
    ]
    lines += ["", "Atoms # full", "", *(f"{k + 1} {k // n + 1} {row}" for k, row in enumerate(rows))]
    for name, entries in sections.items():
        section(name, [
            " ".join(map(str, [e[0], *(a + 1 + m * n for a in e[1:])])) for m in range(molecules) for e in entries
        ])  # fmt: skip
    data, settings = folder / "pe.data", folder / "pe.in"
    data.write_text("\n".join(lines) + "\n")
    settings.write_text(SETTINGS)
    return data, settings
