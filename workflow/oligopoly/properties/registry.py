"""The properties there are, in the order in which they are shown."""

from oligopoly.parts import Registry
from oligopoly.properties.contract import PropertySettings

PROPERTIES = Registry[PropertySettings](
    "property",
    "properties",
    {
        "density": "oligopoly.properties.density",
        "linear_response": "oligopoly.properties.linear_response",
        "thermal": "oligopoly.properties.thermal",
        "rdf": "oligopoly.properties.rdf",
        "msd": "oligopoly.properties.msd",
        "dimensions": "oligopoly.properties.dimensions",
        "internal_distances": "oligopoly.properties.internal_distances",
        "torsions": "oligopoly.properties.torsions",
    },
)
