"""The draws of a bootstrap: utterances, whole groups of them, or crossed groups as voices and contents."""

import functools
from collections.abc import Sequence

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


def bootstrap_draws(members: list[list[np.ndarray]], count: int, resamples: int, seed: int) -> Sequence[np.ndarray]:
    """The indices of the utterances of each bootstrap sample, repeated as often as they were drawn; read-only.

    ``members`` as ``grouped_members`` returns them. The last draws are cached: several statistics of the same
    utterances have the same ones. MetricError where crossed groups have too few trials in common.
    """
    return _draws(tuple(tuple(own.tobytes() for own in side) for side in members), count, resamples, seed)


@functools.lru_cache(maxsize=1)
def _draws(members: tuple[tuple[bytes, ...], ...], count: int, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """``bootstrap_draws``; ``members`` as the bytes of their indices."""
    rng = np.random.default_rng(seed)
    sides = [[np.frombuffer(own, np.intp) for own in side] for side in members]
    if len(sides) == 1:
        (own,) = sides
        found = [np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))]) for _ in range(resamples)]
    else:
        groups = [(_places(own, count), len(own)) for own in sides]
        found = [_crossed(groups, rng) for _ in range(resamples)]
    for rows in found:
        rows.flags.writeable = False
    return tuple(found)


def _places(members: list[np.ndarray], count: int) -> np.ndarray:
    """(count,) the number of each utterance's group."""
    places = np.zeros(count, int)
    for number, own in enumerate(members):
        places[own] = number
    return places


def _crossed(groups: list[tuple[np.ndarray, int]], rng: np.random.Generator) -> np.ndarray:
    """One sample; ``groups``: of each way of grouping, each utterance's group number, and the number of groups."""
    for _ in range(MAX_EMPTY_DRAWS):
        times = np.ones(len(groups[0][0]), int)
        for place, size in groups:
            times *= np.bincount(rng.integers(0, size, size), minlength=size)[place]
        if times.any():
            return np.repeat(np.arange(len(times)), times)
    raise MetricError("voices and contents have too few trials in common for an interval")
