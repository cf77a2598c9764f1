"""A cloning pipeline with substitutes for the networks that need weights."""

from helpers import voiced

from thesis_lib.cloning import (
    VoiceCloningPipeline,
)
from thesis_lib.cloning.translation import Translated
from thesis_lib.config import CloningConfig, EncoderConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.vocoder.synthesis import Vocoder

PLAIN = CloningConfig(voice="af_heart", watermark=False)


HZ = 22_050


class Translator:
    """Substitute for Whisper: returns a given translation, and records its contexts."""

    name = "told"

    def __init__(self, language="es", probability=0.9, text="hola amigo", english="hello my friend"):
        self.found = Translated(text, english, language, probability)
        self.contexts = []

    def __call__(self, wav, sample_rate, context="", transcribe=True):
        self.contexts.append(context)
        return self.found


class Synthesizer:
    """Substitute for Kokoro: a buzz whose duration follows the text; records its calls."""

    sample_rate = 24_000

    def __init__(self):
        self.said = []

    def __call__(self, text, voice, language="en", speed=1.0):
        self.said.append((text, voice, speed))
        return voiced(0.1 * len(text) / speed, 24_000)


def pipeline(stages, config: CloningConfig = PLAIN, **translated) -> VoiceCloningPipeline:
    speaker, emotion, vocoder = stages
    return VoiceCloningPipeline(Translator(**translated), Synthesizer(), speaker, emotion, vocoder, config)


def make(vocoder, config, threads=None):
    """Replaces ``build``; at module level, so that a spawned process can import it."""
    speaker, emotion = (
        load(EncoderConfig(speaker="tiny-test", emotion="egemaps")) for load in (speaker_encoder, emotion_encoder)
    )
    return VoiceCloningPipeline(Translator(), Synthesizer(), speaker, emotion, Vocoder.from_pretrained(vocoder), config)
