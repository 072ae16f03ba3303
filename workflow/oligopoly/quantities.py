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
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


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


def _quantity(dimension: str, **bounds: Any) -> Any:
    def read(value: Any, info: ValidationInfo) -> float:
        # what `model_dump` made of a checked config has no units any more
        dumped = isinstance(value, int | float) and (info.context or {}).get("dumped")
        return float(value) if dumped else parse(value, dimension)

    return Annotated[
        float,
        BeforeValidator(read),
        Field(**bounds),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": _QUANTITY.pattern,
                "description": f"{dimension}, in " + ", ".join(UNITS[dimension]),
            }
        ),
    ]


Time = _quantity("time", gt=0)
Temperature = _quantity("temperature", gt=0, le=10_000)
Pressure = _quantity("pressure")
Length = _quantity("length", gt=0)
Mass = _quantity("mass", gt=0)
Force = _quantity("force", gt=0)
EnergyPerAtom = _quantity("energy per atom", gt=0)
Energy = _quantity("energy", gt=0)
