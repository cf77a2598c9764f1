"""Temporal consistency loss: L1 between the frame differences of two signals' features.

Shapes: B batch, N samples, T frames.
"""

import torch
from torch import Tensor, nn

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config, LossConfig
from thesis_lib.config.registries import LOSSES
from thesis_lib.losses.spectral import MIN_MAGNITUDE, full_band, mel_loss
from thesis_lib.losses.sums import total


class TemporalConsistency(nn.Module):
    """L1 between the frame differences of log-mel, log energy and log F0.

    The literature has no standard form. Frame differences are the delta features of speech recognition (Furui 1986,
    doi:10.1109/TASSP.1986.1164788). An L1 between them penalises jitter, which a loss on single frames does not: of
    two estimates with equal frame errors, the one with errors that change sign from frame to frame has the larger
    loss. The F0 is differentiable: the expected log lag under a softmax over the normalised autocorrelation (Boersma
    1993). Its term is weighted by the reference's strength of voicing.
    """

    window: Tensor  # (n_fft,)
    lags: Tensor  # samples, integers
    window_correlation: Tensor  # of the window with itself, at the lags

    MIN_F0, MAX_F0 = 60.0, 500.0  # Hz, range of the lags searched
    SOFTMAX_SCALE = 100.0  # over lags; at 1 the expectation is the middle of the range for every signal

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.audio = audio
        self.mel = LogMel(full_band(audio))
        window = torch.hann_window(audio.n_fft)
        self.register_buffer("window", window, persistent=False)
        lags = torch.arange(int(audio.sample_rate / self.MAX_F0), int(audio.sample_rate / self.MIN_F0) + 1)
        self.register_buffer("lags", lags, persistent=False)
        self.register_buffer("window_correlation", _autocorrelation(window)[lags], persistent=False)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar: the sum of the three terms, each in nepers per frame."""
        return total(self.parts(estimate, reference).values())

    def parts(self, estimate: Tensor, reference: Tensor) -> dict[str, Tensor]:
        """(B, N), (B, N) -> the terms "mel", "energy" and "f0", each a scalar in nepers per frame."""
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
        # The floor keeps silence at zero. One period and two correlate alike; the window's taper favours one.
        tapered = correlation[..., self.lags] / (correlation[..., :1] + MIN_MAGNITUDE)
        shares = torch.softmax(self.SOFTMAX_SCALE * tapered, dim=-1)
        log_f0 = (shares * (self.audio.sample_rate / self.lags).log()).sum(-1)
        # Divided by the window's autocorrelation, the maximum of a periodic frame is one.
        return log_f0, (tapered / self.window_correlation).amax(-1).clamp(0, 1)


@LOSSES.register("temporal")
def _make_temporal_loss(config: Config, weights: LossConfig) -> TemporalConsistency:
    return TemporalConsistency(config.audio)


def _autocorrelation(frames: Tensor) -> Tensor:
    """(..., n) -> (..., n) for lags 0..n-1, divided by the value at lag 0 for a single window."""
    size = frames.shape[-1]
    power = torch.fft.rfft(frames, n=2 * size).abs() ** 2
    correlation = torch.fft.irfft(power)[..., :size]
    return correlation if frames.dim() > 1 else correlation / correlation[0]
