"""Background of a recording: what is not speech, by spectral masking under voice activity.

Pauses are kept as they are. In speech, each frame is replaced by noise with the mean spectrum of the pauses before it.
So steady sounds (hum, traffic, rain, the room) continue under speech. Music, and single sounds during speech, are not
recovered: that needs a network that separates sources.

Shapes: n samples of a block; F frames of W samples, B = W / 2 + 1 bands.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from thesis_lib.audio.log_mel import hann_window
from thesis_lib.audio.voice_activity import speech_segments

Spans = Sequence[tuple[float, float]]  # start and end of speech in s, in order

WINDOW_S = 0.046  # of a frame
OVERLAP = 4  # frames over one sample
MEMORY_S = 2.0  # time constant of the mean spectrum of the pauses
SPEECH_PAUSE_S = 0.3  # a shorter pause counts as speech
SEED = 0  # of the phases


def speech_spans(blocks: Iterable[np.ndarray], sample_rate: int) -> list[tuple[float, float]]:
    """Blocks (n,) of one recording -> start and end of speech in s, by the voice activity detector."""
    return [(found.start, found.end) for found in speech_segments(blocks, sample_rate, pause=SPEECH_PAUSE_S)]


def without_speech(read: Callable[[], Iterable[np.ndarray]], sample_rate: int, spans: Spans) -> Iterator[np.ndarray]:
    """Yield the recording with noise in the place of speech, in blocks (n,) float32; as long as the recording.

    ``read`` returns the blocks (n,) of the recording, of any sizes. It is called twice: the first time gives the mean
    spectrum of all pauses, for speech at the beginning. Without a pause the background is silence.
    """
    hop = round(WINDOW_S * sample_rate / OVERLAP)
    size, samples = OVERLAP * hop, 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples
        for block in read():
            samples += len(block)
            yield block

    window = np.sqrt(hann_window(size))
    power, pauses = np.zeros(size // 2 + 1), 0
    for number, frames in _framed(counted(), size, hop):
        quiet = frames[~_overlap_speech(number, len(frames), size, hop, sample_rate, spans)]
        power, pauses = power + _power(quiet * window).sum(0), pauses + len(quiet)
    power /= max(pauses, 1)
    yield from _cropped(_masked(read(), window, hop, sample_rate, spans, power), size - hop, samples)


def _masked(
    blocks: Iterable[np.ndarray], window: np.ndarray, hop: int, sample_rate: int, spans: Spans, power: np.ndarray
) -> Iterator[np.ndarray]:
    """The frames with noise in the place of speech, added again; ``power`` (B,) is the spectrum at the beginning."""
    size, phases, kept = len(window), np.random.default_rng(SEED), np.exp(-hop / (MEMORY_S * sample_rate))
    tail = np.zeros(size)  # what the frames so far add to the next samples
    for number, frames in _framed(blocks, size, hop):
        output = np.concatenate([tail, np.zeros(len(frames) * hop)])
        for i, is_speech in enumerate(_overlap_speech(number, len(frames), size, hop, sample_rate, spans)):
            frame = frames[i] * window
            if is_speech:
                turned = np.exp(1j * phases.uniform(-np.pi, np.pi, len(power)))
                # Frames of independent phases add in power, not in amplitude.
                frame = np.fft.irfft(np.sqrt(OVERLAP * power) * turned, size)
            else:
                power = kept * power + (1 - kept) * _power(frame)
            output[i * hop : i * hop + size] += frame * window * (2 / OVERLAP)
        yield output[: len(frames) * hop].astype(np.float32)
        tail = output[len(frames) * hop :]


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
