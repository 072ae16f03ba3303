"""The sources of candidates there are."""

from oligopoly.parts import Registry

SAMPLERS = Registry("sampler", "explore.walkers: kind", {"md": "oligopoly.samplers.md"}, default="md")
