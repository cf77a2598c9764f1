"""Spectral losses: log-mel L1, several mel scales, multi-resolution STFT.

Shapes: B batch, N samples, M mel bands, T frames.
"""

import torch
from torch import Tensor, nn

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config, LossConfig
from thesis_lib.config.registries import LOSSES
from thesis_lib.losses.sums import total

STFT_SIZES = (512, 1024, 2048)  # samples; the hop is a quarter of each
MEL_SCALES = ((512, 40), (1024, 80), (2048, 160))  # FFT size in samples, bands
MIN_MAGNITUDE = 1e-5  # magnitudes below it count as empty, as in the log-mel (AudioConfig.FLOOR)


def mel_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """Eq. 3: mean L1 of two log-mels (B, M, T), in nepers (natural log of magnitude)."""
    return torch.mean(torch.abs(estimate - reference))


def stft_loss(estimate: Tensor, reference: Tensor, size: int, window: Tensor | None = None) -> Tensor:
    """(B, N) each: spectral convergence + L1 of log magnitudes at one FFT size.

    Parallel WaveGAN, Yamamoto et al. 2020, arXiv:1910.11480, eq. 5 and 6:
    ``||X - Y||_F / ||X||_F + mean |ln X - ln Y|``. ``window`` is a Hann window (size,) that need not be computed again.
    """
    if window is None:
        window = torch.hann_window(size, device=estimate.device, dtype=estimate.dtype)
    a, b = _magnitude(estimate, window), _magnitude(reference, window)
    # Per signal, so that the loss of a batch is the mean of its signals' losses, on any number of devices.
    error, norm = (torch.linalg.vector_norm(x, dim=(1, 2)) for x in (b - a, b))
    convergence = (error / norm.clamp(min=MIN_MAGNITUDE)).mean()
    return convergence + (a.clamp(min=MIN_MAGNITUDE).log() - b.clamp(min=MIN_MAGNITUDE).log()).abs().mean()


def multi_resolution_stft_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, N) each: the mean of ``stft_loss`` over ``STFT_SIZES`` (arXiv:1910.11480, eq. 7)."""
    return total(stft_loss(estimate, reference, size) for size in STFT_SIZES) / len(STFT_SIZES)


class MultiResolutionStft(nn.Module):
    """``multi_resolution_stft_loss`` with its windows as buffers."""

    def __init__(self) -> None:
        super().__init__()
        for size in STFT_SIZES:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar."""
        windows = {size: self.get_buffer(f"window_{size}") for size in STFT_SIZES}
        return total(stft_loss(estimate, reference, *item) for item in windows.items()) / len(windows)


class MultiScaleMel(nn.Module):
    """Mean over FFT sizes of the L1 between full-band log-mels (Descript codec, arXiv:2306.06546, sec. 3.4)."""

    def __init__(self, audio: AudioConfig, scales: tuple[tuple[int, int], ...] = MEL_SCALES) -> None:
        super().__init__()
        self.mels = nn.ModuleList(
            LogMel(full_band(audio, n_fft=size, win_length=size, hop_length=size // 4, n_mels=bands))
            for size, bands in scales
        )

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar, in nepers."""
        return total(mel_loss(mel(estimate), mel(reference)) for mel in self.mels) / len(self.mels)


class MelLoss(nn.Module):
    """``mel_loss`` of two waveforms up to the Nyquist frequency, as the official code; the input mel ends at fmax."""

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.mel = LogMel(full_band(audio))

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar, in nepers."""
        return mel_loss(self.mel(estimate), self.mel(reference))


def full_band(audio: AudioConfig, **changes: int) -> AudioConfig:
    """The mel analysis extended to the Nyquist frequency, with further changes."""
    return audio.model_copy(update=changes | {"fmax": audio.sample_rate / 2})


@LOSSES.register("mel")
def _make_mel_loss(config: Config, weights: LossConfig) -> MelLoss:
    return MelLoss(config.audio)


@LOSSES.register("multi_scale_mel")
def _make_multi_scale_mel(config: Config, weights: LossConfig) -> MultiScaleMel:
    return MultiScaleMel(config.audio)


@LOSSES.register("stft")
def _make_stft_loss(config: Config, weights: LossConfig) -> MultiResolutionStft:
    return MultiResolutionStft()


def _magnitude(wav: Tensor, window: Tensor) -> Tensor:
    size = len(window)
    spectrum = torch.stft(wav, size, size // 4, window=window, return_complex=True)
    # The offset keeps the gradient finite where a bin is empty.
    return torch.sqrt(spectrum.real**2 + spectrum.imag**2 + MIN_MAGNITUDE**2)
