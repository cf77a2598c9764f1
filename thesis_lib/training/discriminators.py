"""Multi-period, multi-scale and multi-resolution discriminators. Each takes one signal.

Shapes: B batch, N samples. References: HiFi-GAN, Kong et al. 2020, arXiv:2010.05646 (sec. 2.3); UnivNet, Jang et al.
2021, arXiv:2106.07889 (sec. 2.2).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from thesis_lib.config import DiscriminatorConfig

LEAKY_SLOPE = 0.1


class Period(nn.Module):
    """Sub-discriminator on the signal folded to (N / period, period); convolutions along the periods."""

    def __init__(self, period: int, width: float) -> None:
        super().__init__()
        self.period = period
        sizes = [1] + [max(1, int(c * width)) for c in (32, 128, 512, 1024, 1024)]
        strides = (3, 3, 3, 3, 1)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (stride, 1), padding=(2, 0)))
            for a, b, stride in zip(sizes[:-1], sizes[1:], strides, strict=True)
        )
        self.post = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> scores (B, n), features of every layer."""
        x = F.pad(wav, (0, -wav.shape[-1] % self.period), mode="reflect")
        x = x.unflatten(-1, (-1, self.period))
        return _features(self.convs, self.post, x)


class Scale(nn.Module):
    """Sub-discriminator on the signal after ``pools`` halvings of its rate; grouped convolutions."""

    def __init__(self, pools: int, width: float) -> None:
        super().__init__()
        # Only the first scale uses spectral norm, as in the official code.
        norm = weight_norm if pools else spectral_norm
        self.pools = nn.Sequential(*(nn.AvgPool1d(4, 2, padding=2) for _ in range(pools)))
        sizes = [1] + [max(1, int(c * width)) for c in (128, 128, 256, 512, 1024, 1024, 1024)]
        layers = ((15, 1, 1), (41, 2, 4), (41, 2, 16), (41, 4, 16), (41, 4, 16), (41, 1, 16), (5, 1, 1))
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(a, b, kernel, stride, groups=math.gcd(groups, a, b), padding=kernel // 2))
            for a, b, (kernel, stride, groups) in zip(sizes[:-1], sizes[1:], layers, strict=True)
        )
        self.post = norm(nn.Conv1d(sizes[-1], 1, 3, padding=1))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> scores (B, n), features of every layer."""
        return _features(self.convs, self.post, self.pools(wav))


class Resolution(nn.Module):
    """Sub-discriminator on the magnitude spectrogram of one FFT size."""

    window: Tensor  # (size,)

    def __init__(self, size: int, width: float) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        channels = max(1, int(32 * width))
        shapes = (((3, 9), 1), ((3, 9), 2), ((3, 9), 2), ((3, 9), 2), ((3, 3), 1))  # kernel, stride along frequency
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(channels if i else 1, channels, kernel, (1, stride), padding=(1, kernel[1] // 2)))
            for i, (kernel, stride) in enumerate(shapes)
        )
        self.post = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> scores (B, n), features of every layer."""
        spectrum = torch.stft(
            wav.squeeze(1).float(), self.size, self.size // 4, window=self.window, return_complex=True
        )
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        return _features(self.convs, self.post, magnitude.transpose(1, 2).unsqueeze(1))


class Discriminator(nn.Module):
    """All sub-discriminators: periods, scales and resolutions."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [Period(period, config.width) for period in config.periods]
            + [Scale(pools, config.width) for pools in range(config.scales)]
            + [Resolution(size, config.width) for size in config.resolutions]
        )

    def forward(self, wav: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """(B, 1, N) -> scores and features, one list entry a sub-discriminator."""
        scores, features = zip(*(part(wav) for part in self.parts), strict=True)
        return list(scores), list(features)


def _features(convs: nn.ModuleList, post: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), LEAKY_SLOPE)
        if x.is_cuda and x.dim() == 4:
            # The layout of cuDNN's convolutions in half precision; the other layout is copied around each of them.
            x = x.contiguous(memory_format=torch.channels_last)
        features.append(x)
    x = post(x)
    return x.flatten(1), [*features, x]
