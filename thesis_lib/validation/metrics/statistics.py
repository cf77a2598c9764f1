"""Statistics of scores: cosines, error rates, bootstrap intervals, paired tests."""

from collections.abc import Callable

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError, measured

Statistic = Callable[[np.ndarray], float]  # indices (n,) of utterances -> a number


def bootstrap(
    count: int,
    statistic: Statistic,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of all utterances and its 95 % percentile bootstrap interval.

    ``statistic`` takes indices (n,) into the utterances. With ``groups`` (count,), whole groups are drawn: utterances
    of one speaker are not independent (Efron & Tibshirani 1993, ch. 13; Davison & Hinkley 1997, sec. 3.8).
    MetricError when the statistic is not finite for some draw, or where there is but one group.
    """
    members = members_of(np.arange(count) if groups is None else np.asarray(groups))
    if len(members) < 2:
        raise MetricError(f"{len(members)} {'utterances' if groups is None else 'groups'} give no interval")
    rng = np.random.default_rng(seed)

    def once(indices: np.ndarray) -> float:
        return measured(statistic(indices), "the bootstrapped statistic")

    draws = [
        once(np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]))
        for _ in range(resamples)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return once(np.arange(count)), float(low), float(high)


def crossed_bootstrap(
    table: np.ndarray, resamples: int, seed: int, groups: np.ndarray | None = None
) -> tuple[float, float, float]:
    """(value, low, high): the mean of a table (R, C) with gaps as NaN, and its 95 % percentile bootstrap interval.

    Rows and columns are both drawn: raters and items, seeds and utterances. With ``groups`` (C,), whole groups of
    columns are drawn.
    """
    members = members_of(np.arange(table.shape[1]) if groups is None else groups)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        rows = rng.integers(0, len(table), len(table))
        columns = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn = table[np.ix_(rows, columns)]
        if np.isfinite(drawn).any():
            draws.append(np.nanmean(drawn))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(np.nanmean(table)), float(low), float(high)


def members_of(names: np.ndarray) -> list[np.ndarray]:
    """The indices of each name in (n,), in the order of the names' first appearance."""
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def mean_of(values: np.ndarray) -> Statistic:
    """The mean of some of the values (n,)."""
    return lambda indices: float(values[indices].mean())


def correlation_of(a: np.ndarray, b: np.ndarray) -> Statistic:
    """``correlation`` of some of the pairs (n,), (n,)."""
    return lambda indices: correlation(a[indices], b[indices])


def paired_cosines(
    a: np.ndarray, b: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, n) each: cosines of every row of a (n, D) with every row of b (n, D), whether labels are equal, which count.

    With ``apart`` (n,), only pairs that differ in it count (styles compared across speakers, say).
    """
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    same = labels[:, None] == labels[None, :]
    counted = np.ones_like(same) if apart is None else apart[:, None] != apart[None, :]
    return unit[0] @ unit[1].T, same, counted


def labelled_cosines(
    a: np.ndarray, b: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """``paired_cosines`` of equal labels, and the others."""
    cosines, same, counted = paired_cosines(a, b, labels, apart)
    return cosines[same & counted], cosines[~same & counted]


def _demand_scores(*groups: np.ndarray, what: str) -> None:
    if not all(np.size(group) for group in groups):
        raise MetricError(f"{what} needs pairs of both kinds")
    if not all(np.isfinite(group).all() for group in groups):
        raise MetricError(f"{what}: a score is not finite")


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive lies above a negative. 0.5 is chance."""
    from scipy.stats import mannwhitneyu

    _demand_scores(positive, negative, what="AUC")
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Where misses (same below the threshold) and false alarms (different at or above it) are equally frequent."""
    _demand_scores(same, different, what="EER")
    thresholds = np.unique(np.concatenate([same, different]))
    misses = np.searchsorted(np.sort(same), thresholds) / len(same)
    alarms = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    nearest = np.argmin(np.abs(misses - alarms))
    return float((misses[nearest] + alarms[nearest]) / 2)


def paired_test(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(p, effect) of first - second over paired utterances (n,): Wilcoxon's signed ranks, two-sided.

    The effect is the matched-pairs rank-biserial correlation (Kerby 2014, doi:10.2466/11.IT.3.1), -1..1: the share
    of rank sum in favour of the first minus that of the second. Without any difference: p 1, effect 0.
    """
    from scipy.stats import rankdata, wilcoxon

    _demand_scores(first, second, what="a paired test")
    if np.shape(first) != np.shape(second):
        raise MetricError(f"{len(first)} scores against {len(second)}: the test is paired")
    difference = np.asarray(first, float) - np.asarray(second, float)
    difference = difference[difference != 0]
    if not len(difference):
        return 1.0, 0.0
    ranks = rankdata(np.abs(difference))
    effect = (ranks[difference > 0].sum() - ranks[difference < 0].sum()) / ranks.sum()
    return float(wilcoxon(difference).pvalue), float(effect)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number (Holm 1979): below 0.05 means significant among all of them at 5 %."""
    p_values = np.asarray(p_values, float)
    _demand_scores(p_values, what="Holm's correction")
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of the scores (n,) of two encoders: 1 same order, 0 unrelated, -1 opposite."""
    from scipy.stats import kendalltau

    _demand_scores(a, b, what="Kendall's tau")
    return measured(kendalltau(a, b).statistic, "Kendall's tau")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation (n,), (n,)."""
    from scipy.stats import rankdata

    _demand_scores(a, b, what="a correlation")
    # scipy's own spearmanr takes ten times as long for the same number, and the bootstrap asks for thousands.
    ranks = np.stack([rankdata(a), rankdata(b)])
    centred = ranks - ranks.mean(1, keepdims=True)
    spread = np.sqrt((centred**2).sum(1).prod())
    return measured(centred[0] @ centred[1] / spread if spread else np.nan, "a correlation")
