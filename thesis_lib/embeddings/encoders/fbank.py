"""speechbrain's filter bank features with window and filters as buffers, so that they lie on the encoder's device.

``speechbrain.lobes.features.Fbank`` computes its filters on the host and copies them to the device at every call.

Shapes: B batch, N samples, T frames, K bands.
"""

import math

import torch
from torch import Tensor, nn

from thesis_lib.embeddings.encoders.power_bands import HOP, MIN_POWER, SAMPLE_RATE, SIZE, TOP_DB


class Fbank(nn.Module):
    """Power of triangular mel bands in dB; equals speechbrain's ``Fbank(n_mels=bands)``."""

    window: Tensor  # (SIZE,)
    filters: Tensor  # (SIZE // 2 + 1, K)

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hamming_window(SIZE), persistent=False)
        self.register_buffer("filters", _triangles(bands), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz -> (B, T, K); differentiable; float32 under autocast too."""
        with torch.autocast(wav.device.type, enabled=False):
            spectrum = torch.stft(
                wav.float(), SIZE, HOP, SIZE, self.window, center=True, pad_mode="constant", return_complex=True
            )
            power = torch.view_as_real(spectrum).transpose(2, 1).pow(2).sum(-1)
            decibel = 10 * torch.log10((power @ self.filters).clamp(min=MIN_POWER))
            return torch.maximum(decibel, decibel.amax(dim=(-2, -1), keepdim=True) - TOP_DB)


def _triangles(bands: int) -> Tensor:
    """(SIZE // 2 + 1, K) filters, with centres evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)  # Hz
    centres, widths = edges[1:-1].unsqueeze(1), edges.diff()[:-1].unsqueeze(1)
    slope = (torch.linspace(0, SAMPLE_RATE // 2, SIZE // 2 + 1) - centres) / widths
    return torch.minimum(slope + 1, 1 - slope).clamp(min=0).T
