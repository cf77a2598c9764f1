"""Base class of the configuration's sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings that cannot change after construction; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
