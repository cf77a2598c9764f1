"""Where somebody speaks: stretches of speech out of a recording of any length, by Silero's network.

The network's weights come with faster-whisper (MIT). Samples arrive in blocks and leave as segments as soon as a
pause ends them, so that neither an hour of input nor a microphone needs more memory than the longest segment.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from thesis_lib.audio.files import as_samples

RATE = 16_000  # Hz, what the network hears and segments have
LONGEST = 15.0  # s; longer speech is cut at its last short pause: Whisper's window is 30 s, and people wait
SHORTEST = 0.25  # s; what is shorter is a click or a breath
PAUSE = 0.8  # s of silence that end a segment
MARGIN = 0.1  # s kept on each side
LEAD = 1.0  # s of silence that stay in memory: speech may have begun in them
FRAME = 320  # samples at RATE over which a level is taken


@dataclass(frozen=True)
class Segment:
    """A stretch of speech and where it begins in the recording."""

    start: float  # s
    end: float  # s
    wav: np.ndarray  # (N,) at RATE

    @property
    def duration(self) -> float:
        """s"""
        return self.end - self.start


def speech_segments(blocks: Iterable[np.ndarray], sample_rate: int, pause: float = PAUSE) -> Iterator[Segment]:
    """Blocks (n,) of one recording, of any sizes -> its segments, each as soon as a pause (s) has ended it.

    AudioError for a block that is not mono samples. NaN and infinity count as silence.
    """
    resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32", quality="VHQ")
    waiting, passed = np.zeros(0, np.float32), 0  # samples that may still belong to a segment, and those before them
    for block, is_last in _with_last(blocks):
        samples = np.nan_to_num(as_samples(block, "a block"), posinf=0.0, neginf=0.0)
        waiting = np.concatenate([waiting, resampler.resample_chunk(samples, last=is_last)])
        spans = _spans(waiting, pause)
        # Speech that touches the end goes on in the next block.
        ended = [(a, b) for a, b in spans if is_last or b < len(waiting)]
        for start, end in ended:
            yield Segment((passed + start) / RATE, (passed + end) / RATE, waiting[start:end].copy())
        done = ended[-1][1] if ended else 0
        begun = spans[len(ended)][0] if len(spans) > len(ended) else len(waiting)
        kept = max(done, begun - int(LEAD * RATE))
        waiting, passed = waiting[kept:], passed + kept


def _spans(wav: np.ndarray, pause: float) -> list[tuple[int, int]]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    if len(wav) < SHORTEST * RATE:
        return []
    options = VadOptions(
        min_speech_duration_ms=int(1000 * SHORTEST),
        max_speech_duration_s=LONGEST,
        min_silence_duration_ms=int(1000 * pause),
        speech_pad_ms=int(1000 * MARGIN),
    )
    return [(span["start"], span["end"]) for span in get_speech_timestamps(wav, options)]


def _with_last(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Each block, and whether it is the last; at least an empty one."""
    before = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    yield np.zeros(0, np.float32) if before is None else before, True


def signal_to_noise(segments: Iterable[Segment]) -> float:
    """dB by which speech stands above what is left in its own short pauses (the quietest twentieth of frames).

    An estimate from below for speech without pauses. -inf where there is no segment.
    """
    levels = [np.square(s.wav[: len(s.wav) // FRAME * FRAME]).reshape(-1, FRAME).mean(1) for s in segments]
    power = np.concatenate(levels) if levels else np.zeros(0)
    if not len(power) or not power.any():
        return -np.inf
    noise = np.quantile(power, 0.05)
    return float(10 * np.log10(max(power.mean() - noise, 1e-12) / max(noise, 1e-12)))
