"""What is wrong, or likely wrong, with labels, and the units that they may be in."""

from typing import NamedTuple

HARTREE, BOHR = 27.211386, 0.529177  # eV, A
KCAL, KJ = 23.060548, 96.485332  # of 1 eV, per mol
ENERGY_UNITS = {KCAL: "kcal/mol", KJ: "kJ/mol", 1 / HARTREE: "Hartree", 2 / HARTREE: "Rydberg", 1000.0: "meV"}
FORCE_UNITS = {
    KCAL: "kcal/mol/A", KJ: "kJ/mol/A", 10 * KJ: "kJ/mol/nm", BOHR / HARTREE: "Hartree/Bohr",
    2 * BOHR / HARTREE: "Rydberg/Bohr", 1000.0: "meV/A",
}  # fmt: skip
KBAR = 1602.1766  # of 1 eV/A^3
STRESS_UNITS = {KBAR: "kBar", KBAR / 10: "GPa", KBAR * 1000: "bar", KBAR * 986.923: "atm"}


class Finding(NamedTuple):
    """A sentence on the labels of a file; sure: they cannot be what they are taken for."""

    sure: bool
    text: str


def likely(ratio: float, units: dict[float, str], within: float = 1.3) -> str | None:
    """The unit, or the two that cannot be told apart, that numbers `ratio` times too large are in; None: none known."""
    near = [name for factor, name in units.items() if 1 / within < abs(ratio) / factor < within]
    return " or ".join(near) or None
