"""GAFF2 in LAMMPS: one energy surface for reference MD and for labels.

Lennard-Jones is switched off between 8 and 10 A in the CHARMM way (the energy is multiplied by a
smooth function and the force is its derivative), so that forces are the gradient of the energy; a
plain cutoff makes the two disagree, and a tail correction would be no part of the forces. Coulomb
is exact: PPPM in periodic boxes, all pairs in open clusters. The two purposes differ only in how
tightly PPPM is converged.
"""

from typing import Literal

from oligopoly.systems.datafile import Chain

INNER, OUTER = 8.0, 10.0  # A
PPPM_ACCURACY = {"md": 1e-5, "label": 1e-7}  # of the force of two unit charges 1 A apart
PPPM_ORDER = {"md": 5, "label": 7}
OPEN_COULOMB = 1000.0  # A: holds every pair of any cluster

KCAL_PER_MOL = 4184.0 / 6.02214076e23 / 1.602176634e-19  # eV
KCAL_PER_MOL_A3 = 68568.415  # atm in one kcal/mol/A^3, as LAMMPS' units real has it
ATM = KCAL_PER_MOL / KCAL_PER_MOL_A3  # eV/A^3


def commands(purpose: Literal["md", "label"], periodic: bool, impropers: bool = True) -> list[str]:
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


def has_impropers(chain: Chain) -> bool:
    """Whether `commands` needs an improper style for this chain."""
    return len(chain.topology["Impropers"]) > 0


def level_of_theory(purpose: Literal["md", "label"] = "label") -> dict:
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
    }
