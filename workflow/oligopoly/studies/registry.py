"""The studies there are."""

from oligopoly.parts import Registry

STUDIES = Registry(
    "study",
    "study.kind",
    {
        "learning_curve": "oligopoly.studies.learning_curve",
        "comparison": "oligopoly.studies.comparison",
    },
)
