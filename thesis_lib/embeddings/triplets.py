"""Triplet accuracy with distractors, and nearest neighbours: how well an embedding separates one label from others.

An anchor is compared with a positive, which has its label, and with a negative, which has another one. A distractor is
something else that anchor and negative share, the speaker or the text, and that anchor and positive do not: an
embedding that follows it decides wrongly (arXiv:2604.26347).

Shapes: n recordings, D embedding size.
"""

from collections.abc import Mapping

import numpy as np

from thesis_lib.utils.errors import MetricError

CHANCE = 0.5  # of a triplet


def triplet_accuracy(
    vectors: np.ndarray,
    labels: np.ndarray,
    distractors: Mapping[str, np.ndarray],
    recordings: np.ndarray | None = None,
) -> float:
    """Mean over anchors of the share of triplets in which the positive's cosine to the anchor is the higher one, 0..1.

    ``vectors`` (n, D), ``labels`` (n,). For each of ``distractors``, name -> (n,), the anchor's value is the negative's
    too, and is not the positive's. ``recordings`` (n,): the recording of each row, where a bootstrap drew some twice;
    a copy of the anchor is no positive. A tie counts one half. MetricError where no anchor has a triplet.
    """
    units = _units(vectors)
    cosines = units @ units.T
    same = labels[:, None] == labels[None]
    positives, negatives = same.copy(), ~same
    for values in distractors.values():
        shared = values[:, None] == values[None]
        positives &= ~shared
        negatives &= shared
    names = np.arange(len(labels)) if recordings is None else recordings
    positives &= names[:, None] != names[None]
    shares = [
        correct_triplets(row[p], row[n]) / (p.sum() * n.sum())
        for row, p, n in zip(cosines, positives, negatives, strict=True)
        if p.any() & n.any()
    ]
    if not shares:
        raise MetricError(f"no recording has a triplet with the distractors {', '.join(distractors)}: use more of them")
    return float(np.mean(shares))


def correct_triplets(positive: np.ndarray, negative: np.ndarray) -> float:
    """(P,) and (M,) cosines to one anchor -> number of pairs in which the positive's is higher; a tie counts one half.

    Not divided by P * M, the number of all pairs.
    """
    ordered = np.sort(negative)
    return sum(float(np.searchsorted(ordered, positive, side=side).sum()) / 2 for side in ("left", "right"))


def _units(vectors: np.ndarray) -> np.ndarray:
    """(n, D) -> (n, D), unit length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest_is_same(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n, D), (n,) -> (n,) whether the other recording with the highest cosine has the same label.

    Its mean is the rank-1 identification rate. MetricError where no label has two recordings.
    """
    if len(np.unique(labels)) == len(labels):
        raise MetricError("identification needs two recordings of a label")
    units = _units(vectors)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    return labels[cosines.argmax(axis=1)] == labels


def centroids(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, D), (n,) -> names of the labels (L,) and the mean direction of each, (L, D), unit length."""
    units, names = _units(vectors), np.unique(labels)
    means = np.stack([units[labels == name].mean(axis=0) for name in names])
    return names, _units(means)


def centroid_cosines(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, D), labels (n,), groups (n,) -> names of the labels (L,) and cosines (n, L) to each label's centroid.

    A recording's centroids are those of the other groups' recordings, speakers as a rule: nothing is fitted on the
    recording's own speaker. MetricError where a label has one group only.
    """
    units, names = _units(vectors), np.unique(labels)
    found = np.zeros((len(vectors), len(names)))
    for group in np.unique(groups):
        own = groups == group
        others, directions = centroids(vectors[~own], labels[~own])
        if len(others) < len(names):
            missing = sorted(set(names.tolist()) - set(others.tolist()))
            raise MetricError(f"{missing[0]} has recordings of {group} only: a centroid needs two groups")
        found[own] = units[own] @ directions.T
    return names, found
