"""STFT and its inverse as nodes of an ONNX graph.

Shapes: T frames, F = n_fft / 2 + 1 frequency bins, N = T * hop_length samples.
"""

import math

import numpy as np

from thesis_lib.audio.log_mel import hann_window
from thesis_lib.config import AudioConfig
from thesis_lib.utils.onnx_graph import Graph

MIN_WEIGHT = 1e-8  # of the summed squared windows
INVERSE_DFT_PRODUCTS = 2  # matrix products of ``StftNodes.inverse``, the last of a generator's graph


class StftNodes:
    """STFT and inverse on the frames of the mel, as ``generators.istft.Stft``: real and imaginary part apart."""

    def __init__(self, graph: Graph, audio: AudioConfig) -> None:
        self.graph, self.size, self.hop = graph, audio.n_fft, audio.hop_length
        self.parts, self.pad = self.size // self.hop, (self.size - self.hop) // 2
        self.window = hann_window(self.size).astype(np.float32)
        self._dft: str | None = None  # the name of the matrix of ``forward``

    def forward(self, wav: str) -> tuple[str, str]:
        """(1, N) -> real and imaginary part, each (1, T, F)."""
        add = self.graph.add
        padded = add("Pad", wav, np.array([0, self.pad, 0, self.pad]))
        hops = add("Reshape", padded, np.array([1, -1, self.hop]))
        last = np.iinfo(np.int64).max
        ends = [part - self.parts + 1 or last for part in range(self.parts)]
        shifted = [add("Slice", hops, *map(np.array, ([p], [end], [1]))) for p, end in enumerate(ends)]
        joined = add("Concat", *shifted, axis=2)
        if self.size & (self.size - 1):  # ONNX Runtime's operator is slow for other sizes than powers of two
            return tuple(add("Split", add("MatMul", joined, self._matrix()), outputs=2, axis=2, num_outputs=2))
        frames = add("Mul", joined, self.window)
        spectrum = add("DFT", add("Unsqueeze", frames, np.array([3])), None, np.int64(2), onesided=1)
        real, imaginary = add("Split", spectrum, outputs=2, axis=3, num_outputs=2)
        return add("Squeeze", real, np.array([3])), add("Squeeze", imaginary, np.array([3]))

    def _matrix(self) -> str:
        """The window and the DFT as one matrix (n_fft, 2 F): the real parts, then the imaginary ones."""
        if self._dft is None:
            bins, places = np.arange(self.size // 2 + 1), np.arange(self.size)[:, None]
            turned = np.exp(-2j * np.pi * (places * bins % self.size) / self.size) * self.window[:, None]
            matrix = np.concatenate([turned.real, turned.imag], axis=1).astype(np.float32)
            self._dft = self.graph.add("Identity", matrix)
        return self._dft

    def inverse(self, real: str, imaginary: str) -> str:
        """Two of (1, T, F) -> (1, N), weighted overlap-add (Griffin & Lim 1984, eq. 6)."""
        add = self.graph.add
        frames = add("Mul", self._signals(real, imaginary), self.window)
        count = add("Slice", add("Shape", frames), np.array([0]), np.array([2]), np.array([0]))
        ones = add("Expand", np.ones((1, 1, 1), np.float32), add("Concat", count, np.array([1]), axis=0))
        squares = (self.window.astype(np.float64) ** 2).astype(np.float32).reshape(self.parts, self.hop)
        hops, weights = [], []
        for part in range(self.parts):
            around = np.array([0, part, 0, 0, self.parts - 1 - part, 0])
            own = add("Slice", frames, *map(np.array, ([part * self.hop], [(part + 1) * self.hop], [2])))
            hops.append(add("Pad", own, around))
            weights.append(add("Pad", add("Mul", ones, squares[part]), around))
        weight = add("Max", add("Sum", *weights), np.float32(MIN_WEIGHT))
        wav = add("Reshape", add("Div", add("Sum", *hops), weight), np.array([1, -1]))
        return add("Slice", wav, *map(np.array, ([self.pad], [-self.pad], [1])))

    def _signals(self, real: str, imaginary: str) -> str:
        """The inverse DFT as two products with constant matrices (Cooley & Tukey 1965, doi:10.2307/2003354).

        Two of (1, T, F) -> (1, T, n_fft). ONNX Runtime's operator takes a third of a distilled vocoder's time, and some
        runtimes have none.
        """
        add = self.graph.add
        first, second, pad = inverse_dft_factors(self.size)
        b, a = second.shape[1], self.size // second.shape[1]
        parts = []
        for part in (real, imaginary):
            padded = add("Pad", part, np.array([0, 0, 0, 0, 0, pad]))
            parts.append(add("Reshape", padded, np.array([0, 0, -1, b])))  # (1, T, rows, b)
        rows = add("Transpose", add("Concat", *parts, axis=2), perm=[3, 0, 1, 2])  # (b, 1, T, 2 rows)
        rows = add("Squeeze", rows, np.array([1]))
        lines = add("Reshape", add("MatMul", rows, first), np.array([b, -1, a, 2]))
        lines = add("Reshape", add("Transpose", lines, perm=[1, 2, 0, 3]), np.array([0, a, 2 * b]))
        places = add("Transpose", add("MatMul", lines, second), perm=[0, 2, 1])  # (T, b, a)
        return add("Reshape", places, np.array([1, -1, self.size]))


def inverse_dft_factors(size: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The two matrices (b, 2 rows, 2 a) and (2 b, b), and the number of zero bins that fill the last row.

    The first takes the real parts of all rows, then the imaginary ones; the second each number's two parts in turn.
    """
    a = max(n for n in range(1, math.isqrt(size) + 1) if size % n == 0)
    b, bins = size // a, size // 2 + 1
    rows = -(-bins // b)
    # Bin k = b * row + column, sample n = line + a * place: kn / size is the sum below, up to whole turns.
    row, line, column = np.arange(rows), np.arange(a), np.arange(b)
    bin_ = (b * row + column[:, None])[:, :, None]
    weight = np.where((bin_ == 0) | (2 * bin_ == size), 1.0, 2.0) / size  # bins that stand for two
    turned = weight * np.exp(2j * np.pi * (bin_ * line / size % 1))  # (b, rows, a)
    upper = np.stack([turned.real, turned.imag], -1).reshape(b, rows, 2 * a)
    lower = np.stack([-turned.imag, turned.real], -1).reshape(b, rows, 2 * a)
    places = np.exp(2j * np.pi * (column[:, None] * column / b % 1))
    second = np.stack([places.real, -places.imag], 1).reshape(2 * b, b)
    return (
        np.concatenate([upper, lower], 1).astype(np.float32),
        second.astype(np.float32),
        rows * b - bins,
    )
