"""Build the voice-cloning pipeline from a vocoder's name: load every stage and check that they fit together."""

import functools
from pathlib import Path

from thesis_lib.cloning import watermark
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.translation import translator
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.config import CloningConfig, EncoderConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.utils.memory import return_large_memory
from thesis_lib.utils.threads import default_threads
from thesis_lib.vocoder.content import phonetic_states
from thesis_lib.vocoder.loading import load_vocoder
from thesis_lib.vocoder.sources import DEFAULT


def build(
    vocoder: str | Path = DEFAULT,
    config: CloningConfig | None = None,
    threads: int | None = None,
    encoders: EncoderConfig | None = None,
    device: str = "cpu",
) -> VoiceCloningPipeline:
    """Load the pipeline around a vocoder (name, folder, "owner/name" or ONNX file), with its own encoders.

    On the CPU everything runs in ONNX Runtime and CTranslate2, and torch is not imported, unless the vocoder has a
    generator from outside the package or an encoder that is a torch network.

    ``threads`` is the number of threads of the TTS. The recognition gets half of them, because it runs beside other
    stages; only the analysis of the voices of a file comes before it. The vocoder runs on ``device``, the encoders too
    unless ``encoders.device`` is set. Of ``encoders`` the device, the precision and the folder of emotion2vec are used.

    Raises EncoderMismatchError where ``encoders`` sets another encoder than the vocoder was trained with or where the
    loaded one has another revision, DeviceError, CheckpointError for a wrong vocoder, ModelError for missing weights.
    """
    config, encoders = config or CloningConfig(), encoders or EncoderConfig()
    return_large_memory()
    loaded = load_vocoder(vocoder, device, frees_memory=True)
    settings = loaded.description.encoder_config(encoders)
    if "device" not in encoders.model_fields_set:
        settings = settings.model_copy(update={"device": device})
    speaker, emotion = speaker_encoder(settings, inference=True), emotion_encoder(settings, inference=True)
    loaded.description.check_encoders(speaker, emotion)  # before the large models are loaded
    if config.watermark:
        watermark.load_network()
    # The output of a vocoder that does not convert would contain the student's spectrum.
    synthesizer = KokoroSynthesizer(threads, config.tts if loaded.converts or config.tts != "student" else "int8")
    # It runs beside the analysis of the speaker and the synthesis of the segment before.
    recognition = translator(config.translator, max(1, (threads or default_threads()) // 2))
    stages = recognition, synthesizer, speaker, emotion, loaded
    return VoiceCloningPipeline(*stages, config, phonetic_states)


def with_kokoros_speech(pipeline: VoiceCloningPipeline) -> VoiceCloningPipeline:
    """The pipeline with Kokoro's own generator in int8 instead of the student; itself where it has no student."""
    if getattr(pipeline.synthesizer, "graph", None) != "student":
        return pipeline
    return VoiceCloningPipeline(**pipeline.arguments() | {"synthesizer": _kokoro()})


@functools.cache
def _kokoro() -> KokoroSynthesizer:
    return KokoroSynthesizer(graph="int8")
