"""The error of a metric that cannot be computed; no metric returns a default."""

import numpy as np

from thesis_lib.utils.errors import MetricError

__all__ = ["MetricError", "measured"]


def measured(value: float, what: str) -> float:
    """A finite number. MetricError for anything else."""
    if not np.isfinite(value):
        raise MetricError(f"{what} gave {value}")
    return float(value)
