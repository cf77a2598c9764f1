"""The pipeline with its real stages."""

from pathlib import Path

from thesis_lib.cloning import watermark
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.translation import translator
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.config import CloningConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.utils.memory import return_large_memory
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder


def build(
    vocoder: str | Path = DEFAULT, config: CloningConfig | None = None, threads: int | None = None
) -> VoiceCloningPipeline:
    """The pipeline around a vocoder, the package's own or another one, with the encoders that it was trained with."""
    config = config or CloningConfig()
    return_large_memory()
    loaded = Vocoder.from_torch(vocoder)
    if config.watermark:
        watermark.load()
    encoders = speaker_encoder(loaded.encoders), emotion_encoder(loaded.encoders)
    return VoiceCloningPipeline(
        translator(config.translator, threads), KokoroSynthesizer(threads), *encoders, loaded, config
    )
