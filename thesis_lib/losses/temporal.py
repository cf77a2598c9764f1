"""Temporal consistency: how speech moves from frame to frame.

Shapes: B batch, N samples, T frames.
"""

import torch
from torch import Tensor, nn

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig
from thesis_lib.losses.spectral import SMALLEST, full_band, mel_loss
from thesis_lib.losses.sums import total


class TemporalConsistency(nn.Module):
    """How speech moves from frame to frame: L1 between the frame differences of log-mel, log energy and log F0.

    There is no settled form in the literature. The delta features of speech recognition (Furui 1986,
    doi:10.1109/TASSP.1986.1164788) describe movement, and an L1 between them punishes jitter that a loss on each
    frame alone forgives: two estimates with equal frame errors differ here when the errors of one change sign from
    frame to frame. F0 is a soft one, so that it has a gradient: the expected log lag under a softmax over the
    normalised autocorrelation (Boersma 1993), weighted by the reference's own strength of voicing.
    """

    window: Tensor  # (n_fft,)
    lags: Tensor  # samples, integers
    window_correlation: Tensor  # of the window with itself, at the lags

    LOWEST, HIGHEST = 60.0, 500.0  # Hz, of the lags searched
    SHARPNESS = 100.0  # of the softmax over lags: at 1 the expectation is the middle of the range whatever the signal

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.audio = audio
        self.mel = LogMel(full_band(audio))
        window = torch.hann_window(audio.n_fft)
        self.register_buffer("window", window, persistent=False)
        lags = torch.arange(int(audio.sample_rate / self.HIGHEST), int(audio.sample_rate / self.LOWEST) + 1)
        self.register_buffer("lags", lags, persistent=False)
        self.register_buffer("window_correlation", _autocorrelation(window)[lags], persistent=False)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar: the sum of the three parts, each in nepers a frame."""
        return total(self.parts(estimate, reference).values())

    def parts(self, estimate: Tensor, reference: Tensor) -> dict[str, Tensor]:
        """The three parts by name."""
        mels = self.mel(estimate), self.mel(reference)
        energies = [torch.logsumexp(2 * mel, dim=1) / 2 for mel in mels]
        (f0, _), (reference_f0, voicing) = self.soft_log_f0(estimate), self.soft_log_f0(reference)
        voiced = torch.minimum(voicing[:, 1:], voicing[:, :-1]).detach()
        return {
            "mel": mel_loss(mels[0].diff(dim=-1), mels[1].diff(dim=-1)),
            "energy": mel_loss(energies[0].diff(dim=-1), energies[1].diff(dim=-1)),
            "f0": (voiced * (f0.diff(dim=-1) - reference_f0.diff(dim=-1)).abs()).mean(),
        }

    def soft_log_f0(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) -> expected ln F0 (F0 in Hz) and strength of voicing in 0..1, each (B, T)."""
        size = self.audio.n_fft
        frames = wav.unfold(-1, size, self.audio.hop_length)
        frames = (frames - frames.mean(-1, keepdim=True)) * self.window
        correlation = _autocorrelation(frames)
        # The floor keeps silence at zero. The window's taper makes one period stand out from two, which are as alike.
        tapered = correlation[..., self.lags] / (correlation[..., :1] + SMALLEST)
        shares = torch.softmax(self.SHARPNESS * tapered, dim=-1)
        log_f0 = (shares * (self.audio.sample_rate / self.lags).log()).sum(-1)
        # Divided by the window's own correlation, a periodic frame reaches one.
        return log_f0, (tapered / self.window_correlation).amax(-1).clamp(0, 1)


def _autocorrelation(frames: Tensor) -> Tensor:
    """(..., n) -> (..., n) for lags 0..n-1, divided by the value at lag 0 for a single window."""
    size = frames.shape[-1]
    power = torch.fft.rfft(frames, n=2 * size).abs() ** 2
    correlation = torch.fft.irfft(power)[..., :size]
    return correlation if frames.dim() > 1 else correlation / correlation[0]
