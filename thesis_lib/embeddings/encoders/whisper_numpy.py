"""Whisper's encoder in NumPy: the states of its layers, without torch and without a gradient.

Shapes: B windows, N samples, T frames (50 a second), C channels, D = 384.
"""

import numpy as np
from scipy.special import erf

from thesis_lib import pretrained
from thesis_lib.audio.log_mel import hann_window, mel_filters
from thesis_lib.embeddings.encoders.whisper_weights import (
    BANDS,
    HEADS,
    HOP,
    MAX_RANGE_LOG10,
    MIN_POWER,
    NAME,
    SIZE,
    WIDTH,
    encoder_weights,
)

SAMPLE_RATE = 16_000  # Hz
NORM_EPSILON = 1e-5


class WhisperStates:
    """The layers' outputs, equal to those of ``whisper.WhisperEncoder.states``. ModelError without the weights."""

    def __init__(self) -> None:
        self.revision = pretrained.get(NAME).revision
        self._weights = encoder_weights(pretrained.fetch(NAME) / "model.bin")

    def __call__(self, wav: np.ndarray, last: int) -> list[np.ndarray]:
        """(B, N) at 16 kHz, at most 30 s -> the output of each layer up to ``last``, (B, N / 320, D).

        The first item is the output of the convolutions.
        """
        x = gelu(self._conv("first", _log_mel(wav), 1))
        x = gelu(self._conv("second", x, 2)).transpose(0, 2, 1)
        found = [x]
        x = x + self._weights["positions"][: x.shape[1]]
        for number in range(last):
            x = self._layer(f"layers.{number}", x)
            found.append(x)
        return found

    def _conv(self, name: str, x: np.ndarray, stride: int) -> np.ndarray:
        """(B, C, T) -> (B, C', T / stride): a convolution over three frames."""
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
        seen = np.concatenate([padded[:, :, k : k + x.shape[2] : stride] for k in range(3)], axis=1)
        weight = self._weights[f"{name}.weight"].transpose(0, 2, 1)
        return weight.reshape(len(weight), -1) @ seen + self._weights[f"{name}.bias"][:, None]

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + NORM_EPSILON)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _layer(self, name: str, x: np.ndarray) -> np.ndarray:
        """A transformer layer (B, T, D) -> (B, T, D)."""
        projected = self._linear(f"{name}.projection", self._norm(f"{name}.attention_norm", x))
        heads = projected.reshape(*x.shape[:2], 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
        query, key, value = heads
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(WIDTH // HEADS))
        share = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (share / share.sum(-1, keepdims=True)) @ value
        x = x + self._linear(f"{name}.out", mixed.transpose(0, 2, 1, 3).reshape(x.shape))
        return x + self._linear(f"{name}.down", gelu(self._linear(f"{name}.up", self._norm(f"{name}.norm", x))))


def _log_mel(wav: np.ndarray) -> np.ndarray:
    """(B, N) at 16 kHz -> (B, 80, N / 160), Whisper's own scale."""
    padded = np.pad(wav.astype(np.float64), ((0, 0), (SIZE // 2, SIZE // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE, axis=1)[:, ::HOP][:, :-1]
    power = np.abs(np.fft.rfft(frames * hann_window(SIZE))).transpose(0, 2, 1) ** 2
    log = np.log10(np.maximum(mel_filters(SAMPLE_RATE, SIZE, BANDS) @ power, MIN_POWER))
    log = np.maximum(log, log.max(axis=(1, 2), keepdims=True) - MAX_RANGE_LOG10)
    return ((log + 4) / 4).astype(np.float32)


def gelu(x: np.ndarray) -> np.ndarray:
    """The exact GELU."""
    return 0.5 * x * (1 + erf(x / np.float32(np.sqrt(2))))
