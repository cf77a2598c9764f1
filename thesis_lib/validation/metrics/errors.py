"""The error of a metric that cannot be computed; no metric returns a default."""

import numpy as np

from thesis_lib.utils.errors import MetricError

__all__ = ["MetricError", "PartlyMeasured", "measured"]


class PartlyMeasured(MetricError):
    """Some columns of a metric cannot be computed; ``columns`` has the others, and the message says why."""

    def __init__(self, reason: str, columns: dict[str, float]) -> None:
        super().__init__(reason)
        self.columns = columns


def measured(value: float, what: str) -> float:
    """A finite number. MetricError for anything else."""
    if not np.isfinite(value):
        raise MetricError(f"{what} gave {value}")
    return float(value)
