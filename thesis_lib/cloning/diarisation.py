"""Find who speaks when: turns of speakers in the speech segments of a recording of any length.

ECAPA-TDNN embeds windows of ``WINDOW_SECONDS``. Their embeddings are clustered by average linkage, clusters with
similar means are merged, and the Viterbi path over each segment assigns its windows to the clusters' means. A turn
changes in the quietest place between two windows of different speakers. No window's samples are kept.

Shapes: n windows, D embedding size, K speakers, m frames.

References: agglomerative clustering of embeddings, Garcia-Romero et al. 2017 (ICASSP, "Speaker diarization using deep
neural network embeddings"); Viterbi resegmentation, Landini et al. 2022, arXiv:2012.14952 (sec. 2), here with one mean
a speaker and a fixed cost of a change. The constants were chosen on conversations of training speakers
(`python -m benchmarks diarisation` reports others).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.pitch import pitch_confidence
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.errors import CloningError
from thesis_lib.embeddings.encoders import Encoder

AUTO = "auto"
MAX_SPEAKERS = 20
WINDOW_SECONDS, HOP_SECONDS = 1.5, 0.5
MAX_CLUSTERED_WINDOWS = 3000  # the linkage's memory grows with the square: 36 MB
MIN_LINKED_COSINE = 0.25  # mean cosine of two clusters of windows, from which they are linked
MIN_MERGED_COSINE = 0.55  # of two clusters' means, above which they are one speaker
MAX_DISTINCT_COSINE = 0.7  # of two speakers' means, above which a given number of speakers is refused
MIN_SPEAKER_SECONDS = 2.0  # of speech; a smaller cluster is a mixture of voices or noise
MIN_GIVEN_SHARE = 0.05  # of the speech, of each of a given number of speakers, where there is such a cut
CHANGE_COST = 0.3  # cosine that a change of the speaker costs
SEARCH_SECONDS = 0.4  # on each side of a change, where the quietest place is searched
MIN_TURN_SECONDS = 0.5
MIN_OVERLAP_SCORE = 0.0  # of ``overlap_scores`` and half of ``Windows.unclear``: finds a third of the overlaps
MIN_CLEAR_CONFIDENCE = 0.8  # of the pitch tracker
MIN_FROM_CHANGE_SECONDS = 0.4  # of a window's centre: nearer windows have two voices one after the other
FRAME = 320  # samples at RATE, of one level
SMOOTHED_FRAMES = 5


@dataclass(frozen=True)
class Turn:
    """Speech of one speaker without a pause; two turns do not overlap."""

    start: float  # s
    end: float  # s
    speaker: str  # "1" speaks first, "2" is the next new voice

    @property
    def duration(self) -> float:
        """s"""
        return self.end - self.start


@dataclass(frozen=True)
class Diarisation:
    """The turns of a recording, in their order, and where two speakers may speak at once."""

    turns: tuple[Turn, ...]
    overlaps: tuple[tuple[float, float], ...] = ()  # start and end in s
    auto_count: int = 1  # number of speakers that ``AUTO`` finds

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in the order of their first turn."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))

    def seconds(self, speaker: str) -> float:
        """Speech of one speaker in s."""
        return sum(turn.duration for turn in self.turns if turn.speaker == speaker)


@dataclass(frozen=True)
class Windows:
    """The windows of one speech segment."""

    start: float  # s, of the segment
    end: float  # s
    starts: np.ndarray  # (n,) s after the segment's start
    seconds: float  # of a window
    vectors: np.ndarray  # (n, D), each of length 1
    levels: np.ndarray  # (m,) mean power of frames of FRAME samples
    unclear: np.ndarray  # (n,) share of loud frames around a window's centre without a clear pitch

    @property
    def weight(self) -> float:
        """Speech in s that one window stands for."""
        return (self.end - self.start) / len(self.starts)


def windows_of(segment: Segment, encoder: Encoder) -> Windows:
    """Embed the windows of a segment; a segment shorter than a window is one window."""
    length, size = len(segment.wav), int(WINDOW_SECONDS * RATE)
    places = [0] if length <= size else [*range(0, length - size, int(HOP_SECONDS * RATE)), length - size]
    wavs = [segment.wav[place : place + size] for place in places]
    together = getattr(encoder, "encode_batch", None)
    vectors = np.stack(together(wavs) if together else [encoder.encode(wav) for wav in wavs])
    levels = np.square(segment.wav[: length // FRAME * FRAME].reshape(-1, FRAME)).mean(1)
    starts, seconds = np.array(places) / RATE, min(size, length) / RATE
    unclear = without_clear_pitch(segment.wav, levels, starts + seconds / 2)
    return Windows(segment.start, segment.end, starts, seconds, unit(vectors), levels, unclear)


def without_clear_pitch(wav: np.ndarray, levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N,), its levels (m,), times in s (n,) -> share of loud frames (n,) around each time without a clear pitch.

    Two voices at once have no common pitch, so that the tracker's confidence falls in vowels too.
    """
    times, confidence = pitch_confidence(wav)
    level = levels[np.minimum((np.asarray(times) * RATE / FRAME).astype(int), len(levels) - 1)]
    is_loud, is_unclear = level > np.median(levels), np.asarray(confidence) < MIN_CLEAR_CONFIDENCE
    near = np.abs(times - centres[:, None]) < HOP_SECONDS
    return (near & is_loud & is_unclear).sum(1) / np.maximum((near & is_loud).sum(1), 1)


def diarise(windows: Sequence[Windows], count: int | None = None, source: object = "audio") -> Diarisation:
    """Windows of all segments of a recording -> its turns; ``count`` is the number of speakers, None: unknown.

    Raises CloningError where ``count`` speakers cannot be told apart, and for more than ``MAX_SPEAKERS``.
    """
    alone = speaker_means(windows)
    means = alone if count is None else speaker_means(windows, count)
    if alone is None or means is None or (count is None and len(means) > MAX_SPEAKERS):
        raise CloningError(_too_many(count, 1 if alone is None else len(alone), source))
    paths = [best_path(x.vectors @ means.T) for x in windows]
    turns = [turn for x, path in zip(windows, paths, strict=True) for turn in _turns(x, path)]
    names = {label: str(number) for number, label in enumerate(dict.fromkeys(who for *_, who in turns), 1)}
    found = tuple(Turn(start, end, names[who]) for start, end, who in turns)
    return Diarisation(found, overlaps(windows, means, found), len(alone))


def _too_many(count: int | None, found: int, source: object) -> str:
    if count is None:
        remedy = "cut the recording into parts, or leave --speakers out"
        return f"{source}: {found} speakers were found, and at most {MAX_SPEAKERS} are allowed: {remedy}"
    return (
        f"{source}: {count} speakers cannot be told apart: each needs {MIN_SPEAKER_SECONDS:g} s of speech and a voice "
        f"of its own; without a number {found} would be found: give --speakers {found} or {AUTO}"
    )


def speaker_means(windows: Sequence[Windows], count: int | None = None) -> np.ndarray | None:
    """Return the mean embedding of each speaker (K, D), each of length 1; None where ``count`` cannot be told apart."""
    vectors = np.concatenate([x.vectors for x in windows])
    weights = np.concatenate([np.full(len(x.starts), x.weight) for x in windows])
    step = -(-len(vectors) // MAX_CLUSTERED_WINDOWS)
    labels = clustered(vectors[::step], step * weights[::step], count)
    if labels is None:
        return None
    means = _means(vectors[::step][labels >= 0], labels[labels >= 0])
    return _merged(windows, vectors, weights, means, count)


def clustered(vectors: np.ndarray, weights: np.ndarray, count: int | None = None) -> np.ndarray | None:
    """Cluster unit vectors (n, D) that stand for ``weights`` s of speech -> labels (n,); -1: of no large cluster.

    A large cluster has ``MIN_SPEAKER_SECONDS``. With ``count`` the tree is cut at the first height with so many
    clusters of ``MIN_GIVEN_SHARE``, else of ``MIN_SPEAKER_SECONDS``; None where there is no such height.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(vectors) < 2:
        return np.zeros(len(vectors), int) if count in (None, 1) else None
    tree = linkage(vectors, "average", metric="cosine")
    heights = [1 - MIN_LINKED_COSINE] if count is None else np.unique(tree[:, 2])[::-1] - 1e-9
    share = MIN_GIVEN_SHARE * weights.sum()
    sizes = (MIN_SPEAKER_SECONDS,) if count is None or share <= MIN_SPEAKER_SECONDS else (share, MIN_SPEAKER_SECONDS)
    for size, height in itertools.product(sizes, heights):
        found = fcluster(tree, height, "distance") - 1
        seconds = np.bincount(found, weights=weights)
        large = np.flatnonzero(seconds >= size)
        if count is None and not len(large):
            large = np.array([seconds.argmax()])
        if count in (None, len(large)):
            number = np.full(len(seconds), -1)
            number[large] = np.arange(len(large))
            return number[found]
    return None


def _merged(
    windows: Sequence[Windows], vectors: np.ndarray, weights: np.ndarray, means: np.ndarray, count: int | None
) -> np.ndarray | None:
    """Assign all windows, and merge or drop speakers until all are distinct; with ``count`` None instead of that."""
    while True:
        labels = np.concatenate([best_path(x.vectors @ means.T) for x in windows])
        seconds = np.bincount(labels, weights=weights, minlength=len(means))
        if count is not None and seconds.min() < MIN_SPEAKER_SECONDS / 2:
            return None
        means, labels = _means(vectors, labels), np.unique(labels, return_inverse=True)[1]
        if len(means) == 1:
            return means
        cosines = means @ means.T - 2 * np.eye(len(means))
        one, other = np.unravel_index(cosines.argmax(), cosines.shape)
        if count is not None:
            return means if cosines[one, other] <= MAX_DISTINCT_COSINE else None
        seconds = np.bincount(labels, weights=weights)
        if cosines[one, other] > MIN_MERGED_COSINE:
            means = _means(vectors, np.where(labels == other, one, labels))
        elif seconds.min() < MIN_SPEAKER_SECONDS:
            means = np.delete(means, seconds.argmin(), 0)
        else:
            return means


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


def _turns(windows: Windows, path: np.ndarray) -> list[tuple[float, float, int]]:
    """(start in s, end in s, speaker) of each turn of a segment, by the speaker of each of its windows."""
    centres = windows.starts + windows.seconds / 2
    bounds, speakers = [windows.start], [int(path[0])]
    for place in np.flatnonzero(np.diff(path)):
        quiet = quietest(windows.levels, (centres[place] + centres[place + 1]) / 2)
        change = round(windows.start + quiet, 3)
        if change - bounds[-1] >= MIN_TURN_SECONDS:
            bounds.append(change)
            speakers.append(int(path[place + 1]))
        elif len(speakers) == 1 or speakers[-2] != path[place + 1]:
            speakers[-1] = int(path[place + 1])
        else:  # a short turn between two of one speaker
            bounds.pop()
            speakers.pop()
    return list(zip(bounds, [*bounds[1:], windows.end], speakers, strict=True))


def quietest(levels: np.ndarray, around: float) -> float:
    """Return the quietest time within ``SEARCH_SECONDS`` of ``around`` (s), by levels (m,); ``around`` beyond them."""
    rate = RATE / FRAME
    first, last = (max(0, round((around + side) * rate)) for side in (-SEARCH_SECONDS, SEARCH_SECONDS))
    smooth = np.convolve(levels, np.ones(SMOOTHED_FRAMES), "same")[first:last]
    return (first + int(smooth.argmin()) + 0.5) / rate if len(smooth) else around


def overlaps(windows: Sequence[Windows], means: np.ndarray, turns: Sequence[Turn]) -> tuple[tuple[float, float], ...]:
    """Where two speakers may speak at once (start and end in s): windows between two means, away from a change."""
    changes = np.array([b.start for a, b in itertools.pairwise(turns) if a.speaker != b.speaker])
    found: list[tuple[float, float]] = []
    for x in windows:
        centres = x.start + x.starts + x.seconds / 2
        distances = np.abs(centres[:, None] - changes).min(1, initial=np.inf)
        is_mixed = overlap_scores(x.vectors, means) + 0.5 * x.unclear > MIN_OVERLAP_SCORE
        for centre in centres[is_mixed & (distances >= MIN_FROM_CHANGE_SECONDS)]:
            start, end = max(x.start, centre - HOP_SECONDS), min(x.end, centre + HOP_SECONDS)
            if found and start <= found[-1][1]:
                start = found.pop()[0]
            found.append((float(start), float(end)))
    return tuple(found)


def overlap_scores(vectors: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Unit vectors (n, D), speakers' means (K, D) -> (n,): share of the second speaker less length of the projection.

    Both are of the projection to the two nearest means: a mixture of two voices has a large share of the second and
    is far from all means. -inf for one speaker.
    """
    if len(means) < 2:
        return np.full(len(vectors), -np.inf)
    scores = vectors @ means.T
    nearest = np.argsort(-scores, 1)[:, :2]
    (first, second), (one, two) = np.take_along_axis(scores, nearest, 1).T, means[nearest].transpose(1, 0, 2)
    cosine = (one * two).sum(1)
    parts = np.stack([first - cosine * second, second - cosine * first]) / np.maximum(1 - cosine**2, 1e-9)
    share = np.maximum(parts[1], 0) / np.maximum(parts.sum(0), 1e-9)
    return share - np.sqrt(np.maximum(parts[0] * first + parts[1] * second, 0))


def _means(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return unit(np.stack([vectors[labels == label].mean(0) for label in np.unique(labels)]))


def unit(vectors: np.ndarray) -> np.ndarray:
    """(n, D) -> (n, D), each of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
