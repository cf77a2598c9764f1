"""The filter bank features of ECAPA-TDNN in NumPy.

``fbank`` computes them in torch, with filters in single precision as speechbrain's; these differ by less than 1e-3 dB.

Shapes: N samples, T frames, K bands.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from thesis_lib.embeddings.encoders.base import EncoderError

SAMPLE_RATE = 16_000  # Hz
SIZE, HOP = 400, 160  # samples, 25 and 10 ms
MIN_POWER = 1e-10
TOP_DB = 80.0  # below the loudest band and frame of a signal, the smallest value


def window() -> np.ndarray:
    """The Hamming window, periodic: (SIZE,) float32."""
    return (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)


def triangles(bands: int) -> np.ndarray:
    """(SIZE // 2 + 1, K) filters, float32, with centres evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)  # Hz
    centres, widths = edges[1:-1, None], np.diff(edges)[:-1, None]
    slope = (np.linspace(0, SAMPLE_RATE // 2, SIZE // 2 + 1) - centres) / widths
    return np.clip(np.minimum(slope + 1, 1 - slope), 0, None).T.astype(np.float32)


def check_length(samples: int, min_frames: int, name: str) -> None:
    """Raise EncoderError where a signal of ``samples`` samples has fewer than ``min_frames`` frames."""
    needed = (min_frames - 1) * HOP
    if samples < needed:
        raise EncoderError(
            f"{name}: the signal has {samples} samples: at least {needed} ({needed / SAMPLE_RATE:g} s) are needed"
        )


def parts_in_frames(lengths: Sequence[int], frames: int) -> list[slice]:
    """Lengths of consecutive parts in samples -> the frames of each, of a signal with that many.

    Raises EncoderError for a part that is shorter than a frame.
    """
    if min(lengths, default=HOP) < HOP:
        raise EncoderError(f"a part has {min(lengths)} samples: at least {HOP} are needed")
    ends = np.minimum((np.cumsum([0, *lengths]) + HOP // 2) // HOP, frames)
    return [slice(start, end) for start, end in pairwise(ends.tolist())]


def power_bands(wav: np.ndarray, bands: int) -> np.ndarray:
    """(N,) at 16 kHz -> (T, K): power of triangular mel bands in dB, as ``fbank.Fbank``."""
    padded = np.pad(wav.astype(np.float32), SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    power = (np.abs(np.fft.rfft(frames * window())) ** 2).astype(np.float32)
    decibel = 10 * np.log10(np.maximum(power @ triangles(bands), MIN_POWER))
    return np.maximum(decibel, decibel.max() - TOP_DB)
