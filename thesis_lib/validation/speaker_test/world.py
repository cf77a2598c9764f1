"""Voice change without a network: the F0 and the spectral envelope of a recording are scaled by WORLD.

Shapes: N samples, T frames of 5 ms, K frequency bins.

Reference: Morise et al. 2016, doi:10.1587/transinf.2015EDP7457 (WORLD: DIO, CheapTrick, D4C and synthesis).
"""

import math

import numpy as np

from thesis_lib.audio.files import of_length
from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ

# The envelope is scaled by the F0 ratio to this power. The folds and the vocal tract are both longer in larger
# speakers: between men and women the F0 differs by a factor of about 1.7 and the formants by about 1.17, which is a
# power of 0.3 (Peterson & Barney 1952, doi:10.1121/1.1906875).
ENVELOPE_EXPONENT = 0.3


def envelope_ratio(pitch_ratio: float) -> float:
    """The factor by which formant frequencies are scaled where F0 is scaled by ``pitch_ratio``."""
    return pitch_ratio**ENVELOPE_EXPONENT


def shifted(wav: np.ndarray, rate: int, pitch_ratio: float, formant_ratio: float) -> np.ndarray:
    """(N,) -> (N,) float32: F0 times ``pitch_ratio``, and every formant frequency times ``formant_ratio``."""
    import pyworld

    if not (pitch_ratio > 0 and formant_ratio > 0):
        raise ValueError(f"ratios of frequencies are positive: {pitch_ratio}, {formant_ratio}")
    samples = np.ascontiguousarray(wav, np.float64)
    coarse, times = pyworld.dio(samples, rate, f0_floor=MIN_F0_HZ, f0_ceil=MAX_F0_HZ)
    f0 = pyworld.stonemask(samples, coarse, times, rate)
    envelope = np.exp(_scaled(np.log(pyworld.cheaptrick(samples, f0, times, rate)), formant_ratio))
    aperiodicity = _scaled(pyworld.d4c(samples, f0, times, rate), formant_ratio)
    found = pyworld.synthesize(f0 * pitch_ratio, envelope, aperiodicity, rate)
    return of_length(found, len(wav)).astype(np.float32)


def _scaled(spectra: np.ndarray, ratio: float) -> np.ndarray:
    """(T, K) -> (T, K): what was at bin k lies at bin k * ratio; above the last bin the last value goes on."""
    bins = spectra.shape[1]
    places = np.minimum(np.arange(bins) / ratio, bins - 1)
    below = np.floor(places).astype(int)
    above, weight = np.minimum(below + 1, bins - 1), places - below
    return np.ascontiguousarray((1 - weight) * spectra[:, below] + weight * spectra[:, above])


def towards(wav: np.ndarray, rate: int, log_f0_median: float, target_log_f0_median: float) -> np.ndarray:
    """(N,) -> (N,): moved from one log-F0 median to another one, the formants with it (``envelope_ratio``)."""
    ratio = math.exp(target_log_f0_median - log_f0_median)
    return shifted(wav, rate, ratio, envelope_ratio(ratio))
