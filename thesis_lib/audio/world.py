"""Voice change without a network: the F0 and the spectral envelope of a recording are scaled by WORLD.

Shapes: N samples, T frames of 5 ms, K frequency bins.

Reference: Morise et al. 2016, doi:10.1587/transinf.2015EDP7457 (WORLD: DIO, CheapTrick, D4C and synthesis).
"""

import numpy as np

from thesis_lib.audio.files import of_length
from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ


def shifted(
    wav: np.ndarray, rate: int, pitch_ratio: float, formant_ratio: float, min_f0_hz: float = MIN_F0_HZ
) -> np.ndarray:
    """(N,) -> (N,) float64: F0 times ``pitch_ratio``, and every formant frequency times ``formant_ratio``.

    F0 is searched between ``min_f0_hz`` and ``MAX_F0_HZ``. ValueError for a ratio that is not positive.
    """
    import pyworld

    if not (pitch_ratio > 0 and formant_ratio > 0):
        raise ValueError(f"ratios of frequencies are positive: {pitch_ratio}, {formant_ratio}")
    samples = np.ascontiguousarray(wav, np.float64)
    coarse, times = pyworld.dio(samples, rate, f0_floor=min_f0_hz, f0_ceil=MAX_F0_HZ)
    f0 = pyworld.stonemask(samples, coarse, times, rate)
    envelope = np.exp(_scaled(np.log(pyworld.cheaptrick(samples, f0, times, rate)), formant_ratio))
    aperiodicity = _scaled(pyworld.d4c(samples, f0, times, rate), formant_ratio)
    return of_length(pyworld.synthesize(f0 * pitch_ratio, envelope, aperiodicity, rate), len(wav))


def _scaled(spectra: np.ndarray, ratio: float) -> np.ndarray:
    """(T, K) -> (T, K): what was at bin k lies at bin k * ratio; above the last bin the last value goes on."""
    bins = spectra.shape[1]
    places = np.minimum(np.arange(bins) / ratio, bins - 1)
    below = np.floor(places).astype(int)
    above, weight = np.minimum(below + 1, bins - 1), places - below
    return np.ascontiguousarray((1 - weight) * spectra[:, below] + weight * spectra[:, above])
