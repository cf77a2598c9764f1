"""Cluster the embedded windows of a recording into speakers, and assign each window to one of them.

Shapes: n windows, D embedding size, K speakers.

References: agglomerative clustering of embeddings, Garcia-Romero et al. 2017 (ICASSP, "Speaker diarization using deep
neural network embeddings"); Viterbi resegmentation, Landini et al. 2022, arXiv:2012.14952 (sec. 2), here with one mean
a speaker and a fixed cost of a change.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from thesis_lib.cloning.speaker_windows import Windows, unit

MAX_CLUSTERED_WINDOWS = 3000  # the linkage's memory grows with the square: 36 MB
MIN_LINKED_COSINE = 0.25  # mean cosine of two clusters of windows, from which they are linked
MIN_MERGED_COSINE = 0.55  # of two clusters' means, above which they are one speaker
MAX_DISTINCT_COSINE = 0.7  # of two speakers' means, above which a given number of speakers is refused
# A smaller cluster is a mixture of voices, noise, or some unlike windows of another speaker. Such clusters grow with
# the recording, therefore the share.
MIN_SPEAKER_SECONDS = 2.0  # of speech
MIN_SPEAKER_WINDOWS = 3
MIN_SPEAKER_SHARE = 0.05  # of the speech of the speaker with the most speech, where no number of speakers is given
GIVEN_SHARES = (0.05, 0.02, 0.0)  # of the speech, of each of a given number of speakers: the first with such a cut
MIN_ASSIGNED_SECONDS = 1.0  # of speech, of each of a given number of speakers, after the Viterbi path
CHANGE_COST = 0.3  # cosine that a change of the speaker costs


class IndistinctError(Exception):
    """A given number of speakers cannot be told apart; the message is the reason."""


def found_means(windows: Sequence[Windows]) -> np.ndarray:
    """Windows of all segments -> mean embedding of each speaker (K, D), each of length 1; at least one."""
    vectors, weights = _together(windows)
    tree, few, few_weights = _tree(vectors, weights)
    labels = cut(tree, 1 - MIN_LINKED_COSINE)
    large = _large(labels, few_weights).tolist()
    means = _means(few, labels, large or [int(np.bincount(labels, weights=few_weights).argmax())])
    while True:
        labels = _assigned(windows, means)
        means = _means(vectors, labels, np.unique(labels))
        labels = np.unique(labels, return_inverse=True)[1]
        if len(means) == 1:
            return means
        cosine, one, other = _most_similar(means)
        large = _large(labels, weights)
        if cosine > MIN_MERGED_COSINE:
            labels = np.where(labels == other, one, labels)
            means = _means(vectors, labels, np.unique(labels))
        elif len(large) < len(means):
            small = np.setdiff1d(np.arange(len(means)), large)
            means = np.delete(means, small[np.bincount(labels, weights=weights)[small].argmin()], 0)
        else:
            return means


def given_means(windows: Sequence[Windows], count: int) -> Iterator[np.ndarray]:
    """Windows of all segments -> mean embeddings of ``count`` speakers (K, D), each of length 1: the best first.

    IndistinctError, with the reason, after the last.
    """
    vectors, weights = _together(windows)
    reason = (
        f"the speech has no {count} groups of similar sound with {MIN_SPEAKER_SECONDS:g} s "
        f"and {MIN_SPEAKER_WINDOWS} windows each"
    )
    for first in _given_cuts(vectors, weights, count):
        labels = _assigned(windows, first)
        seconds = np.bincount(labels, weights=weights, minlength=count)
        if seconds.min() < MIN_ASSIGNED_SECONDS:
            reason = f"one of them would have {seconds.min():.1f} s of speech, less than {MIN_ASSIGNED_SECONDS:g} s"
            continue
        means = _means(vectors, labels, range(count))
        cosine = _most_similar(means)[0] if count > 1 else -1.0
        if cosine > MAX_DISTINCT_COSINE:
            reason = f"two of them would have nearly one voice (cosine {cosine:.2f}, above {MAX_DISTINCT_COSINE:g})"
            continue
        yield means
    raise IndistinctError(reason)


def _given_cuts(vectors: np.ndarray, weights: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Means (K, D) of ``count`` large clusters, for each size, at the greatest height of the tree that has them."""
    tree, few, few_weights = _tree(vectors, weights)
    for share in GIVEN_SHARES:
        size = max(MIN_SPEAKER_SECONDS, share * weights.sum())
        for height in _heights(tree):
            labels = cut(tree, height)
            large = _large(labels, few_weights, size)
            if len(large) == count:
                yield _means(few, labels, large)
                break
        if size == MIN_SPEAKER_SECONDS:
            return


def _together(windows: Sequence[Windows]) -> tuple[np.ndarray, np.ndarray]:
    """The windows of all segments (n, D), and the speech in s (n,) that each stands for."""
    weights = [np.full(len(x.starts), x.weight) for x in windows]
    return np.concatenate([x.vectors for x in windows]), np.concatenate(weights)


def _tree(vectors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tree of average linkage of at most ``MAX_CLUSTERED_WINDOWS``, these windows, and the speech that each stands for.

    The tree of n windows is (n - 1, 4), as of ``scipy.cluster.hierarchy.linkage``.
    """
    from scipy.cluster.hierarchy import linkage

    step = -(-len(vectors) // MAX_CLUSTERED_WINDOWS)
    few = vectors[::step]
    return linkage(few, "average", metric="cosine") if len(few) > 1 else np.zeros((0, 4)), few, step * weights[::step]


def _heights(tree: np.ndarray) -> np.ndarray:
    """Heights below each node of a tree, from the top, and above all nodes."""
    return np.concatenate([[np.inf], np.unique(tree[:, 2])[::-1] - 1e-9])


def cut(tree: np.ndarray, height: float) -> np.ndarray:
    """Cut a tree (n - 1, 4) of cosine distances at a height -> label of each window (n,), from 0."""
    from scipy.cluster.hierarchy import fcluster

    return fcluster(tree, height, "distance") - 1 if len(tree) else np.zeros(1, int)


def _large(labels: np.ndarray, weights: np.ndarray, size: float | None = None) -> np.ndarray:
    """Labels (n,) of windows that stand for weights (n,) s -> those with several windows and ``size`` s of speech.

    Without ``size``: with ``MIN_SPEAKER_SECONDS``, and ``MIN_SPEAKER_SHARE`` of the largest.
    """
    seconds = np.bincount(labels, weights=weights)
    least = max(MIN_SPEAKER_SECONDS, MIN_SPEAKER_SHARE * seconds.max()) if size is None else size
    return np.flatnonzero((seconds >= least) & (np.bincount(labels) >= MIN_SPEAKER_WINDOWS))


def _assigned(windows: Sequence[Windows], means: np.ndarray) -> np.ndarray:
    """Speaker of each window (n,) of all segments by the Viterbi path, 0..K-1."""
    return np.concatenate([best_path(x.vectors @ means.T) for x in windows])


def _most_similar(means: np.ndarray) -> tuple[float, int, int]:
    """The largest cosine of two of at least two means (K, D), and the two."""
    cosines = means @ means.T - 2 * np.eye(len(means))
    one, other = np.unravel_index(cosines.argmax(), cosines.shape)
    return float(cosines[one, other]), int(one), int(other)


def best_path(scores: np.ndarray, cost: float = CHANGE_COST) -> np.ndarray:
    """Scores of n windows (n, K) -> speaker of each (n,): the largest sum of scores less ``cost`` for each change."""
    best, came = scores[0], []
    for row in scores[1:]:
        leader = best.argmax()
        came.append(np.where(best >= best[leader] - cost, np.arange(len(best)), leader))
        best = np.maximum(best, best[leader] - cost) + row
    path = [int(best.argmax())]
    for before in came[::-1]:
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])


def _means(vectors: np.ndarray, labels: np.ndarray, kept: Iterable[int]) -> np.ndarray:
    """Mean of the vectors (n, D) of each of K labels, of length 1 (K, D)."""
    return unit(np.stack([vectors[labels == label].mean(0) for label in kept]))
