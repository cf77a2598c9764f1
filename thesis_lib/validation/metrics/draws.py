"""The draws of a bootstrap: utterances, whole groups of them, or crossed groups as voices and contents."""

from collections.abc import Iterator, Sequence

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError

Groups = np.ndarray | Sequence[np.ndarray] | None  # (n,) names of groups; several: crossed, as voices and contents

MIN_GROUPS = 2  # of each side; with two the interval is 9 times as wide as the percentiles
MAX_EMPTY_DRAWS = 100  # in a row, of crossed groups in which no trial has a drawn voice and a drawn content


def members_of(names: np.ndarray) -> list[np.ndarray]:
    """The indices of each name in (n,), in the order of the names' first appearance."""
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def ways_of_grouping(count: int, groups: Groups) -> list[np.ndarray]:
    """The groups of each way of grouping; without groups, every utterance is one."""
    if groups is None:
        return [np.arange(count)]
    return [groups] if isinstance(groups, np.ndarray) else [np.asarray(side) for side in groups]


def grouped_members(count: int, groups: Groups) -> list[list[np.ndarray]]:
    """For each way of grouping, the indices of each group's utterances. MetricError below ``MIN_GROUPS``."""
    found = []
    for names in ways_of_grouping(count, groups):
        members = members_of(names)
        if len(members) < MIN_GROUPS:
            raise MetricError(f"{len(members)} {'utterances' if groups is None else 'groups'} give no interval")
        found.append(members)
    return found


def bootstrap_draws(members: list[list[np.ndarray]], count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the indices of the utterances of each bootstrap sample, repeated as often as they were drawn.

    ``members`` as ``grouped_members`` returns them. MetricError where crossed groups have too few trials in common.
    """
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        if len(members) == 1:
            (own,) = members
            yield np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))])
        else:
            yield _crossed(members, count, rng)


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
