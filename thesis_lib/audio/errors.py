"""Error of a recording that cannot be used."""

from thesis_lib.utils.errors import ThesisError


class AudioError(ThesisError):
    """A recording that cannot be used. ``reason`` is a short key for reject tables."""

    def __init__(self, reason: str, path: object, remedy: str) -> None:
        self.reason = reason
        self._given = reason, str(path), remedy
        super().__init__(f"{path}: {reason}; {remedy}")

    def __reduce__(self) -> tuple:
        """Pickle the arguments, so that the error can cross to another process."""
        return type(self), self._given
