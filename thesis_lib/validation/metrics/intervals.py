"""Confidence intervals of 95 %: the bootstrap over utterances, groups or crossed groups, and exact ones of shares.

References: Efron & Tibshirani 1993, ch. 13 (percentile bootstrap); Davison & Hinkley 1997, sec. 3.8 (whole groups);
Owen 2007, doi:10.1214/07-AOAS122 (crossed groups, the pigeonhole bootstrap); Clopper & Pearson 1934,
doi:10.1093/biomet/26.4.404 (shares); Korn & Graubard 1998, Survey Methodology 24(2) (shares of clustered trials).
"""

from collections.abc import Callable, Sequence

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError, measured

Statistic = Callable[[np.ndarray], float]  # indices (n,) of utterances -> a number
Groups = np.ndarray | Sequence[np.ndarray] | None  # (n,) names of groups; several: crossed, as voices and contents

CONFIDENCE = 0.95
PERCENTILES = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))
MAX_UNDEFINED = 0.05  # share of the bootstrap samples
MAX_EMPTY_DRAWS = 100  # in a row, of crossed groups whose drawn voices and contents have no trial in common


def bootstrap(
    count: int, statistic: Statistic, resamples: int, seed: int, groups: Groups = None
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of all utterances and its 95 % percentile bootstrap interval.

    ``statistic`` takes indices (n,) into the utterances. With ``groups`` (count,), whole groups are drawn: utterances
    of one speaker are not independent. With several, as the voice and the content of each trial, the groups of each
    are drawn independently, and a trial comes as often as its voice was drawn times its content was.
    MetricError where there is but one group, when the statistic is not finite, and when it is undefined (raises
    MetricError) for all utterances or for more than ``MAX_UNDEFINED`` of the draws.
    """
    drawn = _draws(count, resamples, seed, groups)
    value = measured(statistic(np.arange(count)), "the bootstrapped statistic")
    draws: list[float] = []
    for rows in drawn:
        try:
            found = statistic(rows)
        except MetricError:
            continue
        draws.append(measured(found, "the bootstrapped statistic"))
    if (undefined := resamples - len(draws)) > MAX_UNDEFINED * resamples:
        raise MetricError(f"the statistic is undefined for {undefined} of {resamples} bootstrap samples")
    low, high = np.percentile(draws, PERCENTILES)
    return value, float(low), float(high)


def crossed_bootstrap(
    table: np.ndarray, resamples: int, seed: int, groups: np.ndarray | None = None
) -> tuple[float, float, float]:
    """(value, low, high): the mean of a table (R, C) with gaps as NaN, and its 95 % percentile bootstrap interval.

    Rows and columns are both drawn: raters and items, seeds and utterances. With ``groups`` (C,), whole groups of
    columns are drawn. A side with one member is not drawn. MetricError where neither has two.
    """
    rows, columns = np.nonzero(np.isfinite(table))
    values, names = table[rows, columns], columns if groups is None else np.asarray(groups)[columns]
    sides = [side for side in (rows, names) if len(set(side.tolist())) > 1] or [names]
    return bootstrap(len(values), lambda i: float(values[i].mean()), resamples, seed, sides)


def members_of(names: np.ndarray) -> list[np.ndarray]:
    """The indices of each name in (n,), in the order of the names' first appearance."""
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


class Share:
    """A statistic, the share of successes (n,) of bool, that tells ``interval`` to take its exact interval."""

    def __init__(self, successes: np.ndarray) -> None:
        self.successes = np.asarray(successes, bool)

    def __call__(self, rows: np.ndarray) -> float:
        """The share of some of the trials, 0..1."""
        return float(self.successes[rows].mean())


def interval(
    count: int, statistic: Statistic, resamples: int, seed: int, groups: Groups = None
) -> tuple[float, float, float]:
    """(value, low, high) of a statistic of ``count`` utterances: a ``Share``'s exact interval, else the bootstrap's."""
    if isinstance(statistic, Share):
        return share_interval(statistic.successes, resamples, seed, groups)
    return bootstrap(count, statistic, resamples, seed, groups)


def share_interval(
    successes: np.ndarray, resamples: int = 1000, seed: int = 0, groups: Groups = None
) -> tuple[float, float, float]:
    """(share, low, high) of successes (n,) of bool, each 0..1: Clopper & Pearson's exact interval.

    With ``groups``, the number of trials is Korn & Graubard's effective one: p(1 - p) over the bootstrap's variance of
    p, at most n, times the squared ratio of Student's t of n - 1 and of G - 1 degrees of freedom, G the smallest number
    of groups. Where the share is 0 or 1 the first factor is n. MetricError without a trial, or for a single group.
    """
    from scipy.stats import beta

    successes = np.asarray(successes, bool)
    if not len(successes):
        raise MetricError("a share needs a trial")
    share, trials = float(successes.mean()), _effective_trials(successes, resamples, seed, groups)
    won, tail = share * trials, (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, won, trials - won + 1)) if share > 0 else 0.0
    high = float(beta.ppf(1 - tail, won + 1, trials - won)) if share < 1 else 1.0
    return share, low, high


def _effective_trials(successes: np.ndarray, resamples: int, seed: int, groups: Groups) -> float:
    from scipy.stats import t

    count, share = len(successes), successes.mean()
    if groups is None:
        return count
    smallest = min(len(members) for members in _members(count, groups))
    variance = np.var([successes[rows].mean() for rows in _draws(count, resamples, seed, groups)])
    independent = min(count, share * (1 - share) / variance) if variance else count
    tail = (1 + CONFIDENCE) / 2
    return float(independent * min(1.0, t.ppf(tail, count - 1) / t.ppf(tail, smallest - 1)) ** 2)


def _members(count: int, groups: Groups) -> list[list[np.ndarray]]:
    """For each way of grouping, the indices of each group's utterances. MetricError for a single group."""
    names = [np.arange(count)] if groups is None else [groups] if isinstance(groups, np.ndarray) else list(groups)
    found = []
    for labels in map(np.asarray, names):
        members = members_of(labels)
        if len(members) < 2:
            raise MetricError(f"{len(members)} {'utterances' if groups is None else 'groups'} give no interval")
        found.append(members)
    return found


def _draws(count: int, resamples: int, seed: int, groups: Groups) -> list[np.ndarray]:
    """Indices of the utterances of each bootstrap sample, repeated as often as they were drawn."""
    members, rng = _members(count, groups), np.random.default_rng(seed)
    if len(members) == 1:
        (own,) = members
        return [np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))]) for _ in range(resamples)]
    return [_crossed(members, count, rng) for _ in range(resamples)]


def _crossed(members: list[list[np.ndarray]], count: int, rng: np.random.Generator) -> np.ndarray:
    for _ in range(MAX_EMPTY_DRAWS):
        times = np.ones(count, int)
        for own in members:
            drawn = np.zeros(count, int)
            for i in rng.integers(0, len(own), len(own)):
                drawn[own[i]] += 1
            times *= drawn
        if times.any():
            return np.repeat(np.arange(count), times)
    raise MetricError("voices and contents have too few trials in common for an interval")
