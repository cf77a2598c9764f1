"""Voice activity detection: segments of speech in a recording of any length, by Silero's network.

The network's weights come with faster-whisper (MIT). Samples are processed in blocks, and each segment is
returned as soon as a pause ends it, so that long recordings and live input need memory for the longest segment only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from thesis_lib.audio.files import AudioError, as_samples

RATE = 16_000  # Hz, of the network's input and of segments
MAX_SEGMENT_S = 15.0  # longer speech is cut at its last short pause: Whisper's window is 30 s, and it limits latency
MIN_SEGMENT_S = 0.25  # anything shorter is a click or a breath
PAUSE_S = 0.8  # silence that ends a segment
EXPECTED_SHARE = 0.25  # of that silence, after which the end of a segment is expected
MARGIN_S = 0.1  # kept on each side
KEPT_SILENCE_S = 1.0  # that stays in memory: speech may have begun in it
MAX_CUT_S = 60.0  # of a segment with given times
MAIN_SPEAKER = "1"  # label where speakers are not told apart
POWER_FRAME = 320  # samples at RATE over which a power is averaged
PROBABILITY_FRAME = 512  # samples at RATE of one probability of speech
END_FRAMES = 32  # about a second, in which speech at the end of the samples is detected
# Of a frame that counts as speech. A segment begins at 0.5, Silero's default; quiet sounds within one stay below that.
MIN_SPEECH_PROBABILITY = 0.3


@dataclass(frozen=True)
class Segment:
    """A segment of speech, its place in the recording and its speaker."""

    start: float  # s
    end: float  # s
    wav: np.ndarray  # (N,) at RATE
    speaker: str = MAIN_SPEAKER

    @property
    def duration(self) -> float:
        """Duration, in s."""
        return self.end - self.start


def speech_segments(
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    pause: float = PAUSE_S,
    expect: Callable[[Segment], None] | None = None,
) -> Iterator[Segment]:
    """Blocks (n,) of one recording, of any sizes -> its segments, each as soon as a ``pause`` (s) has ended it.

    ``expect`` is called after ``EXPECTED_SHARE`` of the pause, with the segment that is returned if the pause goes on,
    normally with the same times and samples. If the speaker goes on instead, that segment is not returned.
    AudioError for a block that is not mono samples. NaN and infinity count as silence.
    """
    resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32", quality="VHQ")
    waiting = np.zeros(0, np.float32)  # samples that may belong to a segment
    passed = 0  # number of samples before them
    expected: tuple[int, int] | None = None  # first and last sample of the segment that ``expect`` was called with
    for block, is_last in _with_last(blocks):
        samples = np.nan_to_num(as_samples(block, "a block"), posinf=0.0, neginf=0.0)
        waiting = np.concatenate([waiting, resampler.resample_chunk(samples, last=is_last)])
        spans = _spans(waiting, pause)
        # Speech that touches the end may continue in the next block.
        ended = [(a, b) for a, b in spans if is_last or b < len(waiting)]
        if expect and not ended and (found := _expected_span(waiting, spans, pause)):
            place = passed + found[0], passed + found[1]
            if place != expected:
                expected = place
                expect(_segment(waiting, passed, *found))
        for start, end in ended:
            yield _segment(waiting, passed, start, end)
        done = ended[-1][1] if ended else 0
        begun = spans[len(ended)][0] if len(spans) > len(ended) else len(waiting)
        kept = max(done, begun - int(KEPT_SILENCE_S * RATE))
        waiting, passed = waiting[kept:], passed + kept


def _segment(waiting: np.ndarray, passed: int, start: int, end: int) -> Segment:
    return Segment((passed + start) / RATE, (passed + end) / RATE, waiting[start:end].copy())


def _expected_span(waiting: np.ndarray, spans: Sequence[tuple[int, int]], pause: float) -> tuple[int, int] | None:
    """The last span, up to the pause at the end of the samples; None unless that has lasted ``EXPECTED_SHARE``."""
    end = waiting[-END_FRAMES * PROBABILITY_FRAME :]
    quiet_frames = int(EXPECTED_SHARE * pause * RATE) // PROBABILITY_FRAME
    if not spans or spans[-1][1] < len(waiting) or speech_frames(end)[-quiet_frames:].any():
        return None
    ended = _spans(waiting, EXPECTED_SHARE * pause)
    return (spans[-1][0], ended[-1][1]) if ended and ended[-1][1] < len(waiting) else None


def segments_at(
    blocks: Iterable[np.ndarray], sample_rate: int, spans: Sequence[tuple[float, float]]
) -> Iterator[Segment]:
    """Blocks (n,) of one recording -> the segments at the given times (s), which must not overlap, in their order.

    A segment is cut from the same samples as by ``speech_segments``. No block is read after the last span. Of a longer
    span the first ``MAX_CUT_S`` are cut, and of one after the end of the recording nothing.
    """
    resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32", quality="VHQ")
    pairs, waiting, passed = _with_last(blocks), np.zeros(0, np.float32), 0
    is_last = False
    for start, end in spans:
        first, last = round(start * RATE), round(min(end, start + MAX_CUT_S) * RATE)
        while passed + len(waiting) < last and not is_last:
            waiting, passed = waiting[max(0, first - passed) :], passed + min(max(0, first - passed), len(waiting))
            block, is_last = next(pairs)
            samples = np.nan_to_num(as_samples(block, "a block"), posinf=0.0, neginf=0.0)
            waiting = np.concatenate([waiting, resampler.resample_chunk(samples, last=is_last)])
        yield Segment(start, end, waiting[max(0, first - passed) : max(0, last - passed)].copy())


def _spans(wav: np.ndarray, pause: float) -> list[tuple[int, int]]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    if len(wav) < MIN_SEGMENT_S * RATE:
        return []
    options = VadOptions(
        min_speech_duration_ms=int(1000 * MIN_SEGMENT_S),
        max_speech_duration_s=MAX_SEGMENT_S,
        min_silence_duration_ms=int(1000 * pause),
        speech_pad_ms=int(1000 * MARGIN_S),
    )
    return [(span["start"], span["end"]) for span in get_speech_timestamps(wav, options)]


def check_has_speech(segments: Sequence[object], source: object) -> None:
    """Raise AudioError if there is no segment."""
    if not segments:
        raise AudioError(
            "no speech", source, "no voice was detected: name a recording that is not only music or noise, or is louder"
        )


def speech_frames(wav: np.ndarray) -> np.ndarray:
    """(N,) at RATE -> (F,) whether the network takes each frame of ``PROBABILITY_FRAME`` samples for speech."""
    from faster_whisper.vad import get_vad_model

    padded = np.pad(np.asarray(wav, np.float32), (0, -len(wav) % PROBABILITY_FRAME))
    return get_vad_model()(padded).reshape(-1) > MIN_SPEECH_PROBABILITY if len(padded) else np.zeros(0, bool)


def speech_seconds(wav: np.ndarray) -> float:
    """Duration (s) of the speech in (N,) at RATE, without pauses: the frames that Silero's network takes for speech.

    Unlike the frames above a level relative to the loudest, this hardly depends on how much the loudness varies.
    """
    return float(speech_frames(wav).sum() * PROBABILITY_FRAME / RATE)


def _with_last(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Pair each block with whether it is the last; an empty last block where there is none."""
    before = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    yield np.zeros(0, np.float32) if before is None else before, True


def signal_to_noise(segments: Iterable[Segment]) -> float:
    """Signal-to-noise ratio in dB: mean power of speech over the power of its quietest twentieth of frames.

    An underestimate for speech without pauses. -inf where there is no segment.
    """
    frames = [s.wav[: len(s.wav) // POWER_FRAME * POWER_FRAME].reshape(-1, POWER_FRAME) for s in segments]
    levels = [np.square(rows).mean(1) for rows in frames]
    power = np.concatenate(levels) if levels else np.zeros(0)
    if not len(power) or not power.any():
        return -np.inf
    noise = np.quantile(power, 0.05)
    return float(10 * np.log10(max(power.mean() - noise, 1e-12) / max(noise, 1e-12)))
