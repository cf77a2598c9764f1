"""Background of a recording: replace its speech by noise that sounds like its pauses.

A voice activity detector finds the speech. Pauses are kept as they are. In speech, each frame is replaced by noise of
random phase, with the power spectrum of the last pauses. So a steady sound (hum, traffic, rain, the room) continues
under the speech. Music, and a single sound during the speech, are lost; only a network that separates sources could
keep them.

The power spectrum is the median of means (Lugosi & Mendelson 2019, arXiv:1906.04280, sec. 2.1): the mean of each
group of frames, then the median over the groups, in each band. So a slam of a door in a pause, which is in less than
half of the groups, raises it by a few dB at most. A mean has no such limit, and the median of single frames is 1.6 dB
below the mean for noise but not for hum (Stahl et al. 2000, "Quantile based noise estimation", use it for noise). Few
frames make small groups, so that a slam in a short pause is in less than half of them too. Where the only pause is
0.5 s, a slam of 0.15 s raises the level by 3.4 dB, and rain without a slam becomes 1.4 dB too quiet
(``tests/audio/test_background.py``). A sound with a changing level, such as music, becomes noise that is some dB too
quiet.

Shapes: n samples of a block; F frames of W samples, B = W / 2 + 1 bands.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from thesis_lib.audio.log_mel import hann_window
from thesis_lib.audio.voice_activity import speech_segments

Spans = Sequence[tuple[float, float]]  # start and end of speech in s, in order

WINDOW_S = 0.046  # of a frame
FRAMES_PER_SAMPLE = 4  # overlapping
PAUSE_HISTORY_S = 4.0  # of the last pauses, from which the spectrum is computed
MAX_GROUP_FRAMES = 16  # of which a mean is taken
MIN_GROUPS = 20  # of which the median is taken, where there are as many frames
SPEECH_PAUSE_S = 0.3  # a shorter pause counts as speech
SEED = 0  # of the phases


def speech_spans(blocks: Iterable[np.ndarray], sample_rate: int) -> list[tuple[float, float]]:
    """Blocks (n,) of one recording -> start and end of speech in s, by the voice activity detector."""
    return [(found.start, found.end) for found in speech_segments(blocks, sample_rate, pause=SPEECH_PAUSE_S)]


def without_speech(read: Callable[[], Iterable[np.ndarray]], sample_rate: int, spans: Spans) -> Iterator[np.ndarray]:
    """Yield the recording with noise in the place of speech, in blocks (n,) float32; as long as the recording.

    ``read`` returns the blocks (n,) of the recording, of any sizes. It is called twice: the first time gives the
    spectrum of the first ``PAUSE_HISTORY_S`` of pauses, for speech before them. Without a pause the background is
    silence.
    """
    hop = round(WINDOW_S * sample_rate / FRAMES_PER_SAMPLE)
    size, samples = FRAMES_PER_SAMPLE * hop, 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples
        for block in read():
            samples += len(block)
            yield block

    window = np.sqrt(hann_window(size))
    pauses: deque[np.ndarray] = deque(maxlen=round(PAUSE_HISTORY_S * sample_rate / hop))
    for number, frames in _framed(counted(), size, hop):
        quiet = frames[~_overlap_speech(number, len(frames), size, hop, sample_rate, spans)]
        pauses.extend(_power(quiet[: cast(int, pauses.maxlen) - len(pauses)] * window))
    yield from _cropped(_masked(read(), window, hop, sample_rate, spans, pauses), size - hop, samples)


def _masked(
    blocks: Iterable[np.ndarray],
    window: np.ndarray,
    hop: int,
    sample_rate: int,
    spans: Spans,
    pauses: deque[np.ndarray],
) -> Iterator[np.ndarray]:
    """The frames with noise in the place of speech, added again; ``pauses`` are the spectra (B,) at the beginning."""
    size, phases, power = len(window), np.random.default_rng(SEED), None
    known = len(pauses)  # of the first frames, which are read again: each counts once
    tail = np.zeros(size)  # what the frames so far add to the next samples
    for number, frames in _framed(blocks, size, hop):
        output = np.concatenate([tail, np.zeros(len(frames) * hop)])
        for i, is_speech in enumerate(_overlap_speech(number, len(frames), size, hop, sample_rate, spans)):
            frame = frames[i] * window
            if is_speech:
                power = median_of_means(pauses, size // 2 + 1) if power is None else power
                turned = np.exp(1j * phases.uniform(-np.pi, np.pi, len(power)))
                # Frames of independent phases add in power, not in amplitude.
                frame = np.fft.irfft(np.sqrt(FRAMES_PER_SAMPLE * power) * turned, size)
            else:
                power = None  # computed where the next speech begins
                if known:
                    pauses.popleft()
                    known -= 1
                pauses.append(_power(frame))
            output[i * hop : i * hop + size] += frame * window * (2 / FRAMES_PER_SAMPLE)
        yield output[: len(frames) * hop].astype(np.float32)
        tail = output[len(frames) * hop :]


def median_of_means(spectra: Collection[np.ndarray], bands: int) -> np.ndarray:
    """Spectra (B,) of frames in their order -> (B,): the median over the means of groups; zeros without a frame."""
    if not spectra:
        return np.zeros(bands)
    size = min(MAX_GROUP_FRAMES, max(1, len(spectra) // MIN_GROUPS))
    groups = np.array_split(np.array(spectra), -(-len(spectra) // size))
    return np.median([group.mean(0) for group in groups], axis=0)


def _framed(blocks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks -> the number of the first frame and frames (F, W); zeros before and after give each sample all frames."""
    waiting, number = np.zeros(size - hop), 0
    for block in chain(blocks, [np.zeros(size)]):
        waiting = np.concatenate([waiting, block])
        count = max(0, (len(waiting) - size) // hop + 1)
        if count:
            yield number, sliding_window_view(waiting, size)[: count * hop : hop]
            waiting, number = waiting[count * hop :], number + count


def _overlap_speech(number: int, count: int, size: int, hop: int, sample_rate: int, spans: Spans) -> np.ndarray:
    """(F,) whether each of ``count`` frames from the ``number``th on overlaps a span."""
    ends = (np.arange(number, number + count) + 1) * hop / sample_rate
    if not spans:
        return np.zeros(count, bool)
    begins, stops = np.array(spans).T
    following = np.searchsorted(
        stops, ends - size / sample_rate, "right"
    )  # first span that ends after the frame begins
    return np.append(begins, np.inf)[following] < ends


def _power(frames: np.ndarray) -> np.ndarray:
    """(..., W) -> (..., B)."""
    return np.square(np.abs(np.fft.rfft(frames)))


def _cropped(blocks: Iterable[np.ndarray], first: int, count: int) -> Iterator[np.ndarray]:
    """``count`` samples of the blocks from the ``first`` on."""
    for block in blocks:
        kept = block[first : first + count]
        first, count = max(0, first - len(block)), count - len(kept)
        if len(kept):
            yield kept
