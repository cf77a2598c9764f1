"""The error of every corpus."""

from thesis_lib.utils.errors import ThesisError


class CorpusError(ThesisError):
    """A corpus release, or a folder for its prepared form, that cannot be used."""
