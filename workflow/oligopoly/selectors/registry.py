"""The methods of selection there are."""

from oligopoly.parts import Registry
from oligopoly.selectors.contract import SelectorSettings

SELECTORS = Registry[SelectorSettings](
    "selector",
    "select.kind",
    {
        "extrapolation_grade": "oligopoly.selectors.extrapolation_grade",
        "random": "oligopoly.selectors.random",
    },
    default="extrapolation_grade",
)
