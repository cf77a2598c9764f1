"""Find who speaks when: turns of speakers in the speech segments of a recording of any length.

ECAPA-TDNN embeds windows of ``WINDOW_SECONDS``. Their embeddings are clustered by average linkage, clusters with
similar means are merged, and the Viterbi path over each segment assigns its windows to the clusters' means. A turn
changes in the quietest place between two windows of different speakers. No window's samples are kept.

Shapes: n windows, D embedding size, K speakers, m frames.

The constants here, in ``speaker_windows`` and in ``speaker_clusters`` were chosen on conversations of training
speakers (`python -m benchmarks diarisation` reports others).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.voice_activity import RATE, check_has_speech
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.speaker_clusters import IndistinctError, best_path, found_means, given_means
from thesis_lib.cloning.speaker_windows import FRAME, HOP_SECONDS, Windows

AUTO = "auto"
MAX_SPEAKERS = 20
SEARCH_SECONDS = 0.4  # on each side of a change, where the quietest place is searched
MIN_TURN_SECONDS = 0.5
# Sum of ``overlap_scores`` and half of ``Windows.unclear``. Many overlaps are below it: the benchmark counts them.
MIN_OVERLAP_SCORE = 0.0
MIN_FROM_CHANGE_SECONDS = 0.4  # of a window's centre: nearer windows have two voices one after the other
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
    cosines: tuple[tuple[float, ...], ...] = ()  # of each two speakers' mean embeddings, in their order

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in the order of their first turn."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))

    def nearest(self, speaker: str, others: Sequence[str]) -> str:
        """Return the speaker of ``others`` with the most similar mean embedding."""
        row, order = self.cosines[self.speakers.index(speaker)], self.speakers
        return max(others, key=lambda other: row[order.index(other)])

    def seconds(self, speaker: str) -> float:
        """Speech of one speaker in s."""
        return sum(turn.duration for turn in self.turns if turn.speaker == speaker)


def diarise(windows: Sequence[Windows], count: int | None = None, source: object = "audio") -> Diarisation:
    """Windows of all segments of a recording -> its turns; ``count`` is the number of speakers, None: unknown.

    Raises AudioError where there is no window, CloningError where ``count`` speakers cannot be told apart, and for
    more than ``MAX_SPEAKERS``.
    """
    check_has_speech(windows, source)
    alone, turns = _spoken(windows, found_means(windows))
    means = alone
    if count is not None:
        means, turns = _given(windows, count, len(alone), source)
    elif len(means) > MAX_SPEAKERS:
        raise CloningError(
            f"{source}: {len(means)} speakers were found, and at most {MAX_SPEAKERS} are allowed: "
            "cut the recording into parts, or leave --speakers out"
        )
    order = list(dict.fromkeys(who for *_, who in turns))
    names = {label: str(number) for number, label in enumerate(order, 1)}
    found = tuple(Turn(start, end, names[who]) for start, end, who in turns)
    cosines = tuple(map(tuple, (means[order] @ means[order].T).tolist()))
    return Diarisation(found, overlaps(windows, means, found), len(alone), cosines)


def _given(windows: Sequence[Windows], count: int, alone: int, source: object) -> tuple[np.ndarray, list]:
    """Means and turns of ``count`` speakers. CloningError with the reason where they cannot be told apart."""
    reason = ""
    try:
        for candidate in given_means(windows, count):
            means, turns = _spoken(windows, candidate)
            if len(means) == count:
                return means, turns
            reason = f"one of them would have no turn of {MIN_TURN_SECONDS:g} s"
    except IndistinctError as error:
        reason = reason or str(error)
    remedy = f"give --speakers {alone} or {AUTO}" if alone <= MAX_SPEAKERS else "cut the recording into parts"
    raise CloningError(
        f"{source}: {count} speakers cannot be told apart: {reason}; without a number {alone} would be found: {remedy}"
    )


def _spoken(windows: Sequence[Windows], means: np.ndarray) -> tuple[np.ndarray, list[tuple[float, float, int]]]:
    """Means (K, D) of the speakers that have a turn, and (start in s, end in s, speaker) of each turn."""
    while True:
        paths = [best_path(x.vectors @ means.T) for x in windows]
        turns = [turn for x, path in zip(windows, paths, strict=True) for turn in _turns(x, path)]
        speaking = sorted({who for *_, who in turns})
        if len(speaking) == len(means):
            return means, turns
        means = means[speaking]


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
