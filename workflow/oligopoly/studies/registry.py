"""The studies there are."""

from oligopoly.parts import Registry
from oligopoly.studies.contract import StudySettings

STUDIES = Registry[StudySettings](
    "study",
    "study.kind",
    {
        "learning_curve": "oligopoly.studies.learning_curve",
        "comparison": "oligopoly.studies.comparison",
    },
)
