"""The sources of candidates there are."""

from oligopoly.parts import Registry
from oligopoly.samplers.contract import SamplerSettings

SAMPLERS = Registry[SamplerSettings](
    "sampler",
    "explore.walkers: kind",
    {
        "md": "oligopoly.samplers.md",
        "contacts": "oligopoly.samplers.pushed_pairs",
    },
    default="md",
)
