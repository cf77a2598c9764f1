"""Embed overlapping windows of speech segments, from which a diarisation finds the speakers.

Shapes: N samples at ``RATE``, n windows, D embedding size, m frames.
"""

from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.pitch import pitch_confidence
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.embeddings.encoders import Encoder

WINDOW_SECONDS, HOP_SECONDS = 1.5, 0.5
MIN_CLEAR_CONFIDENCE = 0.8  # of the pitch tracker
FRAME = 320  # samples at RATE, of one level


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


def unit(vectors: np.ndarray) -> np.ndarray:
    """(n, D) -> (n, D), each of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
