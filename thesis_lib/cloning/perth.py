"""Perth's implicit watermark in NumPy: STFT, the network that marks, and the one that detects.

The networks are those of the package resemble-perth (MIT), which computes them in torch: convolutions over the frames
of the magnitudes below 2 kHz.

Shapes: N samples at 32 kHz, T frames, C channels.
"""

from collections.abc import Mapping

import numpy as np

from thesis_lib.audio.log_mel import hann_window

SIZE, HOP = 2048, 320  # samples
MIN_MAGNITUDE, HEADROOM_DB = 1e-9, 15.0
MIN_DB = 20 * np.log10(MIN_MAGNITUDE)
MARKED_BINS = 128  # below 2 kHz
BLOCK_FRAMES = 128  # of the whole spectrum that are in memory at once
LEAKY_SLOPE = 0.01  # of the activations
MIN_LOUDNESS_SHARE = 0.05  # of the loudest frame, above which a frame is marked
RATES = {"slow": 1.25, "normal": 1.0, "fast": 0.75}  # at which the detector reads the frames
WINDOW = hann_window(SIZE)


class Marker:
    """The network that marks; ``tensors`` are those of the package's checkpoint, by name."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._layers = _layers("encoder.layers", tensors)

    def mark(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (N',) with the watermark; N' is N down to a whole number of hops."""
        spectrum, loud = low_spectrum(wav)
        levels = _levels(spectrum)
        changed = (levels + _run(self._layers, levels) * loud).astype(np.float64)
        decibel = changed * (HEADROOM_DB - MIN_DB) + MIN_DB
        phases = spectrum / np.maximum(np.abs(spectrum), np.finfo(np.float64).tiny)
        added = inverse_stft(10 ** np.minimum(decibel / 20, 10) * phases - spectrum)
        return (wav[: len(added)] + added).astype(np.float32)


class Detector:
    """The three networks that detect; ``tensors`` as of ``Marker``."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._layers = {name: _layers(f"decoder.{name}_layers", tensors) for name in RATES}

    def probability(self, wav: np.ndarray) -> float:
        """(N,) -> the probability, 0..1, that it carries the watermark."""
        spectrum, loud = low_spectrum(wav)
        levels, frames = _levels(spectrum), len(loud)
        votes, weights = [], []
        for name, rate in RATES.items():
            count = int(frames * rate)
            attention, found = _run(self._layers[name], _resampled(levels, count))
            chosen = loud[np.arange(count) * frames // count]
            votes.append((found * chosen).sum() / chosen.sum())
            weights.append((attention * chosen).sum() / chosen.sum())
        share = np.exp(np.array(weights) - max(weights))
        return float(np.clip(np.array(votes) @ share / share.sum(), 0.0, 1.0))


def low_spectrum(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) -> complex STFT of the marked bins (MARKED_BINS, T), T = N // HOP + 1, the ends reflected; loud frames (T,).

    A loud frame is 1 and is marked and read; the others are 0. The whole spectrum is computed for ``BLOCK_FRAMES``
    frames at a time, because that of all frames would be a large array.
    """
    padded = np.pad(wav.astype(np.float64), SIZE // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    low = np.empty((len(frames), MARKED_BINS), np.complex128)
    sums = np.empty(len(frames), np.float32)
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        spectrum = np.fft.rfft(frames[block] * WINDOW)
        low[block], sums[block] = spectrum[:, :MARKED_BINS], _levels(spectrum).sum(1)
    return low.T, (sums > MIN_LOUDNESS_SHARE * sums.max()).astype(np.float32)


def inverse_stft(spectrum: np.ndarray) -> np.ndarray:
    """Complex (F, T), the first F bins of a spectrum, its others being 0 -> (N,), N = (T - 1) * HOP, by overlap-add."""
    total = SIZE + (spectrum.shape[1] - 1) * HOP
    wav, weight = np.zeros(total), np.zeros(total)
    for first in range(0, spectrum.shape[1], BLOCK_FRAMES):
        frames = np.fft.irfft(spectrum[:, first : first + BLOCK_FRAMES].T, SIZE) * WINDOW
        for number, frame in enumerate(frames, first):
            start = number * HOP
            wav[start : start + SIZE] += frame
            weight[start : start + SIZE] += WINDOW**2
    inner = slice(SIZE // 2, total - SIZE // 2)
    return wav[inner] / weight[inner]


def _levels(spectrum: np.ndarray) -> np.ndarray:
    """A complex spectrum -> float32 of the same shape: decibel, scaled so that 0 is the smallest."""
    decibel = 20 * np.log10(np.maximum(np.abs(spectrum), MIN_MAGNITUDE))
    return ((decibel - MIN_DB) / (HEADROOM_DB - MIN_DB)).astype(np.float32)


def _layers(prefix: str, tensors: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (C', K C), the taps one after the other, and biases (C', 1) of a network's seven convolutions."""
    found = []
    for number in range(7):
        weight = tensors[f"{prefix}.{number}.conv.weight"]
        taps = weight.transpose(0, 2, 1).reshape(len(weight), -1)
        found.append((np.ascontiguousarray(taps), tensors[f"{prefix}.{number}.conv.bias"][:, None].copy()))
    return found


def _run(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    """(C, T) -> (C', T): convolutions, zero-padded, with an activation after each except the last."""
    for number, (weight, bias) in enumerate(layers):
        if number:
            x = np.maximum(x, LEAKY_SLOPE * x)
        taps, frames = weight.shape[1] // len(x), x.shape[1]
        padded = np.pad(x, ((0, 0), (taps // 2, taps // 2)))
        x = weight @ np.concatenate([padded[:, k : k + frames] for k in range(taps)]) + bias
    return x


def _resampled(x: np.ndarray, count: int) -> np.ndarray:
    """(C, T) -> (C, count), interpolated linearly between the first and the last frame."""
    places = np.arange(count) * ((x.shape[1] - 1) / max(count - 1, 1))
    low = np.minimum(places.astype(int), max(x.shape[1] - 2, 0))
    share = (places - low).astype(np.float32)
    return x[:, low] * (1 - share) + x[:, np.minimum(low + 1, x.shape[1] - 1)] * share
