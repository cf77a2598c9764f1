"""HiFi-GAN generator modulated by speaker and emotion embeddings.

Shapes: B batch, T frames, C channels, D condition size.

References: HiFi-GAN, Kong et al. 2020, arXiv:2010.05646 (sec. 2.2, configurations V1, V2, V3 of table 4);
FiLM, Perez et al. 2018, arXiv:1709.07871 (eq. 2).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig
from thesis_lib.vocoder.conditioning import FiLM
from thesis_lib.vocoder.definitions import LAST_LEAKY_SLOPE, LEAKY_SLOPE
from thesis_lib.vocoder.generators.base import Generator, reduced_channels
from thesis_lib.vocoder.sources import generator_name


class SameConv1d(nn.Conv1d):
    """A convolution that keeps the length, padding with zeros.

    Wide kernels are padded in a separate operation: on a CPU, convolutions of 7 samples and more take up to twice as
    long when they pad themselves.
    """

    MIN_WIDE_KERNEL = 7  # samples

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        around = dilation * (kernel - 1) // 2
        wide = kernel >= self.MIN_WIDE_KERNEL
        super().__init__(inputs, outputs, kernel, dilation=dilation, padding=0 if wide else around)
        self.around = around if wide else 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        return super().forward(F.pad(x, (self.around, self.around)) if self.around else x)


def inner_channels(channels: int, config: HifiganConfig) -> int:
    """Channels between the two convolutions of a pair; multiples of eight, for vector units."""
    return channels if config.inner == 1.0 else min(channels, max(8, 8 * round(config.inner * channels / 8)))


def _conv(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Module:
    conv = SameConv1d(inputs, outputs, kernel, dilation)
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return weight_norm(conv)


class ResBlock(nn.Module):
    """Receptive field of one kernel size: a dilated convolution a dilation, with residuals.

    With ``plain_convolutions`` one without dilation follows each (the paper's "ResBlock1").
    """

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], config: HifiganConfig) -> None:
        super().__init__()
        plain, inner = config.plain_convolutions, inner_channels(channels, config)
        self.dilated = nn.ModuleList(_conv(channels, inner, kernel, d) for d in dilations)
        self.plain = nn.ModuleList(_conv(inner, channels, kernel, 1) for _ in dilations if plain)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for number, dilated in enumerate(self.dilated):
            y = dilated(F.leaky_relu(x, LEAKY_SLOPE))
            if self.plain:
                y = self.plain[number](F.leaky_relu(y, LEAKY_SLOPE))
            x = x + y
        return x


class UpsamplingStage(nn.Module):
    """Upsample by ``rate``, modulate, then average the receptive fields (MRF)."""

    def __init__(self, channels: int, rate: int, config: HifiganConfig) -> None:
        super().__init__()
        half = channels // 2
        # A kernel of 2 * rate padded this way yields exactly rate * T samples, odd rates included.
        up = nn.ConvTranspose1d(channels, half, 2 * rate, rate, padding=(rate + 1) // 2, output_padding=rate % 2)
        nn.init.normal_(up.weight, 0.0, 0.01)
        self.up = weight_norm(up)
        self.film = FiLM(half, config.condition_dim)
        self.fields = nn.ModuleList(
            ResBlock(half, kernel, dilations, config)
            for kernel, dilations in zip(config.kernel_sizes, config.dilations, strict=True)
        )

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, C, T), (B, D) -> (B, C / 2, rate * T)."""
        x = self.film(self.up(F.leaky_relu(x, LEAKY_SLOPE)), c)
        return sum(field(x) for field in self.fields) / len(self.fields)


class HifiganGenerator(Generator):
    """Transposed convolutions and receptive fields, each stage modulated."""

    def __init__(
        self, audio: AudioConfig, content: ContentConfig, config: HifiganConfig, speaker_dim: int, emotion_dim: int
    ) -> None:
        super().__init__(content, config, speaker_dim, emotion_dim)
        inputs = reduced_channels(audio, content)
        self.pre = weight_norm(SameConv1d(inputs, config.channels, 7))
        self.film = FiLM(config.channels, config.condition_dim)
        self.stages = nn.ModuleList(
            UpsamplingStage(config.channels // 2**i, rate, config) for i, rate in enumerate(config.upsample_rates)
        )
        post = SameConv1d(config.channels // 2 ** len(config.upsample_rates), 1, 7)
        nn.init.normal_(post.weight, 0.0, 0.01)
        self.post = weight_norm(post)

    def synthesise(self, content: Tensor, c: Tensor, origin: Tensor | None = None) -> Tensor:
        """(B, C, T), (B, D) -> (B, 1, T * hop_length) in [-1, 1]."""
        x = self.film(self.pre(content), c)
        for stage in self.stages:
            x = stage(x, c)
        return torch.tanh(self.post(F.leaky_relu(x, LAST_LEAKY_SLOPE)))

    def load_hifigan(self, state: dict[str, Tensor]) -> None:
        """Load an official HiFi-GAN generator's state (V1 or V2); the condition stays as it is.

        Raises RuntimeError when a key is missing, left over or mis-shaped.
        """
        fields = len(cast(UpsamplingStage, self.stages[0]).fields)
        renamed = {_our_name(key, fields): value for key, value in state.items()}
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("condition.") and ".affine." not in k}
        wrong = sorted(own.keys() ^ renamed.keys()) + [
            k for k in own.keys() & renamed if own[k].shape != renamed[k].shape
        ]
        if wrong:
            raise RuntimeError(f"not the weights of this generator: {len(wrong)} keys differ, such as {wrong[0]}")
        self.load_state_dict(renamed, strict=False)


def _our_name(key: str, fields: int) -> str:
    """Official name -> ours: ``resblocks.4.convs1.2.weight_g`` -> ``stages.1.fields.1.dilated.2.…original0``."""
    key = generator_name(key, fields)
    return key.replace("weight_g", "parametrizations.weight.original0").replace(
        "weight_v", "parametrizations.weight.original1"
    )
