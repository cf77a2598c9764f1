"""Generators behind one contract: (content, speaker, emotion) -> waveform of exactly T * hop_length samples.

The condition is the identity at initialisation, and ``fold_weight_norm`` makes a trained generator plain.
"""

from thesis_lib.config import AudioConfig, ContentConfig, GeneratorConfig
from thesis_lib.vocoder.generators.base import Generator
from thesis_lib.vocoder.generators.hifigan import HifiganGenerator
from thesis_lib.vocoder.generators.istft import IstftGenerator

__all__ = ["Generator", "HifiganGenerator", "IstftGenerator", "build"]


def build(
    audio: AudioConfig, content: ContentConfig, config: GeneratorConfig, speaker_dim: int, emotion_dim: int
) -> Generator:
    """The generator that a configuration means, with random weights."""
    kinds = {"hifigan": HifiganGenerator, "istft": IstftGenerator}
    return kinds[config.kind](audio, content, config, speaker_dim, emotion_dim)
