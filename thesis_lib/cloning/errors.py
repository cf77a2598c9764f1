"""Error of the cloning pipeline."""

from thesis_lib.utils.errors import ThesisError


class CloningError(ThesisError):
    """A request, a folder or a vocoder that cannot be used for cloning; the message names the remedy."""
