"""F0 contours by WORLD: by DIO and StoneMask, or by Harvest; standard deviation, slope and final movement of log-F0.

The measures are robust: octave errors of the tracker in few frames hardly change a percentile, a median, or the median
of the slopes between all pairs of frames (Theil 1950, Sen 1968, doi:10.1080/01621459.1968.10480934).

Shapes: N samples, T voiced frames.
"""

import numpy as np

from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ, MIN_VOICED_FRAMES
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.utils.errors import MetricError

HOP_SECONDS = 0.01
FINAL_SECONDS = 0.3  # of voiced speech, before the end


def world_log_f0(wav: np.ndarray, by_harvest: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(N,) at RATE -> times in s (T,) and log-F0 (T,). MetricError where hardly anything is voiced.

    ``by_harvest``: by Harvest (Morise 2017, doi:10.21437/Interspeech.2017-68), and not by DIO and StoneMask.
    """
    import pyworld

    samples, limits = wav.astype(np.float64), {"f0_floor": MIN_F0_HZ, "f0_ceil": MAX_F0_HZ}
    tracker = pyworld.harvest if by_harvest else pyworld.dio
    f0, times = tracker(samples, RATE, frame_period=1000 * HOP_SECONDS, **limits)
    if not by_harvest:
        f0 = pyworld.stonemask(samples, f0, times, RATE)
    if (voiced := f0 > 0).sum() < MIN_VOICED_FRAMES:
        raise MetricError(f"{voiced.sum()} voiced frames by WORLD, {MIN_VOICED_FRAMES} are needed")
    return times[voiced], np.log(f0[voiced])


def world_log_f0_std(wav: np.ndarray, by_harvest: bool = False) -> float:
    """``robust_std`` of the log-F0 in (N,) at RATE."""
    return robust_std(world_log_f0(wav, by_harvest)[1])


def robust_std(log_f0: np.ndarray) -> float:
    """Half the distance from the 16th to the 84th percentile of log-F0 (T,): one deviation, if it is normal."""
    low, high = np.percentile(log_f0, (16, 84))
    return float(high - low) / 2


def slope(times: np.ndarray, log_f0: np.ndarray) -> float:
    """Slope of log-F0 over time, 1/s: (T,), (T,) -> the median over all pairs of frames."""
    from scipy.stats import theilslopes

    return float(theilslopes(log_f0, times)[0])


def final_movement(log_f0: np.ndarray) -> float:
    """Median log-F0 of the last ``FINAL_SECONDS`` of voiced speech, minus that of all of it: (T,) voiced frames."""
    return float(np.median(log_f0[-round(FINAL_SECONDS / HOP_SECONDS) :]) - np.median(log_f0))
