"""The log-mel spectrogram that the whole project uses.

Shapes: B batch, N samples, M mel bands, T frames; N = T * hop_length.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.audio.log_mel import MIN_SQUARED_MAGNITUDE, mel_filters
from thesis_lib.config import AudioConfig


class LogMel(nn.Module):
    """Log-mel spectrogram of HiFi-GAN (official ``meldataset.py``): Slaney filters, natural log.

    Magnitude sqrt(|X|^2 + 1e-9), floor 1e-5, Hann window, reflect padding of (n_fft - hop) / 2 on
    each side and no centring, so that N = T * hop_length samples give exactly T frames.
    """

    filters: Tensor  # (M, n_fft // 2 + 1)
    window: Tensor  # (win_length,)

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        self.register_buffer("filters", torch.tensor(filters), persistent=False)
        self.register_buffer("window", torch.hann_window(config.win_length), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) -> (B, M, T) with T = N // hop_length; differentiable."""
        config = self.config
        pad = (config.n_fft - config.hop_length) // 2
        padded = F.pad(wav.unsqueeze(1), (pad, pad), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded, config.n_fft, config.hop_length, config.win_length, self.window, center=False, return_complex=True
        )
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + MIN_SQUARED_MAGNITUDE)
        return torch.log(torch.clamp(self.filters @ magnitude, min=config.FLOOR))
