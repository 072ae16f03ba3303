"""Physical quantities in the config: a number with its unit, as in `300 K` or `1.5 fs`."""

import difflib
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

UNITS: dict[str, dict[str, float]] = {
    "time": {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9},
    "temperature": {"K": 1.0},
    "pressure": {"atm": 1.0, "bar": 1 / 1.01325, "MPa": 10 / 1.01325, "GPa": 1e4 / 1.01325},
    "length": {"A": 1.0, "nm": 10.0},
    "mass": {"g/mol": 1.0, "u": 1.0},
    "force": {"eV/A": 1.0, "meV/A": 1e-3},
    "energy": {"eV": 1.0, "Ry": 13.605693122994, "Ha": 27.211386245988},
    "energy per atom": {"eV": 1.0, "meV": 1e-3},
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*", re.ASCII)


def parse(text: Any, dimension: str) -> float:
    """Value of `text` in the base unit of `dimension` (fs, K, atm, A, g/mol, eV/A, eV).

    Raises ValueError that says what was given and which units are right.
    """
    units = UNITS[dimension]
    example = {"time": "1.5 fs", "temperature": "300 K", "pressure": "1 atm", "length": "5 A", "energy": "40 Ry"}.get(
        dimension, f"1 {next(iter(units))}"
    )
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None or not match[2]:
        raise ValueError(f"needs a {dimension} with its unit, such as '{example}'")
    number, unit = float(match[1]), match[2]
    if unit not in units:
        near = difflib.get_close_matches(unit, units, n=1, cutoff=0.4) or [
            name for name in units if name.lower() == unit.lower()
        ]
        hint = f"; did you mean '{match[1]} {near[0]}'?" if near else ""
        raise ValueError(f"'{unit}' is no unit of {dimension} (one of {', '.join(units)}){hint}")
    return number * units[unit]


def quantity(dimension: str, least: str, most: str) -> Any:
    """The type of a key that takes a quantity from `least` to `most`, both with their units: a float in base units."""
    low, high = parse(least, dimension), parse(most, dimension)

    def read(value: Any, info: ValidationInfo) -> float:
        # what `model_dump` made of a checked config has no units any more
        if type(value) in (int, float) and (info.context or {}).get("dumped"):
            return float(value)
        found = parse(value, dimension)
        if not low <= found <= high:
            raise ValueError(f"must be from {least} to {most}")
        return found

    return Annotated[
        float,
        BeforeValidator(read),
        Field(ge=low, le=high),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": _QUANTITY.pattern,
                "description": f"{dimension}, in {', '.join(UNITS[dimension])}; from {least} to {most}",
            }
        ),
    ]


# What somebody may mean: beyond, it is a slip of the unit or of the exponent.
Compression = quantity("pressure", "1 atm", "1000 GPa")
Contact = quantity("length", "0.1 A", "2 A")
Time = quantity("time", "0.01 fs", "10 us")
Timestep = quantity("time", "0.01 fs", "4 fs")
Temperature = quantity("temperature", "1 K", "10000 K")
Pressure = quantity("pressure", "-10 GPa", "1000 GPa")
Length = quantity("length", "0.1 A", "100 A")
Cutoff = quantity("length", "2 A", "15 A")
Vacuum = quantity("length", "2 A", "50 A")
Mass = quantity("mass", "1 g/mol", "12 g/mol")
BeadMass = quantity("mass", "1 g/mol", "1000 g/mol")
Force = quantity("force", "0.001 meV/A", "10000 eV/A")
EnergyPerAtom = quantity("energy per atom", "0.00001 meV", "100 eV")
Energy = quantity("energy", "20 eV", "2000 Ry")
