"""The last touch: as loud as the source, and never louder than full scale.

Shapes: N samples.
"""

import functools

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

CEILING = 10 ** (-1 / 20)  # -1 dB relative to full scale
LOOKAHEAD = 0.005  # s over which the limiter's gain moves
SHORTEST = 0.4  # s; BS.1770 measures in blocks of that length
MOST = 30.0  # dB of gain; what would need more is hardly speech


def loudness(wav: np.ndarray, sample_rate: int) -> float | None:
    """(N,) -> integrated loudness in LUFS (ITU-R BS.1770-4, pyloudnorm); None for what is too short or too quiet."""
    if len(wav) < SHORTEST * sample_rate:
        return None
    value = float(_meter(sample_rate).integrated_loudness(np.asarray(wav, np.float64)))
    return value if np.isfinite(value) else None


def as_loud_as(wav: np.ndarray, reference: np.ndarray, sample_rate: int, reference_rate: int) -> np.ndarray:
    """(N,) at the loudness of (N',); unchanged where either has none."""
    wanted = loudness(reference, reference_rate)
    return wav if wanted is None else at_loudness(wav, wanted, sample_rate)


def at_loudness(wav: np.ndarray, wanted: float, sample_rate: int) -> np.ndarray:
    """(N,) at ``wanted`` LUFS; unchanged where it has no loudness."""
    own = loudness(wav, sample_rate)
    if own is None:
        return wav
    gain = np.clip(wanted - own, -MOST, MOST)
    return (wav * 10 ** (gain / 20)).astype(np.float32)


def limited(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) -> (N,) with no sample above ``CEILING``: a look-ahead limiter.

    The gain is the lowest that any sample within the look-ahead needs, smoothed over the same span: a mean of values
    none of which is above what the sample in the middle needs.
    """
    span = 2 * int(LOOKAHEAD * sample_rate) + 1
    needed = np.minimum(1.0, CEILING / np.maximum(np.abs(wav), 1e-9))
    if needed.min(initial=1.0) == 1.0:
        return wav
    gain = uniform_filter1d(minimum_filter1d(needed, span, mode="nearest"), span, mode="nearest")
    return (wav * gain).astype(np.float32)


@functools.cache
def _meter(sample_rate: int):
    from pyloudnorm import Meter

    return Meter(sample_rate)
