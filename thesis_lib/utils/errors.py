"""The base of every foreseen error: its message names the thing and the remedy, and is all a user needs."""


class ThesisError(Exception):
    """The command line prints it as one line and exits with ``exit_code``; anything else is a defect and shows."""

    exit_code = 2


class MetricError(ThesisError):
    """A metric that could not be measured, and why."""
