"""Statistics of scores: cosines, error rates, correlations, paired tests."""

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError, measured
from thesis_lib.validation.metrics.intervals import Bounded, Statistic

MIN_VARIATION = 1e-9  # mean square within a level, of x, that a slope needs


def correlation_of(a: np.ndarray, b: np.ndarray) -> Statistic:
    """``correlation`` of some of the pairs (n,), (n,)."""
    places = [_places(side) for side in (a, b)]

    def statistic(rows: np.ndarray) -> float:
        _require_scores(a[rows], b[rows], what="a correlation")
        return _rank_correlation(*(side[rows] for side in places))

    return Bounded(statistic, -1, 1)


def slope_within(x: np.ndarray, y: np.ndarray, factor: np.ndarray) -> Statistic:
    """Slope of y (n,) on x (n,) with ``factor`` (n,) as a factor: least squares after each level's means are removed.

    MetricError where x is constant within every level of some draw.
    """
    levels = np.unique(np.asarray(factor), return_inverse=True)[1]

    def statistic(rows: np.ndarray) -> float:
        level = levels[rows]
        counts = np.maximum(np.bincount(level), 1)
        a, b = (v[rows] - (np.bincount(level, weights=v[rows]) / counts)[level] for v in (x, y))
        if a @ a <= MIN_VARIATION * len(rows):
            raise MetricError("no two values of x differ within a level of the factor")
        return float(a @ b / (a @ a))

    return statistic


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


def _require_scores(*groups: np.ndarray, what: str) -> None:
    if not all(np.size(group) for group in groups):
        raise MetricError(f"{what} needs pairs of both kinds")
    if not all(np.isfinite(group).all() for group in groups):
        raise MetricError(f"{what}: a score is not finite")


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive lies above a negative. 0.5 is chance."""
    from scipy.stats import mannwhitneyu

    _require_scores(positive, negative, what="AUC")
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Where misses (same below the threshold) and false alarms (different at or above it) are equally frequent."""
    _require_scores(same, different, what="EER")
    thresholds = np.unique(np.concatenate([same, different]))
    misses = np.searchsorted(np.sort(same), thresholds) / len(same)
    alarms = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    nearest = np.argmin(np.abs(misses - alarms))
    return float((misses[nearest] + alarms[nearest]) / 2)


def acceptance_threshold(impostors: np.ndarray, share: float) -> float:
    """The score that ``share`` of the impostors (n,) reach; their number is rounded down to a whole one.

    Where several impostors have that very score, more of them reach it. MetricError for fewer than 1 / ``share``
    impostors: already a single one would be a larger share.
    """
    _require_scores(impostors, what="a threshold of acceptance")
    accepted = int(share * len(impostors) + 1e-9)  # 0.29 * 100 is 28.999999999999996
    if not accepted:
        raise MetricError(f"{len(impostors)} impostors are too few for a threshold that {share:g} of them reach")
    return float(np.sort(impostors)[-accepted])


def paired_test(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(p, effect) of first - second over paired utterances (n,): Wilcoxon's signed ranks, two-sided.

    The effect is the matched-pairs rank-biserial correlation (Kerby 2014, doi:10.2466/11.IT.3.1), -1..1: the share
    of rank sum in favour of the first minus that of the second. Without any difference: p 1, effect 0.
    """
    from scipy.stats import rankdata, wilcoxon

    _require_scores(first, second, what="a paired test")
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
    _require_scores(p_values, what="Holm's correction")
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of the scores (n,) of two encoders: 1 same order, 0 unrelated, -1 opposite."""
    from scipy.stats import kendalltau

    _require_scores(a, b, what="Kendall's tau")
    return measured(kendalltau(a, b).statistic, "Kendall's tau")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation (n,), (n,)."""
    _require_scores(a, b, what="a correlation")
    return _rank_correlation(_places(a), _places(b))


def _places(values: np.ndarray) -> np.ndarray:
    """The place 0..K-1 of each value (n,) among the K different values in their order."""
    return np.unique(np.asarray(values), return_inverse=True)[1]


def _ranks(places: np.ndarray) -> np.ndarray:
    """The rank of each of some values (n,) by their places among all values; equal ones have their mean rank."""
    counts = np.bincount(places)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    # scipy's spearmanr and rankdata take many times as long for the same number, and a bootstrap asks for thousands.
    ranks = np.stack([_ranks(a), _ranks(b)])
    centred = ranks - ranks.mean(1, keepdims=True)
    spread = np.sqrt((centred**2).sum(1).prod())
    return measured(centred[0] @ centred[1] / spread if spread else np.nan, "a correlation")
