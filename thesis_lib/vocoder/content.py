"""Content features, the generator's first input: the log-mel, or features with the speaker removed.

A recording's features are computed in NumPy; ``content_batch`` computes those of training batches in torch.

Shapes: M mel bands, T mel frames, K cepstra, P phonetic channels, C content channels, N samples.

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
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from thesis_lib.audio.files import whole_frames
from thesis_lib.audio.log_mel import log_mel
from thesis_lib.audio.pitch import MIN_LOG_F0_STD, PITCH_CENTRE, PITCH_SCALE, Movement, Pitch, track
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.pretrained.whisper import Whisper

MAX_BELOW_PEAK_NEPERS = 3.0  # a frame's mean log-mel below the loudest frame's, within which it counts as speech
# Increased when the same recording gets other phonetic features; 1: every window of Whisper's encoder had 10 s.
PHONETIC_VERSION = 2
PHONETIC_MODEL, PHONETIC = "whisper-tiny.en", 384  # P
# Fixed scales that bring every channel near unit size; trained weights depend on them.
CEPSTRUM_SCALE, ENERGY_CENTRE, ENERGY_SCALE = 2.0, -5.0, 2.0

Feature = Literal["mel_mean", "phonetic", "log_f0", "voicing"]  # of an analysis
PROSODY: tuple[Feature, ...] = ("log_f0", "voicing")  # the last channels
# What stands past a recording's end: the last frame's value, or 0.
PAST_END: dict[Feature, Literal["edge", "constant"]] = {"phonetic": "edge", "log_f0": "edge", "voicing": "constant"}


@dataclass(frozen=True)
class Analysis:
    """Measurements of a whole recording, on the frames of its mel; cached by training."""

    pitch: Pitch
    mel_mean: np.ndarray  # (M,) mean log-mel of the frames that hold speech
    phonetic: np.ndarray  # (P, T), mean removed; (0, T) for a content kind without it


def analyse(
    wav: np.ndarray, audio: AudioConfig, config: ContentConfig, mel: np.ndarray | None = None, device: str = "cpu"
) -> Analysis:
    """(N,) -> Analysis of its frames, zero-padded to whole ones; ``mel`` (M, T) is its log-mel, where that is known.

    ``device`` is Whisper's, which computes phonetic features. ModelError when it cannot be loaded there.
    """
    wav = whole_frames(wav, audio.hop_length)
    mel = log_mel(wav, audio) if mel is None else mel
    mel_mean = spoken(mel).mean(1)
    phonetic = np.zeros((0, mel.shape[1]), np.float32)
    if config.kind == "phonetic":
        encoded = phonetic_states(wav, audio.sample_rate, device)
        centres = (np.arange(mel.shape[1]) + 0.5) * audio.hop_length / audio.sample_rate
        places = np.clip(centres * 50 - 0.5, 0, len(encoded) - 1)  # 50 vectors a second, each at its own centre
        low = np.minimum(places.astype(int), len(encoded) - 2) if len(encoded) > 1 else np.zeros(len(places), int)
        share = (places - low)[:, None]
        following = encoded[np.minimum(low + 1, len(encoded) - 1)]
        phonetic = ((1 - share) * encoded[low] + share * following - encoded.mean(0)).T.astype(np.float32)
    return Analysis(track(wav, audio), mel_mean, phonetic)


def spoken(mel: np.ndarray) -> np.ndarray:
    """Select the frames with speech: (M, T) -> (M, T')."""
    energy = mel.mean(0)
    return mel[:, energy >= energy.max() - MAX_BELOW_PEAK_NEPERS]


def phonetic_states(wav: np.ndarray, sample_rate: int, device: str = "cpu") -> np.ndarray:
    """(N,) -> the states (T, P) that the phonetic features are made of, 50 a second.

    ModelError when Whisper cannot be loaded on the device; AudioError for inaudible audio.
    """
    return _recogniser(device).encode(wav, sample_rate)


@functools.cache
def _recogniser(device: str) -> Whisper:
    return Whisper(PHONETIC_MODEL, device=device)


def release() -> None:
    """Unload the recogniser after a pass over a corpus.

    Its OpenMP threads and torch's together are more than the cores, and torch's then sleep between operations: on two
    cores a training step took 0.26 s with the recogniser loaded and 0.13 s without.
    """
    _recogniser.cache_clear()


def channels(audio: AudioConfig, config: ContentConfig) -> int:
    """C, the number of content channels: the mel bands, or the kind's features plus energy, log-F0 and voicing."""
    return {"mel": audio.n_mels, "envelope": config.cepstra + 3, "phonetic": PHONETIC + 3}[config.kind]


def recording_content(
    wav: np.ndarray,
    audio: AudioConfig,
    config: ContentConfig,
    log_f0_median: float | None = None,
    log_f0_std: float | None = None,
    movement: Movement | None = None,
) -> np.ndarray:
    """(N,) -> content features (C, T), float32, of the recording, zero-padded to whole frames.

    Its F0 is moved to the log-F0 median, standard deviation and movement (``Pitch.moved``); None keeps the recording's.
    Raises ModelError where the recogniser of phonetic content cannot be loaded.
    """
    mel = log_mel(whole_frames(wav, audio.hop_length), audio)
    if config.kind == "mel":
        return mel
    found = analyse(wav, audio, config, mel)
    found = replace(found, pitch=found.pitch.moved(log_f0_median, log_f0_std, movement))
    said = found.phonetic if config.kind == "phonetic" else cepstra(mel, found.mel_mean, config)
    energy = ((mel.mean(0) - ENERGY_CENTRE) / ENERGY_SCALE)[None]
    return np.concatenate([said, energy, *(feature(name, found, config) for name in PROSODY)]).astype(np.float32)


def feature(name: Feature, analysis: Analysis, config: ContentConfig) -> np.ndarray:
    """A feature of every frame of a recording: (P, T) for "phonetic", (1, T) for "log_f0" and "voicing"."""
    if name == "log_f0":
        return log_f0(analysis.pitch, config)[None]
    return analysis.phonetic if name == "phonetic" else analysis.pitch.voicing[None]


def log_f0(pitch: Pitch, config: ContentConfig) -> np.ndarray:
    """The log-F0 channel (T,), scaled; relative to the speaker's own range where the configuration says so."""
    if config.pitch == "target_median":
        return (pitch.log_f0 - PITCH_CENTRE) / PITCH_SCALE
    if not pitch.is_voiced:
        return np.zeros_like(pitch.log_f0)
    return (pitch.log_f0 - pitch.range.log_f0_median) / max(pitch.range.log_f0_std, MIN_LOG_F0_STD)


def cepstra(mel: np.ndarray, mean: np.ndarray, config: ContentConfig) -> np.ndarray:
    """Log-mel (M, T) and the utterance's mean log-mel (M,) -> (K, T)."""
    if config.remove_mean:
        mel = mel - mean[:, None]
    return cepstral_basis(len(mel), config.cepstra) @ mel / np.float32(CEPSTRUM_SCALE)


def cepstral_basis(n_mels: int, count: int) -> np.ndarray:
    """The orthonormal DCT-II without its constant row: (count, M), float32."""
    bands, orders = np.arange(n_mels), np.arange(1, count + 1)[:, None]
    return (np.sqrt(2 / n_mels) * np.cos(np.pi * orders * (bands + 0.5) / n_mels)).astype(np.float32)


def stretched(content: np.ndarray, frames: int) -> np.ndarray:
    """(C, T) -> (C, frames), interpolated linearly between the frames' centres, constant past the outer ones."""
    count = content.shape[1]
    places = np.clip((np.arange(frames) + 0.5) * count / frames - 0.5, 0, count - 1)
    low = np.minimum(places.astype(int), max(count - 2, 0))
    share = (places - low).astype(np.float32)
    return content[:, low] * (1 - share) + content[:, np.minimum(low + 1, count - 1)] * share
