"""Loudness normalisation and a limiter.

Shapes: N samples.
"""

import functools

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

MAX_PEAK = 10 ** (-1 / 20)  # -1 dB relative to full scale
LOOKAHEAD_S = 0.005  # over which the limiter's gain changes
MIN_DURATION_S = 0.4  # the length of BS.1770's blocks
MAX_BELOW_USUAL_DB = 15.0  # of speech in a recording; what is quieter is a pause
MAX_GAIN_DB = 30.0  # a signal that needs more is hardly speech


def loudness(wav: np.ndarray, sample_rate: int) -> float | None:
    """Integrated loudness of (N,) in LUFS (ITU-R BS.1770-4, pyloudnorm); None when too short or too quiet."""
    if len(wav) < MIN_DURATION_S * sample_rate:
        return None
    value = float(_meter(sample_rate).integrated_loudness(np.asarray(wav, np.float64)))
    return value if np.isfinite(value) else None


def as_loud_as(
    wav: np.ndarray, reference: np.ndarray, sample_rate: int, reference_rate: int, usual: float | None = None
) -> np.ndarray:
    """Scale (N,) to the loudness of the reference (N',); unchanged where one of them has no loudness.

    ``usual`` (LUFS) replaces the loudness of a reference that has none, or that is far quieter: a pause.
    """
    wanted = loudness(reference, reference_rate)
    if usual is not None and (wanted is None or wanted < usual - MAX_BELOW_USUAL_DB):
        wanted = usual
    return wav if wanted is None else at_loudness(wav, wanted, sample_rate)


def at_loudness(wav: np.ndarray, wanted: float, sample_rate: int) -> np.ndarray:
    """Scale (N,) to ``wanted`` LUFS; unchanged where it has no loudness."""
    own = loudness(wav, sample_rate)
    if own is None:
        return wav
    gain = np.clip(wanted - own, -MAX_GAIN_DB, MAX_GAIN_DB)
    return (wav * 10 ** (gain / 20)).astype(np.float32)


def limited(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Limit (N,) to ``MAX_PEAK`` with a look-ahead limiter.

    The gain is the minimum of what the samples within the look-ahead need, then smoothed over the same span; every
    value in that mean is at most what the sample in the middle needs.
    """
    span = 2 * int(LOOKAHEAD_S * sample_rate) + 1
    needed = np.minimum(1.0, MAX_PEAK / np.maximum(np.abs(wav), 1e-9))
    if needed.min(initial=1.0) == 1.0:
        return wav
    gain = uniform_filter1d(minimum_filter1d(needed, span, mode="nearest"), span, mode="nearest")
    return (wav * gain).astype(np.float32)


@functools.cache
def _meter(sample_rate: int):
    from pyloudnorm import Meter

    return Meter(sample_rate)
