"""Fundamental frequency (F0) by SwiftF0 (arXiv:2508.18440), a small network; its weights are in its package.

Shapes: N samples, T frames of the project's mel.
"""

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import resample
from thesis_lib.config import AudioConfig
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.onnx_graph import freeing_session

RATE = 16_000  # Hz, of the tracker's input
MIN_F0_HZ, MAX_F0_HZ = 55.0, 600.0  # of speech
MIN_VOICED_CONFIDENCE = 0.5  # the tracker's own threshold
MIN_LOG_F0_STD = 0.01  # a sixth of a semitone; scaling up a smaller one would amplify noise
# Centre and scale of the content's log-F0; trained weights depend on them. float32, the precision of an ONNX file.
PITCH_CENTRE, PITCH_SCALE = float(np.float32(math.log(150.0))), float(np.float32(0.35))
PITCH_CHANNEL = -2  # of content features other than the mel
MIN_VOICED_FRAMES = 5  # for F0 statistics
MOVEMENT_COSINES = 3  # of a phrase: half a period, a whole one, and one and a half
MOVEMENT_PENALTY = 1e-3  # of the squared coefficients, for each voiced frame: a short phrase has no unique solution


class PitchError(ThesisError):
    """A recording with too few voiced frames to measure F0."""


@dataclass(frozen=True)
class PitchRange:
    """F0 statistics over voiced frames (natural log of F0 in Hz)."""

    log_f0_median: float
    log_f0_std: float  # standard deviation


@dataclass(frozen=True)
class Movement:
    """The slow movement of log-F0 in a phrase: sum over k of a_k cos(pi k x), k = 1..K.

    x is the time, 0 at the first voiced frame of the phrase and 1 at the last.
    """

    coefficients: tuple[float, ...]  # a_1 to a_K, natural log
    share: float = 1.0  # how far it replaces a contour's own movement: 0 not at all, 1 wholly, 2 twice the difference

    def scaled(self, factor: float) -> "Movement":
        """The movement with ``factor`` times the share."""
        return replace(self, share=factor * self.share)

    def part(self, start: float, end: float) -> "Movement":
        """The movement in a part of the phrase, from x = ``start`` to ``end``, with cosines of about the same periods.

        The whole phrase, 0 to 1, gives the movement itself.
        """
        count = math.ceil(len(self.coefficients) * (end - start))
        x = np.linspace(0, 1, 100)
        contour = _cosines(start + (end - start) * x, len(self.coefficients)) @ np.array(self.coefficients)
        return replace(self, coefficients=_movement(x, contour, count, penalty=0.0))


@dataclass(frozen=True)
class Pitch:
    """An F0 contour on the frames of the mel. ``log_f0`` is interpolated through unvoiced frames."""

    log_f0: np.ndarray  # (T,) natural log of Hz
    voicing: np.ndarray  # (T,) the tracker's confidence, 0..1

    @property
    def voiced(self) -> np.ndarray:
        """Which frames are voiced: (T,) of bool."""
        return self.voicing >= MIN_VOICED_CONFIDENCE

    @property
    def is_voiced(self) -> bool:
        """Whether at least ``MIN_VOICED_FRAMES`` frames are voiced."""
        return int(self.voiced.sum()) >= MIN_VOICED_FRAMES

    @property
    def log_f0_median(self) -> float | None:
        """The log-F0 median; None with too few voiced frames."""
        return self.range.log_f0_median if self.is_voiced else None

    @property
    def range(self) -> PitchRange:
        """The F0 statistics of the voiced frames. PitchError with fewer than ``MIN_VOICED_FRAMES``."""
        voiced = self._voiced_log_f0()
        return PitchRange(float(np.median(voiced)), float(voiced.std()))

    def movement(self, cosines: int = MOVEMENT_COSINES) -> Movement:
        """The slow movement, by ridge regression over the voiced frames. PitchError as ``range``."""
        voiced = self._voiced_log_f0()
        return Movement(_movement(self._phrase_time[self.voiced], voiced, cosines))

    def _voiced_log_f0(self) -> np.ndarray:
        voiced = self.log_f0[self.voiced]
        if not self.is_voiced:
            raise PitchError(
                f"only {len(voiced)} voiced frames, {MIN_VOICED_FRAMES} are needed to measure F0: use more speech"
            )
        return voiced

    @property
    def _phrase_time(self) -> np.ndarray:
        """(T,): 0 at the first voiced frame and before it, 1 at the last and after it."""
        first, last = np.flatnonzero(self.voiced)[[0, -1]]
        return np.clip((np.arange(len(self.log_f0)) - first) / (last - first), 0, 1)

    def moved(
        self,
        log_f0_median: float | None = None,
        log_f0_std: float | None = None,
        movement: Movement | None = None,
    ) -> "Pitch":
        """The contour with another movement, and then with another log-F0 median and standard deviation.

        None keeps the contour's own. A contour with too few voiced frames is returned unchanged.
        """
        if not self.is_voiced:
            return self
        if movement is not None and movement.coefficients:
            cosines = len(movement.coefficients)
            change = movement.share * np.subtract(movement.coefficients, self.movement(cosines).coefficients)
            log_f0 = self.log_f0 + _cosines(self._phrase_time, cosines) @ change
            return Pitch(log_f0.astype(np.float32), self.voicing).moved(log_f0_median, log_f0_std)
        own = self.range
        scale = 1.0 if log_f0_std is None else log_f0_std / max(own.log_f0_std, MIN_LOG_F0_STD)
        median = own.log_f0_median if log_f0_median is None else log_f0_median
        moved = median + scale * (self.log_f0 - own.log_f0_median)
        return Pitch(np.clip(moved, np.log(MIN_F0_HZ), np.log(MAX_F0_HZ)).astype(np.float32), self.voicing)


def _cosines(x: np.ndarray, count: int) -> np.ndarray:
    """(T,) -> (T, count): cos(pi k x), k = 1..count."""
    return np.cos(np.pi * np.outer(x, np.arange(1, count + 1)))


def _movement(x: np.ndarray, log_f0: np.ndarray, count: int, penalty: float = MOVEMENT_PENALTY) -> tuple[float, ...]:
    """Coefficients of ``count`` cosines that fit log-F0 (T,) at times (T,) best, beside a constant."""
    cosines = _cosines(x, count)
    centred = cosines - cosines.mean(0)
    gram = centred.T @ centred + penalty * len(x) * np.eye(count)
    return tuple(np.linalg.solve(gram, centred.T @ (log_f0 - log_f0.mean())).tolist())


def track(wav: np.ndarray, audio: AudioConfig) -> Pitch:
    """Track F0: (N,) at ``audio.sample_rate`` -> the contour at the centres of T = N // hop_length mel frames."""
    found = _tracker().detect(resample(wav, audio.sample_rate, RATE), RATE, fmin=MIN_F0_HZ, fmax=MAX_F0_HZ)
    centres = (np.arange(len(wav) // audio.hop_length) + 0.5) * audio.hop_length / audio.sample_rate
    voiced = found.confidence >= MIN_VOICED_CONFIDENCE
    if not voiced.any():
        flat = np.full(len(centres), np.log(MIN_F0_HZ), np.float32)
        return Pitch(flat, np.zeros(len(centres), np.float32))
    log_f0 = np.interp(centres, found.timestamps[voiced], np.log(found.pitch_hz[voiced]))
    voicing = np.interp(centres, found.timestamps, found.confidence)
    return Pitch(log_f0.astype(np.float32), voicing.astype(np.float32))


def pitch_confidence(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) at RATE -> times in s (T,) and the tracker's confidence (T,), 0..1."""
    found = _tracker().detect(wav, RATE, fmin=MIN_F0_HZ, fmax=MAX_F0_HZ)
    return found.timestamps, found.confidence


@functools.cache
def _tracker():
    import swift_f0

    tracker = swift_f0.SwiftF0(threads=1, spin=False)
    tracker.session = freeing_session(Path(swift_f0.__file__).with_name("model.onnx"), threads=1)  # of the same file
    return tracker
