"""The base class of every expected error. Its message is one line that names the thing and the remedy."""


class ThesisError(Exception):
    """An expected error: the command line prints its message and exits with ``exit_code``, without a traceback."""

    exit_code = 2


class MetricError(ThesisError):
    """A metric that cannot be computed; the message says why."""
