"""Errors that end a training."""

from thesis_lib.utils.errors import ThesisError


class TrainingError(ThesisError):
    """Training cannot begin or go on; the message names the setting, the batch or the file."""


class NonFinite(TrainingError):
    """A loss or a gradient is NaN or infinite; the message names the batch."""


class Interrupted(TrainingError):
    """Ctrl-C or SIGTERM: the state is saved, and the message says how to continue."""

    exit_code = 130  # a shell's exit code for Ctrl-C
