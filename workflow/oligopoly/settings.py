"""What all blocks of the config have in common."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A block of the config: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
