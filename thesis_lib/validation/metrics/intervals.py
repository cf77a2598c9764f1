"""Confidence intervals of 95 %: the bootstrap over utterances, groups or crossed groups, and intervals of shares.

References: Efron & Tibshirani 1993, ch. 13 (percentile bootstrap); Hesterberg 2015,
doi:10.1080/00031305.2015.1089789, sec. 5.3 (its correction for small samples); Davison & Hinkley 1997, sec. 3.8 (whole
groups); Owen 2007, doi:10.1214/07-AOAS122 (crossed groups, the pigeonhole bootstrap); Clopper & Pearson 1934,
doi:10.1093/biomet/26.4.404 (shares); Korn & Graubard 1998, Survey Methodology 24(2) (shares of clustered trials);
Cameron, Gelbach & Miller 2011, doi:10.1198/jbes.2010.07136 (variance with crossed groups); Newcombe 1998, Statistics
in Medicine 17, 2635-2650 (difference of two shares, method 10 without its correlation).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from thesis_lib.validation.metrics.draws import Groups, bootstrap_draws, grouped_members, ways_of_grouping
from thesis_lib.validation.metrics.errors import MetricError, measured

Statistic = Callable[[np.ndarray], float]  # indices (n,) of utterances -> a number

CONFIDENCE = 0.95
PERCENTILES = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))
MAX_UNDEFINED_SHARE = 0.05  # of the bootstrap samples


@dataclass(frozen=True)
class Bounded:
    """A statistic, and the range low..high of its possible values, which no interval leaves."""

    statistic: Statistic
    low: float = -np.inf
    high: float = np.inf

    def __call__(self, rows: np.ndarray) -> float:
        """The statistic of some of the utterances."""
        return self.statistic(rows)


@dataclass(frozen=True)
class ErrorRate(Bounded):
    """An error rate; without any error, its upper limit is that of the share of groups with an error.

    That is Clopper & Pearson's limit for 0 of the drawn groups (speakers or recordings), a conservative limit of the
    rate where no group's rate exceeds 100 %: the bootstrap's is 0, and its limit for a rate with a few errors is
    usually lower. For an equal error rate it is approximate, as the threshold is chosen on the same trials.
    """

    low: float = 0.0
    scale: float = 100.0  # of the rate: 100 in percent, 1 as a share


def bounded_as(statistic: Statistic, example: Statistic) -> Statistic:
    """The statistic with the range of another one, as an error rate where that is one."""
    return replace(example, statistic=statistic) if isinstance(example, Bounded) else statistic


def _range(statistic: Statistic) -> tuple[float, float]:
    return (statistic.low, statistic.high) if isinstance(statistic, Bounded) else (-np.inf, np.inf)


def bootstrap(
    count: int, statistic: Statistic, resamples: int, seed: int, groups: Groups = None
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of all utterances and its 95 % expanded percentile bootstrap interval.

    ``statistic`` takes indices (n,) into the utterances. With ``groups`` (count,), whole groups are drawn: utterances
    of one speaker are not independent. With several, as the voice and the content of each trial, the groups of each
    are drawn independently, and a trial comes as often as its voice was drawn times its content was. The percentiles'
    distances from the value are multiplied by t(G - 1) / z * sqrt(G / (G - 1)), G the smallest number of groups:
    alone, percentiles of 4 groups hold a mean in 80 % of the cases. Hesterberg corrects the percentiles' levels by
    the same factor, which is too little below ten groups, where the draws end at the most extreme group.
    MetricError where there is but one group, when the statistic is not finite, and when it is undefined (raises
    MetricError) for all utterances or for more than ``MAX_UNDEFINED_SHARE`` of the draws.
    """
    members = grouped_members(count, groups)
    value = measured(statistic(np.arange(count)), "the bootstrapped statistic")
    if value == 0 and isinstance(statistic, ErrorRate):
        return value, 0.0, statistic.scale * share_interval(np.zeros(_smallest(members), bool))[2]
    draws: list[float] = []
    for rows in bootstrap_draws(members, count, resamples, seed):
        try:
            found = statistic(rows)
        except MetricError:
            continue
        draws.append(measured(found, "the bootstrapped statistic"))
    if (undefined := resamples - len(draws)) > MAX_UNDEFINED_SHARE * resamples:
        raise MetricError(f"the statistic is undefined for {undefined} of {resamples} bootstrap samples")
    low, high = value + _expansion(_smallest(members)) * (np.percentile(draws, PERCENTILES) - value)
    least, most = _range(statistic)
    return value, float(max(low, least)), float(min(high, most))


def _expansion(smallest: int) -> float:
    """Student's t over the normal quantile, and the root of the unbiased variance over the bootstrap's."""
    from scipy.stats import norm, t

    level = (1 + CONFIDENCE) / 2
    return float(t.ppf(level, smallest - 1) / norm.ppf(level) * np.sqrt(smallest / (smallest - 1)))


def _smallest(members: list[list[np.ndarray]]) -> int:
    """The smallest number of groups of any way of grouping."""
    return min(map(len, members))


def crossed_bootstrap(
    table: np.ndarray,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    others: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """(value, low, high): the mean of a table (R, C) with gaps as NaN, and its 95 % interval by ``bootstrap``.

    Rows and columns are both drawn: raters and items, seeds and utterances. With ``groups`` (C,), whole groups of
    columns are drawn, and the mean is that of the groups' means. ``others`` (C,) are groups that cross them, and are
    drawn too: the contents of trials, where the groups are their speakers. ``bounds`` is the range of the values. A
    side with one member is not drawn. MetricError where none has two.
    """
    rows, columns = np.nonzero(np.isfinite(table))
    values, names = table[rows, columns], columns if groups is None else np.asarray(groups)[columns]
    crossed = [rows, names] if others is None else [rows, names, np.asarray(others)[columns]]
    sides = [side for side in crossed if len(set(side.tolist())) > 1] or [names]
    mean = mean_of(values, None if groups is None else names)
    return bootstrap(len(values), Bounded(mean, *bounds), resamples, seed, sides)


def mean_of(values: np.ndarray, groups: np.ndarray | None = None) -> Statistic:
    """The mean of some of the values (n,); with ``groups`` (n,) of whole groups of them: the mean of groups' means.

    A group that is drawn twice counts twice, as its values come twice.
    """
    if groups is None:
        return lambda rows: float(values[rows].mean())
    _, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weights = 1 / counts[place]
    return lambda rows: float(np.average(values[rows], weights=weights[rows]))


class Share:
    """A statistic, the share of successes (n,) of bool; ``confidence_interval`` takes ``share_interval`` for it."""

    def __init__(self, successes: np.ndarray) -> None:
        self.successes = np.asarray(successes, bool)

    def __call__(self, rows: np.ndarray) -> float:
        """The share of some of the trials, 0..1."""
        return float(self.successes[rows].mean())


class ShareDifference:
    """A statistic of paired trials: the share of successes (n,) of bool of the first minus that of the second, -1..1.

    ``confidence_interval`` takes ``share_difference_interval`` for it. ``distinct`` (m,): where a recording of the
    second stands in several trials, the indices of one trial of each recording.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, distinct: np.ndarray | None = None) -> None:
        self.first, self.second, self.distinct = np.asarray(first, bool), np.asarray(second, bool), distinct

    def __call__(self, rows: np.ndarray) -> float:
        """The difference for some of the trials."""
        return float(self.first[rows].mean() - self.second[rows].mean())


def confidence_interval(
    count: int, statistic: Statistic, resamples: int, seed: int, groups: Groups = None
) -> tuple[float, float, float]:
    """(value, low, high) of a statistic of ``count`` utterances.

    ``share_interval`` of a Share, ``share_difference_interval`` of a ShareDifference, else ``bootstrap``.
    """
    if isinstance(statistic, Share):
        return share_interval(statistic.successes, groups)
    if isinstance(statistic, ShareDifference):
        return share_difference_interval(statistic, resamples, seed, groups)
    return bootstrap(count, statistic, resamples, seed, groups)


def share_interval(successes: np.ndarray, groups: Groups = None) -> tuple[float, float, float]:
    """(share, low, high) of successes (n,) of bool, each 0..1: Clopper & Pearson's interval, exact without groups.

    With ``groups`` it is approximate. The number of trials is then Korn & Graubard's effective one: n over the design
    effect (``_design_effect``), times the squared ratio of Student's t of n - 1 and of G - 1 degrees of freedom, G the
    smallest number of groups. MetricError without a trial, or for a single group.
    """
    from scipy.stats import beta

    successes = np.asarray(successes, bool)
    if not len(successes):
        raise MetricError("a share needs a trial")
    share, trials = float(successes.mean()), _effective_trials(successes, groups)
    count, tail = share * trials, (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, count, trials - count + 1)) if share > 0 else 0.0
    high = float(beta.ppf(1 - tail, count + 1, trials - count)) if share < 1 else 1.0
    return share, low, high


def share_difference_interval(
    difference: ShareDifference, resamples: int, seed: int, groups: Groups = None
) -> tuple[float, float, float]:
    """(difference, low, high) of two shares of the same trials, each -1..1: ``bootstrap``, or Newcombe's interval.

    Where all trials have the same difference, the bootstrap has no width; Newcombe's interval is from
    ``share_interval`` of each share. It is conservative, as it ignores the pairing. Where the second has ``distinct``
    trials, these count as independent. MetricError without a trial, or for a single group.
    """
    first, second, distinct = difference.first, difference.second, difference.distinct
    if not len(first):
        raise MetricError("a difference of shares needs a trial")
    value, low, high = bootstrap(len(first), Bounded(difference, -1, 1), resamples, seed, groups)
    if np.ptp(first.astype(int) - second):
        return value, low, high
    a = share_interval(first, groups)
    b = share_interval(second, groups) if distinct is None else share_interval(second[distinct])
    below, above = np.hypot(a[0] - a[1], b[2] - b[0]), np.hypot(a[2] - a[0], b[0] - b[1])
    return value, float(max(-1.0, value - below)), float(min(1.0, value + above))


def _effective_trials(successes: np.ndarray, groups: Groups) -> float:
    from scipy.stats import t

    count, level = len(successes), (1 + CONFIDENCE) / 2
    if groups is None:
        return count
    degrees = _smallest(grouped_members(count, groups)) - 1
    return float(
        count / _design_effect(successes, groups) * min(1.0, t.ppf(level, count - 1) / t.ppf(level, degrees)) ** 2
    )


def _design_effect(successes: np.ndarray, groups: Groups) -> float:
    """Variance of the share over that of independent trials, at least 1.

    The variance is Cameron, Gelbach & Miller's for crossed groups: of voices, plus of contents, minus of their
    combinations, each with the factor G / (G - 1). For one trial unlike all others the effect is 1, up to the groups'
    unequal sizes; so it is for none, and the interval changes little from 85 of 86 to 86 of 86.
    """
    if successes.all() or not successes.any():
        return 1.0
    sides = [np.unique(side, return_inverse=True)[1] for side in ways_of_grouping(len(successes), groups)]
    variance = 0.0
    for size in range(1, len(sides) + 1):
        for chosen in combinations(sides, size):
            names = np.unique(np.stack(chosen), axis=1, return_inverse=True)[1].ravel()
            variance += (-1) ** (size + 1) * _cluster_variance(successes, names)
    return max(1.0, variance / _cluster_variance(successes, np.arange(len(successes))))


def _cluster_variance(successes: np.ndarray, names: np.ndarray) -> float:
    """Variance of the share (n,) where trials of one group 0..G-1 of (n,) are not independent."""
    sums = np.bincount(names, weights=successes - successes.mean())
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum() / len(successes) ** 2)
