"""``generators.hifigan`` as an ONNX graph.

Shapes: T frames, C channels, N = T * hop_length samples, D condition size.
"""

from typing import cast

import numpy as np

from thesis_lib.config import HifiganConfig
from thesis_lib.vocoder.definitions import LAST_LEAKY_SLOPE, LEAKY_SLOPE
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.graphs.layers import GeneratorNetwork
from thesis_lib.vocoder.streaming import ReceptiveField

EDGE_KERNEL = 7  # of the first and the last convolution


class HifiganNetwork(GeneratorNetwork):
    """Transposed convolutions and receptive fields, each stage modulated."""

    def samples(self) -> str:
        """The graph of the whole generator; returns the name of its result (1, N)."""
        config = cast(HifiganConfig, self.description.generator)
        c = self.condition()
        x = self.film("film", self._conv("pre", self.reduced()), c)
        for stage, rate in enumerate(config.upsample_rates):
            x = self.film(f"stages.{stage}.film", self._upsampled(f"stages.{stage}.up", self._leaky(x), rate), c)
            fields = [
                self._field(f"stages.{stage}.fields.{number}", x, dilations, config.plain_convolutions)
                for number, dilations in enumerate(config.dilations)
            ]
            x = self.add("Div", self.add("Sum", *fields), np.float32(len(fields)))
        wav = self.add("Tanh", self._conv("post", self._leaky(x, LAST_LEAKY_SLOPE)))
        return self.add("Squeeze", wav, np.array([1]))

    def _leaky(self, x: str, slope: float = LEAKY_SLOPE) -> str:
        return self.add("LeakyRelu", x, alpha=slope)

    def _conv(self, prefix: str, x: str, dilation: int = 1) -> str:
        """(1, C, T) -> (1, C', T), zero-padded."""
        weight, bias = self.take(f"{prefix}.weight"), self.take(f"{prefix}.bias")
        around = dilation * (weight.shape[2] - 1) // 2
        return self.add("Conv", x, weight, bias, dilations=[dilation], pads=[around, around])

    def _field(self, prefix: str, x: str, dilations: tuple[int, ...], plain: bool) -> str:
        """The receptive field of one kernel size, with residuals."""
        for number, dilation in enumerate(dilations):
            y = self._conv(f"{prefix}.dilated.{number}", self._leaky(x), dilation)
            if plain:
                y = self._conv(f"{prefix}.plain.{number}", self._leaky(y))
            x = self.add("Add", x, y)
        return x

    def _upsampled(self, prefix: str, x: str, rate: int) -> str:
        """A transposed convolution as a plain one that computes all phases, and their interleaving.

        (1, C, T) -> (1, C', rate * T). Runtimes with fast int8 or bfloat16 have them for plain convolutions only:
        transposed ones, a thirtieth of HiFi-GAN V1's multiplications, then take a fifth to a half of its time.
        """
        weight, bias = self.take(f"{prefix}.weight"), self.take(f"{prefix}.bias")
        phases, outputs = polyphase(weight, rate), weight.shape[1]
        x = self.add("Conv", x, phases, bias.repeat(rate), pads=[1, 1])
        x = self.add("Reshape", x, np.array([0, outputs, rate, -1]))
        return self.add("Reshape", self.add("Transpose", x, perm=[0, 1, 3, 2]), np.array([0, outputs, -1]))


def polyphase(weight: np.ndarray, rate: int) -> np.ndarray:
    """The kernel (C, C', 2 rate) of a transposed convolution -> that of a plain one, (C' rate, C, 3)."""
    inputs, outputs, size = weight.shape
    found = np.zeros((outputs, rate, inputs, 3), np.float32)
    for phase in range(rate):
        # The kernel spans two input samples: of the one before and the one after, one lies outside of it.
        for tap, shift in enumerate((rate, 0, -rate)):
            place = phase + (rate + 1) // 2 + shift
            if 0 <= place < size:
                found[:, phase, :, tap] = weight[:, :, place].T
    return found.reshape(outputs * rate, inputs, 3)


def hifigan_receptive_field(description: VocoderDescription) -> ReceptiveField:
    """The frames that an output frame depends on: an interval of samples, followed from the output to the input."""
    config = cast(HifiganConfig, description.generator)
    first, last = -(EDGE_KERNEL // 2), description.audio.hop_length - 1 + EDGE_KERNEL // 2
    reaches = [
        sum((d + config.plain_convolutions) * (kernel - 1) // 2 for d in dilations)
        for kernel, dilations in zip(config.kernel_sizes, config.dilations, strict=True)
    ]
    for rate in reversed(config.upsample_rates):
        first, last, pad = first - max(reaches), last + max(reaches), (rate + 1) // 2
        first, last = -(-(first + pad - 2 * rate + 1) // rate), (last + pad) // rate
    return ReceptiveField(EDGE_KERNEL // 2 - first, last + EDGE_KERNEL // 2)
