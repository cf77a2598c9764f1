"""Error of a recording that cannot be used."""

from thesis_lib.utils.errors import ThesisError


class AudioError(ThesisError):
    """A recording that cannot be used. ``reason`` is a short key for reject tables."""

    def __init__(self, reason: str, path: object, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}; {remedy}")
