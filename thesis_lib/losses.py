"""The losses, estimate first and reference second. Weights live in ``LossConfig``.

Shapes: B batch, N samples, M mel bands, T frames, D embedding size. Each is a pure function of tensors, or a small
module that holds constants (filters, windows, a frozen encoder). All but the adversarial ones vanish for identical
signals.

References: HiFi-GAN, Kong et al. 2020, arXiv:2010.05646 (sec. 2.4); the others where they stand.
"""

import functools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.config import AudioConfig
from thesis_lib.mel import LogMel

STFT_SIZES = (512, 1024, 2048)  # samples; the hop is a quarter of each
MEL_SCALES = ((512, 40), (1024, 80), (2048, 160))  # FFT size in samples, bands
SMALLEST = 1e-5  # magnitude below which a spectrum counts as empty: the mel's own floor


def discriminator_loss(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Least squares, eq. 1: sum over parts of mean (D(x) - 1)^2 + mean D(G(s))^2."""
    return _total(((r - 1) ** 2).mean() + (f**2).mean() for f, r in zip(fake, real, strict=True))


def adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """Least squares, eq. 2: sum over parts of mean (D(G(s)) - 1)^2."""
    return _total(((f - 1) ** 2).mean() for f in fake)


def feature_matching_loss(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Eq. 4: L1 between the features of every layer of every part. Real features are constants here."""
    pairs = [(f, r.detach()) for fs, rs in zip(fake, real, strict=True) for f, r in zip(fs, rs, strict=True)]
    return _total((f - r).abs().mean() for f, r in pairs)


def mel_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """Eq. 3: mean L1 of two log-mels (B, M, T), in nepers (natural log of magnitude)."""
    return torch.mean(torch.abs(estimate - reference))


def stft_loss(estimate: Tensor, reference: Tensor, size: int) -> Tensor:
    """(B, N) each: spectral convergence + L1 of log magnitudes at one FFT size.

    Parallel WaveGAN, Yamamoto et al. 2020, arXiv:1910.11480, eq. 5 and 6:
    ``||X - Y||_F / ||X||_F + mean |ln X - ln Y|``.
    """
    a, b = _magnitude(estimate, size), _magnitude(reference, size)
    # For each signal by itself, so that a batch's loss is the mean of its items', however they are shared out.
    error, norm = (torch.linalg.vector_norm(x, dim=(1, 2)) for x in (b - a, b))
    convergence = (error / norm.clamp(min=SMALLEST)).mean()
    return convergence + (a.clamp(min=SMALLEST).log() - b.clamp(min=SMALLEST).log()).abs().mean()


def multi_resolution_stft_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, N) each: the mean of ``stft_loss`` over ``STFT_SIZES`` (arXiv:1910.11480, eq. 7)."""
    return _total(stft_loss(estimate, reference, size) for size in STFT_SIZES) / len(STFT_SIZES)


def cosine_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) or (B, D, T) each: 1 - mean cosine, in 0..2."""
    return 1 - F.cosine_similarity(estimate, reference, dim=1).mean()


def embedding_mse_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) each: the first plan's mean squared error, of unit vectors.

    It equals 2 (1 - cos) / D, so its gradient is D / 2 times weaker than ``cosine_loss``'s: 96 times at 192-d, 384
    at 768-d. Kept as an ablation.
    """
    return F.mse_loss(F.normalize(estimate, dim=1), F.normalize(reference, dim=1))


class MultiScaleMel(nn.Module):
    """Mean over FFT sizes of the L1 between full-band log-mels (Descript codec, arXiv:2306.06546, sec. 3.4)."""

    def __init__(self, audio: AudioConfig, scales: tuple[tuple[int, int], ...] = MEL_SCALES) -> None:
        super().__init__()
        self.mels = nn.ModuleList(
            LogMel(_full_band(audio, n_fft=size, win_length=size, hop_length=size // 4, n_mels=bands))
            for size, bands in scales
        )

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar, in nepers."""
        return _total(mel_loss(mel(estimate), mel(reference)) for mel in self.mels) / len(self.mels)


class MelLoss(nn.Module):
    """``mel_loss`` of two waveforms, to the Nyquist frequency as the official loss; the input mel ends at fmax."""

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.mel = LogMel(_full_band(audio))

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar, in nepers."""
        return mel_loss(self.mel(estimate), self.mel(reference))


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
        self.mel = LogMel(_full_band(audio))
        window = torch.hann_window(audio.n_fft)
        self.register_buffer("window", window, persistent=False)
        lags = torch.arange(int(audio.sample_rate / self.HIGHEST), int(audio.sample_rate / self.LOWEST) + 1)
        self.register_buffer("lags", lags, persistent=False)
        self.register_buffer("window_correlation", _autocorrelation(window)[lags], persistent=False)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) -> scalar: the sum of the three parts, each in nepers a frame."""
        return _total(self.parts(estimate, reference).values())

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


class EmbeddingConsistency(nn.Module):
    """Distance of a frozen encoder's embeddings of two waveforms; the gradient reaches the estimate.

    With a speaker encoder this is YourTTS's speaker consistency loss (Casanova et al. 2022, arXiv:2112.02418,
    eq. 1), with an emotion encoder VECL-TTS's emotion consistency loss (arXiv:2406.08076). An encoder may also give
    one vector a frame, (B, D, T), as a speech recogniser's does: then it is the mean over the frames.
    """

    def __init__(self, encoder: nn.Module, sample_rate: int, distance: str = "cosine") -> None:
        super().__init__()
        from torchaudio.transforms import Resample

        # The encoder's parameters get no gradient and its batch statistics do not move.
        self.encoder = encoder.eval().requires_grad_(False)
        self.resample = Resample(sample_rate, encoder.sample_rate)
        self.distance = {"cosine": cosine_loss, "mse": embedding_mse_loss}[distance]

    def train(self, mode: bool = True) -> "EmbeddingConsistency":
        """Does nothing: a frozen encoder has one mode."""
        return self

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) at ``sample_rate`` -> scalar."""
        with torch.no_grad():
            target = self.encoder(self.resample(reference))
        return self.towards(estimate, target)

    def towards(self, estimate: Tensor, target: Tensor) -> Tensor:
        """(B, N), and embeddings (B, D) that nobody needs to have said anything for -> scalar."""
        return self.distance(self.encoder(self.resample(estimate)), target)


def _total(terms: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, terms)


def _full_band(audio: AudioConfig, **changes: int) -> AudioConfig:
    return audio.model_copy(update=changes | {"fmax": audio.sample_rate / 2})


def _magnitude(wav: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=wav.device, dtype=wav.dtype)
    spectrum = torch.stft(wav, size, size // 4, window=window, return_complex=True)
    # The offset keeps the gradient finite where a bin is empty.
    return torch.sqrt(spectrum.real**2 + spectrum.imag**2 + SMALLEST**2)


def _autocorrelation(frames: Tensor) -> Tensor:
    """(..., n) -> (..., n) for lags 0..n-1, divided by the value at lag 0 for a single window."""
    size = frames.shape[-1]
    power = torch.fft.rfft(frames, n=2 * size).abs() ** 2
    correlation = torch.fft.irfft(power)[..., :size]
    return correlation if frames.dim() > 1 else correlation / correlation[0]
