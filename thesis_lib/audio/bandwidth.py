"""Effective bandwidth of a recording: the frequency above which it holds no signal, whatever its sample rate.

Speech that was recorded at 16 kHz and resampled to 22.05 kHz has nothing above 8 kHz. The long-term spectrum shows it
as a fall of some 40 dB within a few hundred Hz, down to the noise of the file's 16 bits.

Shapes: N samples, F frames, K bins of the spectrum, G groups of bins.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from thesis_lib.audio.files import MIN_PEAK, read_audio

WINDOW_S = 0.046  # rounded to a power of two in samples
GROUP_HZ = 100.0  # width of the groups of bins that are averaged
FRAME_PERCENTILE = 95  # over the frames: fricatives have most of the power above 5 kHz, a click is in fewer frames
FLOOR_DB = 70.0  # below the strongest group of the speech band; 16-bit files have their noise 85 to 100 dB below
SPEECH_BAND_HZ = (100.0, 4000.0)
NOISE_MARGIN_DB = (
    9.0  # above the mean density of 16-bit rounding noise; the 95th percentile of that noise is 3 to 5 dB above
)
FULL_BAND_SHARE = 0.92  # of the Nyquist frequency; resampling filters and codecs begin to fall above it
MIN_FRAMES = 4
OCCUPIED_BAND_HZ = 1000.0  # below the bandwidth: speech holds power in most of its groups, a lone tone in few
MIN_OCCUPIED_SHARE = 0.4  # of the groups of that band


@dataclass(frozen=True)
class Bandwidth:
    """A measured bandwidth, or the reason why there is none."""

    hz: float | None
    reason: str = ""


def effective_bandwidth(wav: np.ndarray, sample_rate: int) -> Bandwidth:
    """(N,) at ``sample_rate`` Hz -> the highest frequency with power above the floor, or None with the reason.

    At least 40 % of the 1 kHz below it must have power above the floor too, so that a lone tone above the speech, such
    as a monitor's line frequency, does not count. The reasons for None: samples that are not finite, silence, a
    recording shorter than some 0.1 s, and no power above the floor.
    The floor is 70 dB below the strongest 100 Hz of the speech band, and never below the noise of 16 bits. At most
    the Nyquist frequency; a recording of full band that a codec or a resampler has passed ends a few percent below it.
    """
    wav = np.asarray(wav, np.float32)
    if not np.isfinite(wav).all():
        return Bandwidth(None, "not finite")
    if not len(wav) or np.abs(wav).max() < MIN_PEAK:
        return Bandwidth(None, "silence")
    size = 2 ** round(math.log2(WINDOW_S * sample_rate))
    if len(wav) < (MIN_FRAMES + 1) * size // 2:
        return Bandwidth(None, "too short")
    power, edges = _long_term_power(wav, sample_rate, size)
    speech = (edges >= SPEECH_BAND_HZ[0]) & (edges <= SPEECH_BAND_HZ[1])
    rounding_noise = 2 * (1 / 32768) ** 2 / 12 / sample_rate  # density, one-sided, full scale^2 / Hz
    floor = max(power[speech].max() * 10 ** (-FLOOR_DB / 10), rounding_noise * 10 ** (NOISE_MARGIN_DB / 10))
    above = power > floor
    if not above.any():
        return Bandwidth(None, "no louder than the noise of 16 bits")
    return Bandwidth(_upper_edge(above, edges))


def recorded_bandwidth(path: Path) -> float | None:
    """Hz of a file with a band that ends below its Nyquist frequency; None where it is full or cannot be measured.

    Raises AudioError as ``read_audio``.
    """
    return limited_bandwidth(*read_audio(path))


def limited_bandwidth(wav: np.ndarray, sample_rate: int) -> float | None:
    """Hz of a signal (N,) with a band that ends below its Nyquist frequency; None as ``recorded_bandwidth``."""
    hz = effective_bandwidth(wav, sample_rate).hz
    return None if hz is None or hz >= FULL_BAND_SHARE * sample_rate / 2 else round(hz, 1)


def _upper_edge(above: np.ndarray, edges: np.ndarray) -> float:
    """Groups above the floor (G,), at least one, and their upper edges in Hz (G,) -> the upper edge of the band, Hz."""
    places = np.flatnonzero(above)
    for place in places[::-1]:
        below = (edges > edges[place] - OCCUPIED_BAND_HZ) & (edges <= edges[place])
        if above[below].mean() >= MIN_OCCUPIED_SHARE:
            return float(edges[place])
    return float(edges[places[-1]])  # a signal of single tones has no wider band


def _long_term_power(wav: np.ndarray, sample_rate: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) -> power density of each group, 95th percentile over frames (G,), and its upper edge in Hz (G,)."""
    window = np.hanning(size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(wav, size)[:: size // 2]
    bins = size // 2 + 1
    width = max(1, round(GROUP_HZ * size / sample_rate))
    starts = np.arange(0, bins, width)
    members = np.diff(np.append(starts, bins))
    spectrum = scipy.fft.rfft(frames * window)  # (F, K), in single precision, unlike numpy's
    power = (spectrum.real**2 + spectrum.imag**2) * 2 / (sample_rate * np.sum(window**2))
    grouped = np.add.reduceat(power, starts, axis=1) / members  # (F, G)
    edges = np.minimum((starts + members - 0.5) * sample_rate / size, sample_rate / 2)
    return np.percentile(grouped, FRAME_PERCENTILE, axis=0), edges
