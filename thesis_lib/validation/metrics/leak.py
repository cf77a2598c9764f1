"""Is somebody in two parts of a corpus under two names? Speaker embeddings tell what ids cannot."""

from dataclasses import dataclass

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError

SEEN = 0.95  # of people under two ids, whom the threshold has to recognise


@dataclass(frozen=True)
class Leak:
    """For every speaker of the one part, the nearest of the other."""

    speakers: list[str]  # (n,) of the part held out
    nearest: list[str]  # (n,) of the other part
    cosines: np.ndarray  # (n,) between their mean embeddings
    same: np.ndarray  # cosines of two halves of one speaker's recordings, in all parts
    different: np.ndarray  # cosines of two speakers of the other part
    threshold: float  # of ``SEEN``: what two halves of one person reach

    @property
    def suspects(self) -> np.ndarray:
        """(n,) whether a held-out speaker is as like the nearest as somebody is like themselves."""
        return self.cosines >= self.threshold

    @property
    def false_alarms(self) -> float:
        """How often two different speakers are that like: the chance of a single comparison."""
        return float(np.mean(self.different >= self.threshold))


def speaker_leak(vectors: np.ndarray, speakers: np.ndarray, held: np.ndarray, others: np.ndarray) -> Leak:
    """Embeddings (N, D) and speakers (N,) -> how near each speaker that is ``held`` (N,) out is to the ``others`` (N,).

    Client ids of Common Voice are not people (Zhang et al. 2025, arXiv:2506.00733, finds several under one id); a split
    by id may put somebody with two ids into two parts.
    A speaker is the mean of their recordings' unit vectors. What one person under two ids looks like is measured on
    the speakers themselves (of all parts), each split into two halves; where they have too few recordings (fewer than 3
    speakers with two), MetricError.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {name: np.flatnonzero(speakers == name) for name in np.unique(speakers)}
    halves = [(_direction(units[r[::2]]), _direction(units[r[1::2]])) for r in rows.values() if len(r) > 1]
    ours, theirs = ([name for name, r in rows.items() if part[r[0]]] for part in (held, others))
    if len(halves) < 3 or not ours or len(theirs) < 2:
        raise MetricError("a leak between parts needs speakers on both sides, and three with two recordings")
    same = np.array([a @ b for a, b in halves])
    a, b = (np.stack([_direction(units[rows[name]]) for name in names]) for names in (ours, theirs))
    cosines = a @ b.T
    different = (b @ b.T)[np.triu_indices(len(theirs), 1)]
    threshold = float(np.quantile(same, 1 - SEEN))
    nearest = [theirs[i] for i in cosines.argmax(axis=1)]
    return Leak(ours, nearest, cosines.max(axis=1), same, different, threshold)


def _direction(units: np.ndarray) -> np.ndarray:
    """(n, D) -> (D,), of their mean."""
    mean = units.mean(axis=0)
    return mean / np.linalg.norm(mean)
