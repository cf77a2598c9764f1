"""Random changes of a signal before a frozen encoder, so that artefacts of a generator do not raise its cosine.

A gradient of one fixed encoder finds noise with a high cosine to a speaker by that encoder and by no other. An expected
loss over changes that leave the speaker as it is, noise, equaliser, resampling and coding, lowers what such noise can
gain (expectation over transformation, Athalye et al. 2018, arXiv:1707.07397).

Shapes: B batch, N samples, K bands, F frequencies, T frames.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.losses.band_limit import low_pass

NOISE_SNR_DB = (15.0, 40.0)
EQUALISER_GAIN_DB = (-9.0, 9.0)  # at each of EQUALISER_POINTS frequencies, linear in between
EQUALISER_POINTS = 9
RESAMPLED_NYQUIST_HZ = (3000.0, 7500.0)  # half the lower rate of resampling down and up again
MU_LAW = 255.0  # 8 bits
CODEC_SNR_DB = (6.0, 18.0)  # of each band of the transform codec
CODEC_SIZE, CODEC_BANDS = 512, 24  # samples of a frame, half overlapping; bands as wide as on the mel scale
MIN_SCALE = 1e-5  # of a signal or band; one of silence must not be divided by zero


class EncoderAugmentation(nn.Module):
    """Noise, equaliser, resampling, mu-law and a transform codec, each item and kind with the same probability.

    Differentiable: quantisation passes the gradient unchanged (straight-through, Bengio et al. 2013, arXiv:1308.3432).
    Draws from torch's generator of the signal's device, so that a step's changes depend on its seed alone.
    """

    window: Tensor  # (CODEC_SIZE,)
    bands: Tensor  # (F, K), ones and zeros: the band of each frequency

    def __init__(self, sample_rate: int, probability: float) -> None:
        super().__init__()
        self.sample_rate, self.probability = sample_rate, probability
        self.register_buffer("window", torch.hann_window(CODEC_SIZE), persistent=False)
        hertz = torch.linspace(0, sample_rate / 2, CODEC_SIZE // 2 + 1)
        mel = torch.log1p(hertz / 700)
        place = (CODEC_BANDS * mel / mel[-1]).long().clamp(max=CODEC_BANDS - 1)
        self.register_buffer("bands", F.one_hot(place, CODEC_BANDS).float(), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) -> (B, N)."""
        for change in (self.equalised, self.resampled, self.noisy, self.mu_law_coded, self.band_coded):
            taken = torch.rand(len(wav), 1, device=wav.device) < self.probability
            wav = torch.where(taken, change(wav), wav)
        return wav

    def noisy(self, wav: Tensor) -> Tensor:
        """Add white noise at a random signal-to-noise ratio."""
        level = wav.detach().square().mean(1, keepdim=True).sqrt()
        return wav + level * _amplitude(-_uniform(wav, 1, *NOISE_SNR_DB)) * torch.randn_like(wav)

    def equalised(self, wav: Tensor) -> Tensor:
        """Filter by a random smooth gain over frequency."""
        points = _uniform(wav, EQUALISER_POINTS, *EQUALISER_GAIN_DB).unsqueeze(1)
        bins = wav.shape[1] // 2 + 1
        gain = F.interpolate(points, bins, mode="linear", align_corners=True).squeeze(1)
        return torch.fft.irfft(_amplitude(gain) * torch.fft.rfft(wav), n=wav.shape[1])

    def resampled(self, wav: Tensor) -> Tensor:
        """Resample to a random lower rate and back: nothing remains above its Nyquist frequency."""
        return low_pass(wav, _uniform(wav, 1, *RESAMPLED_NYQUIST_HZ).squeeze(1) / self.sample_rate)

    def mu_law_coded(self, wav: Tensor) -> Tensor:
        """Quantise to 8 bits by the mu-law (ITU-T G.711), relative to each item's peak."""
        peak = wav.detach().abs().amax(1, keepdim=True).clamp(min=MIN_SCALE)
        x = wav.detach() / peak
        code = torch.round(127.5 * x.sign() * torch.log1p(MU_LAW * x.abs()) / math.log1p(MU_LAW)) / 127.5
        decoded = peak * code.sign() * torch.expm1(code.abs() * math.log1p(MU_LAW)) / MU_LAW
        return straight_through(wav, decoded)

    def band_coded(self, wav: Tensor) -> Tensor:
        """Quantise a spectrum band by band, with steps that follow each band's level, as an mp3 encoder does."""
        window, bands, hop = self.window.to(wav.dtype), self.bands.to(wav.dtype), CODEC_SIZE // 2
        spectrum = torch.stft(wav.detach(), CODEC_SIZE, hop, window=window, return_complex=True)
        spectrum = torch.view_as_real(spectrum).transpose(1, 2)  # (B, T, F, 2)
        power = (spectrum.square().sum(-1) @ bands) / bands.sum(0)
        # A step of d adds noise of power d^2 / 12 to the real part and to the imaginary part.
        step = (6 * power).sqrt().clamp(min=MIN_SCALE) * _amplitude(-_uniform(wav, 1, *CODEC_SNR_DB)).unsqueeze(1)
        step = (step @ bands.T).unsqueeze(-1)
        coded = torch.view_as_complex((torch.round(spectrum / step) * step).transpose(1, 2).contiguous())
        return straight_through(wav, _overlap_added(coded, window, wav.shape[1]))


def _overlap_added(spectrum: Tensor, window: Tensor, length: int) -> Tensor:
    """Complex (B, F, T) of frames that overlap by half -> (B, length), as ``torch.istft``, which waits for the host."""

    def added(frames: Tensor) -> Tensor:
        first, second = frames.unflatten(-1, (2, -1)).unbind(-2)
        return (F.pad(first, (0, 0, 0, 1)) + F.pad(second, (0, 0, 1, 0))).flatten(-2)

    frames = torch.fft.irfft(spectrum.transpose(1, 2), n=len(window)) * window
    total = added(frames) / added(window.square().expand(1, frames.shape[1], -1)).clamp(min=MIN_SCALE)
    return total[:, len(window) // 2 :][:, :length]


def straight_through(wav: Tensor, changed: Tensor) -> Tensor:
    """The value of ``changed`` with the gradient of ``wav``."""
    return wav + (changed - wav).detach()


def _uniform(wav: Tensor, count: int, low: float, high: float) -> Tensor:
    """(B, count) random values."""
    return low + (high - low) * torch.rand(len(wav), count, device=wav.device, dtype=wav.dtype)


def _amplitude(decibel: Tensor) -> Tensor:
    return 10 ** (decibel / 20)
