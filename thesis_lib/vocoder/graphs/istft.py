"""``generators.istft`` as an ONNX graph.

Shapes: T frames, C channels, F = n_fft / 2 + 1 frequency bins, N = T * hop_length samples, D condition size.
"""

import math
from collections.abc import Mapping
from typing import cast

import numpy as np

from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.config import IstftConfig
from thesis_lib.vocoder.definitions import (
    FRAME_KERNEL,
    MAX_LOG_MAGNITUDE,
    NOISE_PERIOD,
    excitation_noise,
    frames_ahead,
)
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.graphs.dft import StftNodes
from thesis_lib.vocoder.graphs.layers import END, ORIGIN, GeneratorNetwork
from thesis_lib.vocoder.streaming import ReceptiveField

NORM_EPSILON = 1e-5


class IstftNetwork(GeneratorNetwork):
    """Frame-rate backbone, spectral head, harmonic excitation, inverse STFT; channels are last throughout."""

    def __init__(self, description: VocoderDescription, channels: int, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__(description, channels, tensors)
        self.config = cast(IstftConfig, description.generator)
        self.stft = StftNodes(self, description.audio)

    def samples(self) -> str:
        """The graph of the whole generator; returns the name of its result (1, N)."""
        c, content = self.condition(), self.reduced()
        first, *others = frames_ahead(self.config)
        x = self.add("Transpose", content, perm=[0, 2, 1])
        x = self.norm(self._dense("pre", x, first), self.take("pre_norm.weight"), self.take("pre_norm.bias"))
        for number, ahead in enumerate(others):
            x = self._block(f"blocks.{number}", x, c, ahead)
        heads = self.linear("head", self.film("post_film", self.norm(x), c, dim=2))
        if self.config.excitation == "harmonic":
            return self.stft.inverse(*self._filtered(content, heads))
        log_magnitude, phase = self.add("Split", heads, outputs=2, axis=2, num_outputs=2)
        return self.stft.inverse(*self._polar(log_magnitude, phase))

    def norm(self, x: str, weight: np.ndarray | None = None, bias: np.ndarray | None = None) -> str:
        """Layer norm over the channels: (1, T, C) -> (1, T, C)."""
        weight = np.ones(self.config.channels, np.float32) if weight is None else weight
        # ONNX Runtime crashes when it fuses a norm without a bias.
        bias = np.zeros_like(weight) if bias is None else bias
        return self.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=NORM_EPSILON)

    def _input_frames(self, x: str, ahead: int) -> list[str]:
        """The seven input frames of each output frame of a convolution: (1, T, C) -> seven of (1, T, C)."""
        padded = self.add("Pad", x, np.array([0, FRAME_KERNEL - 1 - ahead, 0, 0, ahead, 0]))
        return [self.slice(padded, k, k - FRAME_KERNEL + 1 or END, 1) for k in range(FRAME_KERNEL)]

    def _dense(self, prefix: str, x: str, ahead: int) -> str:
        """A convolution over all channels, as one matrix product: (1, T, C) -> (1, T, C')."""
        weight = self.take(f"{prefix}.weight").transpose(2, 1, 0)  # (7, C, C')
        frames = self.add("Concat", *self._input_frames(x, ahead), axis=2)
        product = self.add("MatMul", frames, weight.reshape(-1, weight.shape[2]))
        return self.add("Add", product, self.take(f"{prefix}.bias"))

    def _depthwise(self, prefix: str, x: str, ahead: int) -> str:
        """A convolution within each channel: (1, T, C) -> (1, T, C)."""
        weight = self.take(f"{prefix}.weight")[:, 0].T  # (7, C)
        parts = [self.add("Mul", frame, row) for frame, row in zip(self._input_frames(x, ahead), weight, strict=True)]
        return self.add("Sum", *parts, self.take(f"{prefix}.bias"))

    def _block(self, prefix: str, x: str, c: str, ahead: int) -> str:
        y = self.film(f"{prefix}.film", self.norm(self._depthwise(f"{prefix}.depthwise", x, ahead)), c, dim=2)
        hidden = self.gelu(self.linear(f"{prefix}.up", y))
        return self.add("Add", x, self.linear(f"{prefix}.down", hidden, self.take(f"{prefix}.scale")))

    def _gain(self, log_magnitude: str) -> str:
        return self.add("Exp", self.add("Min", log_magnitude, np.float32(MAX_LOG_MAGNITUDE)))

    def _polar(self, log_magnitude: str, phase: str) -> tuple[str, str]:
        """Real and imaginary part of a magnitude, limited, and a phase."""
        gain = self._gain(log_magnitude)
        return self.add("Mul", gain, self.add("Cos", phase)), self.add("Mul", gain, self.add("Sin", phase))

    def _filtered(self, content: str, heads: str) -> tuple[str, str]:
        """(1, T, 3 F) -> spectrum: the pulses filtered in magnitude and phase, the noise in magnitude."""
        pulse_gain, noise_gain, phase = self.add("Split", heads, outputs=3, axis=2, num_outputs=3)
        pulses, noise = (self.stft.forward(signal) for signal in self._source(content))
        real, imaginary = self._polar(pulse_gain, phase)
        gain = self._gain(noise_gain)
        products = [self.add("Mul", p, f) for p, f in zip(pulses * 2, (real, imaginary, imaginary, real), strict=True)]
        return (
            self.add("Add", self.add("Sub", products[0], products[1]), self.add("Mul", noise[0], gain)),
            self.add("Add", self.add("Add", products[2], products[3]), self.add("Mul", noise[1], gain)),
        )

    def _source(self, content: str) -> tuple[str, str]:
        """Content (1, C, T) -> pulses (1, N), noise (1, N), as ``HarmonicSource``."""
        audio = self.description.audio
        row = self.add("Cast", self.slice(content, PITCH_CHANNEL, PITCH_CHANNEL + 1, 1), to=11)  # float64
        row = self.add("Squeeze", row, np.array([1]))
        log_f0 = self.add("Add", self.add("Mul", row, np.float64(PITCH_SCALE)), np.float64(PITCH_CENTRE))
        f0 = self._sampled(self.add("Exp", log_f0))
        turned = self.add("CumSum", self.add("Div", f0, np.float64(audio.sample_rate)), np.int64(1))
        half = audio.hop_length // 2
        start = self.add("Sub", self.slice(ORIGIN, 0, 1, 0), self.slice(turned, half - 1, half, 1))
        turned = self.add("Add", turned, start)
        phase = self.add("Cast", self.add("Sub", turned, self.add("Round", turned)), to=1)  # float32
        count = self.add("Squeeze", self.slice(self.add("Shape", f0), 1, 2, 0))
        first = self.add("Cast", self.slice(ORIGIN, 1, 2, 0), to=7)  # int64
        place = self.add("Add", self.add("Range", np.int64(0), count, np.int64(1)), first)
        noise = self.add("Gather", excitation_noise(), self.add("Mod", place, np.int64(NOISE_PERIOD)))
        pulses = self._pulses(phase, self.add("Cast", f0, to=1))
        return pulses, self.add("Unsqueeze", noise, np.array([0]))

    def _sampled(self, f0: str) -> str:
        """Interpolate (1, T) -> (1, N): linear between frame centres, constant before the first and after the last."""
        hop = self.description.audio.hop_length
        share = (np.arange(hop) + 0.5) / hop
        before = self.add("Concat", self.slice(f0, 0, 1, 1), f0, axis=1)
        after = self.add("Concat", f0, self.slice(f0, -1, END, 1), axis=1)
        rise = self.add("Unsqueeze", self.add("Sub", after, before), np.array([2]))
        between = self.add("Add", self.add("Unsqueeze", before, np.array([2])), self.add("Mul", rise, share))
        return self.slice(self.add("Reshape", between, np.array([1, -1])), hop // 2, -(hop // 2), 1)

    def _pulses(self, phase: str, f0: str) -> str:
        """The sum of cos(k x), k = 1..K, up to the Nyquist frequency (Dirichlet kernel), at unit power."""
        count = self.add("Floor", self.add("Div", np.float32(0.5 * self.description.audio.sample_rate), f0))
        half = self.add("Mul", phase, np.float32(math.pi))
        near = self.add("Less", self.add("Abs", half), np.float32(1e-4))
        sine = self.add("Sin", self.add("Where", near, np.float32(1), half))
        turns = self.add("Mul", self.add("Add", self.add("Mul", count, np.float32(2)), np.float32(1)), half)
        ratio = self.add("Div", self.add("Mul", self.add("Sin", turns), np.float32(0.5)), sine)
        total = self.add("Where", near, count, self.add("Sub", ratio, np.float32(0.5)))
        return self.add("Mul", total, self.add("Sqrt", self.add("Div", np.float32(2), count)))


def istft_receptive_field(description: VocoderDescription) -> ReceptiveField:
    """The frames that an output frame depends on: those of the convolutions, and of the inverse STFT's windows."""
    config, audio = cast(IstftConfig, description.generator), description.audio
    overlap = -(-(audio.n_fft - audio.hop_length) // 2 // audio.hop_length)
    ahead = frames_ahead(config)
    left, right = sum(FRAME_KERNEL - 1 - x for x in ahead) + overlap, sum(ahead) + overlap
    f0_context = 1 + 2 * overlap if config.excitation == "harmonic" else 0  # F0 passes both transforms
    return ReceptiveField(max(left, f0_context), max(right, f0_context))
