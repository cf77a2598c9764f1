"""The base class of every expected error. Its message is one line that names the thing and the remedy."""

from textwrap import shorten

MAX_REASON_CHARS = 400  # of another library's message that an error quotes


class ThesisError(Exception):
    """An expected error: the command line prints its message and exits with ``exit_code``, without a traceback."""

    exit_code = 2


class MetricError(ThesisError):
    """A metric that cannot be computed; the message says why."""


def one_line(error: Exception) -> str:
    """An error's message on one line; another library's is cut to ``MAX_REASON_CHARS``.

    For weights of another network torch's message has a line for every tensor.
    """
    return str(error) if isinstance(error, ThesisError) else shorten(str(error), MAX_REASON_CHARS)
