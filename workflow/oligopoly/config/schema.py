"""The JSON schema of the config, for editors; generated, never edited.

Run `python -m oligopoly.config.schema` after changing a model.
"""

import json
from pathlib import Path

from oligopoly.config.models import Config
from oligopoly.files import write_text

PATH = Path(__file__).parents[2] / "schemas" / "config.schema.json"


def schema() -> str:
    """The schema as it stands in the file."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    write_text(PATH, schema())
