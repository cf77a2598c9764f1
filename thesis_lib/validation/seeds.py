"""Differences of variants that are trained with several seeds: intervals over seeds, speakers and contents; tests.

Shapes: S seeds, n utterances or trials.

The random effects of a training are common to all of its utterances, so that the seeds alone are independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from thesis_lib.config import Config
from thesis_lib.validation import metrics
from thesis_lib.validation.summary import FEW_SPEAKERS, NOT_MEASURED, correct_hypotheses

# Trainings of each variant that a test needs. Of fewer, the normality that Student's t assumes cannot be checked.
MIN_TESTED_SEEDS = 6
COLUMNS = ["variant", "metric", "value", "difference", "low", "high", "p", "p_holm", "significant"]
COUNTS = ["seeds", "n", "speakers"]


@dataclass(frozen=True)
class Cells:
    """The values of every variant and seed in one metric: variant -> (S, n), NaN where there is none."""

    metric: str
    values: Mapping[str, np.ndarray]


def compare_seeds(
    cells: Sequence[Cells],
    controls: Mapping[str, str],
    speakers: np.ndarray,
    config: Config,
    contents: np.ndarray | None = None,
) -> tuple[pd.DataFrame, list[dict]]:
    """Each variant minus its control, paired by seed and utterance; and what was not measured.

    ``controls``: variant -> the variant that it is compared with, in the order of the table. ``speakers`` (n,). Each
    speaker counts the same. ``contents`` (n,) where speakers cross them: a sentence's effect is common to its trials,
    so the intervals draw contents too. Columns: ``COLUMNS`` and ``COUNTS``; p is of the configured hypotheses alone,
    by Student's t over at least ``MIN_TESTED_SEEDS`` seeds, corrected by Holm.
    """
    rows, missing, seeds = [], [], 0
    few: dict[tuple[str, str], str] = {}
    for cell in cells:
        for variant, control in controls.items():
            values = cell.values[variant]
            difference, seeds = values - cell.values[control], len(values)
            both = np.isfinite(difference).all(0)
            if (count := len(set(speakers[both]))) < 2:
                few[variant, cell.metric] = FEW_SPEAKERS if count else NOT_MEASURED
                missing.append({"variant": variant, "reason": f"{cell.metric} was {few[variant, cell.metric]}"})
                continue
            value = np.mean(means_of_seeds(values[:, both], speakers[both]))
            row = {"variant": variant, "metric": cell.metric, "value": float(value)}
            crossed = None if contents is None else contents[both]
            rows.append(row | _difference(difference[:, both], speakers[both], crossed, config))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *COUNTS])
    return table, missing + _test(table, few, seeds, config)


def _test(table: pd.DataFrame, few: dict[tuple[str, str], str], seeds: int, config: Config) -> list[dict]:
    """Test the hypotheses alone; the reason for each that is not tested, by (variant, metric) in ``few``."""
    named, found = config.ablation.hypotheses, list(zip(table.variant, table.metric, strict=True))
    correct_hypotheses(table, np.array([row in named for row in found], bool))
    reasons = []
    for variant, metric in named:
        if (variant, metric) not in found:
            reason = f"a hypothesis, but {few.get((variant, metric), NOT_MEASURED)}"
        elif seeds < MIN_TESTED_SEEDS:
            reason = f"{seeds} seeds: no test"
        else:
            continue
        reasons.append({"variant": variant, "reason": f"{metric}: {reason}"})
    return reasons


def means_of_seeds(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """(S, n), (n,) -> (S,): each training's mean of speakers' means."""
    return np.mean([values[:, members].mean(1) for members in metrics.members_of(speakers)], axis=0)


def _difference(
    difference: np.ndarray, speakers: np.ndarray, contents: np.ndarray | None, config: Config
) -> dict[str, float]:
    """(S, n), (n,), (n,) -> mean, interval over seeds, speakers and contents, p (Student's t of the seeds, or NaN)."""
    from scipy.stats import ttest_1samp

    settings = config.validation
    value, low, high = metrics.crossed_bootstrap(
        difference, settings.resamples, settings.seed, speakers, others=contents
    )
    means = means_of_seeds(difference, speakers)
    p = np.nan
    if len(difference) >= MIN_TESTED_SEEDS:
        p = float(ttest_1samp(means, 0.0).pvalue) if means.any() else 1.0
    counts = {"seeds": len(difference), "n": difference.shape[1], "speakers": len(set(speakers))}
    return {"difference": value, "low": low, "high": high, "p": p} | counts
