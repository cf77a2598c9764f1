"""Speaker leak: speakers with different ids in two splits who may be the same person, by speaker embeddings."""

from dataclasses import dataclass

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError

DETECTION_RATE = 0.95  # of the same speaker under two ids, at the threshold


@dataclass(frozen=True)
class Leak:
    """For every speaker of a split, the nearest speaker of another split."""

    speakers: list[str]  # (n,) of the held-out split
    nearest: list[str]  # (n,) of the other split
    cosines: np.ndarray  # (n,) between their mean embeddings
    same: np.ndarray  # cosines of two halves of one speaker's recordings, in all splits
    different: np.ndarray  # cosines of two speakers of the other split
    threshold: float  # cosine that two halves of one speaker exceed with ``DETECTION_RATE``

    @property
    def suspects(self) -> np.ndarray:
        """(n,) whether the cosine to the nearest speaker is as high as between halves of one speaker."""
        return self.cosines >= self.threshold

    @property
    def false_alarms(self) -> float:
        """False-alarm rate of one comparison: the share of two different speakers above the threshold."""
        return float(np.mean(self.different >= self.threshold))


def speaker_leak(vectors: np.ndarray, speakers: np.ndarray, held: np.ndarray, others: np.ndarray) -> Leak:
    """Embeddings (N, D) and speakers (N,) -> cosine of each speaker of ``held`` (N,) to the nearest of ``others`` (N,).

    Client ids of Common Voice are not speakers (Zhang et al. 2025, arXiv:2506.00733, finds several under one id); a
    division by id may put a speaker with two ids into two splits.
    A speaker is the mean of their recordings' unit vectors. The cosine of one speaker under two ids is measured
    on the speakers of all splits, each divided into two halves; where they have too few recordings (fewer than 3
    speakers with two), MetricError.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {name: np.flatnonzero(speakers == name) for name in np.unique(speakers)}
    halves = [(_direction(units[r[::2]]), _direction(units[r[1::2]])) for r in rows.values() if len(r) > 1]
    ours, theirs = ([name for name, r in rows.items() if split[r[0]]] for split in (held, others))
    if len(halves) < 3 or not ours or len(theirs) < 2:
        raise MetricError("a speaker leak between splits needs speakers on both sides, and three with two recordings")
    same = np.array([a @ b for a, b in halves])
    a, b = (np.stack([_direction(units[rows[name]]) for name in names]) for names in (ours, theirs))
    cosines = a @ b.T
    different = (b @ b.T)[np.triu_indices(len(theirs), 1)]
    threshold = float(np.quantile(same, 1 - DETECTION_RATE))
    nearest = [theirs[i] for i in cosines.argmax(axis=1)]
    return Leak(ours, nearest, cosines.max(axis=1), same, different, threshold)


def _direction(units: np.ndarray) -> np.ndarray:
    """(n, D) -> (D,), of their mean."""
    mean = units.mean(axis=0)
    return mean / np.linalg.norm(mean)
