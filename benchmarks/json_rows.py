"""Tables and intervals for JSON, which has no NaN: None in its place."""

import math
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.validation.evaluation import interval
from thesis_lib.validation.metrics import Groups, Share, Statistic


def without_nan(tree: Any) -> Any:
    """A tree of dicts and lists with None in the place of every number that is not finite."""
    if isinstance(tree, dict):
        return {key: without_nan(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_nan(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table; NaN as None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def interval_columns(
    count: int, statistic: Statistic, resamples: int, groups: Groups = None, name: str = "value"
) -> dict[str, Any]:
    """The statistic of ``count`` rows under ``name``, low and high by ``interval``.

    Where there is no interval, all three are None and ``reason`` says why.
    """
    found = interval(count, statistic, resamples, 0, groups)
    columns = {name: found["value"], "low": found["low"], "high": found["high"]}
    return dict.fromkeys(columns) | {"reason": found["reason"]} if found["reason"] else columns


def share_columns(successes: np.ndarray, groups: Groups = None) -> dict[str, Any]:
    """``interval_columns`` of the share of successes (n,) of bool."""
    return interval_columns(len(successes), Share(successes), 0, groups, "share")
