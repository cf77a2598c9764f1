"""Base class of the configuration's sections."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings that cannot change after construction; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Settings that a later version added: a digest leaves them out where they have their default, so that what was made
    # before them still belongs to its configuration.
    ADDED: ClassVar[tuple[str, ...]] = ()

    def unused(self) -> dict[str, bool | dict]:
        """The added settings that have their default, in the form of ``model_dump(exclude=…)``."""
        found: dict[str, bool | dict] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in self.ADDED and value == field.get_default(call_default_factory=True):
                found[name] = True
            elif isinstance(value, Section) and (inner := value.unused()):
                found[name] = inner
        return found
