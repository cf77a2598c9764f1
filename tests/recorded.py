"""A recording as the metrics take it."""

from thesis_lib.validation.metrics import Recording

RATE = 22_050


def record(wav) -> Recording:
    """A recording at RATE Hz."""
    return Recording(wav, RATE)
