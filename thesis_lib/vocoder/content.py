"""Content features, the generator's first input: the log-mel, or features with the speaker removed.

Shapes: B batch, M mel bands, T mel frames, K cepstra, P phonetic channels, C content channels.

``mel``       the log-mel. It carries the speaker, so a vocoder may ignore its condition.
``envelope``  the first K cepstra of the log-mel, without the utterance's mean (Atal 1974, doi:10.1121/1.1914702),
              the frequency axis stretched at random in training (vocal tract length perturbation, Jaitly & Hinton
              2013). `python -m benchmarks content` measures how much speaker information remains.
``phonetic``  the last layer of Whisper's encoder (arXiv:2212.04356), without the utterance's mean: trained to
              recognise words of any speaker, it carries little speaker information. The generator reduces it to
              its first principal components.

The last two are followed by three channels of prosody: energy, log-F0 and voicing.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from thesis_lib.audio.files import whole_frames
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import MIN_LOG_F0_STD, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE, Pitch, track
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.pretrained.whisper import Whisper

MAX_BELOW_PEAK_NEPERS = 3.0  # a frame's mean log-mel below the loudest frame's, within which it counts as speech
PHONETIC_MODEL, PHONETIC = "whisper-tiny.en", 384  # P
# Fixed scales that bring every channel near unit size; trained weights depend on them.
CEPSTRUM_SCALE, ENERGY_CENTRE, ENERGY_SCALE = 2.0, -5.0, 2.0

Feature = Literal["mel_mean", "phonetic", "log_f0", "voicing"]  # of an analysis
# What stands past a recording's end: the last frame's value, or 0.
PAST_END: dict[Feature, Literal["edge", "constant"]] = {"phonetic": "edge", "log_f0": "edge", "voicing": "constant"}


@dataclass(frozen=True)
class Analysis:
    """Measurements of a whole recording, on the frames of its mel; cached by training."""

    pitch: Pitch
    mel_mean: np.ndarray  # (M,) mean log-mel of the frames that hold speech
    phonetic: np.ndarray  # (P, T), mean removed; (0, T) for a content kind without it


def analyse(wav: np.ndarray, log_mel: LogMel, config: ContentConfig) -> Analysis:
    """(N,) -> Analysis of its frames, zero-padded to whole ones. ModelError when Whisper cannot be loaded."""
    audio = log_mel.config
    wav = whole_frames(wav, audio.hop_length)
    mel = log_mel(torch.from_numpy(wav).unsqueeze(0))[0]
    mel_mean = spoken(mel).mean(1).numpy()
    phonetic = np.zeros((0, mel.shape[1]), np.float32)
    if config.kind == "phonetic":
        encoded = _recogniser().encode(wav, audio.sample_rate)
        centres = (np.arange(mel.shape[1]) + 0.5) * audio.hop_length / audio.sample_rate
        places = np.clip(centres * 50 - 0.5, 0, len(encoded) - 1)  # 50 vectors a second, each at its own centre
        low = np.minimum(places.astype(int), len(encoded) - 2) if len(encoded) > 1 else np.zeros(len(places), int)
        share = (places - low)[:, None]
        following = encoded[np.minimum(low + 1, len(encoded) - 1)]
        phonetic = ((1 - share) * encoded[low] + share * following - encoded.mean(0)).T.astype(np.float32)
    return Analysis(track(wav, audio), mel_mean, phonetic)


def spoken(mel: Tensor) -> Tensor:
    """Select the frames with speech: (M, T) -> (M, T')."""
    energy = mel.mean(0)
    return mel[:, energy >= energy.max() - MAX_BELOW_PEAK_NEPERS]


@functools.cache
def _recogniser() -> Whisper:
    return Whisper(PHONETIC_MODEL)


def release() -> None:
    """Unload the recogniser after a pass over a corpus.

    Its OpenMP threads and torch's together are more than the cores, and torch's then sleep between operations: on two
    cores a training step took 0.26 s with the recogniser loaded and 0.13 s without.
    """
    _recogniser.cache_clear()


def channels(audio: AudioConfig, config: ContentConfig) -> int:
    """C, the number of content channels: the mel bands, or the kind's features plus energy, log-F0 and voicing."""
    return {"mel": audio.n_mels, "envelope": config.cepstra + 3, "phonetic": PHONETIC + 3}[config.kind]


def absolute_pitch(content: Tensor) -> Tensor:
    """Content with a log-F0 channel (B, C, T) -> F0 in Hz (B, T), float64, because phases sum it."""
    return torch.exp(content[:, PITCH_CHANNEL].double() * PITCH_SCALE + PITCH_CENTRE)


class Content(nn.Module):
    """Compute content features (B, C, T) from a log-mel and an analysis."""

    basis: Tensor  # (cepstra, M)

    def __init__(self, audio: AudioConfig, config: ContentConfig) -> None:
        super().__init__()
        self.config = config
        bands = np.arange(audio.n_mels)
        orders = np.arange(1, config.cepstra + 1)[:, None]
        basis = np.sqrt(2 / audio.n_mels) * np.cos(np.pi * orders * (bands + 0.5) / audio.n_mels)  # DCT-II
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32), persistent=False)
        edges = librosa.mel_frequencies(audio.n_mels + 2, fmin=audio.fmin, fmax=audio.fmax)
        self._centres = edges[1:-1]

    def forward(self, mel: Tensor, analyses: list[Analysis], start: list[int], warp: np.ndarray | None) -> Tensor:
        """Log-mel segments (B, M, T), from frame ``start`` of each recording -> (B, C, T).

        ``warp`` (B,) stretches each item's frequency axis by that factor; None leaves it as it is. Frames after a
        recording's end are unvoiced.
        """

        def cut(name: Feature) -> Tensor:
            if name == "mel_mean":
                return torch.from_numpy(np.stack([analysis.mel_mean for analysis in analyses]))
            rows = [self.rows(name, analysis) for analysis in analyses]
            return self._cut(rows, start, mel.shape[-1], PAST_END[name])

        return self.assembled(mel, cut, warp)

    def assembled(self, mel: Tensor, cut: Callable[[Feature], Tensor], warp: np.ndarray | None) -> Tensor:
        """Log-mel segments (B, M, T), and ``cut``, which gives a feature of the same segments -> (B, C, T).

        It gives (B, M) for "mel_mean", (B, P, T) for "phonetic", (B, 1, T) for "log_f0" and "voicing", and is called
        for the features of the content's kind only.
        """
        if self.config.kind == "mel":
            return mel
        said = self.cepstra(mel, cut("mel_mean"), warp) if self.config.kind == "envelope" else cut("phonetic")
        energy = ((mel.mean(1) - ENERGY_CENTRE) / ENERGY_SCALE).unsqueeze(1)
        return torch.cat([said, energy, cut("log_f0"), cut("voicing")], dim=1)

    def rows(self, name: Feature, analysis: Analysis) -> np.ndarray:
        """A feature of every frame of a recording: (P, T) for "phonetic", (1, T) for "log_f0" and "voicing"."""
        if name == "log_f0":
            return self.log_f0(analysis.pitch)[None]
        return analysis.phonetic if name == "phonetic" else analysis.pitch.voicing[None]

    def cepstra(self, mel: Tensor, mean: Tensor, warp: np.ndarray | None) -> Tensor:
        """(B, M, T), each utterance's mean log-mel (B, M), factors (B,) or None -> (B, K, T)."""
        if self.config.remove_mean:
            mel = mel - mean.unsqueeze(-1)
        if warp is not None:
            mel = torch.stack([self._stretch(x, float(w)) for x, w in zip(mel, warp, strict=True)])
        return (self.basis @ mel) / CEPSTRUM_SCALE

    def log_f0(self, pitch: Pitch) -> np.ndarray:
        """The log-F0 channel (T,), scaled; relative to the speaker's own range where the configuration says so."""
        if self.config.pitch == "level":
            return (pitch.log_f0 - PITCH_CENTRE) / PITCH_SCALE
        if not pitch.is_voiced:
            return np.zeros_like(pitch.log_f0)
        return (pitch.log_f0 - pitch.range.log_f0_median) / max(pitch.range.log_f0_std, MIN_LOG_F0_STD)

    def _cut(
        self, rows: list[np.ndarray], start: list[int], frames: int, past: Literal["edge", "constant"] = "edge"
    ) -> Tensor:
        """Frames ``start`` to ``start + frames`` of each (n, T) -> (B, n, frames), padded at the end."""
        cuts = [row[:, s : s + frames] for row, s in zip(rows, start, strict=True)]
        return torch.from_numpy(
            np.stack([np.pad(cut, ((0, 0), (0, frames - cut.shape[1])), mode=past) for cut in cuts]).astype(np.float32)
        )

    def _stretch(self, mel: Tensor, factor: float) -> Tensor:
        """Stretch the frequency axis of (M, T): the value at f Hz is that at f / factor, interpolated linearly."""
        places = np.interp(self._centres / factor, self._centres, np.arange(len(self._centres)))
        low = torch.from_numpy(np.floor(places).astype(np.int64)).clamp(max=len(places) - 2)
        share = (torch.from_numpy(places.astype(np.float32)).unsqueeze(1) - low.unsqueeze(1)).to(mel.device)
        low = low.to(mel.device)
        return mel[low] * (1 - share) + mel[low + 1] * share
