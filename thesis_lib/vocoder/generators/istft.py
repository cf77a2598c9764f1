"""ConvNeXt blocks and an inverse-STFT head, modulated by speaker and emotion embeddings.

The network works at the frame rate; the inverse STFT outputs the samples. With a harmonic excitation the head predicts
filters for a pulse train of the given F0 and for noise, frame by frame, instead of the spectrum itself.

Shapes: B batch, C channels, T frames, F = n_fft / 2 + 1 frequency bins, N = T * hop_length samples, D condition size.

References: Vocos, Siuzdak 2023, arXiv:2306.00814; ConvNeXt, Liu et al. 2022, arXiv:2201.03545; neural source-filter
models, Wang et al. 2019, arXiv:1904.12088.
"""

import functools
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.config import AudioConfig, ContentConfig, IstftConfig
from thesis_lib.vocoder.conditioning import FiLM
from thesis_lib.vocoder.content_batch import absolute_pitch
from thesis_lib.vocoder.definitions import (
    FRAME_KERNEL,
    MAX_LOG_MAGNITUDE,
    NOISE_PERIOD,
    excitation_noise,
    frames_ahead,
)
from thesis_lib.vocoder.generators.base import Generator, reduced_channels
from thesis_lib.vocoder.streaming import ReceptiveField

INITIAL_LOG_GAIN = -4.0  # nepers, of the excitation's filters at initialisation
Layer = TypeVar("Layer", bound=nn.Module)


def _small(layer: Layer) -> Layer:
    """Initialise a layer as Vocos does."""
    weight, bias = layer.parameters()
    nn.init.trunc_normal_(weight, std=0.02)
    nn.init.zeros_(bias)
    return layer


class FrameConv1d(nn.Conv1d):
    """A convolution over seven frames that keeps the length; ``ahead`` is its right context in frames.

    A dense one is computed as one matrix product: ONNX Runtime's convolution sums in an order that depends on the
    length, and a stream would equal the whole only to 1e-5.
    """

    def __init__(self, inputs: int, outputs: int, ahead: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, FRAME_KERNEL, groups=groups)
        self.around = (FRAME_KERNEL - 1 - ahead, ahead)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        frames, x = x.shape[-1], F.pad(x, self.around)
        if self.groups > 1:
            return super().forward(x)
        seen = torch.cat([x[:, :, k : k + frames] for k in range(FRAME_KERNEL)], dim=1)
        weight = self.weight.transpose(1, 2).flatten(1)
        return F.linear(seen.transpose(1, 2), weight, self.bias).transpose(1, 2)


class Block(nn.Module):
    """Depthwise convolution, norm, FiLM, and a pointwise network, with a residual."""

    def __init__(self, config: IstftConfig, ahead: int) -> None:
        super().__init__()
        width, hidden = config.channels, config.channels * config.expansion
        self.depthwise = _small(FrameConv1d(width, width, ahead, groups=width))
        # FiLM is the norm's affine map.
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = FiLM(width, config.condition_dim)
        self.up = _small(nn.Linear(width, hidden))
        self.down = _small(nn.Linear(hidden, width))
        self.scale = nn.Parameter(torch.full((width,), 1 / config.blocks))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, C, T), (B, D) -> (B, C, T)."""
        y = self.film(self.norm(self.depthwise(x).transpose(1, 2)), c, dim=2)
        return x + (self.scale * self.down(F.gelu(self.up(y)))).transpose(1, 2)


class Stft(nn.Module):
    """STFT and its inverse on the frames of the mel: Hann window, N = T * hop_length, no centring."""

    window: Tensor  # (n_fft,)

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        if audio.n_fft % audio.hop_length:
            raise ValueError("the inverse STFT needs an n_fft that is a multiple of the hop_length")
        self.size, self.hop = audio.n_fft, audio.hop_length
        self.pad = (self.size - self.hop) // 2
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)
        self.signals: Callable[[Tensor], Tensor] = functools.partial(torch.fft.irfft, n=self.size)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) -> complex (B, T, F)."""
        frames = F.pad(wav, (self.pad, self.pad)).unfold(1, self.size, self.hop)
        return torch.fft.rfft(frames * self.window)

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Complex (B, T, F) -> (B, N), weighted overlap-add (Griffin & Lim 1984, eq. 6)."""
        count, parts = spectrum.shape[1], self.size // self.hop
        frames = self.signals(spectrum) * self.window
        hops = frames.unflatten(2, (parts, self.hop))
        added = sum(F.pad(hops[:, :, part], (0, 0, part, parts - 1 - part)) for part in range(parts))
        # Sum of squared windows over the frames that overlap each hop; fewer frames overlap at the edges.
        hop, part = (torch.arange(n, device=hops.device) for n in (count + parts - 1, parts))
        frame = hop.unsqueeze(1) - part
        weight = ((frame >= 0) & (frame < count)).to(hops) @ (self.window**2).view(parts, self.hop)
        wav = (added / weight.clamp(min=1e-8)).flatten(1)
        return wav[:, self.pad : self.pad + count * self.hop]


class HarmonicSource(nn.Module):
    """F0 -> a band-limited pulse train and noise, both of unit power."""

    noise: Tensor  # (NOISE_PERIOD,)

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        if audio.hop_length % 2:
            raise ValueError("the harmonic excitation needs an even hop_length")
        self.rate, self.hop = audio.sample_rate, audio.hop_length
        self.register_buffer("noise", torch.from_numpy(excitation_noise()), persistent=False)

    def forward(self, f0: Tensor, origin: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """F0 (B, T) in Hz, float64 -> pulses (B, N), noise (B, N); ``origin`` as in ``Generator.synthesise``."""
        samples, half = f0.shape[-1] * self.hop, self.hop // 2
        f0 = self._sampled(f0)
        # In float64: in float32 the phase after an hour at 600 Hz has no fractional digits left.
        turned = torch.cumsum(f0 / self.rate, dim=1)
        place = torch.arange(samples, device=f0.device)
        if origin is not None:
            turned = turned - turned[:, half - 1 : half] + origin[0]
            place = place + origin[1].long()
        noise = self.noise[place % NOISE_PERIOD]
        # Centred before it is rounded: in single precision a phase just below 1 has steps of 6e-8 cycles, which the
        # pulse multiplies by its number of harmonics squared; one just below 0 has steps in proportion to itself.
        phase = (turned - torch.round(turned)).float()
        return self._pulses(phase, f0.float()), noise.expand(len(f0), -1)

    def _sampled(self, f0: Tensor) -> Tensor:
        """Interpolate (B, T) -> (B, N): linear between frame centres, constant before the first and after the last."""
        share = (torch.arange(self.hop, device=f0.device, dtype=f0.dtype) + 0.5) / self.hop
        before, after = torch.cat([f0[:, :1], f0], dim=1), torch.cat([f0, f0[:, -1:]], dim=1)
        between = before.unsqueeze(2) + (after - before).unsqueeze(2) * share  # (B, T + 1, hop), centre to centre
        return between.flatten(1)[:, self.hop // 2 : -(self.hop // 2)]

    def _pulses(self, phase: Tensor, f0: Tensor) -> Tensor:
        """The sum of cos(k x), k = 1..K, up to the Nyquist frequency (Dirichlet kernel), at unit power.

        Phase in cycles, within +-0.5, and F0 in Hz: (B, N), (B, N) -> (B, N).
        """
        count = torch.floor(0.5 * self.rate / f0)
        half = math.pi * phase  # x / 2
        near = half.abs() < 1e-4
        sine = torch.sin(torch.where(near, torch.ones_like(half), half))
        total = torch.where(near, count, 0.5 * torch.sin((2 * count + 1) * half) / sine - 0.5)
        return total * torch.sqrt(2 / count)


class IstftGenerator(Generator):
    """Frame-rate backbone, spectral head."""

    def __init__(
        self, audio: AudioConfig, content: ContentConfig, config: IstftConfig, speaker_dim: int, emotion_dim: int
    ) -> None:
        super().__init__(content, config, speaker_dim, emotion_dim)
        inputs = reduced_channels(audio, content)
        first, *others = frames_ahead(config)
        self.pre = _small(FrameConv1d(inputs, config.channels, first))
        self.pre_norm = nn.LayerNorm(config.channels)
        self.blocks = nn.ModuleList(Block(config, ahead) for ahead in others)
        self.post_norm = nn.LayerNorm(config.channels, elementwise_affine=False)
        # Directly before the head, so that the condition modulates the long-term spectrum.
        self.post_film = FiLM(config.channels, config.condition_dim)
        self.stft = Stft(audio)
        bins = audio.n_fft // 2 + 1
        self.excited = config.excitation == "harmonic"
        self.source = HarmonicSource(audio) if self.excited else None
        self.head = _small(nn.Linear(config.channels, (3 if self.source else 2) * bins))
        if self.source:
            nn.init.constant_(self.head.bias[: 2 * bins], INITIAL_LOG_GAIN)

    def receptive_field(self) -> ReceptiveField:
        """Measured as in ``Generator``; with an excitation at least that of F0, which passes both STFTs."""
        found = super().receptive_field()
        if not self.source:
            return found
        own = 1 + 2 * -(-self.stft.pad // self.stft.hop)
        return ReceptiveField(max(found.left, own), max(found.right, own))

    def synthesise(self, content: Tensor, c: Tensor, origin: Tensor | None = None) -> Tensor:
        """(B, C, T), (B, D) -> (B, 1, T * hop_length)."""
        x = self.pre_norm(self.pre(content).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x, c)
        x = self.post_film(self.post_norm(x.transpose(1, 2)), c, dim=2)
        heads = self.head(x)
        # Spectra need single precision, also in a mixed-precision training.
        with torch.autocast(heads.device.type, enabled=False):
            heads = heads.float()
            spectrum = (
                self._drawn(heads) if self.source is None else self._filtered(self.source, content, heads, origin)
            )
            return self.stft.inverse(spectrum).unsqueeze(1)

    def _drawn(self, heads: Tensor) -> Tensor:
        """(B, T, 2 F) -> complex (B, T, F): the predicted magnitude and phase of every bin."""
        log_magnitude, phase = heads.chunk(2, dim=2)
        return torch.polar(torch.exp(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE)), phase)

    def _filtered(self, source: HarmonicSource, content: Tensor, heads: Tensor, origin: Tensor | None) -> Tensor:
        """(B, T, 3 F) -> complex (B, T, F): the pulses filtered in magnitude and phase, the noise in magnitude."""
        pulse_gain, noise_gain, phase = heads.chunk(3, dim=2)
        pulses, noise = (self.stft(x) for x in source(absolute_pitch(content), origin))
        pulse_filter = torch.polar(torch.exp(pulse_gain.clamp(max=MAX_LOG_MAGNITUDE)), phase)
        return pulses * pulse_filter + noise * torch.exp(noise_gain.clamp(max=MAX_LOG_MAGNITUDE))
