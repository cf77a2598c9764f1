"""A cloning pipeline with substitutes for the networks that need weights."""

import numpy as np
from helpers import spoken, turning, voiced

from thesis_lib import cloning
from thesis_lib.audio.files import resample, write_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline
from thesis_lib.cloning.prosody import RATE_EXPONENT, SPANISH_PHONETIC_CHANGE
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
    """Substitute for Kokoro: a buzz with a duration that follows the text; records its calls."""

    sample_rate = 24_000

    def __init__(self):
        self.said = []

    def __call__(self, text, voice, language="en", speed=1.0):
        self.said.append((text, voice, speed))
        return voiced(0.1 * len(text) / speed, 24_000)


class Turning:
    """Substitute for ``phonetic_states``: states that turn at a constant speed, given as a relative speaking rate."""

    def __init__(self, rate):
        change = SPANISH_PHONETIC_CHANGE * rate ** (1 / RATE_EXPONENT)
        self.per_second, self.given = np.arccos(1 - change) / 0.06 / (2 * np.pi), []  # an angle in 60 ms

    def __call__(self, wav, sample_rate):
        self.given.append(len(wav) / sample_rate)
        return turning(self.per_second, len(wav) / sample_rate)


def before_analysis(made, function):
    """Call ``function`` before each analysis of a speaker by the pipeline ``made``."""

    class Analyser(type(made.analyser)):
        def __call__(self, *given, **options):
            function()
            return super().__call__(*given, **options)

    made.analyser.__class__ = Analyser


class ByLevel:
    """Substitute encoder that tells a loud from a quiet speaker, with the name and the size of another."""

    def __init__(self, encoder):
        self.name, self.revision = encoder.name, encoder.revision
        self.dim, self.sample_rate = encoder.dim, encoder.sample_rate

    def encode(self, wav):
        vector = np.zeros(self.dim, np.float32)
        vector[int(np.sqrt(np.mean(wav**2)) > 0.01)] = 1
        return vector


def write_dialogue(path, noise=1e-5):
    """Loud and quiet speech a quarter of a second apart, and loud speech after a pause, with noise in the pauses."""
    (said, *_) = speech_segments([spoken(0)], HZ)
    loud = resample(said.wav, RATE, HZ)[: 3 * HZ]
    loud *= 0.05 / np.sqrt(np.mean(loud**2))
    silence = noise * np.random.default_rng(0).normal(size=2 * HZ)
    write_audio(path, np.concatenate([loud, silence[: HZ // 4], 0.1 * loud, silence, loud]), HZ)
    return path


def pipeline(
    stages, config: CloningConfig = PLAIN, phonetic_states: Turning | None = None, **translated
) -> VoiceCloningPipeline:
    speaker, emotion, vocoder = stages
    given = speaker, emotion, vocoder, config, phonetic_states
    return VoiceCloningPipeline(Translator(**translated), Synthesizer(), *given)


def make(vocoder, config, threads=None):
    """Replaces ``build``; at module level, so that a spawned process can import it."""
    speaker, emotion = (
        load(EncoderConfig(speaker="tiny-test", emotion="egemaps")) for load in (speaker_encoder, emotion_encoder)
    )
    return VoiceCloningPipeline(Translator(), Synthesizer(), speaker, emotion, Vocoder.from_pretrained(vocoder), config)


def asked_by_command(monkeypatch) -> dict:
    """Replace what loads the models and clones a file; the result gets the request that the command makes of it."""
    asked: dict = {}

    def call(pipeline, source, target, request, *more):
        asked.update(request=request)
        return cloning.Clone(str(source), str(target), 1.0, 1.0, "", "", "ecapa", 0.1, 0.2, (), {})

    monkeypatch.setattr(
        cloning, "build", lambda *given, **named: type("P", (), {"vocoder": type("V", (), {"name": "v"})})
    )
    monkeypatch.setattr(cloning, "clone_file", call)
    return asked
