"""Fundamental frequency, by SwiftF0 (arXiv:2508.18440): a small network whose weights are in its package.

Shapes: N samples, T frames of the project's mel.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.files import resample
from thesis_lib.config import AudioConfig
from thesis_lib.utils.errors import ThesisError

RATE = 16_000  # Hz, what the tracker hears
LOWEST, HIGHEST = 55.0, 600.0  # Hz, of speech
VOICED = 0.5  # the tracker's own threshold of its confidence
NARROWEST = 0.01  # spread of ln F0 (a sixth of a semitone) below which widening would only magnify noise
# Of ln F0 as a content has it; part of the weights' meaning, in single precision, which is all an ONNX file keeps.
PITCH_CENTRE, PITCH_SCALE = float(np.float32(math.log(150.0))), float(np.float32(0.35))
PITCH_CHANNEL = -2  # of a content from which the voice has been taken
FEWEST = 5  # voiced frames below which a recording has no pitch to speak of


class PitchError(ThesisError):
    """A recording without voiced speech."""


@dataclass(frozen=True)
class PitchRange:
    """Where a voice speaks: median and standard deviation of log-F0 (F0 in Hz, natural log) over voiced frames."""

    level: float
    spread: float


@dataclass(frozen=True)
class Pitch:
    """A contour on the mel's frames. ``log_f0`` runs on through unvoiced frames by interpolation."""

    log_f0: np.ndarray  # (T,) natural log of Hz
    voicing: np.ndarray  # (T,) the tracker's confidence, 0..1

    @property
    def is_voiced(self) -> bool:
        """Whether enough frames are voiced to speak of a range."""
        return int((self.voicing >= VOICED).sum()) >= FEWEST

    @property
    def level(self) -> float | None:
        """The range's level; None when hardly a frame is voiced."""
        return self.range.level if self.is_voiced else None

    @property
    def range(self) -> PitchRange:
        """PitchError when hardly a frame is voiced."""
        voiced = self.log_f0[self.voicing >= VOICED]
        if not self.is_voiced:
            raise PitchError(f"only {len(voiced)} voiced frames: no pitch can be measured")
        return PitchRange(float(np.median(voiced)), float(voiced.std()))

    def moved(self, level: float | None = None, spread: float | None = None) -> "Pitch":
        """The contour at another level, and as wide as another spread; None keeps it, and so does no voicing."""
        if not self.is_voiced:
            return self
        own = self.range
        scale = 1.0 if spread is None else spread / max(own.spread, NARROWEST)
        moved = (own.level if level is None else level) + scale * (self.log_f0 - own.level)
        return Pitch(np.clip(moved, np.log(LOWEST), np.log(HIGHEST)).astype(np.float32), self.voicing)


def track(wav: np.ndarray, audio: AudioConfig) -> Pitch:
    """(N,) at ``audio.sample_rate`` -> the contour at the centres of its T = N // hop_length mel frames."""
    found = _tracker().detect(resample(wav, audio.sample_rate, RATE), RATE, fmin=LOWEST, fmax=HIGHEST)
    centres = (np.arange(len(wav) // audio.hop_length) + 0.5) * audio.hop_length / audio.sample_rate
    voiced = found.confidence >= VOICED
    if not voiced.any():
        flat = np.full(len(centres), np.log(LOWEST), np.float32)
        return Pitch(flat, np.zeros(len(centres), np.float32))
    log_f0 = np.interp(centres, found.timestamps[voiced], np.log(found.pitch_hz[voiced]))
    voicing = np.interp(centres, found.timestamps, found.confidence)
    return Pitch(log_f0.astype(np.float32), voicing.astype(np.float32))


@functools.cache
def _tracker():
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)
