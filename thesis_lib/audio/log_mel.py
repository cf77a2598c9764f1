"""The log-mel spectrogram of ``audio.mel`` in NumPy, its filters and its window.

Shapes: N samples, M mel bands, T frames.
"""

import functools

import numpy as np

from thesis_lib.config import AudioConfig

# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
LINEAR_HZ_A_MEL, LINEAR_LIMIT_HZ, LOG_STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27.0
MIN_SQUARED_MAGNITUDE = 1e-9  # added under the root, as in HiFi-GAN's meldataset.py


def mel_frequencies(count: int, fmin: float, fmax: float) -> np.ndarray:
    """Frequencies in Hz (count,) from ``fmin`` to ``fmax``, evenly spaced on Slaney's mel scale."""
    limit = LINEAR_LIMIT_HZ / LINEAR_HZ_A_MEL
    ends = np.array([fmin, fmax], np.float64)
    above = limit + np.log(np.maximum(ends, LINEAR_LIMIT_HZ) / LINEAR_LIMIT_HZ) / LOG_STEP
    low, high = np.where(ends >= LINEAR_LIMIT_HZ, above, ends / LINEAR_HZ_A_MEL)
    mels = np.linspace(low, high, count)
    logarithmic = LINEAR_LIMIT_HZ * np.exp(LOG_STEP * (mels - limit))
    return np.where(mels >= limit, logarithmic, LINEAR_HZ_A_MEL * mels)


@functools.lru_cache(8)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float = 0.0, fmax: float | None = None) -> np.ndarray:
    """Triangular filters of unit area (M, n_fft // 2 + 1), float32; read-only. ``fmax`` is half the rate by default."""
    edges = mel_frequencies(n_mels + 2, fmin, sample_rate / 2 if fmax is None else fmax)
    hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    # Rounded before the scaling, as librosa's, with which these are equal to the last bit.
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters = (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    filters.flags.writeable = False
    return filters


def hann_window(size: int) -> np.ndarray:
    """The periodic Hann window (size,), float64."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


class LogMelFrames:
    """Windowed frames -> log-mel."""

    def __init__(self, audio: AudioConfig) -> None:
        self.hop, self.size, self.floor = audio.hop_length, audio.n_fft, audio.FLOOR
        self.pad = (audio.n_fft - audio.hop_length) // 2
        window = hann_window(audio.win_length)
        before = (audio.n_fft - audio.win_length) // 2
        self.window = np.pad(window, (before, audio.n_fft - audio.win_length - before))
        self.filters = mel_filters(audio.sample_rate, audio.n_fft, audio.n_mels, audio.fmin, audio.fmax)

    def __call__(self, samples: np.ndarray, count: int) -> np.ndarray:
        """Samples from the first frame's first one on (N,) -> the first ``count`` frames (M, count), float32."""
        if not count:
            return np.zeros((len(self.filters), 0), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.size)[:: self.hop][:count]
        magnitude = np.sqrt(np.abs(np.fft.rfft(windows * self.window)) ** 2 + MIN_SQUARED_MAGNITUDE)
        return np.log(np.maximum(self.filters @ magnitude.T, self.floor)).astype(np.float32)


def log_mel(wav: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """(N,) -> (M, T) with T = N // hop_length, as ``audio.mel.LogMel``."""
    frames = LogMelFrames(audio)
    return frames(np.pad(wav.astype(np.float64), frames.pad, mode="reflect"), len(wav) // frames.hop)
