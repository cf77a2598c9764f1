"""Spanish speech in, English speech out: translate, speak, render with the source's embeddings.

Whisper translates, Kokoro speaks the English in a voice of its own, and the conversion vocoder renders that speech
with the Spanish speaker's embeddings, at the Spanish speaker's pitch. What that adds is measured, not assumed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.asr import Heard, Whisper
from thesis_lib.audio import AudioError, check_speech, read_audio, resample, write_audio
from thesis_lib.corpora.split import spread
from thesis_lib.dataset import prepared
from thesis_lib.encoders import Encoder, embed, emotion_encoder, speaker_encoder
from thesis_lib.metrics import cosine
from thesis_lib.pitch import track
from thesis_lib.runs import Progress, Run, RunError, silent
from thesis_lib.synthesis import DEFAULT, Vocoder, Voice
from thesis_lib.training import train
from thesis_lib.tts import KokoroSynthesizer

LONGEST = 30.0  # s, Whisper's window
SURE = 0.5  # language probability from which "this is not Spanish" is said


@dataclass(frozen=True)
class Translation:
    """What was heard, what was said, and how near it is to the source speaker (cosine by ``encoder``)."""

    transcript: str
    translation: str
    content: np.ndarray  # (N,) English in the synthesizer's voice, at ``sample_rate``
    wav: np.ndarray  # (N,) the same, rendered with the source's embeddings
    sample_rate: int  # Hz
    encoder: str
    similarity_before: float
    similarity_after: float


class VoiceCloningPipeline:
    """The stages behind one call; each is anything with the same call."""

    def __init__(
        self,
        translator: Whisper,
        synthesizer: KokoroSynthesizer,
        speaker_encoder: Encoder,
        emotion_encoder: Encoder,
        vocoder: Vocoder,
        voice: str,
    ) -> None:
        wanted = (speaker_encoder.dim, emotion_encoder.dim)
        given = (vocoder.meta["speaker_dim"], vocoder.meta["emotion_dim"])
        if wanted != given:
            raise RunError(f"the vocoder was trained on embeddings of sizes {given}, these encoders give {wanted}")
        self.translator, self.synthesizer, self.vocoder, self.voice = translator, synthesizer, vocoder, voice
        self.speaker_encoder, self.emotion_encoder = speaker_encoder, emotion_encoder

    def __call__(
        self,
        wav: np.ndarray,
        sample_rate: int,
        text: str | None = None,
        source: object = "audio",
        say: Callable = print,
        guidance: float = 1.0,
    ) -> Translation:
        """(N,) Spanish speech of 0.1–30 s -> Translation. With ``text``, that English is spoken instead.

        ``guidance`` is how strongly the vocoder follows the voice: 0 not at all, 1 as trained.

        Raises AudioError: unusable audio, too long, not Spanish, no words heard. ``say`` hears the stages.
        """
        check_speech(wav, sample_rate, source)
        if len(wav) > LONGEST * sample_rate:
            seconds = len(wav) / sample_rate
            raise AudioError(f"too long ({seconds:.0f} s)", source, f"give at most {LONGEST:.0f} s at a time")
        say("listening")
        heard = self._listen(wav, sample_rate, source)
        say("translating")
        english = text or self.translator(wav, sample_rate, language="es", task="translate").text
        if not english.strip():
            raise AudioError("no translation came out", source, "speak more clearly, or give --text")
        say("speaking")
        spoken = self.synthesizer(english, self.voice)
        content = resample(spoken, self.synthesizer.sample_rate, self.vocoder.sample_rate)
        say("rendering in the source's voice")
        speaker = embed(self.speaker_encoder, wav, sample_rate, source)
        emotion = embed(self.emotion_encoder, wav, sample_rate, source)
        rate = self.vocoder.sample_rate
        pitch = track(resample(wav, sample_rate, rate), self.vocoder.audio)
        voice = Voice(speaker, emotion, pitch.level)
        rendered = self.vocoder.render(content, voice, guidance)
        before, after = (cosine(embed(self.speaker_encoder, x, rate), speaker) for x in (content, rendered))
        return Translation(heard.text, english, content, rendered, rate, self.speaker_encoder.name, before, after)

    def _listen(self, wav: np.ndarray, sample_rate: int, source: object) -> Heard:
        guess = self.translator(wav, sample_rate)
        if guess.language != "es" and guess.language_probability >= SURE:
            raise AudioError(
                f"the speech sounds like language '{guess.language}' ({guess.language_probability:.0%} sure)",
                source,
                "this pipeline translates Spanish",
            )
        heard = guess if guess.language == "es" else self.translator(wav, sample_rate, language="es")
        if not heard.text.strip():
            raise AudioError("no words were heard", source, "is there speech in it?")
        return heard


def clone_file(
    pipeline: VoiceCloningPipeline,
    path: Path,
    text: str | None = None,
    say: Callable = print,
    guidance: float = 1.0,
) -> Translation:
    """The pipeline on a file of any format, rate and channel count."""
    return pipeline(*read_audio(path), text=text, source=path, say=say, guidance=guidance)


def clone_examples(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Spanish test utterances of the run's corpus through the whole pipeline; audio goes to samples/.

    Columns: what was heard and said, BLEU-ready texts, similarities to the source speaker.
    """
    if run.has("cloning"):
        return run.load_table("cloning")
    train(run, "conversion", progress)
    manifest = prepared(run, progress)
    pipeline = build(run.path / "conversion" / "vocoder", run.config.cascade.voice)
    tests = manifest.split("test")
    chosen = [tests[i] for i in spread(len(tests), run.config.cascade.examples)]
    rows = []
    for number, utterance in enumerate(progress(chosen, len(chosen), "clone")):
        result = clone_file(pipeline, manifest.source(utterance), say=lambda stage: None)
        for name, wav in (("content", result.content), ("output", result.wav)):
            write_audio(run.path / "samples" / f"clone_{number}_{name}.mp3", wav, result.sample_rate)
        rows.append(
            {
                "id": utterance.id,
                "source_text": utterance.source_text,
                "transcript": result.transcript,
                "reference": utterance.target_text,
                "translation": result.translation,
                "before": result.similarity_before,
                "after": result.similarity_after,
                "encoder": result.encoder,
            }
        )
    table = pd.DataFrame(rows)
    run.save_table("cloning", table, run.origin_of("conversion"))
    return table


def build(vocoder: str | Path = DEFAULT, voice: str = "af_heart") -> VoiceCloningPipeline:
    """The pipeline around a vocoder, the package's own or another one, with the encoders that it was trained with."""
    loaded = Vocoder.from_pretrained(vocoder)
    encoders = speaker_encoder(loaded.encoders), emotion_encoder(loaded.encoders)
    return VoiceCloningPipeline(Whisper(), KokoroSynthesizer(), *encoders, loaded, voice)
