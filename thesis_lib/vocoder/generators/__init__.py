"""Generators with one contract: (content, speaker, emotion) -> waveform of exactly T * hop_length samples.

``GENERATORS`` has them by ``generator.kind``. FiLM is the identity at initialisation, and ``fold_weight_norm`` replaces
weight norm by plain weights after training.
"""

from thesis_lib.config import AudioConfig, ContentConfig, GeneratorSettings
from thesis_lib.config.registries import GENERATORS
from thesis_lib.vocoder.generators.base import Generator, reduced_channels
from thesis_lib.vocoder.generators.hifigan import HifiganGenerator
from thesis_lib.vocoder.generators.istft import IstftGenerator

__all__ = ["GENERATORS", "Generator", "HifiganGenerator", "IstftGenerator", "build_generator", "reduced_channels"]

GENERATORS.register("hifigan")(HifiganGenerator)
GENERATORS.register("istft")(IstftGenerator)


def build_generator(
    audio: AudioConfig, content: ContentConfig, config: GeneratorSettings, speaker_dim: int, emotion_dim: int
) -> Generator:
    """Make the generator of ``config.kind`` with random weights. RegistryError for an unknown kind."""
    return GENERATORS[config.kind](audio, content, config, speaker_dim, emotion_dim)
