"""What can end a training."""

from thesis_lib.utils.errors import ThesisError


class TrainingError(ThesisError):
    """Training that cannot go on; the message names the batch or the file."""


class NonFinite(TrainingError):
    """A loss or a gradient that is not a number; the message names the batch."""


class Interrupted(TrainingError):
    """Ctrl-C or SIGTERM: the state is saved, and the message says how to go on."""

    exit_code = 130  # as a shell has it for Ctrl-C
